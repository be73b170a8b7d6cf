"""Which weights an ensemble takes, by evidence: equal ones, unless others were better on days they had not seen."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import polars as pl

from nightdesk.ensemble.members import check_members
from nightdesk.ensemble.out_of_fold import known_by
from nightdesk.ensemble.weights import (
    EQUAL,
    FIXED,
    SKILL,
    STACKING,
    Weights,
    combined,
    equal_weights,
    fixed_weights,
    skill_weights,
    stacked_weights,
)
from nightdesk.errors import BadInput
from nightdesk.evaluation.splits import even_edges
from nightdesk.labels.columns import KNOWN_DATE
from nightdesk.scoring.checks import check_columns, check_horizon
from nightdesk.scoring.intervals import MeanInterval, paired_interval
from nightdesk.scoring.rank_ic import RANK_IC, rank_ic_within_markets
from nightdesk.tables import DATE, FORWARD_RETURN

ERROR: Final = 0.05
"""Chance, two-sided and shared by all rivals, of calling one better than equal weights by luck."""

Learner = Callable[[pl.DataFrame], Weights]


@dataclass(frozen=True, slots=True)
class Rival:
    """A way of weighing on unseen days: its mean daily rank IC, and its paired difference to equal weights."""

    method: str
    rank_ic: float | None
    difference: MeanInterval


@dataclass(frozen=True, slots=True)
class Choice:
    """The weights taken, those learnt from all days given; why; and the evidence on each rival of equal weights."""

    weights: Weights
    reason: str
    rivals: tuple[Rival, ...]


def choose_weights(
    met: pl.DataFrame,
    members: Sequence[str],
    horizon: int,
    *,
    fixed: Mapping[str, float] | None = None,
    blocks: int = 4,
) -> Choice:
    """Choose among equal, fixed, skill and stacked weights by a walk-forward nested in the out-of-fold days.

    The days are cut into one first part and `blocks` test blocks. Before each block, weights are learnt from rows whose
    label was known on the close of its first day, and judged on the block by daily rank IC. Another method than equal
    weights is taken only where the lower bound of its paired difference to them is above 0, at 95 % shared by all
    rivals (Bonferroni); of several the one with the largest difference.

    Parameters
    ----------
    met
        As `out_of_fold.out_of_fold` gives it; more columns do no harm.
    fixed
        Weights by member, where some are configured: then they are a rival, too.
    blocks
        Test blocks, 1 or more.

    Raises
    ------
    BadInput
        A column is missing, a number breaks its rule, or `fixed` names other members.
    """
    check_horizon(horizon)
    names = check_members(members)
    check_columns(met, [DATE, KNOWN_DATE, FORWARD_RETURN, *names])
    if blocks < 1:
        raise BadInput(f"blocks must be 1 or more, got {blocks}: choose for example 4")
    learners = _learners(names, horizon, fixed)
    daily = _nested(met, learners, blocks)
    rivals = tuple(_rival(name, daily, horizon, len(learners) - 1) for name in learners if name != EQUAL)
    better = [one for one in rivals if one.difference.lower is not None and one.difference.lower > 0.0]
    if not better:
        reason = _why_equal(rivals)
        return Choice(equal_weights(met, names, reason), reason, rivals)
    best = max(better, key=lambda one: one.difference.mean or 0.0)
    reason = f"{best.method} weights beat equal ones on days they had not seen: rank IC {_shown(best.difference)}"
    return Choice(learners[best.method](met), reason, rivals)


def _learners(names: tuple[str, ...], horizon: int, fixed: Mapping[str, float] | None) -> dict[str, Learner]:
    learners: dict[str, Learner] = {
        EQUAL: lambda met: equal_weights(met, names),
        SKILL: lambda met: skill_weights(met, names, horizon),
        STACKING: lambda met: stacked_weights(met, names, horizon),
    }
    if fixed is not None:
        if set(fixed) != set(names):
            raise BadInput(
                f"fixed weights must name the members {', '.join(names)}, got {', '.join(fixed)}: give one for each"
            )
        given = {name: fixed[name] for name in names}
        learners[FIXED] = lambda met: fixed_weights(met, given)
    return learners


def _nested(met: pl.DataFrame, learners: Mapping[str, Learner], blocks: int) -> pl.DataFrame:
    """Daily rank IC of each method on the test blocks: date, and one column a method."""
    days = met[DATE].unique().sort().to_list()
    if len(days) <= blocks:
        raise BadInput(
            f"choosing weights must have more than {blocks} days, got {len(days)}: give more, or fewer blocks"
        )
    edges = even_edges(len(days) // (blocks + 1), len(days), blocks)
    parts = [_block(met, learners, days[first], days[after - 1]) for first, after in pairwise(edges)]
    return pl.concat(parts)


def _block(met: pl.DataFrame, learners: Mapping[str, Learner], first: dt.date, last: dt.date) -> pl.DataFrame:
    past, test = known_by(met, first), met.filter(pl.col(DATE).is_between(first, last))
    daily = test.select(DATE).unique().sort(DATE)
    for name, learn in learners.items():
        found = rank_ic_within_markets(combined(test, learn(past))).select(DATE, pl.col(RANK_IC).alias(name))
        daily = daily.join(found, on=DATE, how="left", maintain_order="left")
    return daily


def _rival(name: str, daily: pl.DataFrame, horizon: int, rivals: int) -> Rival:
    mean = daily[name].mean()
    difference = paired_interval(daily[name], daily[EQUAL], horizon, 1.0 - ERROR / rivals)
    return Rival(name, mean if isinstance(mean, float) else None, difference)


def _why_equal(rivals: Sequence[Rival]) -> str:
    if all(one.difference.mean is None for one in rivals):
        return f"equal weights: {rivals[0].difference.days} days are too few to tell any others from them"
    shown = "; ".join(f"{one.method} {_shown(one.difference)}" for one in rivals)
    return f"equal weights: no others are shown to be better on days they had not seen ({shown})"


def _shown(difference: MeanInterval) -> str:
    if difference.mean is None or difference.lower is None or difference.upper is None:
        return "undefined"
    return f"{difference.mean:+.4f} ({difference.lower:+.4f} to {difference.upper:+.4f})"
