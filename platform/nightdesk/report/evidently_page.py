"""Evidently's own report of a few features, as one page that needs nothing but itself."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import polars as pl


def evidently_page(reference: pl.DataFrame, current: pl.DataFrame, title: str) -> str:
    """Draw the drift of every column of `current` against `reference` (the same numeric columns; nulls are left out).

    Returns HTML; what a column's drift is, Evidently measures by its own normalised Wasserstein distance from .1 on.
    """
    os.environ.setdefault("DO_NOT_TRACK", "true")
    from evidently import DataDefinition, Dataset, Report  # two seconds, for nights alone on which something drifted
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(numerical_columns=current.columns)
    sides = [Dataset.from_pandas(one.to_pandas(), data_definition=definition) for one in (current, reference)]
    found = Report([DataDriftPreset(num_method="wasserstein")], metadata={"title": title}).run(*sides)
    with tempfile.TemporaryDirectory(prefix="nightdesk-") as scratch:
        file = Path(scratch) / "page.html"
        found.save_html(str(file))
        return file.read_text(encoding="utf-8")
