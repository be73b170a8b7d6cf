"""The voter's classes are terciles of a date's ranks, its chances those of its members, its score their difference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xgboost
from sklearn.ensemble import RandomForestClassifier

from nightdesk.errors import BadInput
from nightdesk.models.recipe import Training
from nightdesk.models.voting import VoterFamily

FOREST = {"n_estimators": 9, "max_depth": 5, "min_samples_leaf": 4}
BOOSTED = {"rounds": 12, "max_depth": 3, "eta": 0.2}
OWN: dict[str, Any] = {f"forest_{n}": v for n, v in FOREST.items()} | {f"boosted_{n}": v for n, v in BOOSTED.items()}
RANDOM = np.random.default_rng(2)
FEATURES = RANDOM.standard_normal((900, 4)).astype(np.float32)
RANKS = (FEATURES[:, 0] + RANDOM.standard_normal(900)).reshape(30, 30).argsort(axis=1).argsort(axis=1)
TRAINING = Training(FEATURES, ((RANKS + 0.5) / 30 - 0.5).ravel(), RANDOM.uniform(0.5, 2.0, 900))
FRESH = RANDOM.standard_normal((200, 4)).astype(np.float32)
THIRDS = (RANKS // 10).ravel()
"""Of thirty symbols a date, the ten worst are 0, the ten best 2."""


def test_the_vote_is_the_mean_of_both_members_chances() -> None:
    voter = VoterFamily().fit(TRAINING, OWN, 3, 1)
    forest = RandomForestClassifier(random_state=3, **FOREST).fit(FEATURES, THIRDS, sample_weight=TRAINING.weight)
    data = xgboost.QuantileDMatrix(FEATURES, THIRDS, weight=TRAINING.weight, max_bin=256)
    own = {"objective": "multi:softprob", "num_class": 3, "max_depth": 3, "eta": 0.2, "seed": 3, "nthread": 1}
    booster = xgboost.train(own, data, 12)
    wanted = (forest.predict_proba(FRESH) + booster.inplace_predict(FRESH)) / 2
    np.testing.assert_allclose(voter.probabilities(FRESH), wanted, atol=1e-7)
    np.testing.assert_array_equal(
        voter.predict(FRESH), voter.probabilities(FRESH)[:, 2] - voter.probabilities(FRESH)[:, 0]
    )


def test_chances_are_chances_and_follow_what_came_true() -> None:
    chances = VoterFamily().fit(TRAINING, OWN, 3, 1).probabilities(FRESH)
    assert chances.shape == (200, 3)
    assert (chances >= 0.0).all()
    np.testing.assert_allclose(chances.sum(axis=1), 1.0, atol=1e-6)
    assert np.corrcoef(chances[:, 2], FRESH[:, 0])[0, 1] > 0.5
    assert np.corrcoef(chances[:, 0], FRESH[:, 0])[0, 1] < -0.5


def test_one_member_may_have_the_whole_vote() -> None:
    by_forest, by_booster, both = (
        VoterFamily().fit(TRAINING, {**OWN, "forest_share": share}, 3, 1).probabilities(FRESH)
        for share in (1.0, 0.0, 0.25)
    )
    np.testing.assert_allclose(both, 0.25 * by_forest + 0.75 * by_booster, atol=1e-12)
    assert np.abs(by_forest - by_booster).max() > 0.01


def test_cuts_that_leave_a_class_empty_give_it_no_chance_of_the_forest() -> None:
    """Nothing is held: whoever is not sold is bought."""
    own = {**OWN, "sell_below": 0.0, "buy_above": 0.0, "forest_share": 1.0}
    chances = VoterFamily().fit(TRAINING, own, 3, 1).probabilities(FRESH)
    assert (chances[:, 1] == 0.0).all()
    np.testing.assert_allclose(chances[:, 0] + chances[:, 2], 1.0)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"sell_below": 0.2, "buy_above": 0.1}, r"sell_below must not be above buy_above, got 0\.2 and 0\.1"),
        ({"forest_share": 1.5}, r"forest_share must lie from 0 to 1, got 1\.5"),
    ],
)
def test_cuts_and_shares_that_cannot_be_are_refused(parameters: dict[str, float], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        VoterFamily().fit(TRAINING, {**OWN, **parameters}, 3, 1)
