"""Fundamentals and factor returns as versions, each known from its publication and read as known at a cut-off."""

from __future__ import annotations

import datetime as dt

import polars as pl
import sqlalchemy as sa

from nightdesk.store import schema
from nightdesk.store.inputs import Added, Arrival, add_versions, end_of, versions_as_known
from nightdesk.tables import DATE, FACTOR_RETURNS, FUNDAMENTALS


def load_fundamentals(engine: sa.Engine, figures: pl.DataFrame, lag_days: int, arrival: Arrival) -> Added:
    """Add figures (`tables.FUNDAMENTALS` and `filed`), known when their filing day is over (UTC).

    Where no filing day is known, they count as filed `lag_days` after the end of their period.
    """
    rule = pl.coalesce(end_of("filed"), end_of("period_end", lag_days))
    return add_versions(engine, schema.fundamentals, figures, rule, arrival)


def fundamentals_as_known(engine: sa.Engine, source: str, cutoff: dt.datetime) -> pl.DataFrame:
    """Figures of `source` as known at `cutoff` (UTC, aware): `tables.FUNDAMENTALS`, sorted by symbol, period, item."""
    return versions_as_known(engine, schema.fundamentals, list(FUNDAMENTALS), cutoff, source=source)


def load_factor_returns(engine: sa.Engine, returns: pl.DataFrame, lag_days: int, arrival: Arrival) -> Added:
    """Add factor returns (`tables.FACTOR_RETURNS`): a month's are released `lag_days` after its end, and known then."""
    offered = returns.with_columns(pl.col(DATE).dt.month_end().alias("month_end"))
    return add_versions(engine, schema.factor_returns, offered, end_of("month_end", lag_days), arrival)


def factor_returns_as_known(engine: sa.Engine, source: str, dataset: str, cutoff: dt.datetime) -> pl.DataFrame:
    """Returns of one dataset as known at `cutoff` (UTC, aware): `tables.FACTOR_RETURNS`, sorted by factor and date."""
    wanted = {"source": source, "dataset": dataset}
    return versions_as_known(engine, schema.factor_returns, list(FACTOR_RETURNS), cutoff, **wanted)
