"""Measures of sessions as versions, known as the daily bars beside them are and read as known at a cut-off."""

from __future__ import annotations

import datetime as dt

import polars as pl
import sqlalchemy as sa

from nightdesk.sessions import session_closes
from nightdesk.store import schema
from nightdesk.store.bulk import read
from nightdesk.store.differing import newest
from nightdesk.store.inputs import Added, Arrival, add_versions, has_any
from nightdesk.tables import DATE, SESSION_MEASURES, SYMBOL

_BY_RULE, _LENGTH = "by_rule", "bar_minutes"


def load_session_measures(engine: sa.Engine, measures: pl.DataFrame, minutes: int, arrival: Arrival) -> Added:
    """Add measures (`tables.SESSION_MEASURES`, of bars of `minutes`) that are new, or differ from their newest version.

    Each is known from its day's close plus the lag, or from its arrival where the basis is observed and that is later;
    one that changed, or that a faulty bar had left null, from its arrival.
    """
    if measures.is_empty():
        return Added(0, 0, 0)
    closes = session_closes(arrival.calendar, measures[DATE].unique().sort().to_list())
    known = pl.DataFrame(
        {DATE: list(closes), _BY_RULE: [close + arrival.lag for close in closes.values()]},
        schema={DATE: pl.Date, _BY_RULE: pl.Datetime("us", "UTC")},
    )
    lengths = pl.lit(minutes, pl.Int64).alias(_LENGTH)
    offered = measures.join(known, on=DATE, how="left", maintain_order="left").with_columns(lengths)
    return add_versions(engine, schema.session_measures, offered, pl.col(_BY_RULE), arrival)


def has_session_measures(engine: sa.Engine, source: str, minutes: int) -> bool:
    """Whether there are measures of bars of `minutes` from `source`."""
    return has_any(engine, schema.session_measures, source=source, bar_minutes=minutes)


def session_measures_as_known(
    engine: sa.Engine, source: str, minutes: int, cutoff: dt.datetime, last: dt.date
) -> pl.DataFrame:
    """Measures of days up to `last`, of bars of `minutes`, as known at `cutoff` (UTC, aware).

    `tables.SESSION_MEASURES`, sorted by symbol and date.
    """
    table = schema.session_measures
    wanted = sa.select(*(table.c[name] for name in SESSION_MEASURES)).where(
        table.c.source == source, table.c.bar_minutes == minutes, table.c.known_at <= cutoff, table.c.date <= last
    )
    order = (table.c.source, table.c.symbol, table.c.date, table.c.known_at)
    return newest(read(engine, wanted.order_by(*order)), (SYMBOL, DATE))
