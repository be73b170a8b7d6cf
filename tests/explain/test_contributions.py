"""What features add to scores: the sum is the score, exact where the model tells, and Shapley's values elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pytest

from nightdesk.explain.contributions import contributions
from nightdesk.models import family
from nightdesk.models.recipe import Fitted, Matrix, Training, Vector

ROWS, COLUMNS = 500, 5
PARAMETERS: dict[str, dict[str, float | int | str]] = {
    "ridge": {"alpha": 0.05},
    "lightgbm": {"rounds": 20, "num_leaves": 7, "min_data_in_leaf": 20},
    "xgboost": {"rounds": 20, "max_depth": 3, "eta": 0.2, "min_child_weight": 5},
}
CLOSE = {"ridge": 1e-12, "lightgbm": 1e-12, "xgboost": 1e-5}
"""XGBoost adds up in single precision."""


def matrix(seed: int, rows: int = ROWS) -> Matrix:
    random = np.random.default_rng(seed)
    values = random.standard_normal((rows, COLUMNS)).astype(np.float32)
    values[random.random(values.shape) < 0.1] = np.nan
    return values


def fitted(name: str, **own: float | int | str) -> Fitted:
    features = matrix(1)
    known = np.nan_to_num(features).astype(np.float64)
    target = known[:, 0] - 0.5 * known[:, 2] + 0.3 * np.random.default_rng(2).standard_normal(ROWS)
    return family(name).fit(Training(features, target, np.ones(ROWS)), own or PARAMETERS[name], 7, 1)


@dataclass
class Asked:
    """A model that only answers."""

    formula: Callable[[Vector], Vector]

    def predict(self, features: Matrix) -> Vector:
        return self.formula(features.astype(np.float64))


@pytest.mark.parametrize("name", PARAMETERS)
def test_what_a_model_tells_sums_to_its_score(name: str) -> None:
    model, rows = fitted(name), matrix(3, 60)
    told = contributions(model, rows, rows)
    assert told.exact
    assert told.base + told.values.sum(axis=1) == pytest.approx(model.predict(rows), abs=CLOSE[name])
    assert not told.errors.any()
    assert np.abs(told.values).mean(axis=0).argmax() == 0
    alone = contributions(model, rows[:1], rows)
    assert np.array_equal(alone.values, told.values[:1])


def test_a_line_adds_its_slope_times_the_distance_from_the_training_mean() -> None:
    model, rows = fitted("ridge"), np.nan_to_num(matrix(3, 20))
    moved = rows.copy()
    moved[:, 2] += 1.0
    step = model.predict(moved) - model.predict(rows)
    added = contributions(model, moved, rows).values - contributions(model, rows, rows).values
    assert added[:, 2] == pytest.approx(step, abs=1e-6)
    assert added[:, [0, 1, 3, 4]] == pytest.approx(0.0)


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_choice_tells_of_its_columns_and_nothing_of_the_others(name: str) -> None:
    model = fitted("selected", family=name, selection="f_score", selected=2, **PARAMETERS[name])
    rows = matrix(3, 60)
    told = contributions(model, rows, rows)
    assert told.exact
    assert told.base + told.values.sum(axis=1) == pytest.approx(model.predict(rows), abs=CLOSE[name])
    assert not told.values[:, [1, 3, 4]].any()
    assert told.values[:, [0, 2]].any(axis=0).all()


@pytest.mark.parametrize("method", ["pca", "f_score"])
def test_a_model_that_cannot_tell_is_asked_and_its_sum_is_its_score_too(method: str) -> None:
    inner = fitted("selected", family="ridge", selection=method, selected=2, alpha=0.05)
    model, rows = Asked(lambda features: inner.predict(features.astype(np.float32))), matrix(3, 30)
    told = contributions(model, rows, matrix(5))
    assert not told.exact
    assert told.base + told.values.sum(axis=1) == pytest.approx(model.predict(rows), abs=1e-9)
    again = contributions(model, rows, matrix(5))
    assert np.array_equal(told.values, again.values)
    assert not np.array_equal(told.values, contributions(model, rows, matrix(5), seed=1).values)


def test_components_are_asked_for_what_features_add() -> None:
    model = fitted("selected", family="ridge", selection="pca", selected=3, alpha=0.05)
    assert not contributions(model, matrix(3, 5), matrix(5)).exact


def test_drawn_orders_come_to_shapleys_values() -> None:
    """Of a product of three, against all 6 orders of 3 features counted out; pairs of orders are exact for two."""

    def formula(features: Vector) -> Vector:
        return features[:, 0] * features[:, 1] + np.exp(features[:, 2]) * features[:, 0] * features[:, 1]

    row, other = np.array([[1.0, 2.0, -1.0]], dtype=np.float32), np.array([[0.5, -1.0, 1.0]], dtype=np.float32)
    exact = np.zeros(3)
    for order in permutations(range(3)):
        now = other.copy()
        for column in order:
            before = formula(now.astype(np.float64))[0]
            now[0, column] = row[0, column]
            exact[column] += (formula(now.astype(np.float64))[0] - before) / 6
    told = contributions(Asked(formula), row, other, orders=600)
    assert (np.abs(told.values[0] - exact) < 4 * told.errors[0]).all()
    assert 0.0 < told.errors.max() < 0.1


def test_of_a_line_drawn_orders_differ_by_the_rows_compared_with_alone() -> None:
    slopes = np.array([1.0, -2.0, 0.0, 0.5, 0.0])
    rows, beside = np.nan_to_num(matrix(3, 10)), np.nan_to_num(matrix(5))
    told = contributions(Asked(lambda features: features @ slopes), rows, beside, orders=400)
    exact = (rows - beside.mean(axis=0)) * slopes
    assert (np.abs(told.values - exact) <= 4.5 * told.errors + 1e-6).all()
    assert not told.values[:, [2, 4]].any()


def test_no_rows_have_no_contributions() -> None:
    told = contributions(fitted("ridge"), matrix(3, 0), matrix(5))
    assert told.values.shape == (0, COLUMNS)
    asked = contributions(Asked(lambda features: features.sum(axis=1)), matrix(3, 0), matrix(5))
    assert asked.values.shape == (0, COLUMNS)
