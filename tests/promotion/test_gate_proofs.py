"""Proofs of the gates, with a fast stand-in for training: figures beside their bounds (`make proof`)."""

from __future__ import annotations

import numpy as np
import pytest
from null_years import DEVIATION, luck, persisting, replaced_years
from scipy.stats import beta

from nightdesk.evaluation.e_process import e_path
from nightdesk.evaluation.overfitting import deflated_sharpe, overfitting_probability
from nightdesk.evaluation.power import minimum_detectable_edge, overlapping_noise, power
from nightdesk.promotion.refresh import LEVEL, NIGHTS
from nightdesk.promotion.superiority import ROLLBACK_ALPHA, SHARES
from nightdesk.scoring.intervals import mean_interval

pytestmark = pytest.mark.proof


def upper(found: int, runs: int) -> float:
    """One-sided 95 % upper bound of a rate (Clopper & Pearson 1934)."""
    return float(beta.ppf(0.95, found + 1, runs - found))


def lower(found: int, runs: int) -> float:
    """One-sided 95 % lower bound of a rate."""
    return float(beta.ppf(0.05, found, runs - found + 1))


@pytest.mark.parametrize(("horizon", "years"), [(1, 10_000), (5, 10_000), (20, 4_000), (60, 2_000)])
def test_luck_replaces_the_champion_in_at_most_one_year_of_twenty(horizon: int, years: int) -> None:
    replaced, counted = replaced_years(years, horizon, seed=horizon)
    bound = upper(replaced, counted)
    print(
        f"\nnull years, {horizon}-day labels: {replaced} of {counted:,} years of 252 nights with four challengers saw "
        f"a replacement ({replaced / counted:.2%}), so at most {bound:.2%}; bound 5 %"
    )
    assert bound <= 0.05


@pytest.mark.parametrize("horizon", [1, 5])
def test_edges_that_persist_and_average_nothing_are_reported(horizon: int) -> None:
    """Their conditional mean is not 0, so they are no null: the rate is told, and held to nothing but being higher."""
    replaced, counted = replaced_years(4_000, horizon, seed=100 + horizon, draw=persisting)
    alone, _ = replaced_years(4_000, horizon, seed=100 + horizon, draw=luck)
    print(
        f"\nyears of edges that persist (deviation 0.01, some 100 nights) and average nothing, {horizon}-day labels: "
        f"{replaced / counted:.2%} saw a replacement, {alone / counted:.2%} without them; no bound is claimed"
    )
    assert replaced >= alone


def test_power_at_the_designs_edge() -> None:
    for alpha, claimed in ((0.05, 0.90), (SHARES[0], 0.77)):
        runs = 10_000
        found = round(power(0.013, 0.08, 1, alpha, 500, runs) * runs)
        print(
            f"\npower at alpha {alpha:.2%}, edge .013, deviation .08, next-day labels, 500 nights: {found / runs:.1%}, "
            f"so at least {lower(found, runs):.1%}; designed {claimed:.0%}, bound {claimed - 0.02:.0%}"
        )
        assert lower(found, runs) >= claimed - 0.02
    for horizon in (5, 20):
        shares = [power(0.013, 0.08, horizon, alpha, 500, 4_000) for alpha in (0.05, SHARES[0])]
        print(f"power at {horizon} days: {shares[0]:.1%} at alpha 5 %, {shares[1]:.1%} at {SHARES[0]:.2%}")
        assert shares[0] < 0.5


def test_the_smallest_edge_that_can_be_seen() -> None:
    found = {horizon: minimum_detectable_edge(horizon, 0.08, SHARES[0]) for horizon in (1, 5, 20, 60)}
    shown = ", ".join(f"{h} days {'above 0.4' if edge is None else f'{edge:.4f}'}" for h, edge in found.items())
    print(f"\nsmallest edge found in 80 % of tests of 504 nights at alpha {SHARES[0]:.2%}, deviation .08: {shown}")
    known = [edge for edge in found.values() if edge is not None]
    assert known == sorted(known)
    assert found[1] is not None
    assert 0.012 < found[1] < 0.016


@pytest.mark.parametrize("horizon", [1, 5, 20, 60])
def test_a_refresh_no_worse_is_seldom_refused_and_a_much_worse_one_often(horizon: int) -> None:
    random, runs = np.random.default_rng(horizon), 4_000
    noise = DEVIATION * overlapping_noise(random, runs, NIGHTS, horizon)
    intervals = [mean_interval(one, horizon, LEVEL) for one in noise]
    refused = sum(one.upper is not None and one.upper < 0.0 for one in intervals)
    seen = sum(one.upper is not None and one.upper < 0.05 for one in intervals)
    print(
        f"\nrefresh, {horizon}-day labels: {refused / runs:.2%} of fits as good are refused (aim 1 %), so at most "
        f"{upper(refused, runs):.2%}; bound 3 %. Worse by a rank IC of 0.05: refused in {seen / runs:.0%}"
    )
    assert upper(refused, runs) <= 0.03


def test_a_false_rollback_is_rare() -> None:
    for horizon in (1, 5, 20):
        path = e_path(luck(np.random.default_rng(horizon), 10_000, 504, horizon), horizon)
        found = int((path.max(axis=1) >= 1 / ROLLBACK_ALPHA).sum())
        print(f"\nrollback by luck, {horizon}-day labels: {found / 10_000:.2%} of changes; bound {ROLLBACK_ALPHA:.2%}")
        assert upper(found, 10_000) <= ROLLBACK_ALPHA


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.8])
def test_a_study_without_skill_is_seldom_called_significant(correlation: float) -> None:
    random, studies, trials, days = np.random.default_rng(7), 1_000, 100, 1_260
    called, halves = 0, []
    found = dict.fromkeys((1.0, 1.5, 2.0, 2.5), 0)
    for study in range(studies):
        shared = random.standard_normal((days, 1))
        returns = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * random.standard_normal((days, trials))
        called += _significant(returns)
        if study < 50:
            halves.append(overfitting_probability(returns, 10).probability)
        for annual in found:
            returns[:, 0] += annual / np.sqrt(252)
            found[annual] += _significant(returns)
            returns[:, 0] -= annual / np.sqrt(252)
    bound = upper(called, studies)
    powers = ", ".join(f"{annual} in {hits / studies:.0%}" for annual, hits in found.items())
    print(
        f"\nstudies of 100 skill-less trials (correlation {correlation}), 1,260 days: {called} of {studies:,} called "
        f"significant, so at most {bound:.2%}; bound 5 %. Power, one trial with an annual Sharpe ratio of {powers}. "
        f"Probability of overfitting, mean over 50 of them: {np.mean(halves):.2f}"
    )
    assert bound <= 0.05
    assert found[2.5] > 0.8 * studies


def _significant(returns: np.ndarray) -> bool:
    sharpes = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
    return deflated_sharpe(returns[:, sharpes.argmax()], sharpes).significant
