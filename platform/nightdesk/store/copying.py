"""Frames in and out of PostgreSQL by COPY: in as binary rows laid out by numpy, out as CSV read by polars."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import polars as pl
import psycopg
import sqlalchemy as sa
from numpy.typing import NDArray

from nightdesk.store.refusals import of_postgresql
from nightdesk.store.schema import Utc

_HEADER, _TRAILER = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_SLICE = 16384  # rows laid out at once: few enough for the processor's cache, and sent while the next are laid out
_DAYS = 10_957  # from 1970 to 2000, from which PostgreSQL counts
_MICROSECONDS = _DAYS * 86_400_000_000

Kinds = Mapping[str, sa.types.TypeEngine[Any]]


def copy_in(connection: sa.Connection, table: str, kinds: Kinds, frame: pl.DataFrame) -> None:
    """Send `frame` to `table`; `kinds` are the SQL types of its columns by name. Null is NULL; NaN must be null.

    Text may be any that PostgreSQL takes, but each slice is laid out as wide as its longest: for names, not documents.
    Raises StoreBusy where the connection is lost.
    """
    names = ", ".join(f'"{name}"' for name in kinds)
    cursor = _cursor(connection)
    with _translated(), cursor, cursor.copy(f'COPY "{table}" ({names}) FROM STDIN (FORMAT binary)') as copy:
        copy.write(_HEADER)
        for part in frame.select(list(kinds)).iter_slices(_SLICE):
            copy.write(_binary(part, kinds))
        copy.write(_TRAILER)


def copy_text_in(connection: sa.Connection, table: str, frame: pl.DataFrame) -> None:
    """Send `frame`, whose columns polars writes as PostgreSQL reads them, to `table` as CSV."""
    buffer = io.BytesIO()
    frame.write_csv(buffer, include_header=False)
    names = ", ".join(f'"{name}"' for name in frame.columns)
    cursor = _cursor(connection)
    with _translated(), cursor, cursor.copy(f'COPY "{table}" ({names}) FROM STDIN (FORMAT csv)') as copy:
        copy.write(buffer.getvalue())


def copy_out(
    connection: sa.Connection, select: str, values: Mapping[str, object], schema: Mapping[str, pl.DataType]
) -> pl.DataFrame:
    """The rows of `select` (with places such as %(name)s for `values`): text, dates, whole numbers and floats alone."""
    cursor = _cursor(connection)
    with _translated(), cursor, cursor.copy(f"COPY ({select}) TO STDOUT (FORMAT csv)", values) as copy:
        rows = b"".join(copy)
    if not rows:
        return pl.DataFrame(schema=schema)
    return pl.read_csv(rows, has_header=False, schema=schema)


@contextmanager
def _translated() -> Iterator[None]:
    """A connection lost under the driver is StoreBusy, as it is under SQLAlchemy."""
    try:
        yield
    except psycopg.OperationalError as error:
        raise of_postgresql(error) from error


def _cursor(connection: sa.Connection) -> psycopg.Cursor[Any]:
    cursor: psycopg.Cursor[Any] = connection.connection.driver_connection.cursor()  # type: ignore[union-attr]
    return cursor


def _binary(part: pl.DataFrame, kinds: Kinds) -> bytes:
    """The rows of one slice in the binary form of COPY: a count of fields, then length and value of each."""
    lengths = {name: part[name].str.len_bytes().fill_null(0).to_numpy() for name in _texts(kinds)}
    rows = np.zeros(part.height, dtype=_layout(kinds, lengths))
    rows["fields"] = len(kinds)
    absent: list[tuple[str, NDArray[np.bool_]]] = []
    for name, kind in kinds.items():
        column = part[name]
        width = rows.dtype[name].itemsize
        rows[f"{name} bytes"] = lengths.get(name, width)
        rows[name] = _values(column, kind)
        if column.null_count():
            missing = column.is_null().to_numpy()
            rows[f"{name} bytes"][missing] = -1
            absent.append((name, missing[:, None] & np.ones(width, dtype=bool)))
        if name in lengths and (lengths[name] < width).any():
            absent.append((name, np.arange(width) >= lengths[name][:, None]))
    if not absent:
        return rows.tobytes()
    kept = np.ones((part.height, rows.dtype.itemsize), dtype=bool)
    for name, without in absent:
        start = rows.dtype.fields[name][1]  # type: ignore[index]
        kept[:, start : start + without.shape[1]] &= ~without
    return rows.view(np.uint8).reshape(part.height, -1)[kept].tobytes()


def _texts(kinds: Kinds) -> Iterator[str]:
    return (name for name, kind in kinds.items() if isinstance(kind, sa.String))


def _layout(kinds: Kinds, lengths: Mapping[str, NDArray[Any]]) -> np.dtype[np.void]:
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for name, kind in kinds.items():
        wide = f"S{max(int(lengths[name].max()), 1)}" if name in lengths else _number(kind)
        fields += [(f"{name} bytes", ">i4"), (name, wide)]
    return np.dtype(fields)


def _number(kind: sa.types.TypeEngine[Any]) -> str:
    for sql, wide in ((Utc, ">i8"), (sa.BigInteger, ">i8"), (sa.Boolean, "i1"), (sa.Float, ">f8")):
        if isinstance(kind, sql):
            return wide
    return ">i4"


def _values(column: pl.Series, kind: sa.types.TypeEngine[Any]) -> Any:
    if isinstance(kind, sa.String):
        return _bytes(column)
    if isinstance(kind, Utc):
        return (column.dt.epoch("us") - _MICROSECONDS).fill_null(0).to_numpy()
    if isinstance(kind, sa.Date):
        return (column.to_physical() - _DAYS).fill_null(0).to_numpy()
    if isinstance(kind, sa.Boolean):
        column = column.cast(pl.Int8)
    return column.fill_null(0).to_numpy()


def _bytes(column: pl.Series) -> Sequence[bytes] | bytes:
    """Text as UTF-8; one for all rows where all are alike."""
    if column.n_unique() == 1:
        return (column[0] or "").encode()
    return column.fill_null("").cast(pl.Binary).to_list()
