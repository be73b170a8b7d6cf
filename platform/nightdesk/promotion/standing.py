"""What stands beside the alias: the tag of proven skill, and the test that takes a replacement back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from nightdesk.evaluation.e_process import e_path
from nightdesk.promotion.superiority import (
    PROVEN,
    ROLLBACK_ALPHA,
    Evidence,
    PairedTest,
    judge_superiority,
    paired_differences,
)


@dataclass(frozen=True, slots=True)
class Skill:
    """Whether a recipe's skill is proven, the highest evidence against each ranking baseline, and why."""

    proven: bool
    highest: Mapping[str, float]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RollbackVerdict:
    """Whether the former champion takes its place back tonight, the evidence (None: not asked), and why."""

    roll_back: bool
    evidence: Evidence | None
    reasons: tuple[str, ...]


def judge_skill(
    recipe: pl.DataFrame, baselines: Mapping[str, pl.DataFrame], nights: Sequence[dt.date], horizon: int
) -> Skill:
    """Prove skill by the e-process against the best ranking baseline: evidence of 20.

    Which baseline is the best is not known beforehand, so the evidence must reach 20 against every one of them; against
    the best it then does, and luck does that with a chance of 5 % at most, however often it is asked.

    Parameters
    ----------
    recipe
        date and rank_ic of the recipe's logged forecasts.
    baselines
        The same of each ranking baseline, by name. One without a rank IC on any shared night (a constant ranks nothing)
        is no rival. With no rival there is nothing to beat, and skill stays unproven.
    nights
        Nights that may count, in order, from a night fixed beforehand (the recipe's first in the log).
    horizon
        Trading days held, 1 to 60.

    Raises
    ------
    BadInput
        As `superiority.paired_differences`.
    """
    highest = {}
    for name, scores in baselines.items():
        differences = paired_differences(recipe, scores, nights)
        if not np.isnan(differences).all():
            highest[name] = float(e_path(differences, horizon).max())
    if not highest:
        return Skill(False, {}, ("skill is unproven: no ranking baseline has a rank IC on its nights",))
    hardest = min(highest, key=lambda name: (highest[name], name))
    proven = highest[hardest] >= PROVEN
    said = "proven" if proven else "unproven"
    reason = (
        f"skill is {said}: evidence reached {highest[hardest]:.2f} against {hardest}, the baseline hardest to beat, "
        f"over {len(nights)} nights; {PROVEN:.0f} proves it"
    )
    return Skill(proven, highest, (reason,))


def judge_rollback(
    former: pl.DataFrame,
    champion: pl.DataFrame,
    nights: Sequence[dt.date],
    replaced: dt.date,
    names: tuple[str, str],
    horizon: int,
    faults: Sequence[str] = (),
) -> RollbackVerdict:
    """Roll back on the first night that the former champion, kept in shadow, is shown to be better, or on any fault.

    Parameters
    ----------
    former, champion
        date and rank_ic of the logged forecasts of both, the former one's from the shadow.
    nights
        Nights that may count, in order.
    replaced
        The first night of the new champion: nights before it decided for it, and do not count here.
    names
        Of the former and of the present champion.
    horizon
        Trading days held, 1 to 60.
    faults
        Why the champion cannot forecast (a failed smoke prediction, a broken artifact): these roll back at once.

    Returns
    -------
    RollbackVerdict
        Both are judged on the same days, so that a fall of the whole market is no reason. The test has an alpha of
        1.25 % of its own, and ends after 504 nights.

    Raises
    ------
    BadInput
        As `superiority.judge_superiority`.
    """
    if faults:
        return RollbackVerdict(True, None, (f"{names[1]} cannot serve, {names[0]} takes its place back", *faults))
    test = PairedTest(names[0], names[1], horizon, replaced, ROLLBACK_ALPHA)
    evidence = judge_superiority(test, former, champion, nights)
    return RollbackVerdict(evidence.outcome == "superior", evidence, evidence.reasons)
