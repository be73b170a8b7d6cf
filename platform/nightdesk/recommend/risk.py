"""What each symbol risks, from the bars that are known tonight: volatility, daily tail losses, drawdown, money traded.

Value at risk and CVaR are those of one day, historical; `over_days` scales them to a horizon by the square root of
time, which holds for independent days and is too mild where losses follow each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from nightdesk.scoring.checks import check_columns
from nightdesk.scoring.metrics import EQUITY_DAYS
from nightdesk.scoring.observed import FloatArray
from nightdesk.tables import CLOSE, DATE, SYMBOL, VOLUME

YEAR: Final = 252
"""Bars that a year of risk is read from."""

MIN_RETURNS: Final = 60
TAIL: Final = 0.05
MIN_TAIL_RETURNS: Final = 100
TRADED, MIN_TRADED = 20, 5
"""Bars that the money traded a day is a mean of, and how many of them must be known: as in the backtest."""

VOLATILITY, VALUE_AT_RISK, CVAR = "volatility", "value_at_risk", "cvar"
MAX_DRAWDOWN, DOLLAR_VOLUME = "max_drawdown", "dollar_volume"

_MOVE: Final = "__move__"


def risk_of(bars: pl.DataFrame, annual_days: int = EQUITY_DAYS) -> pl.DataFrame:
    """Say what each symbol of `bars` risks.

    Parameters
    ----------
    bars
        `tables.BARS` known tonight, adjusted for splits: symbol, date, close and volume are read. A return goes from
        a known close to the next known one.
    annual_days
        252 for equities, 365 for crypto.

    Returns
    -------
    DataFrame
        One row a symbol, sorted: symbol; volatility (annualised, fraction), from 60 returns on; value_at_risk and cvar
        (of one day at 95 %, fractions, a loss is positive), from 100 returns on; max_drawdown (fraction) over the last
        252 bars, from 61 closes on; dollar_volume (money traded a day, currency), the mean of the last 20 bars. Null
        with less history, and a volatility that is 0, which only a price that nobody moved has.

    Raises
    ------
    BadInput
        A column is missing.
    """
    check_columns(bars, [SYMBOL, DATE, CLOSE, VOLUME])
    newest = bars.sort(SYMBOL, DATE).group_by(SYMBOL, maintain_order=True).tail(YEAR + 1)
    moves = _with_moves(newest)
    count = pl.col(_MOVE).drop_nulls().len()
    deviation = pl.col(_MOVE).std()
    # Rounded first: a twentieth of 100 is a hair above 5, and would take a sixth day.
    worst = pl.col(_MOVE).drop_nulls().sort().head((count * TAIL).round(9).ceil().cast(pl.Int64))
    closes = pl.col(CLOSE).drop_nulls()
    money = (pl.col(CLOSE) * pl.col(VOLUME)).fill_nan(None).tail(TRADED).drop_nulls()
    known = moves.group_by(SYMBOL, maintain_order=True).agg(
        pl.when(count >= MIN_RETURNS, deviation > 0.0).then(deviation * math.sqrt(annual_days)).alias(VOLATILITY),
        pl.when(count >= MIN_TAIL_RETURNS).then(-worst.last()).alias(VALUE_AT_RISK),
        pl.when(count >= MIN_TAIL_RETURNS).then(-worst.mean()).alias(CVAR),
        pl.when(count >= MIN_RETURNS).then((1.0 - closes / closes.cum_max()).max()).alias(MAX_DRAWDOWN),
        pl.when(money.len() >= MIN_TRADED).then(money.mean()).alias(DOLLAR_VOLUME),
    )
    return known.with_columns(pl.col(SYMBOL).cast(pl.String))


def over_days(daily: pl.Expr, horizon: pl.Expr) -> pl.Expr:
    """A one-day loss scaled to a horizon in trading days by the square root of time, at most 1: all that is held."""
    return (daily * horizon.cast(pl.Float64).sqrt()).clip(upper_bound=1.0)


def daily_returns(bars: pl.DataFrame, symbols: Sequence[str]) -> FloatArray:
    """The last 252 days' returns of `symbols`, shape (days, symbols); 0 where one is not known: nothing is made of it.

    Days are those on which any of `symbols` has a bar.
    """
    own = bars.filter(pl.col(SYMBOL).cast(pl.String).is_in(list(symbols))).sort(SYMBOL, DATE)
    newest = own[DATE].unique().sort().tail(YEAR)
    places = pl.DataFrame({DATE: newest}).with_row_index("row")
    columns = pl.DataFrame({SYMBOL: list(symbols)}, schema={SYMBOL: pl.String}).with_row_index("column")
    moves = _with_moves(own.with_columns(pl.col(SYMBOL).cast(pl.String))).drop_nulls(_MOVE)
    placed = moves.join(places, on=DATE).join(columns, on=SYMBOL)
    found: FloatArray = np.zeros((newest.len(), len(symbols)))
    found[placed["row"].to_numpy(), placed["column"].to_numpy()] = placed[_MOVE].to_numpy()
    return found


def _with_moves(bars: pl.DataFrame) -> pl.DataFrame:
    price = pl.col(CLOSE).cast(pl.Float64).fill_nan(None)
    known = bars.with_columns(pl.when(price > 0.0).then(price).alias(CLOSE))
    before = pl.col(CLOSE).forward_fill().shift(1).over(SYMBOL)
    return known.with_columns((pl.col(CLOSE) / before - 1.0).alias(_MOVE))
