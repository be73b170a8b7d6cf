"""A model of anybody's is fitted as a recipe is: the same rows, days of one weight, seeds set, no gap let in."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nightdesk.errors import BadInput
from nightdesk.evaluation.candidate import candidate_of
from nightdesk.models import RECIPES
from nightdesk.models.recipe import Training

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(200, 3)).astype(np.float32)
TARGET = 0.1 * FEATURES[:, 0].astype(np.float64) + RANDOM.normal(0.0, 0.1, 200)
WEIGHT = RANDOM.uniform(0.5, 1.5, 200)
WHOLE = Training(FEATURES, TARGET, WEIGHT)
HOLED = Training(np.where(RANDOM.random(FEATURES.shape) < 0.2, np.float32("nan"), FEATURES), TARGET, WEIGHT)


class Plain:
    """An object with no more than fit and predict; it keeps what it was given."""

    def __init__(self) -> None:
        self.given: tuple | None = None

    def fit(self, X: np.ndarray, y: np.ndarray) -> None:
        self.given = (X, y)

    def predict(self, X: np.ndarray) -> list[float]:
        return X[:, 0].tolist()


def test_a_recipe_is_itself() -> None:
    candidate = candidate_of(RECIPES["lightgbm"])
    assert (candidate.name, candidate.content) == ("lightgbm", RECIPES["lightgbm"].content)


def test_an_estimator_is_fitted_on_days_of_one_weight_and_left_as_it_was() -> None:
    model = LinearRegression()
    fitted = candidate_of(model).fit(WHOLE, 1, 1)
    own = LinearRegression().fit(FEATURES.astype(np.float64), TARGET, sample_weight=WEIGHT)
    assert np.array_equal(fitted.predict(FEATURES), own.predict(FEATURES.astype(np.float64)))
    assert not hasattr(model, "coef_")


def test_missing_values_reach_only_who_takes_them() -> None:
    plain = Plain()
    fitted = candidate_of(plain).fit(HOLED, 1, 1)
    assert plain.given is None
    given, target = fitted.estimator.given
    known = HOLED.features[:, 1][~np.isnan(HOLED.features[:, 1])]
    assert set(given[np.isnan(HOLED.features[:, 1]), 1]) == {np.median(known.astype(np.float64))}
    assert np.array_equal(target, TARGET)
    assert fitted.predict(np.full((1, 3), np.nan, np.float32))[0] == pytest.approx(np.nanmedian(HOLED.features[:, 0]))
    assert candidate_of(HistGradientBoostingRegressor()).fit(HOLED, 1, 1).medians is None
    empty = Training(np.full((200, 3), np.nan, np.float32), TARGET, WEIGHT)
    assert np.isfinite(candidate_of(Ridge()).fit(empty, 1, 1).predict(empty.features)).all()


def test_a_seed_decides_the_fit_also_inside_a_pipeline() -> None:
    candidate = candidate_of(make_pipeline(StandardScaler(), RandomForestRegressor(3, max_depth=2)))
    assert candidate.seeded
    first, again, other = (candidate.fit(WHOLE, seed, 1).predict(FEATURES) for seed in (7, 7, 2**40 + 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not candidate_of(LinearRegression()).seeded
    assert not candidate_of(Plain()).seeded


def test_a_classifier_learns_the_upper_half_and_scores_by_its_chance() -> None:
    fitted = candidate_of(LogisticRegression()).fit(WHOLE, 1, 1)
    own = LogisticRegression(random_state=1).fit(FEATURES.astype(np.float64), TARGET > 0, sample_weight=WEIGHT)
    assert fitted.predict(FEATURES) == pytest.approx(own.predict_proba(FEATURES.astype(np.float64))[:, 1])


def test_the_same_parameters_are_the_same_trial() -> None:
    contents = {candidate_of(one).content for one in (Ridge(), Ridge(alpha=1.0), Ridge(alpha=2.0), LinearRegression())}
    assert len(contents) == 3
    # Objects that say nothing of themselves differ by what they hold, not by where they lie.
    assert candidate_of(Plain()).content == candidate_of(Plain()).content


@pytest.mark.parametrize("model", [Ridge, object(), None, "ridge", 5])
def test_what_cannot_be_fitted_is_refused(model: object) -> None:
    with pytest.raises(BadInput, match=r"a model must be a Recipe or an object with fit\(X, y\) and predict\(X\), got"):
        candidate_of(model)


def test_scores_that_do_not_fit_rows_are_refused() -> None:
    class Short(Plain):
        def predict(self, X: np.ndarray) -> list[float]:
            return [0.0]

    with pytest.raises(BadInput, match=r"one score a row, got shape \(1,\) for 200 rows"):
        candidate_of(Short()).fit(WHOLE, 1, 1).predict(FEATURES)
