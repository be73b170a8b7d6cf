"""What the e-process can see: its power against a steady edge, and the smallest edge that it finds in time."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import numpy as np

from nightdesk.errors import BadInput
from nightdesk.evaluation.e_process import CLIP, e_path
from nightdesk.scoring.checks import check_horizon
from nightdesk.scoring.intervals import mean_interval
from nightdesk.scoring.observed import FloatArray, Values, observed

NIGHTS: Final = 504
POWER: Final = 0.80
RUNS: Final = 400
STEPS: Final = 12


def overlapping_noise(random: np.random.Generator, runs: int, nights: int, horizon: int) -> FloatArray:
    """Unit normal noise whose neighbours share what overlapping labels share, shape (runs, nights)."""
    steps = np.cumsum(random.standard_normal((runs, nights + horizon)), axis=1)
    noise: FloatArray = (steps[:, horizon:] - steps[:, :-horizon]) / math.sqrt(horizon)
    return noise


def power(edge: float, deviation: float, horizon: int, alpha: float, nights: int = NIGHTS, runs: int = RUNS) -> float:
    """Share (0 to 1) of simulated tests that reach 1 / alpha within `nights` at a steady edge in daily rank IC.

    `deviation` is the standard deviation of the paired differences over days. The same numbers are drawn whenever it is
    called, so a larger edge never has less power.

    Raises
    ------
    BadInput
        A number breaks its rule.
    """
    check_horizon(horizon)
    if not (deviation > 0.0 and math.isfinite(deviation) and 0.0 < alpha < 1.0 and min(nights, runs) >= 1):
        raise BadInput(
            f"deviation must be above 0, alpha between 0 and 1, nights and runs 1 or more, got {deviation}, {alpha}, "
            f"{nights} and {runs}: choose for example 0.08, 0.0125, 504 and 400"
        )
    noise = overlapping_noise(np.random.default_rng(0), runs, nights, horizon)
    return float(np.mean(e_path(edge + deviation * noise, horizon).max(axis=1) >= 1.0 / alpha))


def effective_days(values: Values, horizon: int) -> float | None:
    """How many independent days would bound a mean as tightly as these days, which share their labels, do.

    The variance over days by the squared standard error of `scoring.intervals.mean_interval`; None where that is
    undefined or 0. An estimate as rough as that error: at 60 days it stands on a handful of terms.
    """
    found = mean_interval(values, horizon)
    return float(observed(values).var(ddof=1)) / found.standard_error**2 if found.standard_error else None


@lru_cache(maxsize=256)
def minimum_detectable_edge(horizon: int, deviation: float, alpha: float, nights: int = NIGHTS) -> float | None:
    """Smallest steady edge in daily rank IC that a test finds in 80 % of cases; None where even 0.4 is not found.

    By bisection of `power`, to 0.0001; see there for arguments and errors.
    """
    low, high = 0.0, CLIP
    if power(high, deviation, horizon, alpha, nights) < POWER:
        return None
    for _ in range(STEPS):
        middle = (low + high) / 2
        if power(middle, deviation, horizon, alpha, nights) < POWER:
            low = middle
        else:
            high = middle
    return high
