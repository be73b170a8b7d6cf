"""Apple's raw bars and corporate actions, as tests/recorded has them."""

from __future__ import annotations

import datetime as dt
import itertools
from pathlib import Path

import polars as pl

from nightdesk.sessions import trading_days
from nightdesk.tables import BARS, CORPORATE_ACTIONS, DATE, DIVIDEND, PRICES, SPLIT, SYMBOL, VOLUME

FIRST, LAST = dt.date(2012, 1, 3), dt.date(2021, 3, 31)
SPLIT_2014, SPLIT_2020 = dt.date(2014, 6, 9), dt.date(2020, 8, 31)

_FOLDER = Path(__file__).parent / "recorded"


def apple_bars() -> pl.DataFrame:
    """Apple's bars as traded, in dollars."""
    names = ["time", *PRICES, VOLUME]
    raw = pl.read_csv(_FOLDER / "aapl_raw_daily.csv", has_header=False, new_columns=names)
    return raw.select(
        pl.lit("AAPL").alias(SYMBOL),
        _day("time"),
        *(pl.col(name) / 10_000 for name in PRICES),
        pl.col(VOLUME).cast(pl.Float64),
    ).cast(dict(BARS))  # type: ignore[arg-type]


def apple_factors() -> pl.DataFrame:
    """The vendor's factor file: date, of the last day to which a row applies, price_factor, split_factor, close."""
    names = ["day", "price_factor", "split_factor", "close"]
    text = pl.read_csv(_FOLDER / "aapl_factor_file.csv", has_header=False, new_columns=names)
    return text.with_columns(_day("day")).drop("day").cast({"split_factor": pl.Float64, "close": pl.Float64})


def apple_actions() -> pl.DataFrame:
    """The actions of which the factors speak: a whole number of shares at a split, dividends to a tenth of a cent."""
    rows = []
    factors = apple_factors().rows(named=True)
    for before, after in itertools.pairwise(factors):
        ex_date = trading_days("XNYS", before[DATE] + dt.timedelta(days=1), before[DATE] + dt.timedelta(days=7))[0]
        shares = after["split_factor"] / before["split_factor"]
        paid = before["close"] * (1.0 - before["price_factor"] / after["price_factor"])
        if shares > 1.1:
            rows.append(("AAPL", ex_date, SPLIT, float(round(shares))))
        if paid > 0.01:
            rows.append(("AAPL", ex_date, DIVIDEND, round(paid, 3)))
    return pl.DataFrame(rows, schema=CORPORATE_ACTIONS, orient="row")


def _day(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String).str.slice(0, 8).str.to_date("%Y%m%d").alias(DATE)
