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
from nightdesk.ensemble.places import among, standardised
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


NOTHING: Final = 1e-12
"""Share of a score's own size below which its spread is rounding: such a member says the same of every symbol."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A weight and a scale for each member, in order; no weight is negative and they sum to 1.

    `scales` are in the unit of each member's scores, which are divided by them before they are weighed. A member of
    scale 0 ranks nothing, and says nothing. `reason` says where the weights come from.
    """

    method: str
    members: tuple[str, ...]
    values: tuple[float, ...]
    scales: tuple[float, ...]
    reason: str

    def of(self, member: str) -> float:
        """The weight of `member`."""
        return self.values[self.members.index(member)]

    def scale_of(self, member: str) -> float:
        """The scale of `member`."""
        return self.scales[self.members.index(member)]

    @property
    def factors(self) -> tuple[float, ...]:
        """What each member's score is multiplied by: its weight over its scale, 0 for one that says nothing."""
        return tuple(
            value / scale if scale > 0.0 else 0.0 for value, scale in zip(self.values, self.scales, strict=True)
        )


def scales_of(said: pl.DataFrame, members: Sequence[str]) -> tuple[float, ...]:
    """How far each member's scores lie apart: the root mean of their variance within a date (and market).

    Each date weighs the same, however many symbols it has. `said` has date, of several markets market, and one column a
    member (null where it said nothing, which takes no part). A member that says the same of every symbol has 0.
    """
    check_columns(said, [DATE, *members])
    groups = among(said)
    known = {name: pl.when(pl.col(name).is_finite()).then(pl.col(name)) for name in members}
    squares = said.select(
        DATE,
        *(((one - one.mean().over(groups)) ** 2).alias(name) for name, one in known.items()),
        *((one**2).alias(f"{name} size") for name, one in known.items()),
    )
    daily = squares.sort(DATE).group_by(DATE, maintain_order=True).agg(pl.all().mean())
    return tuple(_scale(daily[name], daily[f"{name} size"]) for name in members)


def equal_weights(said: pl.DataFrame, members: Sequence[str], reason: str = "every member weighs the same") -> Weights:
    """The same weight for each member; `said` as for `scales_of`."""
    names = check_members(members)
    return Weights(EQUAL, names, (1.0 / len(names),) * len(names), scales_of(said, names), reason)


def fixed_weights(said: pl.DataFrame, configured: Mapping[str, float]) -> Weights:
    """Weights as configured, scaled to sum to 1; `said` as for `scales_of`.

    Raises BadInput for a negative or infinite weight, or where all are 0.
    """
    names = check_members(list(configured))
    values = list(configured.values())
    if not all(math.isfinite(value) and value >= 0.0 for value in values) or not 0.0 < math.fsum(values) < math.inf:
        shown = ", ".join(f"{name} {value}" for name, value in configured.items())
        raise BadInput(f"weights must be 0 or more and not all 0, got {shown}: give each member its share")
    return _weights(FIXED, said, names, values, "weights as configured")


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
        return equal_weights(met, names, "no member's rank IC out of fold can be told from 0, so all weigh the same")
    shown = ", ".join(f"{name} {value:+.4f}" for name, value in zip(names, skill, strict=True))
    return _weights(SKILL, met, names, skill, f"by shrunk rank IC out of fold: {shown}")


def stacked_weights(met: pl.DataFrame, members: Sequence[str], horizon: int) -> Weights:
    """Stack members by non-negative least squares (Breiman 1996) of what came on what they said, out of fold.

    A member's side is its score less the mean of the date, over its scale; the return's is its place on the date,
    scaled to unit variance there. Each date weighs the same, however many symbols it has. Rows on which a member said
    nothing, or without a return, take no part. Arguments and errors are those of `skill_weights`.

    Returns
    -------
    Weights
        They sum to 1; equal ones where least squares gives every member none.
    """
    names = _checked(met, members, horizon)
    gram, aim = _normal_equations(met, names)
    gram = gram + RIDGE * np.diag(np.diag(gram))
    if not np.all(np.diag(gram) > 0.0):
        return equal_weights(met, names, "a member ranks nothing out of fold, so nothing could be stacked")
    factor = np.linalg.cholesky(gram)
    found, _ = nnls(factor.T, np.linalg.solve(factor, aim))
    if not np.any(found > 0.0):
        return equal_weights(met, names, "least squares gives no member a weight, so all weigh the same")
    return _weights(STACKING, met, names, found.tolist(), "non-negative least squares on scores out of fold")


def combined(scores: pl.DataFrame, weights: Weights) -> pl.DataFrame:
    """Replace the members' columns by one score: the sum of weight times score over scale, row by row.

    So a row's score does not depend on who else is asked about. Null where a member that has a weight, and a scale,
    said nothing: fewer members are another ensemble. BadInput, naming them, where columns of members are missing
    altogether.
    """
    short = incomplete(weights.members, scores.columns)
    if short is not None:
        raise BadInput(short.reason)
    said = [
        pl.when(pl.col(name).is_finite()).then(pl.col(name) * factor)
        for name, factor in zip(weights.members, weights.factors, strict=True)
        if factor > 0.0
    ]
    score = pl.sum_horizontal(said, ignore_nulls=False) if said else pl.lit(0.0)
    return scores.with_columns(score.alias(SCORE)).drop(weights.members)


def _checked(met: pl.DataFrame, members: Sequence[str], horizon: int) -> tuple[str, ...]:
    check_horizon(horizon)
    names = check_members(members)
    check_columns(met, [DATE, FORWARD_RETURN, *names])
    return names


def _weights(method: str, met: pl.DataFrame, names: tuple[str, ...], values: Sequence[float], reason: str) -> Weights:
    total = math.fsum(values)
    return Weights(method, names, tuple(float(value) / total for value in values), scales_of(met, names), reason)


def _scale(squares: pl.Series, sizes: pl.Series) -> float:
    spread, size = (math.sqrt(_mean(one)) for one in (squares, sizes))
    return spread if spread > NOTHING * size else 0.0


def _mean(daily: pl.Series) -> float:
    known = daily.drop_nulls().to_numpy()
    return float(np.mean(known)) if len(known) else 0.0


def _daily_rank_ic(met: pl.DataFrame, name: str) -> pl.Series:
    return rank_ic_within_markets(met.rename({name: SCORE}))[RANK_IC]


def _normal_equations(met: pl.DataFrame, names: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean over dates of the products of members with each other (members, members), and with what came (members,)."""
    columns = [*names, FORWARD_RETURN]
    known = met.filter(pl.all_horizontal(pl.col(name).is_finite() for name in columns))
    if known.is_empty():
        return np.zeros((len(names), len(names))), np.zeros(len(names))
    groups, scales = among(known), dict(zip(names, scales_of(met, names), strict=True))
    middled = known.with_columns(pl.col(name) - pl.col(name).mean().over(groups) for name in names)
    placed = standardised(middled, [FORWARD_RETURN]).sort(DATE)
    rows = placed.select(
        *(pl.col(name) / scale if scale > 0.0 else pl.lit(0.0).alias(name) for name, scale in scales.items()),
        FORWARD_RETURN,
    ).to_numpy()
    share = placed.select(1.0 / pl.len().over(DATE)).to_series().to_numpy() / placed[DATE].n_unique()
    products = (rows * share[:, None]).T @ rows
    return products[:-1, :-1], products[:-1, -1]
