"""Whether the served recipe, fitted on newer data, may serve: yes, unless it is broken or shown to be inferior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from nightdesk.scoring.checks import check_columns
from nightdesk.scoring.intervals import MeanInterval, mean_interval
from nightdesk.scoring.rank_ic import RANK_IC
from nightdesk.tables import DATE

NIGHTS: Final = 252
LEVEL: Final = 0.98  # two-sided: 1 % on the side that refuses


@dataclass(frozen=True, slots=True)
class RefreshVerdict:
    """Whether the new fit may serve, the paired difference to the frozen champion, and why."""

    may_serve: bool
    difference: MeanInterval
    reasons: tuple[str, ...]


def judge_refresh(
    recipe: pl.DataFrame, champion: pl.DataFrame, horizon: int, faults: Sequence[str] = ()
) -> RefreshVerdict:
    """Judge the recipe's newer fits against the frozen champion: non-inferiority, one-sided 1 %.

    Parameters
    ----------
    recipe
        date and rank_ic (null: undefined) of the recipe's matured walk-forward nights.
    champion
        The same of the champion as it stands, scored on nights that it was not fitted on.
    horizon
        Trading days held, 1 to 60.
    faults
        What data gates and the smoke prediction found; any refuses.

    Returns
    -------
    RefreshVerdict
        Refused where the upper bound of the mean paired difference over the last 252 shared nights (equal-weighted
        cosine, 98 % two-sided) is below 0. On too few nights to have a bound nothing is shown, and the refresh serves.

    Raises
    ------
    BadInput
        The horizon breaks its rule or a column is missing.
    """
    for scores in (recipe, champion):
        check_columns(scores, [DATE, RANK_IC])
    shared = recipe.select(DATE, mine=RANK_IC).join(champion.select(DATE, former=RANK_IC), on=DATE).sort(DATE)
    differences = shared.select(pl.col("mine") - pl.col("former")).to_series().drop_nulls().drop_nans().tail(NIGHTS)
    found = mean_interval(differences, horizon, LEVEL)
    if faults:
        return RefreshVerdict(False, found, tuple(faults))
    if found.mean is None or found.upper is None:
        reason = f"{found.days} shared nights are too few to show a newer fit inferior at {horizon} days, so it serves"
        return RefreshVerdict(True, found, (reason,))
    shown = f"{found.mean:+.4f} rank IC over {found.days} nights, at most {found.upper:+.4f} at one-sided 1 %"
    if found.upper < 0.0:
        return RefreshVerdict(False, found, (f"the newer fit is inferior to the one that serves: {shown}",))
    return RefreshVerdict(True, found, (f"the newer fit is not shown to be inferior: {shown}",))
