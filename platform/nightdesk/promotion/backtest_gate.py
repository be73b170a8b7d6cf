"""The looser gate that a desk may choose: another recipe replaces the served one by its walk-forward alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from nightdesk.scoring.intervals import paired_interval
from nightdesk.scoring.rank_ic import RANK_IC
from nightdesk.tables import DATE

BY_BACKTEST: Final = "by backtest"
"""Skill of a model that replaced another by its walk-forward alone, and of its recipe's later fits: unproven too."""


@dataclass(frozen=True, slots=True)
class BacktestChoice:
    """The recipe that is to replace the served one (None: nobody), and why."""

    model: str | None
    reasons: tuple[str, ...]


def better_by_backtest(
    name: str, served: pl.DataFrame, others: Mapping[str, pl.DataFrame], horizon: int
) -> BacktestChoice:
    """Choose among `others` by paired walk-forward differences to the `served` recipe, called `name`.

    The one with the highest mean difference among those whose 95 % interval lies above zero. The same days are looked
    at again at every training, and the best of several is taken: this is no evidence, and is called a choice by
    backtest wherever it shows.

    Parameters
    ----------
    served, others
        date and rank_ic of each recipe's walk-forward on the same data; null where undefined.
    """
    above: list[tuple[float, str, str]] = []
    for model, daily in others.items():
        pairs = served.select(DATE, RANK_IC).join(daily.select(DATE, other=RANK_IC), on=DATE).sort(DATE)
        found = paired_interval(pairs["other"], pairs[RANK_IC], horizon)
        if found.mean is not None and found.lower is not None and found.lower > 0.0:
            shown = f"{found.mean:+.4f} ({found.lower:+.4f} to {found.upper:+.4f}) on {found.days} days"
            above.append((-found.mean, model, shown))
    if not above:
        return BacktestChoice(None, ())
    _, model, shown = min(above)
    reason = f"{model} has a higher walk-forward rank IC than {name}: {shown}"
    return BacktestChoice(model, (reason, "chosen by backtest (promotion.replace), so its skill is unproven"))
