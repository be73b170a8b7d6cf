"""What each feature adds to what trees say: exact Shapley values of a forest's arrays (TreeSHAP, path dependent)."""

from __future__ import annotations

from typing import Final

import numba
import numpy as np
from numpy.typing import NDArray

from nightdesk.models.recipe import Matrix, Vector

_LEAF: Final = -1


def shares_of_trees(
    features: Matrix,
    starts: NDArray[np.int64],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    feature: NDArray[np.int32],
    threshold: Vector,
    missing_left: NDArray[np.bool_],
    cover: Vector,
    value: Vector,
) -> Vector:
    """What each column adds to the mean of what trees say of each row, and last what they say of no row in particular.

    A feature that is not known goes both ways of a split, as the rows did that the tree was grown on (Lundberg et al.
    2020, TreeSHAP): a leaf is then reached by the product, over the features on its way, of 1 or 0 where one is known
    and of the share of rows that took its turns where it is not. Of such a product Shapley's value is the integral of
    its slope, all others being known with one and the same chance (Owen 1972): a polynomial, which Gauss and Legendre's
    rule integrates without error.

    Parameters
    ----------
    features
        Rows and columns; NaN where missing, which goes the way that a split says.
    starts, left, right, feature, threshold, missing_left
        As of `random_forest.Trees`.
    cover
        How many rows, by their weights, reached each node when it was grown.
    value
        What each node says.

    Returns
    -------
    Vector
        (rows, columns + 1), in the unit of `value`; a row's sum is its score, but for rounding.
    """
    parent = _parents(starts, left, right)
    deepest = _deepest(parent)
    # Of at most `deepest` features the slope's degree is one less: so many points are exact.
    points, weights = np.polynomial.legendre.leggauss(max(1, -(-deepest // 2)))
    nodes = (parent, left, feature, threshold, missing_left, cover, value)
    rule = (points + 1.0) / 2.0, weights / 2.0
    return _shares(np.ascontiguousarray(features), len(starts) - 1, *nodes, *rule, deepest)


@numba.njit(nogil=True, cache=True)
def _parents(starts: NDArray[np.int64], left: NDArray[np.int32], right: NDArray[np.int32]) -> NDArray[np.int64]:
    """The node above each, among all nodes; -1 above a root."""
    parent = np.full(left.size, -1, dtype=np.int64)
    for tree in range(starts.size - 1):
        root = starts[tree]
        for node in range(root, starts[tree + 1]):
            if left[node] != _LEAF:
                parent[root + left[node]] = node
                parent[root + right[node]] = node
    return parent


@numba.njit(nogil=True, cache=True)
def _deepest(parent: NDArray[np.int64]) -> int:
    """The most splits above any node; children stand behind their parent."""
    depth = np.zeros(parent.size, dtype=np.int64)
    for node in range(parent.size):
        if parent[node] >= 0:
            depth[node] = depth[parent[node]] + 1
    return int(depth.max()) if depth.size else 0


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _shares(
    features: Matrix,
    trees: int,
    parent: NDArray[np.int64],
    left: NDArray[np.int32],
    feature: NDArray[np.int32],
    threshold: Vector,
    missing_left: NDArray[np.bool_],
    cover: Vector,
    value: Vector,
    points: Vector,
    weights: Vector,
    deepest: int,
) -> Vector:
    """Leaf by leaf, and for each leaf row by row: the way to a leaf is looked up once for all rows."""
    rows, columns = features.shape
    added = np.zeros((rows, columns + 1))
    split, place_of = np.empty(deepest, dtype=np.int64), np.empty(deepest, dtype=np.int64)
    to_left, goes = np.empty(deepest, dtype=np.bool_), np.empty(deepest, dtype=np.bool_)
    column_of, share = np.empty(deepest, dtype=np.int64), np.empty(deepest)
    factor, before = np.empty(deepest), np.empty(deepest + 1)
    root = 0
    for leaf in range(parent.size):
        if parent[leaf] < 0:
            root = leaf
        if left[leaf] != _LEAF:
            continue
        steps, met, node = 0, 0, leaf
        while parent[node] >= 0:
            above = parent[node]
            place = _place(column_of, met, feature[above])
            if place == met:
                column_of[met], share[met] = feature[above], 1.0
                met += 1
            share[place] *= cover[node] / cover[above]
            split[steps], place_of[steps], to_left[steps] = above, place, root + left[above] == node
            steps += 1
            node = above
        whole = share[:met].prod()
        for row in range(rows):
            added[row, columns] += value[leaf] * whole
            goes[:met] = True
            for step in range(steps):
                at = split[step]
                seen = features[row, feature[at]]
                goes_left = missing_left[at] if np.isnan(seen) else seen <= threshold[at]
                goes[place_of[step]] &= goes_left == to_left[step]
            for point in range(points.size):
                before[0] = weights[point] * value[leaf]
                _add(added[row], column_of[:met], share, goes, points[point], factor, before)
    return added / trees


@numba.njit(nogil=True, cache=True)
def _place(column_of: NDArray[np.int64], met: int, column: int) -> int:
    """Where a column stands among those met so far; `met` where it is new."""
    for place in range(met):
        if column_of[place] == column:
            return place
    return met


@numba.njit(nogil=True, cache=True)
def _add(
    added: Vector,
    column_of: NDArray[np.int64],
    share: Vector,
    goes: NDArray[np.bool_],
    chance: float,
    factor: Vector,
    before: Vector,
) -> None:
    """Add a leaf's slopes at one point: those of a product, by what stands before and after each of its factors.

    Not by dividing the whole product, for a share of rows may be 0. `before[0]` is what the leaf says, by its weight.
    """
    for place in range(column_of.size):
        factor[place] = share[place] * (1.0 - chance) + (chance if goes[place] else 0.0)
        before[place + 1] = before[place] * factor[place]
    after = 1.0
    for place in range(column_of.size - 1, -1, -1):
        slope = (1.0 if goes[place] else 0.0) - share[place]
        added[column_of[place]] += slope * before[place] * after
        after *= factor[place]
