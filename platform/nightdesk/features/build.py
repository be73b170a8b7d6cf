"""Builds the night's features: only dates whose bars or definitions changed are written again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from nightdesk.features.cross_section import CrossSection
from nightdesk.features.matrix import matrix_of, version_of
from nightdesk.features.stages import Feature
from nightdesk.store.features import FeatureTable, day_chain, missing_days, write_days
from nightdesk.tables import DATE


def build_features(
    root: Path | str, bars: pl.DataFrame, features: Sequence[Feature], members: pl.DataFrame | None = None
) -> FeatureTable:
    """Bring the feature store at `root` (a folder, or s3://bucket/prefix) up to the last date of `bars`.

    `features` are what each date holds (selection.choose), in this order; `members` are as cross_section.MEMBERS, and
    looked at only for cross-sections. `bars` are all bars known at the cut-off (tables.BARS, sorted by symbol and
    date). A date is built again where any bar up to it, its members, or any definition, differs from what its file was
    made from. Returns the ref to all dates.
    """
    version = version_of(features)
    lists = members if any(isinstance(feature, CrossSection) for feature in features) else None
    chain = day_chain(bars, lists)
    missing = missing_days(root, version, chain)
    matrix = (
        matrix_of(bars, features, lists).filter(pl.col(DATE).is_in(missing))
        if missing
        else bars.select("symbol", DATE).clear()
    )
    return write_days(root, version, matrix, chain)
