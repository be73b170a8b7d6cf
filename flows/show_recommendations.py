"""What the command line shows of recommendations and of the paper book."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
from rich.table import Table

from flows.show import console
from nightdesk.errors import BadInput, NothingThere, UnknownName
from nightdesk.home import Home
from nightdesk.operations.paper_book import books_of
from nightdesk.publish.publication import NO_ADVICE, PUBLISHED, Latest
from nightdesk.report.paper_book import line_row
from nightdesk.report.wording import MISSING, percent, price, shares
from nightdesk.settings import Settings
from nightdesk.store.database import open_store
from nightdesk.store.decisions import serving_on
from nightdesk.tables import HORIZON, SYMBOL

_COLUMNS = (
    "rank", "symbol", "action", "expected %", "close", "target", "low", "high", "up %", "confidence %", "size %",
    "shares", "skill",
)  # fmt: skip

_COLUMNS_SAID = (
    "low and high are meant to hold 9 of 10 outcomes; up %: the chance to rise by more than costs and 0.43 of its "
    "usual move; confidence %: the chance to end on the side of the day's median that its score says; size %: of the "
    "capital, within every limit"
)


def show_recommendations(found: Latest, horizon: int | None, top: int) -> None:
    """Show the `top` of each horizon (or of one), buys first, of these the largest, and what has to be said of all."""
    rows = _at(found.recommendations(), horizon)
    out = console()
    _begin(found)
    # Beside the market's best, a buy further down and what is held must not be missed.
    first = pl.col("action").replace_strict({"buy": 0, "hold": 1, "sell": 2}, return_dtype=pl.Int64)
    ordered = rows.sort(HORIZON, first, -pl.col("weight").fill_null(0.0), "rank")
    for own in ordered.partition_by(HORIZON, maintain_order=True):
        days = own[HORIZON][0]
        counts = ", ".join(f"{own.filter(pl.col('action') == one).height} {one}" for one in ("buy", "hold", "sell"))
        out.print(_table(f"{days} day{'' if days == 1 else 's'} ahead: {counts}", own.head(top)))
        if own.height > top:
            out.print(f"{top} of {own.height} shown, buys first: --top shows more", soft_wrap=True)
    _end(found)


def show_symbol(found: Latest, symbol: str, horizon: int | None) -> None:
    """Show what is recommended of one symbol, and why; UnknownName where it was not ranked."""
    every = _at(found.recommendations(), horizon)
    rows = every.filter(pl.col(SYMBOL) == symbol)
    if rows.is_empty():
        raise UnknownName.among("symbol", symbol, every[SYMBOL].unique())
    out = console()
    _begin(found)
    out.print(_table(symbol, rows, "horizon"))
    for row in rows.iter_rows(named=True):
        out.print(
            f"{row[HORIZON]} days: volatility {percent(row['volatility'])} % a year; worst of 20 days "
            f"{percent(row['value_at_risk'])} % (mean beyond {percent(row['cvar'])} %), over the horizon "
            f"{percent(row['value_at_risk_horizon'])} %; deepest fall of the year {percent(row['max_drawdown'])} %",
            soft_wrap=True,
        )
        for reason in row["reasons"]:
            out.print(f"  {reason}", soft_wrap=True)
    _end(found)


def show_book(settings: Settings, realm: str, horizon: int | None) -> None:
    """Show every line of the paper book; NothingThere before its first day."""
    engine = open_store(settings.store.url or Home(settings.home).store_url)
    served = {one.horizon: one.model for one in serving_on(engine, realm, dt.date.max)}
    lines = books_of(engine, realm, dt.date.max, served)
    if not lines:
        raise NothingThere(
            f"the paper book begins with the night after the first that publishes, got none in realm {realm!r}: run "
            "nightdesk nightly on the next trading day"
        )
    known = sorted({one.horizon for one in lines})
    if horizon not in (None, *known):
        raise BadInput(
            f"--horizon must be one of the book, {', '.join(map(str, known))}, got {horizon}: choose one of them"
        )
    table = Table(title="Paper book, after costs", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name in ("horizon", "line", "since", "to", "days", "return %", "costs %", "every symbol %", "turnover a day %"):
        table.add_column(name)
    out = console()
    said = []
    for one in (one for one in lines if horizon in (None, one.horizon)):
        row = line_row(one)
        first, last = one.days["date"][0], one.days["date"][-1]
        figures = (percent(row[name]) for name in ("net", "costs", "benchmark", "turnover"))
        table.add_row(str(one.horizon), one.line, str(first), str(last), str(row["days"]), *figures)
        said.append(f"{one.horizon} days, {one.line}: {row['said']}")
    out.print(table)
    for line in said:
        out.print(line, soft_wrap=True)
    out.print("No order was ever sent. Research, not advice.")


def _at(rows: pl.DataFrame, horizon: int | None) -> pl.DataFrame:
    known = rows[HORIZON].unique().sort().to_list()
    if horizon not in (None, *known):
        raise BadInput(
            f"--horizon must be one that was published, {', '.join(map(str, known))}, got {horizon}: choose one of them"
        )
    return rows if horizon is None else rows.filter(pl.col(HORIZON) == horizon)


def _begin(found: Latest) -> None:
    stale = "" if found.status == PUBLISHED else f"  STALE: {found.reason}"
    console().print(f"Recommendations of the night of {found.as_of}{stale}", soft_wrap=True)


def _end(found: Latest) -> None:
    out = console()
    out.print(_COLUMNS_SAID, soft_wrap=True)
    for note in found.notes():
        out.print(note, soft_wrap=True)
    out.print(NO_ADVICE, soft_wrap=True)


def _table(title: str, rows: pl.DataFrame, first: str = "") -> Table:
    columns = ((first,) if first else ()) + _COLUMNS
    table = Table(*columns, title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for row in rows.iter_rows(named=True):
        table.add_row(*((str(row[HORIZON]),) if first else ()), *_cells(row))
    return table


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        str(row["rank"]),
        row[SYMBOL],
        row["action"],
        percent(row["expected_return"]),
        price(row["close"]),
        *(price(row[name]) for name in ("target", "target_low", "target_high")),
        *(percent(row[name]) for name in ("probability_up", "confidence", "weight")),
        shares(row["shares"]),
        row["trust"] or MISSING,
    )
