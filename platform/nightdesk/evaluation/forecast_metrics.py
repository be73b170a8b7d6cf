"""Every metric of a set of forecasts and of the returns they earned, by one name each: what an evaluation shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from nightdesk.scoring import metrics
from nightdesk.scoring.checks import check_columns
from nightdesk.scoring.observed import Values
from nightdesk.scoring.rank_ic import IC, RANK_IC, daily_ic, rank_ic_within_markets
from nightdesk.tables import DATE, FORWARD_RETURN, MARKET, SCORE

TARGET: Final = "target"
UP: Final = 1

MEANINGS: Final[Mapping[str, str]] = {
    "rank_ic": "mean over days of the rank correlation of score and return",
    "rank_icir": "mean of the daily rank IC over its standard deviation",
    "ic": "mean over days of the plain correlation of score and return",
    "icir": "mean of the daily IC over its standard deviation",
    "mse": "mean squared error of the score as a forecast of the return's rank (-0.5 to 0.5)",
    "mae": "mean absolute error of the same",
    "r2": "share of the rank's variance that the score explains; 0 is no better than the middle",
    "direction_accuracy": "share of returns on the side of the day's median that the score's sign says",
    "accuracy": "share of returns in the half of the day that the score's own half says",
    "precision": "of those put in the upper half, the share that came there",
    "recall": "of those that came to the upper half, the share that was put there",
    "f1": "harmonic mean of precision and recall",
    "auc": "chance that a score of the upper half ranks above one of the lower half on its day",
    "sharpe_gross": "annualised Sharpe ratio before costs",
    "sharpe": "annualised Sharpe ratio after costs",
    "sortino": "annualised mean return over its downside deviation, after costs",
    "max_drawdown": "deepest fall of the value from its peak, after costs, a fraction",
    "hit_rate": "share of days with a gain, after costs",
    "value_at_risk": "loss of the mildest of the worst 5 % of days, after costs, a fraction",
    "expected_shortfall": "mean loss of the worst 5 % of days (CVaR), after costs, a fraction",
}
"""Each metric and what it says; those from `sharpe_gross` on are of the strategy, the others of the forecasts."""


def targets(scored: pl.DataFrame) -> pl.DataFrame:
    """Forecasts beside what they were asked for, rows without a score or a return left out.

    Parameters
    ----------
    scored
        date, score, forward_return (fraction) and, of several markets, market; one row a symbol.

    Returns
    -------
    DataFrame
        With target (the return's rank among the symbols of its day and market, -0.5 to 0.5: what models are fitted to),
        place (the score's rank, from 0 to 1), excess (the return less the median of its day), lead (the score less the
        median of its day).

    Raises
    ------
    BadInput
        A column is missing.
    """
    check_columns(scored, [DATE, SCORE, FORWARD_RETURN])
    among = [DATE, *([MARKET] if MARKET in scored.columns else [])]
    known = scored.filter(pl.col(SCORE).is_finite() & pl.col(FORWARD_RETURN).is_finite())
    count = pl.len().over(among)
    middle = pl.col(FORWARD_RETURN, SCORE).median().over(among)
    return known.with_columns(
        ((pl.col(FORWARD_RETURN).rank("average").over(among) - 0.5) / count - 0.5).alias(TARGET),
        ((pl.col(SCORE).rank("average").over(among) - 0.5) / count).alias("place"),
        (pl.col(FORWARD_RETURN, SCORE) - middle).name.map({FORWARD_RETURN: "excess", SCORE: "lead"}.__getitem__),
    )


def forecast_metrics(scored: pl.DataFrame) -> dict[str, float | None]:
    """Metrics of forecasts, those of MEANINGS up to `auc`; None where undefined. Arguments as of `targets`."""
    met = targets(scored)
    truth, score = met[TARGET], met[SCORE]
    came, put = (met["excess"] > 0.0).cast(pl.Int8), (met["lead"] > 0.0).cast(pl.Int8)
    ranks, values = rank_ic_within_markets(scored)[RANK_IC], ic_within_markets(scored)[IC]
    return {
        "rank_ic": _mean(ranks),
        "rank_icir": metrics.icir(ranks),
        "ic": _mean(values),
        "icir": metrics.icir(values),
        "mse": metrics.mse(truth, score),
        "mae": metrics.mae(truth, score),
        "r2": metrics.r2(truth, score),
        "direction_accuracy": metrics.direction_accuracy(met["excess"], score),
        "accuracy": metrics.accuracy(came, put),
        "precision": metrics.precision(came, put, UP),
        "recall": metrics.recall(came, put, UP),
        "f1": metrics.f1(came, put, UP),
        "auc": metrics.roc_auc(came, met["place"]),
    }


def return_metrics(gross: Values, net: Values, annual_days: int) -> dict[str, float | None]:
    """Metrics of daily returns (fractions) before and after costs, those of MEANINGS from `sharpe_gross` on."""
    return {
        "sharpe_gross": metrics.sharpe(gross, annual_days),
        "sharpe": metrics.sharpe(net, annual_days),
        "sortino": metrics.sortino(net, annual_days),
        "max_drawdown": metrics.max_drawdown(net),
        "hit_rate": metrics.hit_rate(net),
        "value_at_risk": metrics.value_at_risk(net),
        "expected_shortfall": metrics.expected_shortfall(net),
    }


def ic_within_markets(scored: pl.DataFrame) -> pl.DataFrame:
    """The IC of each date: date, ic. Of several markets the mean of theirs, each symbol within its own."""
    if MARKET not in scored.columns:
        return daily_ic(scored)
    weight = pl.col("symbols").filter(pl.col(IC).is_not_null())
    weighted = (pl.col(IC).drop_nulls() * weight).sum() / weight.sum()
    return daily_ic(scored, [MARKET]).group_by(DATE).agg(pl.when(weight.sum() > 0).then(weighted).alias(IC)).sort(DATE)


def _mean(values: pl.Series) -> float | None:
    found = values.mean()
    return found if isinstance(found, float) else None
