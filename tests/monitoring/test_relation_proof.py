"""The test of the relation: false alarms in clean years, and breaks found, at each horizon (`make proof`)."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from drift_nights import calendar
from scipy import stats

from nightdesk.evaluation.power import overlapping_noise
from nightdesk.monitoring.drift import REST
from nightdesk.monitoring.performance import judge_performance
from nightdesk.monitoring.relation import ALARMS_A_YEAR, DEVIATION, PROMISED, judge_relation
from nightdesk.scoring.intervals import mean_interval

pytestmark = pytest.mark.proof

YEAR, LEARNT, LEVEL = 252, 600, 0.05
BY_INPUTS, ITS_ERROR = 0.61, 0.055
"""False trainings a year that the gate on inputs costs, and their error: of the 500 years of test_drift_proof.py."""


def nights(random: np.random.Generator, count: int, horizon: int, deviation: float) -> tuple[pl.DataFrame, np.ndarray]:
    """A year's frame with the promise that a walk-forward of 600 days made, and its rank ICs around .05."""
    noise = deviation * overlapping_noise(random, 1, LEARNT + count, horizon)[0]
    found = mean_interval(LEVEL + noise[:LEARNT], horizon)
    assert found.mean is not None
    assert found.standard_error is not None
    frame = pl.DataFrame({"as_of": calendar(count)}).with_columns(
        pl.lit(found.mean - found.standard_error).alias(PROMISED),
        pl.lit(found.standard_error * np.sqrt(LEARNT)).alias(DEVIATION),
    )
    return frame, LEVEL + noise[LEARNT:]


def trainings(frame: pl.DataFrame, rank_ic: np.ndarray, horizon: int, rate: float) -> int:
    """How often a clean year asks for a training, which begins the sum anew; both tests, looked at every night."""
    asked, begun = 0, 0
    told = frame.with_columns(pl.Series("rank_ic", rank_ic))
    for end in range(1, len(rank_ic) + 1):
        if end <= begun:
            continue  # the models of a training have no matured night yet
        seen = told.slice(begun, end - begun)
        if judge_relation(seen, rate).broken or judge_performance(seen, horizon).degraded:
            asked, begun = asked + 1, max(end, begun + REST)
    return asked


def found_within(frame: pl.DataFrame, rank_ic: np.ndarray, begun: int, rate: float, within: int) -> int | None:
    """After how many matured nights the break of night `begun` is found; None where it is not in time."""
    told = frame.with_columns(pl.Series("rank_ic", rank_ic))
    for end in range(begun + 1, begun + within + 1):
        if judge_relation(told.head(end), rate).broken:
            return end - begun
    return None


@pytest.mark.parametrize("horizons", [(1,), (1, 5, 20)])
def test_clean_years_ask_for_less_than_one_training(horizons: tuple[int, ...]) -> None:
    runs, random = 300, np.random.default_rng(41)
    asked = np.zeros(runs)
    for run in range(runs):
        for horizon in horizons:
            frame, rank_ic = nights(random, YEAR, horizon, 0.1)
            asked[run] += trainings(frame, rank_ic, horizon, ALARMS_A_YEAR / len(horizons))
    error = asked.std(ddof=1) / np.sqrt(runs)
    together = asked.mean() + BY_INPUTS
    most = together + 1.645 * np.hypot(error, ITS_ERROR)
    print(
        f"\nrelation and performance, {runs} clean years at {horizons} days, deviation .10: {asked.mean():.2f} false "
        f"trainings a year (error {error:.2f}); with {BY_INPUTS} of inputs {together:.2f}, at most {most:.2f}; bound 1"
    )
    assert most <= 1.0


def test_a_flipped_relation_is_found_within_twenty_nights() -> None:
    runs, random = 1000, np.random.default_rng(43)
    found = 0
    for _ in range(runs):
        frame, rank_ic = nights(random, 120, 1, 0.08)
        rank_ic[100:] -= 2 * LEVEL
        found += found_within(frame, rank_ic, 100, ALARMS_A_YEAR, 20) is not None
    least = float(stats.beta.ppf(0.05, found, runs - found + 1))
    print(
        f"\na rank IC of .05 flipped, 1 day, deviation .08: found within 20 matured nights in {found / runs:.1%} of "
        f"{runs} runs, so in at least {least:.1%}; bound 90 %"
    )
    assert least >= 0.90


def test_the_detection_curve_is_printed() -> None:
    """Smaller breaks, noisier markets, longer horizons: told, and held to nothing but that more is found sooner."""
    runs, within, shares = 60, 100, {}
    print("\nhorizon  deviation  fall of rank IC  found within 20, 60, 100 matured nights, one horizon of the desk")
    for horizon, deviation in ((1, 0.08), (1, 0.10), (1, 0.12), (1, 0.15), (5, 0.10), (20, 0.10)):
        for fall in (0.05, 0.10, 0.15):
            random = np.random.default_rng(47)
            after = []
            for _ in range(runs):
                frame, rank_ic = nights(random, 100 + within, horizon, deviation)
                rank_ic[100:] -= fall
                after.append(found_within(frame, rank_ic, 100, ALARMS_A_YEAR, within))
            by = [np.mean([one is not None and one <= end for one in after]) for end in (20, 60, 100)]
            shares[horizon, deviation, fall] = by
            print(f"{horizon:7}  {deviation:9.2f}  {fall:15.2f}  " + "  ".join(f"{share:4.0%}" for share in by))
    assert shares[1, 0.10, 0.15][0] >= shares[1, 0.10, 0.05][0]
    assert shares[1, 0.08, 0.10][0] >= shares[1, 0.15, 0.10][0]
