"""The paper book: what published decisions would have made, filled at the next open, after costs, marked at each close.

Two lines at each horizon. `recommended` goes to each night's suggested weights. `ranking` holds the best tenth of the
published ranking in equal weights, each night's choice over the horizon: that rule has a backtest over the model's
walk-forward, and beside it stands what holding every ranked symbol in equal weights made (`benchmark`).
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from scipy import stats

from nightdesk.evaluation.backtest import Costs, decile_weights, staggered
from nightdesk.evaluation.trading_panel import TradingPanel
from nightdesk.scoring.intervals import MeanInterval, mean_interval
from nightdesk.scoring.observed import FloatArray
from nightdesk.store.paper_book import Standpoint

RECOMMENDED, RANKING = "recommended", "ranking"
LINES: Final = (RECOMMENDED, RANKING)

WITHIN, ABOVE, BELOW, EARLY, UNKNOWN = "within", "above", "below", "early", "unknown"
"""Where the book stands beside the backtest: inside the interval, outside it, too few days, or nothing to compare."""

MIN_DAYS: Final = 20


@dataclass(frozen=True, slots=True)
class BookDay:
    """One trading day of a line; all but equity and counts are fractions of what it was worth before.

    `decided` is the night whose decision was filled at the open (None: there was none). `gross` is the return from the
    close before to this close, `net` what costs leave of it. `benchmark` is what every symbol of the newest decision
    made in equal weights, without costs (None before the first).
    """

    date: dt.date
    decided: dt.date | None
    equity: float
    gross: float
    commission: float
    spread: float
    impact: float
    net: float
    benchmark: float | None
    turnover: float
    exposure: float
    positions: Mapping[str, float]


def best_tenth(scores: FloatArray, horizon: int) -> FloatArray:
    """Weights of the line `ranking`: the best tenth by score, equal, each decision held over the horizon.

    `scores` has shape (days, symbols), NaN where a symbol has none; a day with fewer than 10 is a row of NaN: it
    decides nothing.
    """
    return staggered(np.maximum(decile_weights(scores), 0.0), horizon)


def follow(
    state: Standpoint, targets: FloatArray, ranked: FloatArray, panel: TradingPanel, closes: FloatArray, costs: Costs
) -> list[BookDay]:
    """Follow decisions from the day after `state` to the panel's last.

    Parameters
    ----------
    state
        Where the line stood after the close of a day of the panel.
    targets
        Weights that were decided on each day's close, shape (days, symbols) of the panel: NaN places no order; a row of
        NaN is a night that decided nothing, and what is held stays.
    ranked
        Scores, or anything that is not NaN where the night of that day ranked a symbol: who is in the benchmark.
    panel, closes
        Prices to fill and mark at, and each day's close (NaN: none). A symbol without an open is marked at its last
        close and not filled; after 10 days without a bar it is paid out at that.
    costs
        As in the backtest, from the volatility and the money traded as known on the evening of the decision.

    Returns
    -------
    A `BookDay` for each day. Following to one day and from there to another is following to the other.
    """
    first = panel.days.index(state.date)
    places = {symbol: place for place, symbol in enumerate(panel.symbols)}
    held = np.zeros(len(panel.symbols))
    for symbol, weight in state.positions.items():
        if symbol in places:  # else it has had no bar for so long that it was paid out
            held[places[symbol]] = weight
    known = _last_known(closes)
    equity, found = state.equity, []
    for day in range(first + 1, len(panel.days)):
        held = np.where(panel.gone[day], 0.0, held)
        overnight = _growth(known[day - 1], panel.marks[day])
        night_gain = float(held @ (overnight - 1.0))
        held = held * overnight / (1.0 + night_gain)
        target = targets[day - 1]
        filled = ~np.isnan(target) & ~np.isnan(panel.fills[day])
        trade = np.where(filled, target - held, 0.0)
        size = np.abs(trade)
        turnover = float(size.sum())
        paid = turnover * costs.commission, turnover * costs.half_spread, _impact(size, filled, panel, day - 1, costs)
        held = held + trade
        exposure = float(np.abs(held).sum())
        intraday = _growth(panel.marks[day], known[day])
        day_gain = float(held @ (intraday - 1.0))
        held = held * intraday / (1.0 + day_gain)
        gross = (1.0 + night_gain) * (1.0 + day_gain) - 1.0
        net = (1.0 + night_gain) * (1.0 - sum(paid)) * (1.0 + day_gain) - 1.0
        equity *= 1.0 + net
        positions = {panel.symbols[place]: float(held[place]) for place in np.flatnonzero(held)}
        decided = None if np.isnan(target).all() else panel.days[day - 1]
        benchmark = _benchmark(ranked[:day], known[day - 1], known[day])
        found.append(
            BookDay(panel.days[day], decided, equity, gross, *paid, net, benchmark, turnover, exposure, positions)
        )
    return found


def expected_of(days: list[BookDay]) -> MeanInterval:
    """The mean daily return beyond the benchmark (fraction, after costs) of a line that was followed, its interval."""
    return mean_interval(_beyond([(one.net, one.benchmark) for one in days]), 1)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a line stands beside the backtest of its rule.

    `mean` is its mean daily return beyond the benchmark (fraction; None without a day); `lower` to `upper` is where 95
    of 100 books of so many days would lie if the backtest told the truth.
    """

    verdict: str
    days: int
    mean: float | None
    expected: float | None
    lower: float | None
    upper: float | None


def standing(book: pl.DataFrame, expected: MeanInterval | None) -> Standing:
    """Judge a line (rows with net and benchmark) by the backtest's expectation of its rule.

    A mean of n days has its own error beside that of the backtest's N: its variance is the backtest's times N / n.
    """
    beyond = _beyond(list(book.select("net", "benchmark").iter_rows()))
    days = len(beyond)
    mean = float(beyond.mean()) if days else None
    if mean is None or expected is None or expected.mean is None or expected.standard_error is None:
        return Standing(UNKNOWN, days, mean, None if expected is None else expected.mean, None, None)
    reach = float(stats.t.ppf(0.975, expected.terms)) * expected.standard_error * math.sqrt(1.0 + expected.days / days)
    lower, upper = expected.mean - reach, expected.mean + reach
    verdict = WITHIN if lower <= mean <= upper else ABOVE if mean > upper else BELOW
    return Standing(EARLY if days < MIN_DAYS else verdict, days, mean, expected.mean, lower, upper)


def _beyond(days: list[tuple[float, float | None]]) -> FloatArray:
    return np.array([net - benchmark for net, benchmark in days if benchmark is not None], dtype=np.float64)


def _impact(size: FloatArray, filled: FloatArray, panel: TradingPanel, evening: int, costs: Costs) -> float:
    with np.errstate(invalid="ignore", divide="ignore"):
        pressure = costs.impact * panel.volatility[evening] * np.sqrt(size * (costs.capital / panel.traded[evening]))
    return float((size * np.where(filled, pressure, 0.0)).sum())


def _benchmark(ranked: FloatArray, before: FloatArray, after: FloatArray) -> float | None:
    """The equal-weighted return of whoever the newest of these nights ranked."""
    for row in ranked[::-1]:
        own = ~np.isnan(row) & ~np.isnan(before) & ~np.isnan(after)
        if own.any():
            return float(np.mean(after[own] / before[own] - 1.0))
    return None


def _growth(before: FloatArray, after: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nan_to_num(after / before, nan=1.0)


def _last_known(values: FloatArray) -> FloatArray:
    rows = np.where(np.isnan(values), 0, np.arange(len(values))[:, None])
    newest: FloatArray = np.take_along_axis(values, np.maximum.accumulate(rows, axis=0), axis=0)
    return newest
