"""Builds the night's features: only dates whose bars or definitions changed are written again."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from nightdesk.features.matrix import feature_matrix, feature_version
from nightdesk.store.features import FeatureTable, day_chain, missing_days, write_days
from nightdesk.tables import BAR_DATE, DATE, MARKET, SYMBOL


def build_features(root: Path | str, bars: pl.DataFrame, decided: pl.DataFrame | None = None) -> FeatureTable:
    """Bring the feature store at `root` (a folder, or s3://bucket/prefix) up to the last date of `bars`.

    `bars` are all bars known at the cut-off (tables.BARS, sorted by symbol and date). A date is built again where any
    bar up to it, or any definition, differs from what its file was made from. Returns the ref to all dates.

    Of several markets, `bars` have a column market, and `decided` (tables.DECIDED) says what each night decides on: a
    date is then a night's, and holds each market's features on its own newest day known that night, computed over its
    own trading days.
    """
    version = feature_version()
    chain = day_chain(bars) if decided is None else _night_chain(bars, decided)
    missing = missing_days(root, version, chain)
    if not missing:
        return write_days(root, version, bars.select(SYMBOL, DATE).clear(), chain)
    matrix = feature_matrix(bars)
    if decided is not None:
        matrix = _by_night(matrix, bars, decided)
    return write_days(root, version, matrix.filter(pl.col(DATE).is_in(missing)), chain)


def _by_night(matrix: pl.DataFrame, bars: pl.DataFrame, decided: pl.DataFrame) -> pl.DataFrame:
    """The rows of `matrix`, which stand as `bars` do, that a night decides on, under that night's date."""
    nights = decided.select(MARKET, DATE, BAR_DATE)
    own = matrix.rename({DATE: BAR_DATE}).with_columns(bars[MARKET])
    return own.join(nights, on=[MARKET, BAR_DATE]).select(matrix.columns).sort(DATE, SYMBOL)


def _night_chain(bars: pl.DataFrame, decided: pl.DataFrame) -> pl.DataFrame:
    """As `day_chain`, of the nights on which each bar was first seen, and only of those that decide on any."""
    nights = decided.select(MARKET, DATE, BAR_DATE).drop_nulls()
    own = bars.rename({DATE: BAR_DATE}).sort(BAR_DATE)
    first_seen = nights.group_by(MARKET, BAR_DATE).agg(pl.col(DATE).min()).sort(BAR_DATE)
    seen = own.join_asof(
        first_seen.with_columns(pl.col(BAR_DATE).alias("newest")),
        on=BAR_DATE,
        by=MARKET,
        strategy="forward",
        check_sortedness=False,
    ).drop_nulls(DATE)
    chain = day_chain(seen)
    decides = own.join(nights, on=[MARKET, BAR_DATE], how="inner")[DATE].unique()
    return chain.filter(pl.col(DATE).is_in(decides.implode()))
