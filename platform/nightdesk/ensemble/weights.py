"""Weights of an ensemble's members: fixed, by skill, or stacked without negative ones; all learnt out of fold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.optimize import nnls

from nightdesk.ensemble.members import check_members, incomplete
from nightdesk.ensemble.places import standardised
from nightdesk.ensemble.shrinkage import shrunk_mean
from nightdesk.errors import BadInput
from nightdesk.scoring.checks import check_columns, check_horizon
from nightdesk.scoring.rank_ic import RANK_IC, rank_ic_within_markets
from nightdesk.tables import DATE, FORWARD_RETURN, SCORE

EQUAL: Final = "equal"
FIXED: Final = "fixed"
SKILL: Final = "skill"
STACKING: Final = "stacking"

RIDGE: Final = 0.01
"""Share of a member's variance that stacking adds to it: two members that say the same then share their weight."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A weight for each member, in order; none is negative and they sum to 1. `reason` says where they come from."""

    method: str
    members: tuple[str, ...]
    values: tuple[float, ...]
    reason: str

    def of(self, member: str) -> float:
        """The weight of `member`."""
        return self.values[self.members.index(member)]


def equal_weights(members: Sequence[str], reason: str = "every member weighs the same") -> Weights:
    """The same weight for each member."""
    names = check_members(members)
    return Weights(EQUAL, names, (1.0 / len(names),) * len(names), reason)


def fixed_weights(configured: Mapping[str, float]) -> Weights:
    """Weights as configured, scaled to sum to 1; BadInput for a negative or infinite one, or where all are 0."""
    names = check_members(list(configured))
    values = list(configured.values())
    if not all(math.isfinite(value) and value >= 0.0 for value in values) or not 0.0 < math.fsum(values) < math.inf:
        shown = ", ".join(f"{name} {value}" for name, value in configured.items())
        raise BadInput(f"weights must be 0 or more and not all 0, got {shown}: give each member its share")
    return _weights(FIXED, names, values, "as configured")


def skill_weights(met: pl.DataFrame, members: Sequence[str], horizon: int) -> Weights:
    """Weigh members by their mean daily rank IC out of fold, shrunk toward 0 by its own error.

    Parameters
    ----------
    met
        Out-of-fold scores of each member and what came of them: date, forward_return, of several markets market, and
        one column a member (null where it said nothing), as `out_of_fold.out_of_fold` gives them.
    horizon
        Trading days held, 1 to 60: the overlap of the labels.

    Returns
    -------
    Weights
        None is negative; equal ones where no member has skill that can be told from its error.

    Raises
    ------
    BadInput
        A column is missing, or a number breaks its rule.
    """
    names = _checked(met, members, horizon)
    skill = [max(0.0, shrunk_mean(_daily_rank_ic(met, name), horizon).value) for name in names]
    if not any(skill):
        return equal_weights(names, "no member's rank IC out of fold can be told from 0, so all weigh the same")
    shown = ", ".join(f"{name} {value:+.4f}" for name, value in zip(names, skill, strict=True))
    return _weights(SKILL, names, skill, f"by shrunk rank IC out of fold: {shown}")


def stacked_weights(met: pl.DataFrame, members: Sequence[str], horizon: int) -> Weights:
    """Stack members by non-negative least squares (Breiman 1996) of what came on what they said, out of fold.

    Both sides are places on their date, scaled to unit variance there; each date weighs the same, however many symbols
    it has. Rows on which a member said nothing, or without a return, take no part. Arguments and errors are those of
    `skill_weights`.

    Returns
    -------
    Weights
        They sum to 1; equal ones where least squares gives every member none.
    """
    names = _checked(met, members, horizon)
    gram, aim = _normal_equations(met, names)
    gram = gram + RIDGE * np.diag(np.diag(gram))
    if not np.all(np.diag(gram) > 0.0):
        return equal_weights(names, "a member ranks nothing out of fold, so nothing could be stacked")
    factor = np.linalg.cholesky(gram)
    found, _ = nnls(factor.T, np.linalg.solve(factor, aim))
    if not np.any(found > 0.0):
        return equal_weights(names, "least squares gives no member a weight, so all weigh the same")
    return _weights(STACKING, names, found.tolist(), "non-negative least squares on scores out of fold")


def combined(scores: pl.DataFrame, weights: Weights) -> pl.DataFrame:
    """Replace the members' columns by one score: the weighted sum of their standardised places on the date.

    Null where a member that has a weight said nothing: fewer members are another ensemble. BadInput, naming them, where
    columns of members are missing altogether.
    """
    short = incomplete(weights.members, scores.columns)
    if short is not None:
        raise BadInput(short.reason)
    used = [(name, value) for name, value in zip(weights.members, weights.values, strict=True) if value > 0.0]
    placed = standardised(scores, [name for name, _ in used])
    score = pl.sum_horizontal((pl.col(name) * value for name, value in used), ignore_nulls=False)
    return placed.with_columns(score.alias(SCORE)).drop(weights.members)


def _checked(met: pl.DataFrame, members: Sequence[str], horizon: int) -> tuple[str, ...]:
    check_horizon(horizon)
    names = check_members(members)
    check_columns(met, [DATE, FORWARD_RETURN, *names])
    return names


def _weights(method: str, names: tuple[str, ...], values: Sequence[float], reason: str) -> Weights:
    total = math.fsum(values)
    return Weights(method, names, tuple(float(value) / total for value in values), reason)


def _daily_rank_ic(met: pl.DataFrame, name: str) -> pl.Series:
    return rank_ic_within_markets(met.rename({name: SCORE}))[RANK_IC]


def _normal_equations(met: pl.DataFrame, names: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean over dates of the products of members with each other (members, members), and with what came (members,)."""
    columns = [*names, FORWARD_RETURN]
    known = met.filter(pl.all_horizontal(pl.col(name).is_finite() for name in columns))
    placed = standardised(known, columns).sort(DATE)
    if placed.is_empty():
        return np.zeros((len(names), len(names))), np.zeros(len(names))
    rows = placed.select(columns).to_numpy()
    share = placed.select(1.0 / pl.len().over(DATE)).to_series().to_numpy() / placed[DATE].n_unique()
    products = (rows * share[:, None]).T @ rows
    return products[:-1, :-1], products[:-1, -1]
