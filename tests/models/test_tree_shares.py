"""What features add to a forest's score: Shapley's values counted out over all subsets, and the score as their sum."""

from __future__ import annotations

from itertools import combinations
from math import factorial
from pathlib import Path

import numpy as np
import pytest

from nightdesk.errors import ModelBroken
from nightdesk.explain.contributions import contributions
from nightdesk.models.random_forest import FittedForest, RandomForestFamily, Trees, read_trees
from nightdesk.models.recipe import Matrix, Training, Vector
from nightdesk.models.voting import FittedVoter, VoterFamily

COLUMNS = 4
RANDOM = np.random.default_rng(8)
FEATURES = RANDOM.standard_normal((500, COLUMNS)).astype(np.float32)
FEATURES[RANDOM.random(FEATURES.shape) < 0.2] = np.nan
KNOWN = np.nan_to_num(FEATURES).astype(np.float64)
TARGET = np.clip(0.2 * KNOWN[:, 0] * KNOWN[:, 1] + 0.1 * KNOWN[:, 2] + 0.1 * RANDOM.standard_normal(500), -0.5, 0.5)
TRAINING = Training(FEATURES, TARGET, RANDOM.uniform(0.5, 2.0, 500))
# Some rows have holes; one is nothing but holes.
FRESH = RANDOM.standard_normal((40, COLUMNS)).astype(np.float32)
FRESH[RANDOM.random(FRESH.shape) < 0.2] = np.nan
FRESH[0] = np.nan
TINY = {"n_estimators": 3, "max_depth": 5, "min_samples_leaf": 8, "max_samples": 0.7}
OWN = {f"forest_{name}": value for name, value in TINY.items()} | {"boosted_rounds": 6, "boosted_max_depth": 2}


def forest(**own: float | int) -> FittedForest:
    return RandomForestFamily().fit(TRAINING, {**TINY, **own}, 3, 1)


def voter(**own: float | int) -> FittedVoter:
    return VoterFamily().fit(TRAINING, {**OWN, **own}, 3, 1)


def expected(trees: Trees, value: Vector, row: Vector, known: frozenset[int], root: int, node: int = 0) -> float:
    """What a tree says where only `known` columns of the row are: else both ways, as the rows went it was grown on."""
    at = root + node
    if trees.left[at] == -1:
        return float(value[at])
    ways = (int(trees.left[at]), int(trees.right[at]))
    seen = row[trees.feature[at]]
    if trees.feature[at] in known:
        goes_left = trees.missing_left[at] if np.isnan(seen) else seen <= trees.threshold[at]
        return expected(trees, value, row, known, root, ways[0] if goes_left else ways[1])
    return sum(
        trees.cover[root + way] / trees.cover[at] * expected(trees, value, row, known, root, way) for way in ways
    )


def counted_out(trees: Trees, value: Vector, features: Matrix) -> Vector:
    """Shapley's values by their definition: 16 subsets of 4 columns, tree by tree."""
    found = np.zeros((len(features), COLUMNS + 1))
    count = len(trees.starts) - 1
    for number, row in enumerate(features):
        for root in trees.starts[:-1]:
            found[number, -1] += expected(trees, value, row, frozenset(), root) / count
            for column in range(COLUMNS):
                others = [one for one in range(COLUMNS) if one != column]
                for size in range(COLUMNS):
                    share = factorial(size) * factorial(COLUMNS - size - 1) / factorial(COLUMNS) / count
                    for some in map(frozenset, combinations(others, size)):
                        with_it = expected(trees, value, row, some | {column}, root)
                        found[number, column] += share * (with_it - expected(trees, value, row, some, root))
    return found


@pytest.mark.parametrize("own", [{}, {"max_depth": 1}, {"max_depth": 12, "min_samples_leaf": 2}])
def test_a_forest_tells_shapleys_values(own: dict[str, int]) -> None:
    model, rows = forest(**own), FRESH[:10]
    assert model.trees.left.max() >= 0
    np.testing.assert_allclose(
        model.contributions(rows), counted_out(model.trees, model.trees.value[:, 0], rows), atol=1e-12
    )


def test_what_a_forest_tells_sums_to_its_score_from_the_mean_over_its_training_rows() -> None:
    model = forest(n_estimators=40)
    told = contributions(model, FRESH, FRESH)
    assert told.exact
    assert not told.errors.any()
    np.testing.assert_allclose(told.base + told.values.sum(axis=1), model.predict(FRESH), atol=1e-12)
    # Drawn rows and weights: each tree's own mean, which lies near that of all.
    assert told.base == pytest.approx(np.average(TARGET, weights=TRAINING.weight), abs=0.02)
    np.testing.assert_array_equal(contributions(model, FRESH[3:4], FRESH).values, told.values[3:4])


def test_a_tree_without_a_split_says_the_same_whatever_is_known() -> None:
    model = forest(min_samples_leaf=400)
    assert (model.trees.left == -1).all()
    told = contributions(model, FRESH, FRESH)
    assert not told.values.any()
    assert told.base == pytest.approx(model.predict(FRESH)[0])


def test_a_feature_that_no_tree_asks_for_adds_nothing() -> None:
    constant = FEATURES.copy()
    constant[:, 3] = 1.0
    model = RandomForestFamily().fit(Training(constant, TARGET, TRAINING.weight), TINY, 3, 1)
    told = contributions(model, FRESH, FRESH)
    assert not told.values[:, 3].any()
    assert told.values[:, :3].any(axis=0).all()


def test_what_was_saved_tells_the_same(tmp_path: Path) -> None:
    model = forest()
    model.save(tmp_path)
    kept = RandomForestFamily().load(tmp_path)
    np.testing.assert_array_equal(kept.contributions(FRESH), model.contributions(FRESH))


def test_a_forest_that_was_kept_without_its_cover_still_scores_and_is_asked(tmp_path: Path) -> None:
    model = forest()
    model.save(tmp_path)
    with np.load(tmp_path / "forest.npz", allow_pickle=False) as arrays:
        held = {name: values for name, values in arrays.items() if name != "cover"}
    np.savez_compressed(tmp_path / "forest.npz", **held)
    kept = RandomForestFamily().load(tmp_path)
    np.testing.assert_array_equal(kept.predict(FRESH), model.predict(FRESH))
    assert kept.contributions(FRESH) is None
    told = contributions(kept, FRESH, FEATURES, orders=4)
    assert not told.exact
    np.testing.assert_allclose(told.base + told.values.sum(axis=1), model.predict(FRESH), atol=1e-12)


@pytest.mark.parametrize("damage", [0.0, -1.0, np.nan, np.inf])
def test_a_cover_that_no_fit_leaves_is_refused(damage: float, tmp_path: Path) -> None:
    trees = forest().trees
    trees.cover[int(np.flatnonzero(trees.left >= 0)[1])] = damage
    trees.write(tmp_path / "forest.npz")
    with pytest.raises(ModelBroken, match="must lead down its own trees"):
        read_trees(tmp_path / "forest.npz")


def test_rows_without_enough_columns_are_refused() -> None:
    with pytest.raises(ModelBroken, match="a forest needs 4 columns or more, got 3"):
        forest().contributions(FRESH[:, :3])


def test_no_rows_add_nothing() -> None:
    assert forest().contributions(FRESH[:0]).shape == (0, COLUMNS + 1)


def test_a_voters_forest_tells_and_its_booster_is_asked() -> None:
    model = voter()
    of_forest, of_booster = model.summands()
    np.testing.assert_allclose(of_forest.predict(FRESH) + of_booster.predict(FRESH), model.predict(FRESH), atol=1e-12)
    told = contributions(model, FRESH, FEATURES, orders=6)
    assert not told.exact
    np.testing.assert_allclose(told.base + told.values.sum(axis=1), model.predict(FRESH), atol=1e-9)
    exact, asked = (contributions(part, FRESH, FEATURES, orders=6) for part in (of_forest, of_booster))
    assert exact.exact
    lean = 0.5 * (model.forest.value[:, 2] - model.forest.value[:, 0])
    counted = counted_out(model.forest, lean, FRESH[:6])
    np.testing.assert_allclose(exact.values[:6], counted[:, :-1], atol=1e-12)
    np.testing.assert_array_equal(told.values, exact.values + asked.values)
    np.testing.assert_array_equal(told.errors, asked.errors)


def test_a_voter_that_is_all_forest_tells_exactly() -> None:
    model = voter(forest_share=1.0)
    told = contributions(model, FRESH, FEATURES)
    assert told.exact
    np.testing.assert_allclose(told.base + told.values.sum(axis=1), model.predict(FRESH), atol=1e-12)
