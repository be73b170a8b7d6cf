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
    roots = np.repeat(starts[:-1], np.diff(starts))
    is_left = np.zeros(len(left), dtype=np.bool_)
    is_left[(roots + left)[left != _LEAF]] = True
    nodes = (parent, left, is_left, feature, threshold, missing_left, cover, value)
    rule = (points + 1.0) / 2.0, weights / 2.0
    return _shares(np.ascontiguousarray(features), *nodes, *rule, deepest) / (len(starts) - 1)


def _parents(starts: NDArray[np.int64], left: NDArray[np.int32], right: NDArray[np.int32]) -> NDArray[np.int64]:
    """The node above each, among all nodes; -1 above a root."""
    roots, inner = np.repeat(starts[:-1], np.diff(starts)), np.flatnonzero(left != _LEAF)
    parent = np.full(len(left), -1, dtype=np.int64)
    for children in (left, right):
        parent[(roots + children)[inner]] = inner
    return parent


def _deepest(parent: NDArray[np.int64]) -> int:
    """The most splits above any node."""
    deepest, above = 0, parent
    while (above >= 0).any():
        deepest, above = deepest + 1, np.where(above >= 0, parent[above], -1)
    return deepest


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _shares(
    features: Matrix,
    parent: NDArray[np.int64],
    left: NDArray[np.int32],
    is_left: NDArray[np.bool_],
    feature: NDArray[np.int32],
    threshold: Vector,
    missing_left: NDArray[np.bool_],
    cover: Vector,
    value: Vector,
    points: Vector,
    weights: Vector,
    deepest: int,
) -> Vector:
    """The sum over trees, leaf by leaf, and for each leaf row by row: the way to it is looked up once for all rows."""
    rows, columns = features.shape
    added = np.zeros((rows, columns + 1))
    column_of, place_of = np.zeros(deepest, dtype=np.int64), np.zeros(deepest, dtype=np.int64)
    share, goes, factor, before = np.ones(deepest), np.ones(deepest), np.ones(deepest), np.ones(deepest + 1)
    for leaf in range(parent.size):
        if left[leaf] != _LEAF:
            continue
        met = _way(leaf, parent, feature, cover, column_of, place_of, share)
        whole = value[leaf]
        for place in range(met):
            whole *= share[place]
        for row in range(rows):
            added[row, columns] += whole
            _turns(row, leaf, features, parent, is_left, feature, threshold, missing_left, place_of, goes)
            for point in range(points.size):
                # Slopes of a product, by what stands before and after each factor: dividing fails where a share is 0.
                before[0] = weights[point] * value[leaf]
                for place in range(met):
                    factor[place] = share[place] * (1.0 - points[point]) + goes[place] * points[point]
                    before[place + 1] = before[place] * factor[place]
                after = 1.0
                for place in range(met - 1, -1, -1):
                    added[row, column_of[place]] += (goes[place] - share[place]) * before[place] * after
                    after *= factor[place]
    return added


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _way(
    leaf: int,
    parent: NDArray[np.int64],
    feature: NDArray[np.int32],
    cover: Vector,
    column_of: NDArray[np.int64],
    place_of: NDArray[np.int64],
    share: Vector,
) -> int:
    """How many features lead to a leaf; which, in whose place each step up stands, and the share of rows of each."""
    step, met, node = 0, 0, leaf
    while parent[node] >= 0:
        above = parent[node]
        place = 0
        while place < met and column_of[place] != feature[above]:
            place += 1
        if place == met:
            column_of[met], share[met] = feature[above], 1.0
            met += 1
        share[place] *= cover[node] / cover[above]
        place_of[step] = place
        step += 1
        node = above
    return met


@numba.njit(nogil=True, cache=True)
def _turns(
    row: int,
    leaf: int,
    features: Matrix,
    parent: NDArray[np.int64],
    is_left: NDArray[np.bool_],
    feature: NDArray[np.int32],
    threshold: Vector,
    missing_left: NDArray[np.bool_],
    place_of: NDArray[np.int64],
    goes: Vector,
) -> None:
    """Set for each feature on the way to a leaf whether the row takes all of its turns: 1, or 0."""
    for place in range(goes.size):
        goes[place] = 1.0
    step, node = 0, leaf
    while parent[node] >= 0:
        above = parent[node]
        seen = features[row, feature[above]]
        goes_left = missing_left[above] if np.isnan(seen) else seen <= threshold[above]
        if goes_left != is_left[node]:
            goes[place_of[step]] = 0.0
        step += 1
        node = above
