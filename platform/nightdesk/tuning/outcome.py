"""What a search came to: its best trial beside the recipe's own parameters, on the part that no trial has seen."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from nightdesk.errors import BadSetting
from nightdesk.evaluation.backtest import Costs, backtest, decile_weights, staggered
from nightdesk.evaluation.evaluate import AFTER_EXIT, USUAL, Material
from nightdesk.evaluation.overfitting import DeflatedSharpe, deflated_sharpe, expected_best_sharpe
from nightdesk.evaluation.trading_panel import trading_panel
from nightdesk.evaluation.walk_forward import Plan, fit_of, fitted_folds, met_by, rows_tested, said_of
from nightdesk.models.recipe import Recipe
from nightdesk.models.training_set import feature_columns, to_matrix
from nightdesk.scoring.intervals import MeanInterval, mean_interval, paired_interval
from nightdesk.scoring.observed import FloatArray
from nightdesk.scoring.rank_ic import RANK_IC, rank_ic_within_markets
from nightdesk.tables import DATE, SCORE
from nightdesk.tuning.study import COMPLETE, Tried

ERROR: Final = 0.05
"""Chance that some tuned recipe without an edge is said to beat its default, over all looks at the same kept days."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The best trial against the recipe's own parameters on the kept days.

    Attributes
    ----------
    default, winner
        Mean daily rank IC with its 95 % interval.
    difference
        Winner less default, paired by day; its interval is wider the more tuned recipes were looked at on these days.
    level
        Confidence of that interval, a fraction.
    looks
        Tuned recipes that were looked at on any of these days, this one included.
    deflated
        Net returns of the winner's best tenth against its worst, judged as the best of every trial.
    sharpe
        Of those returns, of one day; None where undefined.
    """

    first_day: dt.date
    last_day: dt.date
    default: MeanInterval
    winner: MeanInterval
    difference: MeanInterval
    level: float
    looks: int
    deflated: DeflatedSharpe
    sharpe: float | None

    @property
    def beats(self) -> bool:
        """Whether the winner is better out of sample: the whole interval of the difference lies above zero."""
        return self.difference.lower is not None and self.difference.lower > 0.0


@dataclass(frozen=True, slots=True)
class Earlier:
    """What was scored before on the kept days: trials in all, the Sharpe ratios known, and looks at tuned recipes."""

    trials: int = 0
    sharpes: tuple[float, ...] = ()
    looks: int = 0


NOTHING: Final = Earlier()


def kept_plan(plan: Plan, kept: int) -> Plan:
    """The plan of the last `kept` blocks of `plan`: they are forecast as in a night, and no trial sees their outcome.

    Raises BadSetting where no block is left to search on.
    """
    blocks = plan.blocks()
    if not 1 <= kept < len(blocks):
        raise BadSetting(
            f"tuning.kept_blocks must leave a block to search on of the {len(blocks)} of training.folds, got {kept}: "
            "lower it, or raise training.folds"
        )
    return replace(plan, folds=kept, first_train=plan.days.index(blocks[-kept].test_days[0]))


def searched_plan(plan: Plan, kept: int) -> Plan:
    """The plan of the blocks before: no outcome counts that became known on the first kept day or later.

    Raises BadSetting as `kept_plan`, and BadInput where too few days are left to test on.
    """
    first_kept = plan.days[kept_plan(plan, kept).first_train]
    return replace(plan, folds=plan.folds - kept, sealed_from=first_kept)


def luck(trials: Sequence[Tried]) -> float | None:
    """By how much the best of as many trials would lead their mean if all were equally good; None of fewer than two.

    In rank IC: of independent trials that vary as those do that were made whole (Bailey & Lopez de Prado 2014).
    """
    known = pl.Series([one.rank_ic for one in trials if one.ended == COMPLETE], dtype=pl.Float64)
    variance = known.var()
    return expected_best_sharpe(variance, len(trials)) if isinstance(variance, float) else None


def look(
    default: Recipe,
    winner: Recipe,
    material: Material,
    plan: Plan,
    trials: int,
    earlier: Earlier = NOTHING,
    costs: Costs = USUAL,
) -> Kept:
    """Fit both on the past of the kept blocks, and compare them there.

    Parameters
    ----------
    plan
        As `kept_plan` gives it.
    trials
        Trials of the search: with `earlier` and this look, they deflate.
    """
    own, other = _said(winner, material, plan), _said(default, material, plan)
    ranks, rival = _daily(own, material, plan), _daily(other, material, plan)
    aligned = ranks.join(rival.rename({RANK_IC: "rival"}), on=DATE, how="full", coalesce=True).sort(DATE)
    level = 1.0 - ERROR / (earlier.looks + 1)
    returns = _net(own, material, plan, costs)
    sharpe = _sharpe(returns)
    sharpes = [*earlier.sharpes, *([] if sharpe is None else [sharpe])]
    return Kept(
        *_span(plan),
        mean_interval(rival[RANK_IC], plan.horizon),
        mean_interval(ranks[RANK_IC], plan.horizon),
        paired_interval(aligned[RANK_IC], aligned["rival"], plan.horizon, level),
        level,
        earlier.looks + 1,
        deflated_sharpe(returns, sharpes or [0.0], earlier.trials + trials + 1, by_luck=True),
        sharpe,
    )


def _span(plan: Plan) -> tuple[dt.date, dt.date]:
    blocks = plan.blocks()
    return blocks[0].test_days[0], blocks[-1].test_days[-1]


def _said(recipe: Recipe, material: Material, plan: Plan) -> pl.DataFrame:
    """What the recipe says on the test days: symbol, date, score."""
    columns, parts = feature_columns(material.features, recipe.features), []
    for one in fitted_folds(material.features, material.labels, columns, fit_of(recipe), plan):
        test = rows_tested(material.features, one.fold)
        parts.append(said_of(test, one.fitted.predict(to_matrix(test, columns))))
    return pl.concat(parts)


def _daily(said: pl.DataFrame, material: Material, plan: Plan) -> pl.DataFrame:
    return rank_ic_within_markets(met_by(said, material.labels, plan)).select(DATE, RANK_IC)


def _net(said: pl.DataFrame, material: Material, plan: Plan, costs: Costs) -> pl.Series:
    """Daily returns after costs of the best tenth bought and the worst sold, each decision held over the horizon."""
    first, last = _span(plan)
    after = material.days[min(material.days.index(last) + AFTER_EXIT, len(material.days) - 1)]
    panel = trading_panel(material.bars, material.days).between(first, after)
    weights = staggered(decile_weights(panel.wide(said, SCORE)), plan.horizon)
    return backtest(weights, panel, costs).daily["net"]


def _sharpe(returns: pl.Series) -> float | None:
    """Of one day; None of returns that do not vary."""
    values: FloatArray = returns.to_numpy()
    deviation = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return float(values.mean()) / deviation if deviation > 0.0 else None
