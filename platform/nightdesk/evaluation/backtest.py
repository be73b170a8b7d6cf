"""What weights would have earned: filled at the next open, net of commission, half-spread and square-root impact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from nightdesk.errors import BadInput
from nightdesk.evaluation.trading_panel import TradingPanel
from nightdesk.scoring.checks import check_horizon
from nightdesk.scoring.metrics import EQUITY_DAYS, max_drawdown, sharpe
from nightdesk.scoring.observed import FloatArray
from nightdesk.scoring.rank_ic import MIN_SYMBOLS
from nightdesk.tables import DATE

BoolArray: TypeAlias = npt.NDArray[np.bool_]

COLUMNS: Final = ("gross", "commission", "spread", "impact", "turnover", "exposure", "unfilled")


@dataclass(frozen=True, slots=True)
class Costs:
    """What trading costs.

    Attributes
    ----------
    commission, half_spread
        Fractions of the value traded (0.0001 is one basis point).
    impact
        Factor of the square-root law: a trade of value q moves its price by impact x volatility x sqrt(q / value
        traded a day) of itself, both over the last 20 bars (Toth et al. 2011). Around 1 in the literature.
    capital
        Value of the portfolio, in the instruments' currency, that impact is reckoned for; it is held fixed.
    """

    commission: float = 0.0001
    half_spread: float = 0.0002
    impact: float = 1.0
    capital: float = 10_000_000.0

    def __post_init__(self) -> None:
        """Refuse a cost below 0 and a capital that is none."""
        fractions = self.commission, self.half_spread, self.impact
        if not (min(fractions) >= 0.0 and self.capital > 0.0 and np.isfinite([*fractions, self.capital]).all()):
            raise BadInput(f"costs must be 0 or more and the capital above 0, got {self}: give fractions and a value")


@dataclass(frozen=True, slots=True)
class Summary:
    """A backtest in figures; returns are fractions a year, means of days times `annual_days`, not compounded.

    Attributes
    ----------
    turnover
        Value bought and sold a day over the value of the portfolio (1: all of it, one way).
    break_even
        The cost of a unit of value traded, as a fraction, at which nothing is left; None without a trade.
    capacity
        The capital at which impact eats what commission and spread leave; 0 where they leave nothing, None without
        impact.
    """

    days: int
    gross: float
    net: float
    cost: float
    turnover: float
    sharpe_gross: float | None
    sharpe_net: float | None
    max_drawdown: float | None
    break_even: float | None
    capacity: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Backtest:
    """A backtest day by day.

    Attributes
    ----------
    daily
        date (of the open at which the day's orders were filled), gross (return to the next open, fraction), commission,
        spread, impact (costs, fractions of the portfolio's value), net (both together), turnover, exposure (sum of the
        weights' sizes after trading), unfilled (orders without a price).
    capital
        As in `Costs`.
    """

    daily: pl.DataFrame
    capital: float

    def summary(self, annual_days: int = EQUITY_DAYS) -> Summary:
        """The figures of the whole; `annual_days` is 252 for equities and 365 for crypto."""
        sums = {name: float(self.daily[name].sum()) for name in COLUMNS}
        days = self.daily.height
        fixed, impact = sums["commission"] + sums["spread"], sums["impact"]
        left = sums["gross"] - fixed
        return Summary(
            days=days,
            gross=sums["gross"] / days * annual_days,
            net=float(self.daily["net"].sum()) / days * annual_days,
            cost=(fixed + impact) / days * annual_days,
            turnover=sums["turnover"] / days,
            sharpe_gross=sharpe(self.daily["gross"], annual_days),
            sharpe_net=sharpe(self.daily["net"], annual_days),
            max_drawdown=max_drawdown(self.daily["net"]),
            break_even=sums["gross"] / sums["turnover"] if sums["turnover"] > 0.0 else None,
            capacity=None if impact == 0.0 else self.capital * (max(0.0, left) / impact) ** 2,
        )


def backtest(weights: FloatArray, panel: TradingPanel, costs: Costs) -> Backtest:
    """Trade towards `weights` day by day.

    Weights decided on the close of day t are filled at the open of t+1 and earn the return from there to the open of
    t+2. Between fills what is held drifts with its prices. Cash earns nothing; borrowing shares costs nothing here.

    Parameters
    ----------
    weights
        Target of each symbol as a fraction of the portfolio's value, negative where sold short, shape (days, symbols)
        of the panel. NaN: no order, what is held stays; so a row of NaN is a day without a decision.
    panel
        Prices, from `trading_panel`. An order without a fill price is not filled, and waits for no other day. A symbol
        without an open is marked at its last close; after 10 days without a bar a holding is paid out at that.

    Returns
    -------
    Backtest
        One row an open, from the second day to the last but one.

    Raises
    ------
    BadInput
        The shapes differ, a weight is infinite, there are fewer than 3 days, or the portfolio lost everything.
    """
    _check(weights, panel)
    targets = weights[:-2]
    wanted = ~np.isnan(targets)
    filled = wanted & ~np.isnan(panel.fills[1:-1])
    trades, held, gross, unfilled = _trade(targets, wanted, filled, panel)
    size = np.abs(trades)
    turnover = size.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        pressure = costs.impact * panel.volatility[:-2] * np.sqrt(size * (costs.capital / panel.traded[:-2]))
    # Where nothing was filled, what a trade would have cost may be unknown: nothing was traded.
    impact = (size * np.where(filled, pressure, 0.0)).sum(axis=1)
    exposure = np.abs(held).sum(axis=1)
    paid = turnover * costs.commission, turnover * costs.half_spread, impact
    rows = np.column_stack([gross, *paid, turnover, exposure, unfilled])
    return Backtest(_daily(rows, panel), costs.capital)


def decile_weights(scores: FloatArray, share: float = 0.1) -> FloatArray:
    """Buy the best `share` of symbols by score and sell the worst short, equal weights, 1 on each side.

    Parameters
    ----------
    scores
        Shape (days, symbols); NaN where a symbol has none: it is in neither part, and sold if held.
    share
        Above 0 up to a half; rounded down to whole symbols. Symbols tied at the edge all take part.

    Returns
    -------
    Shape of `scores`; a day with fewer than 10 scores, or too few for one symbol a side, is a row of NaN.

    Raises
    ------
    BadInput
        `share` breaks its rule.
    """
    if not 0.0 < share <= 0.5:
        raise BadInput(f"share must lie above 0 and at most at 0.5, got {share}: choose 0.1 for deciles")
    ordered = np.sort(scores, axis=1)
    known = np.count_nonzero(~np.isnan(scores), axis=1)
    count = np.floor(known * share + 1e-9).astype(np.intp)
    day = np.arange(len(scores))
    low, high = ordered[day, np.maximum(count, 1) - 1], ordered[day, np.maximum(known - count, 0) % scores.shape[1]]
    best, worst = scores >= high[:, None], scores <= low[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        weights: FloatArray = best / best.sum(axis=1, keepdims=True) - worst / worst.sum(axis=1, keepdims=True)
    weights[(known < MIN_SYMBOLS) | (count < 1)] = np.nan
    return weights


def staggered(weights: FloatArray, horizon: int) -> FloatArray:
    """Hold each decision for `horizon` days: the mean of the newest decisions (Jegadeesh & Titman 1993).

    A forecast over h days speaks of h days: traded so, each decision earns what its own label says, and a day turns
    over about an h-th of the portfolio.

    Parameters
    ----------
    weights
        As `decile_weights` gives them: a row of NaN is a day without a decision.
    horizon
        Trading days held, 1 to 60.

    Returns
    -------
    Shape of `weights`; a day without a decision of its own stays a row of NaN, and places no order.

    Raises
    ------
    BadInput
        The horizon breaks its rule.
    """
    check_horizon(horizon)
    decided: BoolArray = np.logical_not(np.logical_or.reduce(np.isnan(weights), axis=1))
    known: FloatArray = np.where(decided[:, None], weights, 0.0)
    total, count = known.copy(), decided.astype(np.float64)
    for back in range(1, min(horizon, len(weights))):
        total[back:] += known[:-back]
        count[back:] += decided[:-back]
    held: FloatArray = np.where(decided[:, None], total / np.maximum(count, 1.0)[:, None], np.nan)
    return held


def _trade(
    targets: FloatArray, wanted: BoolArray, filled: BoolArray, panel: TradingPanel
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Trades and holdings after them, shape (days, symbols); return to the next open, and orders not filled, by day."""
    marks, gone = panel.marks, panel.gone[1:-1]
    with np.errstate(invalid="ignore"):
        growth = np.nan_to_num(marks[2:] / marks[1:-1], nan=1.0)
    change = growth - 1.0
    orders, moved = np.where(filled, targets, 0.0), filled.astype(np.float64)
    # Days on which either happens are few: the others skip it.
    paid_out = np.logical_or.reduce(gone, axis=1)
    stuck = np.logical_or.reduce(wanted & ~filled, axis=1)
    trades, held = np.empty_like(orders), np.empty_like(orders)
    gross, unfilled = np.empty(len(orders)), np.zeros(len(orders))
    before = np.zeros(orders.shape[1])
    for day in range(len(orders)):
        if paid_out[day]:
            before[gone[day]] = 0.0
        if stuck[day]:
            unfilled[day] = np.count_nonzero(wanted[day] & ~filled[day] & (targets[day] != before))
        traded, after = trades[day], held[day]
        np.multiply(before, moved[day], out=traded)
        np.subtract(orders[day], traded, out=traded)
        np.add(before, traded, out=after)
        gained = float(after @ change[day])
        if gained <= -1.0:
            raise BadInput(f"a portfolio must keep some value, got none left after {panel.days[day + 1]}: hold less")
        gross[day] = gained
        before = after * growth[day]
        before /= 1.0 + gained
    return trades, held, gross, unfilled


def _check(weights: FloatArray, panel: TradingPanel) -> None:
    if weights.shape != panel.marks.shape or len(weights) < 3:
        raise BadInput(
            f"weights must have the panel's shape of at least 3 days, got {weights.shape} for {panel.marks.shape}: "
            "spread them with panel.wide"
        )
    if np.isinf(weights).any():
        raise BadInput(f"weights must be finite or NaN, got {int(np.isinf(weights).sum())} infinite: find their cause")


def _daily(rows: FloatArray, panel: TradingPanel) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=list(COLUMNS), orient="row")
    cost = pl.col("commission") + pl.col("spread") + pl.col("impact")
    return frame.select(
        pl.Series(DATE, panel.days[1:-1], dtype=pl.Date),
        pl.col(COLUMNS[:-1]),
        ((1.0 - cost) * (1.0 + pl.col("gross")) - 1.0).alias("net"),
        pl.col("unfilled").cast(pl.Int64),
    )
