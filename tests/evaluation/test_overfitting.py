"""The best of many trials: the papers' own example, the formulas written out, and luck told from skill."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from nightdesk.errors import BadInput
from nightdesk.evaluation.overfitting import (
    deflated_sharpe,
    expected_best_sharpe,
    overfitting_probability,
    probabilistic_sharpe,
)


def test_the_papers_own_example() -> None:
    """Bailey & Lopez de Prado 2014: 100 trials, annual Sharpe ratio 2.5 over 1,250 days, skewness -3, kurtosis 10."""
    expected = expected_best_sharpe(1 / (2 * 250), 100)
    assert expected == pytest.approx(0.1132, abs=5e-5)
    assert probabilistic_sharpe(2.5 / math.sqrt(250), expected, 1250, -3, 10) == pytest.approx(0.9004, abs=5e-5)


def test_the_expected_best_is_what_the_best_of_many_shows() -> None:
    best = np.random.default_rng(0).normal(0.0, 0.05, (20_000, 50)).max(axis=1).mean()
    assert expected_best_sharpe(0.05**2, 50) == pytest.approx(best, rel=0.02)
    assert expected_best_sharpe(0.05**2, 1) == 0.0


def test_one_trial_is_the_plain_probabilistic_ratio() -> None:
    returns = np.random.default_rng(1).normal(0.001, 0.01, 500)
    sharpe = returns.mean() / returns.std(ddof=1)
    found = deflated_sharpe(returns, [sharpe])
    spread = 1 - stats.skew(returns) * sharpe + (stats.kurtosis(returns, fisher=False) - 1) / 4 * sharpe**2
    assert found.expected_best == 0.0
    assert found.probability == pytest.approx(stats.norm.cdf(sharpe * math.sqrt(499 / spread)))
    assert found.sharpe == pytest.approx(sharpe)


def test_more_trials_make_the_same_returns_worth_less() -> None:
    random = np.random.default_rng(2)
    returns, tried = random.normal(0.001, 0.01, 750), random.normal(0.0, 0.04, 20)
    worth = [deflated_sharpe(returns, tried, trials).probability for trials in (None, 100, 1000)]
    assert worth == sorted(worth, reverse=True)
    assert worth[0] > worth[-1] + 0.05
    assert deflated_sharpe(returns, tried, 100).trials == 100


def test_trials_of_unknown_returns_vary_at_least_as_luck_does() -> None:
    returns = np.random.default_rng(2).normal(0.001, 0.01, 501)
    known = [float(returns.mean() / returns.std(ddof=1))]
    assert deflated_sharpe(returns, known, 100).expected_best == 0.0
    found = deflated_sharpe(returns, known, 100, by_luck=True)
    best = np.random.default_rng(3).normal(size=(100, 100, 501))
    shown = (best.mean(axis=2) / best.std(axis=2, ddof=1)).max(axis=1).mean()
    assert found.expected_best == pytest.approx(shown, rel=0.03)
    assert deflated_sharpe(returns, [-0.5, 0.5], 100, by_luck=True) == deflated_sharpe(returns, [-0.5, 0.5], 100)
    assert deflated_sharpe(returns[:1], known, 9, by_luck=True).probability is None


def test_the_detectable_ratio_is_called_significant_in_four_of_five_studies() -> None:
    random, days, runs, hits = np.random.default_rng(3), 500, 300, 0
    for _ in range(runs):
        tried, noise = _null(random, 20, days), random.normal(size=days)
        detectable = deflated_sharpe(noise, tried).detectable
        hits += deflated_sharpe(noise + detectable, tried).significant
    assert 0.73 <= hits / runs <= 0.87


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_studies_without_skill_are_seldom_called_significant(correlation: float) -> None:
    """The reduced form of the proof (tests/promotion/test_gate_proofs.py)."""
    random, studies, called = np.random.default_rng(8), 80, 0
    for _ in range(studies):
        shared, own = random.normal(size=(300, 1)), random.normal(size=(300, 40))
        returns = math.sqrt(correlation) * shared + math.sqrt(1 - correlation) * own
        tried = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
        called += deflated_sharpe(returns[:, tried.argmax()], tried).significant
    assert called <= stats.binom.ppf(0.99, studies, 0.05)


def test_undefined_is_none_and_never_significant() -> None:
    for returns in ([], [0.1], [0.1] * 50):
        found = deflated_sharpe(returns, [0.1, 0.2])
        assert (found.probability, found.sharpe, found.significant) == (None, None, False)
    assert probabilistic_sharpe(3.0, 0.0, 100, 4.0, 3.0) is None


def overfit_written_out(returns: np.ndarray, blocks: int) -> float:
    size = len(returns) // blocks
    parts = [returns[len(returns) - size * blocks :][block * size : (block + 1) * size] for block in range(blocks)]
    worse = []
    for chosen in combinations(range(blocks), blocks // 2):
        inside = np.concatenate([parts[block] for block in chosen])
        outside = np.concatenate([parts[block] for block in range(blocks) if block not in chosen])
        best = (inside.mean(axis=0) / inside.std(axis=0)).argmax()
        rank = stats.rankdata(outside.mean(axis=0) / outside.std(axis=0))[best]
        worse.append(rank / (returns.shape[1] + 1) <= 0.5)
    return sum(worse) / len(worse)


@pytest.mark.parametrize("seed", range(4))
def test_the_probability_of_overfitting_equals_the_method_written_out(seed: int) -> None:
    returns = np.random.default_rng(seed).normal(size=(103, 7)) + 0.05 * np.arange(7)
    found = overfitting_probability(returns, blocks=6)
    assert found.probability == pytest.approx(overfit_written_out(returns, 6))
    assert (found.splits, found.trials, found.days) == (20, 7, 102)


def test_luck_overfits_in_half_of_the_splits_and_skill_in_few() -> None:
    random = np.random.default_rng(6)
    luck = [overfitting_probability(random.normal(size=(480, 20)), 8).probability for _ in range(40)]
    assert 0.4 <= np.mean(luck) <= 0.6
    skilled = random.normal(size=(480, 20))
    skilled[:, 3] += 0.3
    assert overfitting_probability(skilled).probability < 0.02
    flat = np.column_stack([np.zeros(480), random.normal(size=480) - 0.3])
    assert overfitting_probability(flat, 8).probability == 0.0


def test_refuses_what_breaks_a_rule() -> None:
    with pytest.raises(BadInput, match="must count every Sharpe ratio given, got 1 for 2"):
        deflated_sharpe([0.1, 0.2], [0.1, 0.2], 1)
    with pytest.raises(BadInput, match="must count every Sharpe ratio given, got 0 for 0"):
        deflated_sharpe([0.1, 0.2], [])
    with pytest.raises(BadInput, match="blocks must be an even number of 4 or more, got 5"):
        overfitting_probability(np.zeros((100, 3)), 5)
    with pytest.raises(BadInput, match="2 trials and 32 days, got shape"):
        overfitting_probability(np.zeros((31, 3)))
    with pytest.raises(BadInput, match="finite and none missing"):
        overfitting_probability(np.full((100, 3), np.nan))


def _null(random: np.random.Generator, trials: int, days: int) -> np.ndarray:
    table = random.normal(size=(trials, days))
    return table.mean(axis=1) / table.std(axis=1, ddof=1)
