"""Named peers of the store: rows of bars written and read as one would without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pandas as pd
import psycopg
import sqlalchemy as sa

from nightdesk.store.schema import bars
from nightdesk.tables import BARS

EXECUTEMANY = "peer: sqlite3.executemany"
CORE_INSERT = "peer: SQLAlchemy Core insert"
READ_SQL = "peer: pandas.read_sql"
COPY = "peer: plain COPY, CSV made before"

Rows = tuple[sa.Engine, list[Any]]
Fresh = Callable[[], AbstractContextManager[sa.Engine]]


@contextmanager
def stored_rows(full: sa.Engine, fresh: Fresh) -> Iterator[Rows]:
    """An empty store and all rows of `full` as tuples of what SQLite keeps."""
    with full.connect() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM bars").cursor.fetchall()
    with fresh() as engine:
        yield engine, rows


@contextmanager
def typed_rows(full: sa.Engine, fresh: Fresh) -> Iterator[Rows]:
    """An empty store and all rows of `full` as dicts of Python's dates and instants."""
    with full.connect() as connection:
        rows = [dict(row) for row in connection.execute(sa.select(bars)).mappings()]
    with fresh() as engine:
        yield engine, rows


def executemany(given: Rows) -> None:
    """One prepared statement a row, in one transaction."""
    engine, rows = given
    with engine.begin() as connection:
        driver = connection.connection.driver_connection
        driver.executemany(f"INSERT INTO bars VALUES ({', '.join('?' * len(bars.columns))})", rows)  # type: ignore[union-attr]


def core_insert(given: Rows) -> None:
    """SQLAlchemy's own way for many rows, in one transaction."""
    engine, rows = given
    with engine.begin() as connection:
        connection.execute(sa.insert(bars), rows)


@contextmanager
def csv_rows(full: sa.Engine, fresh: Fresh) -> Iterator[tuple[sa.Engine, bytes]]:
    """An empty store and all rows of `full` as CSV that its server wrote."""
    with full.connect() as connection, _cursor(connection).copy("COPY bars TO STDOUT (FORMAT csv)") as out:
        text = b"".join(out)
    with fresh() as engine:
        yield engine, text


def plain_copy(given: tuple[sa.Engine, bytes]) -> None:
    """One COPY, in one transaction: no row is checked, stamped, compared or even laid out."""
    engine, text = given
    with engine.begin() as connection, _cursor(connection).copy("COPY bars FROM STDIN (FORMAT csv)") as copy:
        copy.write(text)


def _cursor(connection: sa.Connection) -> psycopg.Cursor[Any]:
    return connection.connection.driver_connection.cursor()  # type: ignore[union-attr]


def read_sql(source: str, engine: sa.Engine) -> pd.DataFrame:
    """The bars of `source`, sorted, as a frame of pandas."""
    wanted = sa.select(*(bars.c[name] for name in BARS)).where(bars.c.source == source)
    with engine.connect() as connection:
        return pd.read_sql(wanted.order_by(bars.c.symbol, bars.c.date), connection, parse_dates=["date"])
