"""An ensemble walked forward: before each block its weights are chosen from what was known, and the block is scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from nightdesk.ensemble.choice import Choice, choose_weights
from nightdesk.ensemble.out_of_fold import known_by
from nightdesk.ensemble.weights import combined, equal_weights, fixed_weights
from nightdesk.evaluation.walk_forward import Plan, WalkForward, fold_fit, in_markets
from nightdesk.scoring.rank_ic import rank_ic_within_markets
from nightdesk.tables import DATE, SCORE, SYMBOL

BLOCKS: Final = 4
"""Test blocks on which ways of weighing are compared within the days known."""


def walk_together(
    met: pl.DataFrame, members: Sequence[str], plan: Plan, configured: Mapping[str, float] | None = None
) -> WalkForward:
    """Score each block of `plan` by the members together; no member is fitted again.

    Weights and scales are those of `weigh` on the rows whose label was known on the close of the block's first day.
    Where there are none, as before the first block, members weigh the same, on the scales of that evening's own scores:
    those need no label.

    Parameters
    ----------
    met
        As `out_of_fold.beside_outcomes` gives it, one column of scores a member, out of fold on `plan`.
    configured
        Weights by member, where some are configured: they hold from the first block on.

    Raises
    ------
    BadInput
        As `weigh`.
    """
    fits, scored, said = [], [], []
    for fold in plan.blocks():
        first, last = fold.test_days[0], fold.test_days[-1]
        test, past = met.filter(pl.col(DATE).is_between(first, last)), known_by(met, first)
        learnt = past if past.height else test.filter(pl.col(DATE) == pl.col(DATE).min())
        said.append(combined(test, weigh(learnt, members, plan.horizon, configured).weights))
        scored.append(rank_ic_within_markets(said[-1]))
        fits.append(fold_fit(fold, past.height, scored[-1]))
    whole = pl.concat(said)
    return WalkForward(pl.concat(scored), tuple(fits), whole.select(SYMBOL, DATE, SCORE), in_markets(whole))


def weigh(
    met: pl.DataFrame, members: Sequence[str], horizon: int, configured: Mapping[str, float] | None = None
) -> Choice:
    """Weigh members as configured, else by evidence (`choice.choose_weights`); all the same while days are too few.

    Raises BadInput where a column is missing, a number breaks its rule, or fewer than two members are named.
    """
    if configured:
        weights = fixed_weights(met, {name: configured[name] for name in members})
        return Choice(weights, weights.reason, ())
    days = met[DATE].n_unique()
    if days <= BLOCKS:
        reason = f"equal weights: {days} days are too few to tell any others from them"
        return Choice(equal_weights(met, members, reason), reason, ())
    return choose_weights(met, members, horizon, blocks=BLOCKS)
