"""Confidence intervals of means over days that hold under overlap: the equal-weighted cosine estimator."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import special

from nightdesk.errors import BadInput
from nightdesk.scoring.checks import check_horizon
from nightdesk.scoring.observed import FloatArray, Values, observed, observed_pairs

MIN_DAYS: Final = 20
MIN_TERMS: Final = 3


@dataclass(frozen=True, slots=True)
class MeanInterval:
    """A mean over days and its interval, in the unit of the values; None all four where undefined."""

    mean: float | None
    lower: float | None
    upper: float | None
    standard_error: float | None
    terms: int
    days: int

    @property
    def defined(self) -> bool:
        """Whether there were enough days to say anything."""
        return self.mean is not None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a candidate beats its baselines: the best of them, and the paired difference to it."""

    best_baseline: str | None
    difference: MeanInterval
    beats: bool


def mean_interval(values: Values, horizon: int, level: float = 0.95) -> MeanInterval:
    """Estimate a mean over days and its two-sided interval under autocorrelation.

    The long-run variance is the average of the squared projections of the values on the first B cosines, and
    the critical value is Student's t with B degrees of freedom (Lazarus, Lewis, Stock & Watson 2018), with B
    = max(3, min(0.4 n^(2/3), n / (3 horizon))) rounded down.

    Parameters
    ----------
    values
        One value a trading day, in order of time; null and NaN are dropped, and their neighbours close up.
    horizon
        Overlap of the labels behind the values, in trading days, 1 to 60; 1 where they do not overlap.
    level
        Confidence, a fraction: 0.95 leaves 2.5 % on each side.

    Returns
    -------
    MeanInterval
        In the unit of `values`. Undefined (mean None, terms 0) on fewer than max(20, 3 horizon) days: a
        shorter span holds no cosine slow enough for the overlap.

    Raises
    ------
    BadInput
        The horizon, the level or a value (infinite) breaks its rule.
    """
    check_horizon(horizon)
    if not 0.0 < level < 1.0:
        raise BadInput(f"level must lie between 0 and 1, got {level}: choose 0.95 for 95 %")
    return _interval(observed(values), horizon, level)


def paired_interval(a: Values, b: Values, horizon: int, level: float = 0.95) -> MeanInterval:
    """Estimate the mean of a - b over the days on which both are known; see `mean_interval`.

    Parameters
    ----------
    a, b
        Aligned: one value of each a trading day, same days, same order. A day on which either is null is left
        out.

    Raises
    ------
    BadInput
        As `mean_interval`, or the lengths differ.
    """
    known_a, known_b = observed_pairs(a, b)
    return mean_interval(known_a - known_b, horizon, level)


def beats(candidate: Values, baselines: Mapping[str, Values], horizon: int, level: float = 0.95) -> Verdict:
    """Judge a candidate by its paired difference to the best baseline: it wins with a lower bound above zero.

    Parameters
    ----------
    candidate
        One value a trading day, more is better (negate a loss).
    baselines
        The same for each baseline, by name, aligned with `candidate`. The best is the one that the candidate
        leads by least, over the days they share; one without an interval (a constant score has no rank IC) is
        no rival.

    Returns
    -------
    Verdict
        `best_baseline` is None, the difference undefined and `beats` False where no baseline has an interval.

    Raises
    ------
    BadInput
        As `paired_interval`.
    """
    best, nearest = None, MeanInterval(None, None, None, None, 0, 0)
    for name, values in baselines.items():
        rival = paired_interval(candidate, values, horizon, level)
        if rival.mean is not None and (nearest.mean is None or rival.mean < nearest.mean):
            best, nearest = name, rival
    return Verdict(best, nearest, nearest.lower is not None and nearest.lower > 0.0)


def cosine_terms(days: int, horizon: int) -> int:
    """How many cosines an interval over so many days rests on: the degrees of freedom of its Student's t."""
    return max(MIN_TERMS, min(int(0.4 * days ** (2 / 3)), days // (3 * horizon)))


def _interval(values: FloatArray, horizon: int, level: float) -> MeanInterval:
    days = len(values)
    if days < max(MIN_DAYS, 3 * horizon):
        return MeanInterval(None, None, None, None, 0, days)
    terms = cosine_terms(days, horizon)
    mean = float(values.mean())
    error = math.sqrt(_long_run_variance(values - mean, terms) / days)
    reach = float(special.stdtrit(terms, 0.5 + level / 2)) * error
    return MeanInterval(mean, mean - reach, mean + reach, error, terms, days)


def _long_run_variance(centred: FloatArray, terms: int) -> float:
    days = len(centred)
    frequencies = np.pi * np.arange(1, terms + 1) / days
    cosines = np.cos(np.outer(frequencies, np.arange(days) + 0.5))
    projections = math.sqrt(2 / days) * (cosines @ centred)
    return float(np.mean(projections**2))
