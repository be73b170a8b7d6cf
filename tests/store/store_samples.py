"""Small bars, arrivals and readers that the tests of the store share."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import Iterable

import polars as pl
import sqlalchemy as sa

from nightdesk.store.bulk import read
from nightdesk.store.inputs import Arrival
from nightdesk.tables import BARS, RULE

DAYS = [dt.date(2024, 1, day) for day in (2, 3, 4, 5, 8)]
LAG = dt.timedelta(hours=1)
MICROSECOND = dt.timedelta(microseconds=1)
NO_BROKEN = pl.DataFrame(schema={**BARS, "reasons": pl.List(pl.String)})

Values = tuple[float | None, float | None]


def known_by_rule(day: dt.date) -> dt.datetime:
    """The close of New York in winter, plus the lag."""
    return dt.datetime(day.year, day.month, day.day, 21, tzinfo=dt.UTC) + LAG


def moment(day: int, hour: int = 0, microsecond: int = 0) -> dt.datetime:
    """An instant of January 2024."""
    return dt.datetime(2024, 1, day, hour, microsecond=microsecond, tzinfo=dt.UTC)


def arrival(at: dt.datetime, basis: str = RULE, source: str = "test") -> Arrival:
    """An arrival from a New York source whose rows are published an hour after the close."""
    return Arrival(source, "XNYS", LAG, basis, at)


def bars(rows: dict[tuple[str, dt.date], Values]) -> pl.DataFrame:
    """Bars of the given (close, volume) by symbol and day, sorted."""
    whole = [
        (symbol, day, close, close, close, close, volume) for (symbol, day), (close, volume) in sorted(rows.items())
    ]
    return pl.DataFrame(whole, schema=BARS, orient="row")


def broken(rows: Iterable[tuple[str, dt.date, float | None, list[str] | None]]) -> pl.DataFrame:
    """Rows for quarantine: symbol, day, close, reasons."""
    whole = [(symbol, day, close, close, close, close, 1.0, reasons) for symbol, day, close, reasons in rows]
    return pl.DataFrame(whole, schema=NO_BROKEN.schema, orient="row")


def everything(engine: sa.Engine, table: sa.Table) -> pl.DataFrame:
    """Every row of a table, sorted by its key."""
    return read(engine, sa.select(table).order_by(*table.primary_key.columns))


def count(engine: sa.Engine, table: sa.Table) -> int:
    """Number of rows of a table."""
    with engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def url_of(engine: sa.Engine) -> str:
    """The URL an engine was made from, password included."""
    return engine.url.render_as_string(hide_password=False)


def start_python(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Start `code` in a Python of its own, with pipes to talk to it."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
