"""Whole frames in and out of the store: one prepared statement on SQLite, COPY on PostgreSQL.

SQLite is reached through Python's own module alone: a second copy of the library in the process (ADBC brings one) drops
the first one's locks and has corrupted the file (infra/decisions/002).
"""

from __future__ import annotations

import datetime as dt
import gc
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any

import polars as pl
import polars.selectors as cs
import sqlalchemy as sa

from nightdesk.store.copying import copy_in, copy_out, copy_text_in
from nightdesk.store.refusals import of_sqlite
from nightdesk.store.schema import Utc, microseconds

_INSTANT = "%Y-%m-%d %H:%M:%S.%6f"

_TOGETHER = 32  # rows of one INSERT on SQLite: a third less time than a statement a row
_SLICE = 8192  # rows turned into Python's own at once
_PART = 131_072  # rows read at once

_AS_CSV = (sa.String, sa.Date, sa.Integer, sa.Float)
"""Types that PostgreSQL writes as polars reads them."""

Place = sa.Engine | sa.Connection
"""Where to read or write: the store, or a connection to it whose transaction this shall be part of."""


@contextmanager
def transaction(place: Place) -> Iterator[sa.Connection]:
    """A connection in a transaction: one of its own, or the one that `place` is in."""
    if isinstance(place, sa.Connection):
        yield place
        return
    with place.begin() as connection:
        yield connection


def append_all(place: Place, batches: Sequence[tuple[sa.Table, pl.DataFrame]]) -> int:
    """Append each frame to its table, all in one transaction: every row gets in, or none; returns their number.

    Columns are matched by name; a null is NULL, and so is NaN, which SQLite cannot keep. Raises StoreBusy where another
    writer holds the store for a minute, or the connection is lost, DiskTrouble where the disk has no room.
    """
    filled = [(table, _ordered(table, frame)) for table, frame in batches if frame.height]
    append = _append_sqlite if place.dialect.name == "sqlite" else _append_postgresql
    try:
        with transaction(place) as connection:
            for table, frame in filled:
                append(connection, table, frame)
    except sqlite3.OperationalError as error:  # of the driver, which SQLAlchemy does not see
        told = of_sqlite(error, str(place.engine.url.database))
        if told is None:
            raise
        raise told from error
    return sum(frame.height for _, frame in filled)


def read(place: Place, statement: sa.Select[Any]) -> pl.DataFrame:
    """Read a select over columns of the schema's tables; dates are Date, instants Datetime in UTC, missing is null."""
    columns = list(statement.selected_columns)
    dialect = place.dialect.name
    schema = {column.name: _dtype(column.type, dialect) for column in columns}
    with transaction(place) as connection, _without_collector():
        if dialect == "sqlite":
            cursor = _cursor_of_sqlite(connection, statement)
        elif all(isinstance(column.type, _AS_CSV) for column in columns):
            text, values, _ = _compiled(connection, statement)
            return copy_out(connection, text, values, schema)
        else:
            cursor = connection.execute(statement).cursor
        # A part at a time: as Python's own, millions of rows would take ten times the memory of the frame.
        parts = [pl.DataFrame(rows, schema=schema, orient="row") for rows in iter(lambda: cursor.fetchmany(_PART), [])]
    frame = pl.concat(parts, rechunk=True) if parts else pl.DataFrame(schema=schema)
    return frame.select(_cast(pl.col(column.name), column.type, schema[column.name]) for column in columns)


def _compiled(connection: sa.Connection, statement: sa.Select[Any]) -> tuple[str, Mapping[str, Any], Sequence[str]]:
    """A select as the driver takes it: its text, its values by name, and their order where places have no names."""
    compiled = statement.compile(connection, compile_kwargs={"render_postcompile": True})
    return str(compiled), compiled.construct_params() or {}, getattr(compiled, "positiontup", None) or ()


def _cursor_of_sqlite(connection: sa.Connection, statement: sa.Select[Any]) -> Any:
    text, values, order = _compiled(connection, statement)
    bound = tuple(_sqlite_value(values[name]) for name in order)
    return connection.exec_driver_sql(text, bound).cursor


@contextmanager
def _without_collector() -> Iterator[None]:
    """Keep the garbage collector from walking half a million fresh tuples again and again: half the time of a read."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _append_sqlite(connection: sa.Connection, table: sa.Table, frame: pl.DataFrame) -> None:
    frame = frame.with_columns(*_for_sqlite(table))
    # A value that all rows share (source, arrival, basis) is bound once a statement: a fifth less time for bars.
    alike = [column.name for column in frame if column.n_unique() == 1]
    shared = tuple(frame[name][0] for name in alike)
    varying = [name for name in frame.columns if name not in alike]
    names = ", ".join(f'"{name}"' for name in (*alike, *varying))
    driver = connection.connection.driver_connection
    rows = _rows(frame.select(varying)) if varying else iter([()] * frame.height)
    for together, times in ((_TOGETHER, frame.height // _TOGETHER), (1, frame.height % _TOGETHER)):
        insert = f'INSERT INTO "{table.name}" ({names}) VALUES {_places(len(alike), len(varying), together)}'
        groups = (tuple(chain(shared, chain.from_iterable(islice(rows, together)))) for _ in range(times))
        driver.executemany(insert, groups)  # type: ignore[union-attr]


def _places(alike: int, varying: int, rows: int) -> str:
    """Numbered places of `rows` rows: the first `alike` values are every row's, then come `varying` a row."""
    shared = [f"?{number + 1}" for number in range(alike)]
    own = ((f"?{alike + row * varying + number + 1}" for number in range(varying)) for row in range(rows))
    return ", ".join(f"({', '.join((*shared, *places))})" for places in own)


def _rows(frame: pl.DataFrame) -> Iterator[tuple[Any, ...]]:
    """All rows in order, made a slice at a time: few enough to stay in the processor's cache."""
    for part in frame.iter_slices(_SLICE):
        yield from zip(*(column.to_list() for column in part), strict=True)


def _append_postgresql(connection: sa.Connection, table: sa.Table, frame: pl.DataFrame) -> None:
    if any(isinstance(column.type, sa.String) and column.type.length is None for column in table.columns):
        copy_text_in(connection, table.name, frame.with_columns(*_as_text(table)))
    else:
        copy_in(connection, table.name, {column.name: column.type for column in table.columns}, frame)


def _ordered(table: sa.Table, frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(column.name for column in table.columns).with_columns(cs.float().fill_nan(None))


def _for_sqlite(table: sa.Table) -> list[pl.Expr]:
    """Dates as text and instants as microseconds, which is how SQLite keeps them."""
    instants = [pl.col(c.name).dt.epoch("us") for c in table.columns if isinstance(c.type, Utc)]
    return [*_dates_as_text(table), *instants]


def _as_text(table: sa.Table) -> list[pl.Expr]:
    """Dates and instants as the text that PostgreSQL reads."""
    instants = [
        pl.col(c.name).dt.convert_time_zone("UTC").dt.strftime(_INSTANT)
        for c in table.columns
        if isinstance(c.type, Utc)
    ]
    return [*_dates_as_text(table), *instants]


def _dates_as_text(table: sa.Table) -> list[pl.Expr]:
    return [pl.col(c.name).dt.strftime("%Y-%m-%d") for c in table.columns if isinstance(c.type, sa.Date)]


def _sqlite_value(value: object) -> object:
    if isinstance(value, dt.datetime):
        return microseconds(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    return int(value) if isinstance(value, bool) else value


def _dtype(kind: sa.types.TypeEngine[Any], dialect: str) -> pl.DataType:
    """What a driver gives for a SQL type."""
    if isinstance(kind, Utc):
        return pl.Int64() if dialect == "sqlite" else pl.Datetime("us", "UTC")
    if isinstance(kind, sa.Date):
        return pl.String() if dialect == "sqlite" else pl.Date()
    if isinstance(kind, sa.Boolean):
        return pl.Int64() if dialect == "sqlite" else pl.Boolean()
    for sql, dtype in ((sa.Integer, pl.Int64()), (sa.Float, pl.Float64())):
        if isinstance(kind, sql):
            return dtype
    return pl.String()


def _cast(column: pl.Expr, kind: sa.types.TypeEngine[Any], given: pl.DataType) -> pl.Expr:
    if isinstance(kind, sa.Boolean):
        return column.cast(pl.Boolean)
    if isinstance(kind, Utc):
        return column.cast(pl.Datetime("us", "UTC"))
    if given != pl.String:
        return column
    return column.str.to_date("%Y-%m-%d") if isinstance(kind, sa.Date) else column
