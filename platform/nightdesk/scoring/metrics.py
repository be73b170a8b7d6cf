"""Metrics of forecasts and of return series, aware of nulls; None, never 0, where one is undefined.

Scikit-learn computes what it has; the wrappers here leave out the places where either side is null or NaN.
Returns are fractions a day (0.01 is 1 %), simple, not logarithmic. A loss is a positive number. `annual_days`
is 252 for equities and 365 for crypto. An infinite value, or columns of unequal length, raise BadInput.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from sklearn import metrics as sk

from nightdesk.errors import BadInput
from nightdesk.scoring.observed import Classes, FloatArray, Values, observed, observed_classes, observed_pairs

EQUITY_DAYS: Final = 252


def mse(truth: Values, forecast: Values) -> float | None:
    """Mean squared error, in the square of the values' unit; None without a pair."""
    return _of_pairs(sk.mean_squared_error, truth, forecast)


def mae(truth: Values, forecast: Values) -> float | None:
    """Mean absolute error, in the values' unit; None without a pair."""
    return _of_pairs(sk.mean_absolute_error, truth, forecast)


def r2(truth: Values, forecast: Values) -> float | None:
    """Share of the variance of `truth` explained, at most 1; None where `truth` does not vary."""
    known, guess = observed_pairs(truth, forecast)
    return float(sk.r2_score(known, guess)) if _varies(known) else None


def direction_accuracy(truth: Values, forecast: Values) -> float | None:
    """Share (0 to 1) of moves with the sign forecast; a forecast of 0 is wrong, a move of 0 not counted."""
    known, guess = observed_pairs(truth, forecast)
    moved = known != 0.0
    return float(np.mean(np.sign(guess[moved]) == np.sign(known[moved]))) if moved.any() else None


def accuracy(truth: Classes, forecast: Classes) -> float | None:
    """Share (0 to 1) of classes forecast right; None without a pair."""
    known, guess = observed_classes(truth, forecast)
    return float(sk.accuracy_score(known, guess)) if len(known) else None


def precision(truth: Classes, forecast: Classes, positive: str | int) -> float | None:
    """Share (0 to 1) of forecasts of class `positive` that came true; None where it was never forecast."""
    known, guess = observed_classes(truth, forecast)
    return float(sk.precision_score(known == positive, guess == positive)) if np.any(guess == positive) else None


def recall(truth: Classes, forecast: Classes, positive: str | int) -> float | None:
    """Share (0 to 1) of the cases of class `positive` that were forecast; None where there was no case."""
    known, guess = observed_classes(truth, forecast)
    return float(sk.recall_score(known == positive, guess == positive)) if np.any(known == positive) else None


def f1(truth: Classes, forecast: Classes, positive: str | int) -> float | None:
    """Harmonic mean (0 to 1) of precision and recall of class `positive`; None where it never occurs."""
    known, guess = observed_classes(truth, forecast)
    met = np.any(known == positive) or np.any(guess == positive)
    return float(sk.f1_score(known == positive, guess == positive)) if met else None


def roc_auc(happened: Values, score: Values) -> float | None:
    """Chance (0 to 1) that a case (`happened` 1) scores above others (0), ties half; None without both."""
    known, guess = observed_pairs(happened, score)
    return float(sk.roc_auc_score(known, guess)) if _varies(known) else None


def icir(daily_ic: Values) -> float | None:
    """Mean over standard deviation (n - 1) of daily IC or rank IC, not annualised; None where it does not vary."""
    return _ratio(observed(daily_ic))


def sharpe(excess_returns: Values, annual_days: int = EQUITY_DAYS) -> float | None:
    """Annualised Sharpe ratio (Sharpe 1994) of daily returns over cash; None where they do not vary.

    Overlapping returns do not belong here: their standard deviation over days is not that of a year.
    """
    ratio = _ratio(observed(excess_returns))
    return None if ratio is None else ratio * math.sqrt(annual_days)


def sortino(excess_returns: Values, annual_days: int = EQUITY_DAYS) -> float | None:
    """Annualised mean over downside deviation below 0 (Sortino & Price 1994); None without a loss."""
    days = observed(excess_returns)
    losses = np.minimum(days, 0.0)
    if not losses.any():
        return None
    return float(days.mean() / math.sqrt(np.mean(losses**2)) * math.sqrt(annual_days))


def max_drawdown(returns: Values) -> float | None:
    """Deepest fall of the compounded value from a peak, the start included: a fraction, 0 if it never fell.

    A day without a return leaves the value as it was; None where there is no day.
    """
    days = observed(returns)
    if not len(days):
        return None
    value = np.concatenate(([1.0], np.cumprod(1.0 + days)))
    return float(np.max(1.0 - value / np.maximum.accumulate(value)))


def hit_rate(returns: Values) -> float | None:
    """Share (0 to 1) of days with a return above zero; None without a day."""
    days = observed(returns)
    return float(np.mean(days > 0.0)) if len(days) else None


def value_at_risk(returns: Values, level: float = 0.95) -> float | None:
    """Historical value at risk: the mildest of the worst (1 - level) days, a fraction, loss positive."""
    tail = _worst(returns, level)
    return float(-tail[-1]) if len(tail) else None


def expected_shortfall(returns: Values, level: float = 0.95) -> float | None:
    """Mean loss over the same worst days as `value_at_risk` (CVaR), a fraction, loss positive."""
    tail = _worst(returns, level)
    return float(-tail.mean()) if len(tail) else None


def _of_pairs(metric: Callable[..., Any], truth: Values, forecast: Values) -> float | None:
    known, guess = observed_pairs(truth, forecast)
    return float(metric(known, guess)) if len(known) else None


def _varies(values: FloatArray) -> bool:
    return len(values) > 1 and bool(values.min() < values.max())


def _ratio(values: FloatArray) -> float | None:
    return float(values.mean() / values.std(ddof=1)) if _varies(values) else None


def _worst(returns: Values, level: float) -> FloatArray:
    if not 0.0 < level < 1.0:
        raise BadInput(f"level must lie between 0 and 1, got {level}: choose 0.95 for the worst 5 % of days")
    days = np.sort(observed(returns))
    # Rounded first: (1 - 0.95) * 100 is a hair above 5, and would take a sixth day.
    return days[: math.ceil(round((1.0 - level) * len(days), 9))]
