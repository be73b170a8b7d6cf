"""The forest's arrays say what scikit-learn's forest says; rows are drawn by date; a damaged file is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from nightdesk.errors import ModelBroken
from nightdesk.models.random_forest import RandomForestFamily, Trees, grown_on, read_trees, trees_of
from nightdesk.models.recipe import Training

OWN = {"n_estimators": 7, "max_depth": 6, "min_samples_leaf": 3, "max_features": 0.5, "max_samples": 0.6}
RANDOM = np.random.default_rng(1)
FEATURES = RANDOM.standard_normal((600, 5)).astype(np.float32)
FEATURES[RANDOM.random(FEATURES.shape) < 0.15] = np.nan
TRAINING = Training(
    FEATURES, np.nan_to_num(FEATURES[:, 0]) + RANDOM.standard_normal(600), RANDOM.uniform(0.5, 2.0, 600)
)


def small() -> Trees:
    return RandomForestFamily().fit(TRAINING, OWN, 3, 1).trees


def test_it_says_what_scikit_learn_says() -> None:
    forest = RandomForestRegressor(random_state=3, **OWN).fit(FEATURES, TRAINING.target, sample_weight=TRAINING.weight)
    fresh = RANDOM.standard_normal((300, 5)).astype(np.float32)
    fresh[RANDOM.random(fresh.shape) < 0.3] = np.nan
    np.testing.assert_allclose(small().mean(fresh)[:, 0], forest.predict(fresh), rtol=1e-13, atol=1e-15)
    np.testing.assert_array_equal(trees_of(forest.estimators_).mean(fresh), small().mean(fresh))


def test_a_value_on_the_threshold_goes_left() -> None:
    trees = small()
    node = int(np.flatnonzero(trees.left[: trees.starts[1]] >= 0)[0])
    row = np.zeros((1, 5), dtype=np.float32)
    row[0, trees.feature[node]] = np.float32(trees.threshold[node])
    one = Trees(
        np.array([0, 3]),
        np.array([1, -1, -1], dtype=np.int32),
        np.array([2, -1, -1], dtype=np.int32),
        np.array([trees.feature[node], -2, -2], dtype=np.int32),
        np.array([float(row[0, trees.feature[node]]), 0.0, 0.0]),
        np.array([True, False, False]),
        np.array([[0.0], [1.0], [2.0]]),
    )
    above, missing = row.copy(), row.copy()
    above[0, trees.feature[node]] = np.nextafter(above[0, trees.feature[node]], np.float32(np.inf))
    missing[0, trees.feature[node]] = np.nan
    assert [one.mean(rows)[0, 0] for rows in (row, above, missing)] == [1.0, 2.0, 1.0]


@pytest.mark.parametrize("most", [60, 450, 600, 0])
def test_rows_are_drawn_from_every_date_alike_and_with_the_seed(most: int) -> None:
    """Thirty dates of twenty symbols."""
    rows, own = grown_on(TRAINING, {**OWN, "max_rows": most}, 5)
    assert own == OWN
    assert len(rows.target) == (most or 600)
    numbers = {row.tobytes(): number for number, row in enumerate(FEATURES)}
    drawn = np.array([numbers[row.tobytes()] for row in rows.features])
    assert len(set(drawn)) == len(drawn)
    by_date = np.bincount(drawn // 20, minlength=30)
    assert np.ptp(by_date) <= 1
    assert (rows.target == TRAINING.target[drawn]).all()
    again, other = (grown_on(TRAINING, {**OWN, "max_rows": most}, seed)[0] for seed in (5, 6))
    assert again.target.tobytes() == rows.target.tobytes()
    assert (other.target.tobytes() == rows.target.tobytes()) is (most in (0, 600))


def test_fewer_rows_give_another_forest() -> None:
    fitted = RandomForestFamily().fit(TRAINING, {**OWN, "max_rows": 200}, 3, 1)
    assert fitted.trees.starts[-1] < small().starts[-1]


@pytest.mark.parametrize(
    ("array", "change"),
    [
        ("left", lambda trees: np.where(trees.left >= 0, 0, trees.left)),  # back to the root
        ("right", lambda trees: np.where(trees.right >= 0, trees.right + 10**6, trees.right)),
        ("left", lambda trees: np.where(trees.left >= 0, -5, trees.left)),
        ("feature", lambda trees: np.where(trees.feature >= 0, -7, trees.feature)),
        ("starts", lambda trees: trees.starts + 1),
        ("threshold", lambda trees: trees.threshold[:-1]),
        ("value", lambda trees: trees.value[:-3]),
    ],
)
def test_a_file_whose_nodes_lead_astray_is_refused(array: str, change: object, tmp_path: Path) -> None:
    small().write(tmp_path / "whole.npz")
    assert read_trees(tmp_path / "whole.npz").starts[-1] > 7
    with np.load(tmp_path / "whole.npz", allow_pickle=False) as arrays:
        held = dict(arrays)
    damaged = change(small())  # type: ignore[operator]
    np.savez_compressed(tmp_path / "forest.npz", **{**held, array: damaged.astype(held[array].dtype)})
    with pytest.raises(ModelBroken, match=r"must lead down its own trees, got others in forest\.npz"):
        read_trees(tmp_path / "forest.npz")


def test_rows_without_enough_columns_are_refused() -> None:
    with pytest.raises(ModelBroken, match="a forest needs 5 columns or more, got 4"):
        small().mean(FEATURES[:, :4])
