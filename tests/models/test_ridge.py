"""Ridge by its rows' moments: scikit-learn's own steps give the same model, and trials that share the moments too."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from nightdesk.models.recipe import Training
from nightdesk.models.ridge import RidgeFamily

ROWS = 10_001
"""More than two blocks of rows, and the last one is short."""

COLUMNS = 19
MISSING, CONSTANT, FAR, TINY, SELDOM = 3, 4, 5, 6, 7


@pytest.fixture(scope="module")
def training() -> Training:
    random = np.random.default_rng(5)
    features = random.normal(size=(ROWS, COLUMNS)).astype(np.float32)
    target = features[:, 0] - 0.5 * features[:, 1] + random.normal(size=ROWS)
    features[random.random(features.shape) < 0.05] = np.nan
    features[:, MISSING] = np.nan
    features[:, CONSTANT] = 1.1
    features[:, FAR] += 1000.0
    features[:, TINY] *= 1e-12
    features[: ROWS - 2, SELDOM] = np.nan
    return Training(features, target, random.uniform(0.5, 1.5, ROWS))


def by_scikit_learn(training: Training, alpha: float) -> Pipeline:
    steps = (SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler(), Ridge(alpha=alpha * ROWS))
    return make_pipeline(*steps).fit(
        training.features.astype(np.float64), training.target, ridge__sample_weight=training.weight
    )


@pytest.mark.parametrize("alpha", [1e-4, 0.05, 10.0])
def test_equals_scikit_learns_imputer_scaler_and_ridge(training: Training, alpha: float) -> None:
    made, reference = RidgeFamily().fit(training, {"alpha": alpha}, 0, 1), by_scikit_learn(training, alpha)
    imputer, scaler, ridge = (reference[place] for place in range(3))
    assert made.medians.tolist() == imputer.statistics_.tolist()
    assert made.means == pytest.approx(scaler.mean_, rel=1e-9)
    assert made.scales == pytest.approx(scaler.scale_, rel=1e-7)
    assert (made.scales[MISSING], made.scales[CONSTANT]) == (1.0, 1.0)
    assert made.coefficients == pytest.approx(ridge.coef_, rel=1e-7, abs=1e-12)
    assert made.intercept == pytest.approx(ridge.intercept_, rel=1e-9)
    unseen = training.features[::-3].copy()
    unseen[0, 0] = np.inf
    expected = reference.predict(np.where(np.isinf(unseen), np.nan, unseen).astype(np.float64))
    assert made.predict(unseen) == pytest.approx(expected, rel=1e-8, abs=1e-10)
    assert made.contributions(unseen).sum(axis=1) == pytest.approx(expected, rel=1e-8, abs=1e-10)


def test_without_a_penalty_features_that_say_the_same_share_the_weight(training: Training) -> None:
    known = training.features[:, :2]
    doubled = Training(np.column_stack([known, known[:, 0], 2.0 * known[:, 0]]), training.target, training.weight)
    twice = RidgeFamily().fit(doubled, {"alpha": 0.0}, 0, 1)
    once = RidgeFamily().fit(Training(known, training.target, training.weight), {"alpha": 0.0}, 0, 1)
    assert twice.coefficients[[0, 2, 3]] == pytest.approx(np.full(3, once.coefficients[0] / 3), rel=1e-6)
    assert twice.predict(doubled.features) == pytest.approx(once.predict(known), rel=1e-6, abs=1e-9)


def test_what_trials_share_gives_the_same_model_as_a_fit(training: Training) -> None:
    own = RidgeFamily()
    held = own.hold(training, {"alpha": 3.0})
    for alpha in (0.01, 1.0):
        alone, shared = own.fit(training, {"alpha": alpha}, 0, 1), own.fit_held(held, {"alpha": alpha}, 0, 1)
        assert shared.coefficients.tobytes() == alone.coefficients.tobytes()
        assert shared.intercept == alone.intercept


def test_a_rows_score_is_the_same_beside_any_others(training: Training) -> None:
    made = RidgeFamily().fit(training, {"alpha": 0.05}, 0, 1)
    whole = made.predict(training.features)
    some = np.r_[4090:4100, 8190:8195, ROWS - 1]
    assert made.predict(training.features[some]).tobytes() == whole[some].tobytes()
    assert made.predict(training.features[:0]).tolist() == []
