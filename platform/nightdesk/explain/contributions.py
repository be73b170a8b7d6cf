"""What each feature adds to each score: exactly where a model can tell, else by Shapley values from drawn orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from nightdesk.models.combination import FittedCombination, Member
from nightdesk.models.recipe import Explaining, Matrix, Scoring, Summed, Vector
from nightdesk.models.selected import FittedChoice

Places = npt.NDArray[np.int64]

ORDERS: Final = 32
"""Orders of features that are drawn, each of them also taken backwards."""


@dataclass(frozen=True, slots=True, eq=False)
class Contributions:
    """What each feature (columns) adds to each score (rows): `base + values.sum(axis=1)` is the score.

    Attributes
    ----------
    values : in the unit of the score; 0 for a feature that the model does not use.
    base : what it says where nothing is known: of an exact tell the mean over its training rows, else over the rows
        drawn for comparison.
    exact : whether the model itself tells, all of it; else `values`, or a part of each, are means over drawn orders,
        with `errors`.
    errors : standard errors of the values; 0 where exact.
    """

    values: Vector
    base: float
    exact: bool
    errors: Vector


def contributions(
    fitted: Scoring, features: Matrix, beside: Matrix, seed: int = 0, orders: int = ORDERS
) -> Contributions:
    """Say what each column of `features` (rows, columns; NaN where missing) adds to what `fitted` says of each row.

    Trees of LightGBM, of XGBoost and of a forest tell by TreeSHAP (Lundberg et al. 2020), a linear model by coefficient
    times distance from the training mean. Any other is asked: in a drawn order, the values of a row of `beside` become
    the row's own one by one, and what each step adds is its feature's (Strumbelj & Kononenko 2014). Each of the
    `orders` drawn orders is taken backwards too, with the same row of `beside`; every row is asked in the same orders.
    Of a model that is a sum, an ensemble among them, each part tells or is asked by itself: Shapley values of a sum are
    sums of Shapley values.
    """
    exact = exact_contributions(fitted, features)
    if exact is not None:
        return exact
    if isinstance(fitted, FittedCombination):
        parts = [(one, one.columns_of(features), one.columns_of(beside)) for one in fitted.speaking]
        asked = ((one, contributions(one.fitted, own, others, seed, orders)) for one, own, others in parts)
        return _sum([_share(one, found, features.shape[1]) for one, found in asked])
    if isinstance(fitted, Summed):
        return _sum([contributions(part, features, beside, seed, orders) for part in fitted.summands()])
    return _asked(fitted, features, beside, np.random.default_rng(seed), orders)


def exact_contributions(fitted: Scoring, features: Matrix) -> Contributions | None:
    """What `contributions` gives where the model itself tells; None where it cannot, and would have to be asked."""
    told = _told(fitted, features)
    if told is None:
        return None
    values = told[:, :-1]
    return Contributions(values, float(told[0, -1]) if len(told) else 0.0, True, np.zeros(values.shape))


def _sum(parts: Sequence[Contributions]) -> Contributions:
    values: Vector = np.sum([one.values for one in parts], axis=0)
    errors: Vector = np.sqrt(np.sum([one.errors**2 for one in parts], axis=0))
    return Contributions(values, sum(one.base for one in parts), all(one.exact for one in parts), errors)


def _share(member: Member, found: Contributions, columns: int) -> Contributions:
    """What a member's features add to the score of its ensemble of so many columns."""
    values, errors = (np.zeros((len(found.values), columns)) for _ in range(2))
    values[:, member.columns] = found.values * member.factor
    errors[:, member.columns] = found.errors * member.factor
    return Contributions(values, found.base * member.factor, found.exact, errors)


def _told(fitted: Scoring, features: Matrix) -> Vector | None:
    """What the model itself tells (rows, columns + 1; the last is the base), a choice of columns put in its place.

    Of a sum it is what its parts tell, weighed as their scores are; None where one of them cannot tell.
    """
    if isinstance(fitted, FittedCombination):
        return _told_together(fitted, features)
    if isinstance(fitted, Summed):
        told = [_told(part, features) for part in fitted.summands()]
        known = [one for one in told if one is not None]
        return np.sum(known, axis=0) if known and len(known) == len(told) else None
    if isinstance(fitted, FittedChoice):
        own = _told(fitted.inner, np.ascontiguousarray(features[:, fitted.columns]))
        if own is None:
            return None
        values: Vector = np.zeros((len(features), features.shape[1] + 1))
        values[:, [*fitted.columns, -1]] = own
        return values
    return fitted.contributions(features) if isinstance(fitted, Explaining) else None


def _told_together(fitted: FittedCombination, features: Matrix) -> Vector | None:
    values: Vector = np.zeros((len(features), features.shape[1] + 1))
    for one in fitted.speaking:
        own = _told(one.fitted, one.columns_of(features))
        if own is None:
            return None
        values[:, [*one.columns, -1]] += own * one.factor
    return values


def _asked(
    fitted: Scoring, features: Matrix, beside: Matrix, random: np.random.Generator, orders: int
) -> Contributions:
    rows, columns = features.shape
    pairs, bases = [], []
    for _ in range(orders):
        order, other = random.permutation(columns), beside[random.integers(len(beside))]
        there, base = _steps(fitted, features, other, order)
        back, _ = _steps(fitted, features, other, order[::-1])
        pairs.append((there + back) / 2.0)
        bases.append(base)
    values = np.array(pairs)
    errors = values.std(axis=0, ddof=1) / np.sqrt(orders) if orders > 1 else np.full((rows, columns), np.nan)
    return Contributions(values.mean(axis=0), float(np.mean(bases)), False, errors)


def _steps(fitted: Scoring, features: Matrix, other: Matrix, order: Places) -> tuple[Vector, float]:
    """What each column adds when it becomes the row's own, in this order; and what is said of `other` itself."""
    rows, columns = features.shape
    stages = np.broadcast_to(other, (columns + 1, rows, columns)).astype(np.float32)
    for step, column in enumerate(order, 1):
        stages[step:, :, column] = features[:, column]
    said = fitted.predict(np.ascontiguousarray(stages.reshape(-1, columns))).reshape(columns + 1, rows)
    added: Vector = np.zeros((rows, columns))
    added[:, order] = np.diff(said, axis=0).T
    return added, float(said[0, 0]) if rows else 0.0
