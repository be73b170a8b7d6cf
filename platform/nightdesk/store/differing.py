"""Newest versions, and which rows of a batch differ from PostgreSQL's: it is sent the batch and names those that do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa

from nightdesk.store.copying import copy_in, copy_out
from nightdesk.tables import KNOWN_AT

FOLLOWED = "followed"
"""When the version that a row follows was known; null for a row that has none."""

_OFFERED, _ROW = "nightdesk_offered", "row"

_FEW = 5_000
"""Rows up to which each looks its newest version up in the index; more are met with all versions, in one pass."""

_MANY = "SET LOCAL work_mem = '64MB'; SET LOCAL enable_nestloop = off"
"""A batch that the server has no statistics of could be met row by row with half a million others, for hours."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What is compared: rows of one source, by these key columns, the day among them, in these values."""

    source: str
    day: str
    keys: Sequence[str]
    values: Sequence[str]


def differing_rows(
    connection: sa.Connection, table: sa.Table, offered: pl.DataFrame, compared: Compared
) -> pl.DataFrame:
    """The rows of `offered` that have no version in `table`, or whose values differ from their newest one.

    In their order, with `FOLLOWED`. Part of the transaction of `connection`; no row is read back but those that differ
    (their number alone, not their values). Raises StoreBusy where the connection is lost.
    """
    any_row = sa.select(sa.exists().where(table.c.source == compared.source))
    if not connection.scalar(any_row):
        return offered.with_columns(pl.lit(None, pl.Datetime("us", "UTC")).alias(FOLLOWED))
    kinds: dict[str, sa.types.TypeEngine[Any]] = {_ROW: sa.Integer()}
    kinds |= {name: table.c[name].type for name in (*compared.keys, *compared.values)}
    columns = ", ".join(f'"{name}"' for name in (*compared.keys, *compared.values))
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS pg_temp.{_OFFERED}")
    connection.exec_driver_sql(
        f'CREATE TEMPORARY TABLE {_OFFERED} ON COMMIT DROP AS SELECT 0 AS {_ROW}, {columns} FROM "{table.name}" LIMIT 0'
    )
    numbered = offered.with_row_index(_ROW).with_columns(pl.col(_ROW).cast(pl.Int32))
    copy_in(connection, _OFFERED, kinds, numbered)
    if offered.height > _FEW:
        connection.exec_driver_sql(_MANY)
    values = {"source": compared.source, "first": offered[compared.day].min(), "last": offered[compared.day].max()}
    query = _each(table, compared) if offered.height <= _FEW else _all(table, compared)
    found = copy_out(connection, query, values, {_ROW: pl.Int64(), FOLLOWED: pl.Int64()}).sort(_ROW)
    return offered[found[_ROW]].with_columns(found[FOLLOWED].cast(pl.Datetime("us", "UTC")))


def newest(versions: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Keep the last of each run of equal `keys`; `versions` come sorted by these and then by when they were known."""
    following = pl.any_horizontal(pl.col(key).ne_missing(pl.col(key).shift(-1)) for key in keys)
    return versions.filter(following)


def _each(table: sa.Table, compared: Compared) -> str:
    same = " AND ".join(f'v."{name}" = o."{name}"' for name in compared.keys)
    newest = f'SELECT * FROM "{table.name}" v WHERE v.source = %(source)s AND {same} ORDER BY v.{KNOWN_AT} DESC LIMIT 1'
    return f"{_SELECT} FROM {_OFFERED} o LEFT JOIN LATERAL ({newest}) n ON true WHERE {_differ(compared)}"


def _all(table: sa.Table, compared: Compared) -> str:
    keys = ", ".join(f'"{name}"' for name in compared.keys)
    # Wholly backwards, as the primary key can be walked: nothing is sorted.
    order = ", ".join(f'"{name}" DESC' for name in (*compared.keys, KNOWN_AT))
    newest = (
        f'SELECT DISTINCT ON ({keys}) * FROM "{table.name}" '
        f'WHERE source = %(source)s AND "{compared.day}" BETWEEN %(first)s AND %(last)s ORDER BY {order}'
    )
    return f"{_SELECT} FROM {_OFFERED} o LEFT JOIN ({newest}) n USING ({keys}) WHERE {_differ(compared)}"


_SELECT = f"SELECT o.{_ROW}, (extract(epoch FROM n.{KNOWN_AT}) * 1000000)::bigint"


def _differ(compared: Compared) -> str:
    changed = (f'o."{name}" IS DISTINCT FROM n."{name}"' for name in compared.values)
    return " OR ".join([f"n.{KNOWN_AT} IS NULL", *changed])
