"""Triple barrier labels: what a holding meets first, a gain, a loss, or its scheduled end."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import Final

import numba
import numpy as np
import numpy.typing as npt
import polars as pl

from nightdesk.errors import BadInput
from nightdesk.labels.columns import (
    AT_OPEN,
    BARRIER,
    DAILY_VOLATILITY,
    DELISTED,
    ENTRY_DATE,
    EXIT_DATE,
    KNOWN_DATE,
)
from nightdesk.labels.exits import market, scheduled_exits
from nightdesk.labels.wide import BoolArray, FloatArray, IntArray, Wide, spread
from nightdesk.scoring.checks import check_horizon
from nightdesk.tables import CLOSE, DATE, FORWARD_RETURN, HIGH, HORIZON, LOW, OPEN, SYMBOL

LOWER: Final = -1
VERTICAL: Final = 0
UPPER: Final = 1
UNKNOWN: Final = 2


def triple_barrier(
    bars: pl.DataFrame, days: Sequence[dt.date], horizon: int, upper: float, lower: float
) -> pl.DataFrame:
    """Label each bar with the barrier that its holding meets first (Lopez de Prado 2018, ch. 3).

    The holding is entered at the open of t+1. The upper barrier stands at entry times 1 + `upper` s, the
    lower one at entry times 1 - `lower` s, with s = daily_volatility times the square root of the horizon;
    the vertical one is the open of t+1+h. From t+1 on an open at or past a barrier fills at that open, then a
    low or high that reaches one fills at the barrier. Where one bar reaches both, the lower counts: the order
    within a day is not known, and the worse one flatters nobody. On t+1+h only the open counts.

    Parameters
    ----------
    bars
        Columns symbol, date, open, high, low, close, as known at the as-of day, and daily_volatility
        (trailing, as known on the close of t; fraction a day, not annualised).
    days
        The exchange's trading days from the first bar to the as-of day.
    horizon
        Trading days until the vertical barrier, 1 to 60.
    upper, lower
        Multiples of s, above zero.

    Returns
    -------
    pl.DataFrame
        One row a bar whose vertical barrier has matured, in the order of `bars`; a barrier touched sooner
        waits for it as well, or the newest labels would all be touched ones. Columns symbol, date, horizon
        (Int32), entry_date, exit_date (day of the fill), at_open (filled at that day's open), known_date (the
        day on whose close the row is known), barrier (Int8: 1 upper, -1 lower, 0 vertical), forward_return
        (Float64, fraction, entry to fill, dividends excluded), delisted (Boolean).

        A day without a bar touches nothing. exit_date, at_open, barrier and forward_return are null where
        there is no fill price (as `forward_returns`), the volatility is null or not above 0, or a price was
        null before any touch, so that nobody knows whether there was one. A symbol that has gone exits at its
        last close, barrier 0.

    Raises
    ------
    BadInput, BadDate
        As `forward_returns`; or a multiple is not above zero.
    """
    check_horizon(horizon)
    for name, multiple in (("upper", upper), ("lower", lower)):
        if not multiple > 0.0:
            raise BadInput(f"{name} must be a multiple of volatility above zero, got {multiple}: choose for example 1")
    wide = spread(bars, days, (OPEN, HIGH, LOW, CLOSE, DAILY_VOLATILITY))
    rows = np.flatnonzero(wide.position + 1 + horizon < len(wide.days))
    return _labels(wide, rows, horizon, upper, lower)


def _labels(wide: Wide, rows: IntArray, horizon: int, upper: float, lower: float) -> pl.DataFrame:
    prices = market(wide)
    symbol, entry = wide.symbol[rows], wide.position[rows] + 1
    bought = prices.opens[symbol, entry]
    sigma = wide.bars[DAILY_VOLATILITY].cast(pl.Float64).fill_null(float("nan")).to_numpy()[rows]
    width = np.where(sigma > 0.0, sigma, np.nan) * math.sqrt(horizon)
    bottom, top = bought * (1.0 - lower * width), bought * (1.0 + upper * width)
    highs, lows = wide.prices(HIGH), wide.prices(LOW)
    barrier, position, price = _first_touch(
        prices.opens, highs, lows, wide.present, symbol, entry, bottom, top, horizon
    )
    end = scheduled_exits(prices, symbol, entry, entry + horizon)
    vertical = barrier == VERTICAL
    known = np.where(vertical, end.known, entry + horizon)
    position, price = np.where(vertical, end.position, position), np.where(vertical, end.price, price)
    outcome = price / bought - 1.0
    at_open = price == prices.opens[symbol, position]
    labelled = pl.Series(~np.isnan(outcome))
    return (
        wide.bars.select(SYMBOL, DATE)[rows]
        .with_columns(
            pl.lit(horizon, pl.Int32).alias(HORIZON),
            pl.Series(ENTRY_DATE, wide.days[entry]),
            pl.Series(EXIT_DATE, wide.days[position]),
            pl.Series(AT_OPEN, at_open & ~(vertical & end.delisted)),
            pl.Series(KNOWN_DATE, wide.days[np.minimum(known, len(wide.days) - 1)]),
            pl.Series(BARRIER, barrier),
            pl.Series(FORWARD_RETURN, outcome, nan_to_null=True),
            pl.Series(DELISTED, vertical & end.delisted),
        )
        .with_columns(pl.when(labelled).then(pl.col(EXIT_DATE, AT_OPEN, BARRIER)))
        .filter(pl.Series(known < len(wide.days)))
    )


def _walk(
    opens: FloatArray,
    highs: FloatArray,
    lows: FloatArray,
    present: BoolArray,
    symbol: IntArray,
    entry: IntArray,
    bottom: FloatArray,
    top: FloatArray,
    horizon: int,
) -> tuple[npt.NDArray[np.int8], IntArray, FloatArray]:
    """Walk each holding day by day; return barrier, position and price of its first touch."""
    barrier = np.full(len(symbol), VERTICAL, dtype=np.int8)
    position = entry + horizon
    price = np.full(len(symbol), np.nan)
    for row in range(len(symbol)):
        s, low_barrier, high_barrier = symbol[row], bottom[row], top[row]
        if np.isnan(low_barrier):
            barrier[row] = UNKNOWN
            continue
        for day in range(entry[row], entry[row] + horizon + 1):
            if not present[s, day]:
                continue
            opened, last = opens[s, day], day == entry[row] + horizon
            if opened <= low_barrier or opened >= high_barrier:
                barrier[row] = LOWER if opened <= low_barrier else UPPER
                price[row] = opened
            elif not last and np.isnan(opened + highs[s, day] + lows[s, day]):
                barrier[row] = UNKNOWN
            elif not last and lows[s, day] <= low_barrier:
                barrier[row], price[row] = LOWER, low_barrier
            elif not last and highs[s, day] >= high_barrier:
                barrier[row], price[row] = UPPER, high_barrier
            if barrier[row] != VERTICAL:
                position[row] = day
                break
    return barrier, position, price


_first_touch = numba.njit(cache=True, nogil=True)(_walk)
