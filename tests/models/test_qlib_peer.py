"""The named peer is what qlib publishes; where pyqlib is at hand, its features are compared in tests/features."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pytest

from nightdesk.features import registered
from nightdesk.models import RECIPES
from nightdesk.models.early_stopping import stopping_of
from nightdesk.models.gradient_boosting import GradientBoostingFamily
from nightdesk.models.qlib_peer import CITED, PEER, QLIB_LIGHTGBM
from nightdesk.models.recipe import Training

PUBLISHED = """
            loss: mse
            colsample_bytree: 0.8879
            learning_rate: 0.2
            subsample: 0.8789
            lambda_l1: 205.6999
            lambda_l2: 580.9768
            max_depth: 8
            num_leaves: 210
            num_threads: 20
"""
"""`task.model.kwargs` of workflow_config_lightgbm_Alpha158.yaml, as it stands in qlib's repository (052aad79)."""


def test_its_parameters_are_those_that_qlib_publishes() -> None:
    published = dict(line.strip().split(": ") for line in PUBLISHED.strip().splitlines())
    assert published.pop("loss") == "mse"
    assert published.pop("num_threads") == "20"
    assert {name: float(value) for name, value in published.items()} == {name: float(value) for name, value in CITED}
    own = dict(QLIB_LIGHTGBM.parameters)
    assert set(CITED) <= set(QLIB_LIGHTGBM.parameters)
    assert set(own) - set(dict(CITED)) == {"rounds", "early_stopping", "validation", "target_scale"}
    stopping = stopping_of(own)
    assert (own["rounds"], stopping.patience, stopping.share, stopping.refit) == (1000, 50, 2 / 9, False)


def test_it_learns_from_the_whole_of_alpha158() -> None:
    alpha158 = [name for name, indicator in registered().items() if indicator.group == "alpha158"]
    assert len(alpha158) == 158
    assert list(QLIB_LIGHTGBM.features) == alpha158
    assert RECIPES[PEER] is QLIB_LIGHTGBM


def test_ranks_are_scaled_to_the_variance_that_its_penalties_are_made_for() -> None:
    """The same trees as LightGBM's own on ranks of variance 1, whose penalties weigh as they do in qlib."""
    random = np.random.default_rng(5)
    features = random.standard_normal((4000, 3)).astype(np.float32)
    places = (features[:, 0] + random.standard_normal(4000)).argsort().argsort()
    ranks = (places + 0.5) / 4000 - 0.5
    own = {name: value for name, value in QLIB_LIGHTGBM.parameters if name != "early_stopping"} | {"rounds": 5}
    assert np.var(ranks * own["target_scale"]) == pytest.approx(1.0, abs=1e-4)
    fitted = GradientBoostingFamily().fit(Training(features, ranks, np.ones(4000)), own, 7, 1)
    cited = {**dict(CITED), "objective": "mse", "verbosity": -1, "seed": 7, "deterministic": True, "num_threads": 1}
    wanted = lgb.train(
        {**cited, "force_row_wise": True}, lgb.Dataset(features, ranks * 12**0.5, weight=np.ones(4000)), 5
    )
    np.testing.assert_allclose(fitted.predict(features), wanted.predict(features), atol=1e-12)
    unscaled = GradientBoostingFamily().fit(
        Training(features, ranks, np.ones(4000)), {**own, "target_scale": 1.0}, 7, 1
    )
    assert len(np.unique(fitted.predict(features))) > len(np.unique(unscaled.predict(features)))
