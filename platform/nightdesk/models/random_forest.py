"""Random forests of scikit-learn, kept as plain arrays: no code runs when they are read, and any release reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import numba
import numpy as np
from numpy.typing import NDArray

from nightdesk.errors import ModelBroken
from nightdesk.models.recipe import Matrix, Training, Vector
from nightdesk.models.tree_shares import shares_of_trees

_FILE: Final = "forest.npz"
_LEAF: Final = -1


@dataclass(frozen=True, slots=True, eq=False)
class Trees:
    """Nodes of all trees, one tree after the other, each from its root on; children are places within the tree.

    A row goes left where its feature is at most the threshold, where it is missing as `missing_left` says, and stops
    at a node without children (-1). `value` is what a node says: (nodes, outputs). `cover` is how many rows, by their
    weights, reached a node when it was grown; empty of trees that were kept before it was.
    """

    starts: NDArray[np.int64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: Vector
    missing_left: NDArray[np.bool_]
    value: Vector
    cover: Vector = field(default_factory=lambda: np.empty(0))

    def mean(self, features: Matrix) -> Vector:
        """What the trees say of each row in mean: (rows, outputs); a sum in the order of the trees.

        Raises ModelBroken where rows have fewer columns than the trees ask for.
        """
        self._check(features)
        nodes = (self.left, self.right, self.feature, self.threshold, self.missing_left, self.value)
        return _summed(np.ascontiguousarray(features), self.starts, *nodes) / (len(self.starts) - 1)

    def contributions(self, features: Matrix, of_outputs: Vector) -> Vector | None:
        """What each column adds to the mean of outputs times `of_outputs`, one number each; last the trees' own mean.

        (rows, columns + 1), as `tree_shares.shares_of_trees` gives it; None of trees without `cover`. Raises as `mean`.
        """
        self._check(features)
        if not self.cover.size:
            return None
        nodes = (self.starts, self.left, self.right, self.feature, self.threshold, self.missing_left, self.cover)
        return shares_of_trees(features, *nodes, self.value @ of_outputs)

    def _check(self, features: Matrix) -> None:
        asked = int(self.feature.max(initial=-1)) + 1
        if features.shape[1] < asked:
            raise ModelBroken(f"a forest needs {asked} columns or more, got {features.shape[1]}: give all its features")

    def write(self, file: Path) -> None:
        """Write the arrays; the same ones give the same bytes."""
        np.savez_compressed(file, **{one.name: getattr(self, one.name) for one in fields(self)})


def read_trees(file: Path) -> Trees:
    """Read what `Trees.write` wrote.

    Raises FileNotFoundError where it is gone, ModelBroken where a node leads out of its tree or back.
    """
    with np.load(file, allow_pickle=False) as arrays:
        # Forests that were registered before trees kept their cover still serve.
        held = {one.name: arrays[one.name] for one in fields(Trees) if one.name != "cover" or "cover" in arrays}
        trees = Trees(**held)
    if not _sound(trees):
        raise ModelBroken(
            f"the nodes of a forest must lead down its own trees, got others in {file.name}: restore it, or train "
            "again (nightdesk train)"
        )
    return trees


def _sound(trees: Trees) -> bool:
    """Whether every way down ends in a node of its own tree: children stand behind their parent."""
    count, sizes = len(trees.value), np.diff(trees.starts)
    nodes = (trees.left, trees.right, trees.feature, trees.threshold, trees.missing_left)
    if (
        trees.starts[0] != 0
        or trees.starts[-1] != count
        or (sizes < 1).any()
        or any(len(one) != count for one in nodes)
    ):
        return False
    place, size = np.arange(count) - np.repeat(trees.starts[:-1], sizes), np.repeat(sizes, sizes)
    inner = trees.left != _LEAF
    if trees.cover.size and not (len(trees.cover) == count and _counted(trees.cover, inner)):
        return False
    ways = (((child > place) & (child < size))[inner].all() for child in (trees.left, trees.right))
    return all(ways) and bool((trees.feature[inner] >= 0).all())


def _counted(cover: Vector, inner: NDArray[np.bool_]) -> bool:
    """Whether every node says how many rows reached it, and some reached each split."""
    return bool(np.isfinite(cover).all() and (cover >= 0.0).all() and (cover[inner] > 0.0).all())


def trees_of(fitted: Sequence[Any], outputs: int = 1, places: Sequence[int] = (0,)) -> Trees:
    """The nodes of scikit-learn's fitted trees; what they say goes to `places` among `outputs`, the others are 0."""
    own = [one.tree_ for one in fitted]
    value = np.zeros((sum(one.node_count for one in own), outputs))
    value[:, list(places)] = np.concatenate([one.value[:, 0, :] for one in own])
    return Trees(
        np.concatenate([[0], np.cumsum([one.node_count for one in own])]).astype(np.int64),
        np.concatenate([one.children_left for one in own]).astype(np.int32),
        np.concatenate([one.children_right for one in own]).astype(np.int32),
        np.concatenate([one.feature for one in own]).astype(np.int32),
        np.concatenate([one.threshold for one in own]),
        np.concatenate([one.missing_go_to_left for one in own]).astype(np.bool_),
        value,
        np.concatenate([one.weighted_n_node_samples for one in own]),
    )


@dataclass(frozen=True, slots=True)
class FittedForest:
    """The trees of a forest; its score is the mean of what they say."""

    trees: Trees

    def predict(self, features: Matrix) -> Vector:
        """Score rows; the sum runs tree by tree, so that a row's score does not depend on the rows beside it."""
        scores: Vector = self.trees.mean(features)[:, 0]
        return scores

    def contributions(self, features: Matrix) -> Vector | None:
        """SHAP values of the trees (TreeSHAP); last the mean over the rows that each was grown on."""
        return self.trees.contributions(features, np.ones(1))

    def save(self, folder: Path) -> None:
        """Write the trees as arrays."""
        self.trees.write(folder / _FILE)


class RandomForestFamily:
    """Parameters are scikit-learn's own names, and `max_rows`: on how many rows the trees are grown at most."""

    def fit(
        self, training: Training, parameters: Mapping[str, float | int | str], seed: int, threads: int
    ) -> FittedForest:
        """Grow each tree from a seed of its own: the result does not depend on the number of threads."""
        from sklearn.ensemble import RandomForestRegressor

        rows, own = grown_on(training, parameters, seed)
        forest = RandomForestRegressor(random_state=seed % 2**32, n_jobs=threads, **own)
        forest.fit(rows.features, rows.target, sample_weight=rows.weight)
        return FittedForest(trees_of(forest.estimators_))

    def load(self, folder: Path) -> FittedForest:
        """Read the trees back."""
        return FittedForest(read_trees(folder / _FILE))


def grown_on(
    training: Training, parameters: Mapping[str, float | int | str], seed: int
) -> tuple[Training, dict[str, float | int | str]]:
    """The rows that a forest is grown on, at most `max_rows` (0 or absent: all), and scikit-learn's own parameters.

    Where there are more, one row is drawn of each of `max_rows` stretches of equal length: rows stand by date, so that
    every date keeps its share.
    """
    own = dict(parameters)
    most, count = int(own.pop("max_rows", 0)), len(training.target)
    if not 0 < most < count:
        return training, own
    edges = np.linspace(0, count, most + 1).astype(np.int64)
    drawn = np.random.default_rng(seed).random(most)
    return training.at(edges[:-1] + (drawn * np.diff(edges)).astype(np.int64)), own


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _summed(
    features: Matrix,
    starts: NDArray[np.int64],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    feature: NDArray[np.int32],
    threshold: Vector,
    missing_left: NDArray[np.bool_],
    value: Vector,
) -> Vector:
    """The sum of what the trees say of each row, tree by tree."""
    summed = np.zeros((features.shape[0], value.shape[1]))
    for tree in range(starts.size - 1):
        root = starts[tree]
        for row in range(features.shape[0]):
            node = root
            while left[node] != _LEAF:
                seen = features[row, feature[node]]
                goes_left = missing_left[node] if np.isnan(seen) else seen <= threshold[node]
                node = root + (left[node] if goes_left else right[node])
            for output in range(value.shape[1]):
                summed[row, output] += value[node, output]
    return summed
