"""Comparisons of models equal their papers' formulas written out, scipy where it has them, and find what is planted."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from scipy import stats

from nightdesk.errors import BadInput
from nightdesk.evaluation.bootstrap import block_days, block_interval
from nightdesk.evaluation.comparison import confidence_set, diebold_mariano


def written_out(first: list[float], second: list[float], horizon: int) -> tuple[float, float]:
    """Diebold-Mariano with the correction of Harvey, Leybourne and Newbold, by plain loops."""
    difference = [a - b for a, b in zip(first, second, strict=True)]
    n = len(difference)
    mean = sum(difference) / n
    variance = 0.0
    for lag in range(horizon):
        covariance = sum((difference[t] - mean) * (difference[t - lag] - mean) for t in range(lag, n)) / n
        variance += covariance if lag == 0 else 2 * covariance
    statistic = mean / math.sqrt(variance / n)
    statistic *= math.sqrt((n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n)
    return statistic, 2 * (1 - stats.t.cdf(abs(statistic), n - 1))


@pytest.mark.parametrize("horizon", [1, 5, 20])
def test_diebold_mariano_equals_its_formula(horizon: int) -> None:
    random = np.random.default_rng(horizon)
    first = np.convolve(random.normal(0.05, 1.0, 300 + horizon), np.ones(horizon), mode="valid")[:300]
    second = random.normal(size=300)
    found = diebold_mariano(first, second, horizon)
    assert (found.statistic, found.p_value) == pytest.approx(written_out(first.tolist(), second.tolist(), horizon))
    assert found.mean == pytest.approx(float(np.mean(first - second)))
    mirrored = diebold_mariano(second, first, horizon)
    assert mirrored.statistic == pytest.approx(-found.statistic)


def test_for_the_next_day_it_is_a_paired_t_test() -> None:
    random = np.random.default_rng(9)
    first, second = random.normal(0.1, 1, 250), random.normal(size=250)
    expected = stats.ttest_rel(first, second)
    found = diebold_mariano(first, second, 1)
    assert (found.statistic, found.p_value) == pytest.approx((expected.statistic, expected.pvalue))


def test_diebold_mariano_is_undefined_without_days_or_variance() -> None:
    assert diebold_mariano([1.0] * 19, [0.0] * 19, 1).statistic is None
    constant = diebold_mariano(pl.Series([1.1] * 50), pl.Series([1.0] * 50), 1)
    assert (constant.mean, constant.statistic) == (pytest.approx(0.1), None)
    swinging = diebold_mariano([1.0, -1.0] * 30, [0.0] * 60, 2)  # its rectangular variance is negative
    assert (swinging.statistic, swinging.p_value, swinging.days) == (None, None, 60)
    gaps = [None, 1.0, 2.0] * 20
    assert diebold_mariano(gaps, [0.5] * 60, 1) == diebold_mariano([1.0, 2.0] * 20, [0.5] * 40, 1)


def test_the_confidence_set_keeps_the_best_and_drops_the_worse() -> None:
    random = np.random.default_rng(4)
    shared = random.normal(size=500)
    losses = {
        "worse": shared + random.normal(0.4, 0.5, 500),
        "best": shared + random.normal(0.0, 0.5, 500),
        "equal": shared + random.normal(0.0, 0.5, 500),
    }
    found = confidence_set(losses, 1)
    assert found.included == ("best", "equal")
    assert found.p_values["worse"] < 0.1 <= found.p_values["equal"]
    assert max(found.p_values.values()) == 1.0
    assert found.days == 500
    assert confidence_set(losses, 1) == found


def test_the_confidence_set_keeps_the_best_as_often_as_it_says() -> None:
    random, runs = np.random.default_rng(5), 60
    lost = 0
    for seed in range(runs):
        losses = {name: random.normal(size=120) for name in ("a", "b", "c")}  # all are best
        lost += "a" not in confidence_set(losses, 1, size=0.1, samples=200, seed=seed).included
    assert lost <= stats.binom.ppf(0.999, runs, 0.1)


def test_days_that_one_model_lacks_count_for_none() -> None:
    random = np.random.default_rng(6)
    a, b = random.normal(size=100), random.normal(0.5, 1, 100)
    holes = [None if day % 4 == 0 else value for day, value in enumerate(b.tolist())]
    known = [day for day in range(100) if day % 4]
    assert confidence_set({"a": a, "b": holes}, 1) == confidence_set({"a": a[known], "b": b[known]}, 1)


@pytest.mark.parametrize(("days", "block"), [(20, 1), (23, 5), (10, 10)])
def test_blocks_are_runs_of_days_in_a_circle(days: int, block: int) -> None:
    drawn = block_days(days, block, 50, seed=3)
    assert drawn.shape == (50, days)
    for sample in drawn:
        for first in range(0, days, block):
            run = sample[first : first + block]
            assert run.tolist() == [(run[0] + step) % days for step in range(len(run))]
    assert set(drawn.ravel().tolist()) == set(range(days))


def test_the_bootstrap_interval_equals_a_plain_loop_and_covers() -> None:
    values = np.random.default_rng(0).normal(0.2, 1, 100)
    found = block_interval(values, 5, samples=400, seed=1)
    means = sorted(sum(values[day] for day in sample) / 100 for sample in block_days(100, 5, 400, 1).tolist())
    assert (found.lower, found.upper) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))
    random, covered = np.random.default_rng(7), 0
    for seed in range(300):
        noise = np.convolve(random.normal(size=304), np.ones(5), mode="valid")
        interval = block_interval(noise, 10, samples=300, seed=seed)
        covered += interval.lower <= 0.0 <= interval.upper
    assert 0.86 <= covered / 300 <= 0.97
    assert block_interval([1.0] * 24, 5).mean is None


def test_refuses_what_breaks_a_rule() -> None:
    with pytest.raises(BadInput, match="horizon must be 1 to 60 trading days, got 0"):
        diebold_mariano([1.0], [1.0], 0)
    with pytest.raises(BadInput, match="needs two models and a size between 0 and 1, got 1 and"):
        confidence_set({"a": [1.0]}, 1)
    with pytest.raises(BadInput, match="needs 60 shared days, got 30"):
        confidence_set({"a": [1.0] * 30, "b": [1.0] * 30}, 20)
    with pytest.raises(BadInput, match="equally long, got 30 and 29"):
        confidence_set({"a": [1.0] * 30, "b": [1.0] * 29}, 1)
    with pytest.raises(BadInput, match="the block 1 to 10 days, got 5 and 11"):
        block_days(10, 11, 5, 0)
    with pytest.raises(BadInput, match="level must lie between 0 and 1, got 95"):
        block_interval([1.0], 1, level=95)
