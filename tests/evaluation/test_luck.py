"""On markets of pure noise the whole evaluation finds skill no oftener than it may (`make proof`)."""

from __future__ import annotations

import datetime as dt

import pytest
from scipy.stats import beta

from nightdesk.evaluation.walk_forward import Plan, walk_forward, walk_forward_ranking
from nightdesk.features.matrix import feature_matrix
from nightdesk.labels.forward import forward_returns
from nightdesk.models import recipe
from nightdesk.models.baselines import RANKINGS
from nightdesk.scoring.intervals import beats
from nightdesk.sources import open_source

pytestmark = pytest.mark.proof

MARKETS = 100
HORIZON = 5


def test_a_model_beats_the_baselines_on_noise_in_at_most_five_per_cent_of_markets() -> None:
    found = sum(_finds_skill(seed) for seed in range(MARKETS))
    # Passed by bound, not by luck: the one-sided 95 % upper bound of the rate (Clopper & Pearson 1934) is within 5 %.
    upper = beta.ppf(0.95, found + 1, MARKETS - found)
    print(f"skill found on {found} of {MARKETS} markets of noise, so on at most {upper:.1%}")
    assert upper <= 0.05


def _finds_skill(seed: int) -> bool:
    source = open_source("synthetic", symbols=60, days=640, seed=seed, signal_ic=0.0)
    bars = source.bars(None, source.last_day())
    days: list[dt.date] = bars["date"].unique().sort().to_list()
    features, labels = feature_matrix(bars).sort("date", "symbol"), forward_returns(bars, days, [HORIZON])
    plan = Plan(tuple(days), HORIZON, folds=2, first_train=320, every=5, seed=seed, threads=1)
    model = walk_forward(features, labels, recipe("ridge"), plan).daily
    rivals = {}
    for name in RANKINGS:
        daily = walk_forward_ranking(features, labels, name, plan).daily
        rivals[name] = model.select("date").join(daily, on="date", how="left", maintain_order="left")["rank_ic"]
    return beats(model["rank_ic"], rivals, HORIZON).beats
