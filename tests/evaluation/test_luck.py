"""On markets of pure noise the whole evaluation finds skill no oftener than it may (`make proof`; here a few)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pytest
from scipy.stats import beta

from nightdesk.evaluation.walk_forward import Plan, walk_forward, walk_forward_ranking
from nightdesk.features.matrix import feature_matrix
from nightdesk.labels.forward import forward_returns
from nightdesk.models import recipe
from nightdesk.models.baselines import RANKINGS
from nightdesk.promotion.standing import judge_skill
from nightdesk.scoring.intervals import beats
from nightdesk.sources import open_source

MARKETS = 100
HORIZONS = (1, 5)


@dataclass(frozen=True)
class Found:
    """What was called skill on one market at one horizon: by the backtest's interval, and by the tag's evidence."""

    horizon: int
    beats: bool
    proven: bool
    highest: float


def test_the_tag_of_skill_stays_off_on_a_few_markets_of_noise() -> None:
    found = [one for seed in range(1000, 1003) for one in skill_on_noise(seed, symbols=30, days=400, first_train=200)]
    assert len(found) == 6
    assert not any(one.proven for one in found)
    # The evidence moves, so that it could have risen.
    assert any(one.highest > 1.0 for one in found)


@pytest.mark.proof
def test_a_model_on_noise_is_called_proven_once_in_a_hundred_markets_at_most() -> None:
    found = [one for seed in range(MARKETS) for one in skill_on_noise(seed, symbols=60, days=640, first_train=320)]
    for horizon in HORIZONS:
        of_it = [one for one in found if one.horizon == horizon]
        beaten, proven = sum(one.beats for one in of_it), sum(one.proven for one in of_it)
        # Passed by bound, not by luck: the one-sided 95 % upper bound of the rate (Clopper & Pearson 1934).
        upper = beta.ppf(0.95, beaten + 1, MARKETS - beaten)
        print(
            f"\n{horizon} days: on {MARKETS} markets of noise the backtest's interval lies above the best baseline on "
            f"{beaten}, so on at most {upper:.1%}; the tag calls skill proven on {proven}; highest evidence "
            f"{max(one.highest for one in of_it):.1f} of the 20 asked for"
        )
        assert proven <= 1
        assert upper <= 0.05


def skill_on_noise(seed: int, symbols: int, days: int, first_train: int) -> list[Found]:
    """Walk ridge forward on a market without signal, and judge it as a night's tag does."""
    source = open_source("synthetic", symbols=symbols, days=days, seed=seed, signal_ic=0.0)
    bars = source.bars(None, source.last_day())
    traded: list[dt.date] = bars["date"].unique().sort().to_list()
    features, labels = feature_matrix(bars).sort("date", "symbol"), forward_returns(bars, traded, HORIZONS)
    found = []
    for horizon in HORIZONS:
        plan = Plan(tuple(traded), horizon, folds=2, first_train=first_train, every=5, seed=seed, threads=1)
        model = walk_forward(features, labels, recipe("ridge"), plan).daily
        rivals = {name: walk_forward_ranking(features, labels, name, plan).daily for name in RANKINGS}
        aligned = {
            name: model.select("date").join(daily, on="date", how="left", maintain_order="left")["rank_ic"]
            for name, daily in rivals.items()
        }
        skill = judge_skill(model, rivals, model["date"].to_list(), horizon)
        beaten = beats(model["rank_ic"], aligned, horizon).beats
        # Against the hardest baseline: that one decides.
        found.append(Found(horizon, beaten, skill.proven, min(skill.highest.values())))
    return found
