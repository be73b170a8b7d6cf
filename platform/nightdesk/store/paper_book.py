"""The paper book's rows, which are never changed, and what backtests of its rule let expect."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import polars as pl
import sqlalchemy as sa

from nightdesk.store.bulk import append_all, read
from nightdesk.store.schema import book_expectations, paper_book
from nightdesk.tables import DATE, HORIZON, MODEL

LINE = "line"


@dataclass(frozen=True, slots=True)
class Standpoint:
    """Where a line stood after the close of its newest day."""

    date: dt.date
    equity: float
    positions: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the rule made a day beyond the benchmark over a model's walk-forward of a night; None: not defined."""

    as_of: dt.date
    horizon: int
    model: str
    mean: float | None
    standard_error: float | None
    terms: int
    days: int
    first_day: dt.date | None
    last_day: dt.date | None


def newest_standpoints(engine: sa.Engine, realm: str) -> dict[tuple[int, str], Standpoint]:
    """The newest day of each line of a realm, by horizon and line."""
    newest = (
        sa.select(paper_book.c.horizon, paper_book.c.line, sa.func.max(paper_book.c.date).label("newest"))
        .where(paper_book.c.realm == realm)
        .group_by(paper_book.c.horizon, paper_book.c.line)
        .subquery()
    )
    columns = [paper_book.c[name] for name in (HORIZON, LINE, DATE, "equity", "positions")]
    wanted = sa.select(*columns).where(
        paper_book.c.realm == realm,
        paper_book.c.horizon == newest.c.horizon,
        paper_book.c.line == newest.c.line,
        paper_book.c.date == newest.c.newest,
    )
    return {
        (horizon, line): Standpoint(date, equity, json.loads(positions))
        for horizon, line, date, equity, positions in read(engine, wanted).iter_rows()
    }


def add_days(engine: sa.Engine, realm: str, rows: pl.DataFrame) -> int:
    """Add days of the book (columns of the table but realm), all at once; a day that stands is left as it is."""
    if rows.is_empty():
        return 0
    keys = [HORIZON, LINE, DATE]
    known = read(engine, sa.select(*(paper_book.c[name] for name in keys)).where(paper_book.c.realm == realm))
    new = rows.cast({HORIZON: pl.Int64}).join(known, on=keys, how="anti")
    return append_all(engine, [(paper_book, new.with_columns(realm=pl.lit(realm)))])


def book_of(engine: sa.Engine, realm: str, last: dt.date) -> pl.DataFrame:
    """The days of a realm's book up to `last`: columns of the table but realm and positions, sorted by its key."""
    columns = [column for column in paper_book.columns if column.name not in ("realm", "positions")]
    wanted = sa.select(*columns).where(paper_book.c.realm == realm, paper_book.c.date <= last)
    return read(engine, wanted.order_by(paper_book.c.horizon, paper_book.c.line, paper_book.c.date))


def positions_on(engine: sa.Engine, realm: str, horizon: int, line: str, date: dt.date) -> dict[str, float]:
    """What a line held after the close of a day: each symbol's weight; empty where it has no such day."""
    wanted = sa.select(paper_book.c.positions).where(
        paper_book.c.realm == realm,
        paper_book.c.horizon == horizon,
        paper_book.c.line == line,
        paper_book.c.date == date,
    )
    with engine.connect() as connection:
        held: dict[str, float] = json.loads(connection.scalar(wanted) or "{}")
    return held


def add_expectations(engine: sa.Engine, realm: str, found: Sequence[Expectation]) -> None:
    """Enter what walk-forwards let expect; what stands for the same night, horizon and model is left as it is."""
    keys = ["as_of", HORIZON, MODEL]
    table = book_expectations
    with engine.begin() as connection:
        stand = sa.select(*(table.c[name] for name in keys)).where(table.c.realm == realm)
        known = {tuple(row) for row in connection.execute(stand)}
        new = [asdict(one) for one in found if (one.as_of, one.horizon, one.model) not in known]
        if new:
            connection.execute(sa.insert(table), [{"realm": realm, **row} for row in new])


def expectations_of(engine: sa.Engine, realm: str, last: dt.date) -> dict[tuple[int, str], Expectation]:
    """The newest expectation up to `last` of each horizon and model."""
    table = book_expectations
    columns = [table.c[name] for name in ("as_of", HORIZON, MODEL, "mean", "standard_error", "terms", "days")]
    columns += [table.c.first_day, table.c.last_day]
    wanted = sa.select(*columns).where(table.c.realm == realm, table.c.as_of <= last).order_by(table.c.as_of)
    with engine.connect() as connection:
        rows = connection.execute(wanted).all()
    return {(row.horizon, row.model): Expectation(*row) for row in rows}
