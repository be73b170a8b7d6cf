"""The cosine interval equals a literal loop and covers what it claims, with overlapping labels too."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from scipy import stats

from nightdesk.errors import BadInput
from nightdesk.scoring.intervals import MeanInterval, beats, mean_interval, paired_interval


def literal(values: list[float], horizon: int) -> tuple[float, float, int]:
    """Mean, half width and terms, written out as in the paper."""
    n = len(values)
    terms = max(3, math.floor(min(0.4 * n ** (2 / 3), n / (3 * horizon))))
    mean = sum(values) / n
    variance = 0.0
    for j in range(1, terms + 1):
        projection = 0.0
        for t in range(1, n + 1):
            projection += math.cos(math.pi * j * (t - 0.5) / n) * (values[t - 1] - mean)
        variance += (math.sqrt(2 / n) * projection) ** 2 / terms
    return mean, float(stats.t.ppf(0.975, terms)) * math.sqrt(variance / n), terms


@pytest.mark.parametrize(
    ("days", "horizon", "terms"), [(500, 5, 25), (500, 20, 8), (200, 60, 3), (20, 1, 3), (400, 1, 21)]
)
def test_equals_a_literal_loop(days: int, horizon: int, terms: int) -> None:
    values = np.random.default_rng(days + horizon).normal(0.1, 1.0, days)
    found = mean_interval(values, horizon)
    mean, reach, expected_terms = literal(values.tolist(), horizon)
    assert found.terms == expected_terms == terms
    assert (found.mean, found.lower, found.upper) == pytest.approx((mean, mean - reach, mean + reach))
    assert found.standard_error == pytest.approx(reach / stats.t.ppf(0.975, terms))


@pytest.mark.parametrize("horizon", [5, 20])
def test_covers_under_overlap_where_the_naive_interval_does_not(horizon: int) -> None:
    days, runs, true_mean = 500, 2000, 0.3
    random = np.random.default_rng(horizon)
    covered = naive = 0
    for _ in range(runs):
        noise = random.normal(true_mean / horizon, 1.0, days + horizon - 1)
        values = np.convolve(noise, np.ones(horizon), mode="valid")
        found = mean_interval(values, horizon)
        covered += found.lower <= true_mean <= found.upper
        naive += abs(values.mean() - true_mean) <= 1.96 * values.std(ddof=1) / math.sqrt(days)
    assert 0.92 <= covered / runs <= 0.98
    assert naive / runs < 0.70


def test_level_widens_the_interval() -> None:
    values = np.random.default_rng(0).normal(size=300)
    narrow, wide = mean_interval(values, 5, level=0.9), mean_interval(values, 5, level=0.99)
    assert wide.lower < narrow.lower < narrow.mean < narrow.upper < wide.upper
    assert wide.standard_error == narrow.standard_error


def test_too_few_days_are_undefined_and_nulls_do_not_count() -> None:
    undefined = MeanInterval(None, None, None, None, 0, 19)
    assert mean_interval([1.0, 2.0] * 9 + [1.0, None, float("nan")], 1) == undefined
    assert not undefined.defined
    assert mean_interval(pl.Series([0.5] * 59), 20).mean is None
    assert mean_interval(pl.Series([0.5] * 60), 20).mean == 0.5
    assert mean_interval([], 1).days == 0
    with_gaps = [1.0, None, 2.0, 4.0] * 20
    assert mean_interval(with_gaps, 1) == mean_interval([1.0, 2.0, 4.0] * 20, 1)


def test_pairs_need_both_days() -> None:
    a = pl.Series([None, 3.0, 2.0, 5.0] * 20)
    b = pl.Series([1.0, None, 1.0, 2.0] * 20)
    assert paired_interval(a, b, 1) == mean_interval([1.0, 3.0] * 20, 1)
    with pytest.raises(BadInput, match="equally long, got 80 and 79"):
        paired_interval(a, b[1:], 1)


def test_beats_asks_the_best_baseline() -> None:
    random = np.random.default_rng(3)
    shared = random.normal(size=400)  # what all have in common cancels in pairs
    candidate = shared + random.normal(0.10, 0.1, 400)
    weak, strong = shared - 1.0, shared + random.normal(0.09, 0.5, 400)
    constant = pl.Series([None] * 400, dtype=pl.Float64)
    won = beats(candidate, {"weak": weak, "constant": constant}, 1)
    assert (won.best_baseline, won.beats) == ("weak", True)
    lost = beats(candidate, {"weak": weak, "strong": strong}, 1)
    assert (lost.best_baseline, lost.beats) == ("strong", False)
    assert lost.difference == paired_interval(candidate, strong, 1)
    nobody = beats(candidate, {"constant": constant}, 1)
    assert (nobody.best_baseline, nobody.beats, nobody.difference.defined) == (None, False, False)


def test_refuses_what_breaks_a_rule() -> None:
    with pytest.raises(BadInput, match="horizon must be 1 to 60 trading days, got 61"):
        mean_interval([1.0] * 30, 61)
    with pytest.raises(BadInput, match="level must lie between 0 and 1, got 95"):
        mean_interval([1.0] * 30, 1, level=95)
    with pytest.raises(BadInput, match="got 1 infinite"):
        mean_interval([1.0] * 30 + [math.inf], 1)
