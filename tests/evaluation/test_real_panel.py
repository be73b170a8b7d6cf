"""What the gate can see on the bundled panel: paired deviations, correlations, effective days (`make proof`)."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from nightdesk.evaluation.power import effective_days, minimum_detectable_edge
from nightdesk.evaluation.walk_forward import Plan, walk_forward, walk_forward_ranking
from nightdesk.features.matrix import feature_matrix
from nightdesk.labels.forward import forward_returns
from nightdesk.models import recipe
from nightdesk.models.baselines import RANKINGS
from nightdesk.quality.bars import check_bars
from nightdesk.scoring.intervals import paired_interval
from nightdesk.sessions import trading_days
from nightdesk.sources import open_source

pytestmark = pytest.mark.proof

ALPHA = 0.0125


@pytest.fixture(scope="module")
def panel() -> tuple[pl.DataFrame, pl.DataFrame, list]:
    source = open_source("sample")
    days = trading_days(source.facts.calendar, source.first_day(), source.last_day())
    bars = check_bars(source.bars(None, source.last_day()), days).good
    return feature_matrix(bars).sort("date", "symbol"), forward_returns(bars, days, [1, 5, 20, 60]), days


@pytest.mark.parametrize("horizon", [1, 5, 20, 60])
def test_what_pairs_of_recipes_show_on_the_panel(panel: tuple, horizon: int) -> None:
    features, labels, days = panel
    plan = Plan(tuple(days), horizon, folds=3, first_train=504, every=5, seed=0, threads=1)
    daily = {name: walk_forward(features, labels, recipe(name), plan).daily for name in ("ridge", "lightgbm")}
    daily |= {name: walk_forward_ranking(features, labels, name, plan).daily for name in RANKINGS}
    for other in [name for name in daily if name != "ridge"]:
        shared = daily["ridge"].join(daily[other], on="date", suffix="_other").drop_nulls(["rank_ic", "rank_ic_other"])
        if shared.is_empty():  # a constant ranks nothing
            continue
        mine, rival = shared["rank_ic"], shared["rank_ic_other"]
        difference = mine - rival
        deviation, found = float(difference.std()), paired_interval(mine, rival, horizon)
        worth = effective_days(difference, horizon)
        edge = minimum_detectable_edge(horizon, round(deviation, 3), ALPHA)
        print(
            f"\n{horizon} days, ridge less {other}: mean {found.mean:+.4f} ({found.lower:+.4f} to {found.upper:+.4f}), "
            f"paired deviation {deviation:.3f}, correlation {np.corrcoef(mine, rival)[0, 1]:+.2f}, {len(difference)} "
            f"days worth {worth:.0f}; smallest edge found in 504 nights "
            f"{'above 0.4' if edge is None else f'{edge:.4f}'}"
        )
        assert 0.01 < deviation < 0.6
        assert 1 < worth < 2 * len(difference)
