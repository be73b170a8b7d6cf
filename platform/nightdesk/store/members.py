"""Lists of index members with the instant from which each row was known: for what looks at many past days at once."""

from __future__ import annotations

import datetime as dt

import polars as pl
import sqlalchemy as sa

from nightdesk.store import schema
from nightdesk.store.bulk import read
from nightdesk.tables import KNOWN_AT, MEMBERSHIP


def member_versions(engine: sa.Engine, source: str, cutoff: dt.datetime, last: dt.date) -> pl.DataFrame:
    """Every version of every row known at `cutoff` (UTC, aware) of lists up to `last`.

    Columns as tables.MEMBERSHIP and `known_at`, sorted by index, snapshot, symbol and then by when it was known.
    """
    table = schema.membership
    wanted = (
        sa.select(*(table.c[name] for name in (*MEMBERSHIP, KNOWN_AT)))
        .where(table.c.source == source, table.c.known_at <= cutoff, table.c.snapshot_date <= last)
        .order_by(table.c.index_name, table.c.snapshot_date, table.c.symbol, table.c.known_at)
    )
    return read(engine, wanted)
