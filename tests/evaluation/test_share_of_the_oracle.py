"""Of a planted signal the tree families and the ensemble find a stated share of the oracle's rank IC.

The oracle is the best forecast that anyone could make of a synthetic market; features show five sixths of it at best.
`make proof` asks many markets, and prints what infra/operations/models.md says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
import pytest

from nightdesk.ensemble.assembled import ENSEMBLE, ensemble_of
from nightdesk.evaluation.walk_forward import Plan
from nightdesk.features.matrix import feature_matrix
from nightdesk.labels.forward import forward_returns
from nightdesk.models.recipe import Recipe
from nightdesk.scoring.rank_ic import daily_rank_ic
from nightdesk.sources.synthetic import synthetic
from nightdesk.tables import DATE, FORWARD_RETURN, SYMBOL

HORIZON = 5
FAMILIES = ("ridge", "lightgbm", "xgboost", "random_forest", "voter")
STATED = 0.4
"""The share that the page states of the ensemble."""


def rank_ics(
    seed: int, symbols: int, days: int, planted: float, members: Sequence[str | Recipe], names: Sequence[str] | None
) -> Mapping[str, float]:
    """Mean rank IC of the ensemble, its members and the oracle, all on the days that the ensemble was judged on."""
    source = synthetic(symbols=symbols, days=days, signal_ic=planted, horizon=HORIZON, seed=seed)
    bars = source.bars(None, source.last_day())
    traded = tuple(sorted(bars[DATE].unique()))
    labels = forward_returns(bars, traded, [HORIZON])
    features = feature_matrix(bars, names).sort(DATE, SYMBOL)
    found = ensemble_of(features, labels, bars, members, Plan(traded, HORIZON, 2, days // 2, 5, seed, 1))
    judged = labels.filter(pl.col(DATE).is_in(found.forecasts[DATE].unique().implode()))
    oracle = daily_rank_ic(source.oracle().join(judged.select(SYMBOL, DATE, FORWARD_RETURN), on=[SYMBOL, DATE]))
    return {**dict(found.members.select("name", "rank_ic").iter_rows()), "oracle": oracle["rank_ic"].mean()}


def share(found: Sequence[Mapping[str, float]], name: str) -> tuple[float, float]:
    """The share of the oracle's rank IC over all markets together, and its standard error over markets (jackknife)."""
    mine, best = (np.array([one[key] for one in found]) for key in (name, "oracle"))
    without = (mine.sum() - mine) / (best.sum() - best)
    error = np.sqrt((len(found) - 1) * np.mean((without - without.mean()) ** 2))
    return float(mine.sum() / best.sum()), float(error)


def test_an_ensemble_of_trees_finds_most_of_a_strong_signal() -> None:
    trees = (("max_depth", 3), ("min_samples_leaf", 40), ("n_estimators", 20))
    members = [
        Recipe("forest", "random_forest", (), trees),
        Recipe("boosted", "lightgbm", (), (("rounds", 30), ("num_leaves", 5), ("min_data_in_leaf", 60))),
    ]
    names = ["volume_ratio_20", "reversal_5", "volatility_60"]
    found = [rank_ics(seed, 50, 420, 0.25, members, names) for seed in range(2)]
    for name in (ENSEMBLE, "forest", "boosted"):
        assert 0.3 < share(found, name)[0] < 1.0, name


@pytest.mark.proof
def test_the_share_of_the_oracle_that_the_page_states() -> None:
    found = [rank_ics(seed, 150, 1000, 0.08, FAMILIES, None) for seed in range(20)]
    print()
    for name in (ENSEMBLE, *FAMILIES):
        mean, error = share(found, name)
        print(f"{name} finds {mean:.0%} of the oracle's rank IC ({mean - 2 * error:.0%} to {mean + 2 * error:.0%})")
        # Above luck by far, and never more than the features show.
        assert mean - 2 * error > 0.2
        assert mean < 5 / 6 + 2 * error
    mean, error = share(found, ENSEMBLE)
    assert mean - 2 * error > STATED
