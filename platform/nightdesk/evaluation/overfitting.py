"""What the best of many trials is worth: the deflated Sharpe ratio and the probability of backtest overfitting."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import stats

from nightdesk.errors import BadInput
from nightdesk.scoring.observed import FloatArray, Values, observed

SIGNIFICANT: Final = 0.95
POWER: Final = 0.80
EULER: Final = float(np.euler_gamma)


@dataclass(frozen=True, slots=True)
class DeflatedSharpe:
    """The best trial judged as the best of all; Sharpe ratios are of one day, not annualised.

    Attributes
    ----------
    probability
        That its true Sharpe ratio exceeds what the best of `trials` skill-less ones shows; None where undefined.
    sharpe, expected_best
        Of the best trial, and expected of the best of as many skill-less ones.
    detectable
        The true Sharpe ratio that would be called significant in 80 % of studies like this one: the test's power.
    """

    probability: float | None
    sharpe: float | None
    expected_best: float
    detectable: float | None
    trials: int
    days: int

    @property
    def significant(self) -> bool:
        """Whether the probability is at least 95 %."""
        return self.probability is not None and self.probability >= SIGNIFICANT


@dataclass(frozen=True, slots=True)
class Overfitting:
    """How often the best trial of one half of the days lies in the worse half of trials on the other (0 to 1)."""

    probability: float
    splits: int
    trials: int
    days: int


def expected_best_sharpe(variance: float, trials: int) -> float:
    """Expected Sharpe ratio of the best of `trials` independent skill-less ones (Bailey & Lopez de Prado 2014).

    `variance` is that of the trials' Sharpe ratios, in the square of their unit. 0 for one trial.
    """
    if trials < 2:
        return 0.0
    quantile = stats.norm.ppf
    return float(
        math.sqrt(variance) * ((1 - EULER) * quantile(1 - 1 / trials) + EULER * quantile(1 - 1 / (trials * math.e)))
    )


def probabilistic_sharpe(sharpe: float, rival: float, days: int, skewness: float, kurtosis: float) -> float | None:
    """Chance (0 to 1) that the true Sharpe ratio exceeds `rival` (Bailey & Lopez de Prado 2012).

    Sharpe ratios of one day; `kurtosis` is 3 for a normal. None where the estimator's variance is not above zero.
    """
    spread = 1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2
    if days < 2 or spread <= 0.0:
        return None
    return float(stats.norm.cdf((sharpe - rival) * math.sqrt(days - 1) / math.sqrt(spread)))


def deflated_sharpe(
    returns: Values, trial_sharpes: Values, trials: int | None = None, *, by_luck: bool = False
) -> DeflatedSharpe:
    """Judge the best trial of a study by its daily returns, deflated for all that were tried.

    Parameters
    ----------
    returns
        Daily returns of the best trial, fractions over cash, not overlapping; null and NaN are dropped.
    trial_sharpes
        Sharpe ratio of one day of every trial whose returns are known, the best among them.
    trials
        Trials in all, those that were stopped or looked at only included; by default as many as `trial_sharpes`.
    by_luck
        Take the trials' Sharpe ratios to vary at least as those of skill-less trials do over as many days, by
        1 / (days - 1): for trials of which few Sharpe ratios are known, or that are all alike.

    Raises
    ------
    BadInput
        Fewer trials are counted than are given, or none is given.
    """
    known, tried = observed(returns), observed(trial_sharpes)
    count = len(tried) if trials is None else trials
    if count < max(1, len(tried)) or not len(tried):
        raise BadInput(f"trials must count every Sharpe ratio given, got {count} for {len(tried)}: count every look")
    days = len(known)
    least = 1.0 / (days - 1) if by_luck and days > 1 else 0.0
    expected = expected_best_sharpe(max(least, float(tried.var(ddof=1)) if len(tried) > 1 else 0.0), count)
    if days < 2 or known.min() == known.max():
        return DeflatedSharpe(None, None, expected, None, count, days)
    sharpe = float(known.mean() / known.std(ddof=1))
    moments = float(stats.skew(known)), float(stats.kurtosis(known, fisher=False))
    reach = float(stats.norm.ppf(SIGNIFICANT) + stats.norm.ppf(POWER)) / math.sqrt(days - 1)
    probability = probabilistic_sharpe(sharpe, expected, days, *moments)
    return DeflatedSharpe(probability, sharpe, expected, expected + reach, count, days)


def overfitting_probability(returns: npt.ArrayLike, blocks: int = 16) -> Overfitting:
    """Probability of backtest overfitting by combinatorially symmetric cross-validation (Bailey et al. 2017).

    Parameters
    ----------
    returns
        Daily returns, fractions, shape (days, trials), none missing.
    blocks
        Even number of equal blocks of days, at least 4; days that do not divide are dropped from the start.

    Returns
    -------
    Overfitting
        Share of the choose(blocks, blocks / 2) splits in which the trial with the best Sharpe ratio on one half ranks
        at or below the middle of all trials on the other. Half where no trial has skill; near 0 where one stands out.

    Raises
    ------
    BadInput
        `blocks` breaks its rule, there are fewer than 2 trials or 2 days a block, or a return is missing.
    """
    table = np.asarray(returns, dtype=np.float64)
    if blocks < 4 or blocks % 2:
        raise BadInput(f"blocks must be an even number of 4 or more, got {blocks}: choose 16")
    if table.ndim != 2 or table.shape[1] < 2 or len(table) < 2 * blocks:
        raise BadInput(f"returns must have 2 trials and {2 * blocks} days, got shape {table.shape}: give more")
    if not np.isfinite(table).all():
        raise BadInput("returns must be finite and none missing, got some that are not: keep the days all trials share")
    size = len(table) // blocks
    cut = table[len(table) - size * blocks :].reshape(blocks, size, -1)
    sums, squares = cut.sum(axis=1), (cut**2).sum(axis=1)
    halves = np.array(list(combinations(range(blocks), blocks // 2)))
    inside = np.zeros((len(halves), blocks))
    np.put_along_axis(inside, halves, 1.0, axis=1)
    known = _sharpes(inside @ sums, inside @ squares, size * blocks // 2)
    unknown = _sharpes((1 - inside) @ sums, (1 - inside) @ squares, size * blocks // 2)
    chosen = np.take_along_axis(unknown, known.argmax(axis=1)[:, None], axis=1)
    below, equal = (unknown < chosen).sum(axis=1), (unknown == chosen).sum(axis=1)
    relative = (below + (equal + 1) / 2) / (table.shape[1] + 1)
    return Overfitting(float(np.mean(relative <= 0.5)), len(halves), table.shape[1], size * blocks)


def _sharpes(sums: FloatArray, squares: FloatArray, days: int) -> FloatArray:
    mean = sums / days
    spread = np.sqrt(np.maximum(squares / days - mean**2, 0.0))
    return np.divide(mean, spread, out=np.zeros_like(mean), where=spread > 0.0)
