"""A planted score is recovered within its interval as often as the interval says, and the learner gets its share of it.

The oracle is the best forecast that anyone could make of a synthetic market; `make proof` asks many markets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom

from nightdesk.evaluation.walk_forward import Plan, walk_forward
from nightdesk.features.matrix import feature_matrix
from nightdesk.labels.forward import forward_returns
from nightdesk.models import recipe
from nightdesk.scoring.intervals import MeanInterval, mean_interval
from nightdesk.scoring.rank_ic import daily_rank_ic
from nightdesk.sources.synthetic import synthetic
from nightdesk.tables import DATE, FORWARD_RETURN, SYMBOL

HORIZON, PLANTED = 5, 0.08
CLAIMED = 0.94
"""What the interval covers at 5 days (honest-models.md: 94 to 95 %)."""


@dataclass(frozen=True)
class Market:
    oracle: MeanInterval
    share: float | None


def market(seed: int, symbols: int, days: int, *, learn: bool) -> Market:
    """The planted score judged on every day; where asked for, what ridge recovers of it on its test days."""
    source = synthetic(symbols=symbols, days=days, signal_ic=PLANTED, horizon=HORIZON, seed=seed)
    bars = source.bars(None, source.last_day())
    traded = tuple(sorted(bars[DATE].unique()))
    labels = forward_returns(bars, traded, [HORIZON])
    met = source.oracle().join(labels.select(SYMBOL, DATE, FORWARD_RETURN), on=[SYMBOL, DATE])
    daily = daily_rank_ic(met)
    share = None
    if learn:
        plan = Plan(traded, HORIZON, 2, days // 2, 5, seed, 1)
        walked = walk_forward(feature_matrix(bars).sort(DATE, SYMBOL), labels, recipe("ridge"), plan).daily
        same = daily.filter(pl.col(DATE).is_in(walked[DATE].implode()))
        share = walked["rank_ic"].mean() / same["rank_ic"].mean()
    return Market(mean_interval(daily["rank_ic"], HORIZON), share)


def covers(one: Market) -> bool:
    return one.oracle.lower <= PLANTED <= one.oracle.upper


def test_the_planted_score_is_recovered_on_a_few_markets() -> None:
    found = [market(seed, 60, 300, learn=seed < 2) for seed in range(12)]
    assert sum(map(covers, found)) >= binom.ppf(0.001, len(found), CLAIMED)
    assert np.mean([one.oracle.mean for one in found]) == pytest.approx(PLANTED, abs=0.012)
    assert all(0.1 < one.share < 1.0 for one in found if one.share is not None)


@pytest.mark.proof
def test_the_planted_score_is_recovered_at_nominal_coverage() -> None:
    seeds = range(300)
    found = [market(seed, 100, 500, learn=False) for seed in seeds]
    covered, means = sum(map(covers, found)), np.array([one.oracle.mean for one in found])
    error = means.std(ddof=1) / np.sqrt(len(means))
    print(
        f"\nplanted {PLANTED}; found {means.mean():.4f} +- {error:.4f} over {len(found)} markets; the 95 % interval "
        f"covers it on {covered} ({covered / len(found):.1%})"
    )
    # Not to be told from a coverage of 94 %, one-sided at 5 %.
    assert covered >= binom.ppf(0.05, len(found), CLAIMED)
    assert abs(means.mean() - PLANTED) < 3 * error + 0.002


@pytest.mark.proof
def test_the_learners_share_of_the_oracle() -> None:
    shares = np.array([market(seed, 200, 900, learn=True).share for seed in range(30)])
    error = shares.std(ddof=1) / np.sqrt(len(shares))
    print(f"\nridge recovers {shares.mean():.0%} +- {error:.0%} of the oracle's rank IC over {len(shares)} markets")
    # The features show five sixths of it at best; noise would leave nothing.
    assert 0.4 < shares.mean() < 5 / 6 + 2 * error
