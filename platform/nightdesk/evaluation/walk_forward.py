"""Purged walk-forward: fit on the past of each test block, score its days, and say how good the ranking was."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from nightdesk.evaluation.splits import Fold, purged_walk_forward
from nightdesk.models import family
from nightdesk.models.baselines import ranked
from nightdesk.models.recipe import Fitted, Recipe
from nightdesk.models.training_set import feature_columns, to_matrix, training_set
from nightdesk.scoring.rank_ic import daily_rank_ic, rank_ic_within_markets
from nightdesk.tables import DATE, FORWARD_RETURN, HORIZON, MARKET, SCORE, SYMBOL


@dataclass(frozen=True, slots=True)
class Plan:
    """How models are fitted and tested: trading days in order up to the as-of day, test blocks, and their budget."""

    days: tuple[dt.date, ...]
    horizon: int
    folds: int
    first_train: int
    every: int
    seed: int
    threads: int

    def blocks(self) -> list[Fold]:
        """The purged walk-forward blocks."""
        return purged_walk_forward(self.days, self.horizon, self.folds, self.first_train)


@dataclass(frozen=True, slots=True)
class FoldFit:
    """One fit of a walk-forward: its days, its rows, and the mean daily rank IC of its test block (null: undefined)."""

    number: int
    train_first: dt.date
    train_last: dt.date
    test_first: dt.date
    test_last: dt.date
    rows: int
    rank_ic: float | None


@dataclass(frozen=True, slots=True)
class WalkForward:
    """Daily rank IC out of sample (columns date, rank_ic, symbols) and the fits behind it.

    Of several markets it is that within markets, and `markets` has each market's own: market, date, rank_ic, symbols.
    """

    daily: pl.DataFrame
    fits: tuple[FoldFit, ...]
    markets: pl.DataFrame | None = None


def fit_recipe(features: pl.DataFrame, labels: pl.DataFrame, recipe: Recipe, plan: Plan) -> tuple[Fitted, int]:
    """Fit `recipe` on every `plan.every`-th trading day whose label has matured; returns the model and its rows."""
    return _fit(features, labels, recipe, plan, plan.days, plan.days[-1])


def walk_forward(features: pl.DataFrame, labels: pl.DataFrame, recipe: Recipe, plan: Plan) -> WalkForward:
    """Fit and score `recipe` block by block.

    Parameters
    ----------
    features
        symbol, date and feature columns, sorted by date; null where missing.
    labels
        As `labels.forward.forward_returns` gives them, `plan.horizon` among the horizons.
    """
    fits, scored, met = [], [], []
    for fold in plan.blocks():
        fitted, rows = _fit(features, labels, recipe, plan, fold.train_days, fold.test_days[0])
        test = features.filter(pl.col(DATE).is_between(fold.test_days[0], fold.test_days[-1]))
        score = fitted.predict(to_matrix(test, feature_columns(features, recipe.features)))
        met.append(_met(test.select(SYMBOL, DATE, pl.Series(SCORE, score)), labels, plan.horizon))
        daily = rank_ic_within_markets(met[-1])
        fits.append(_fold_fit(fold, rows, daily))
        scored.append(daily)
    return WalkForward(pl.concat(scored), tuple(fits), _by_market(pl.concat(met)))


def walk_forward_ranking(features: pl.DataFrame, labels: pl.DataFrame, name: str, plan: Plan) -> WalkForward:
    """Score the ranking baseline `name` on the same test days; it is not fitted."""
    blocks = plan.blocks()
    test = features.filter(pl.col(DATE).is_between(blocks[0].test_days[0], blocks[-1].test_days[-1]))
    met = _met(ranked(name, test), labels, plan.horizon)
    return WalkForward(rank_ic_within_markets(met), (), _by_market(met))


def _fit(
    features: pl.DataFrame,
    labels: pl.DataFrame,
    recipe: Recipe,
    plan: Plan,
    days: Sequence[dt.date],
    decided: dt.date,
) -> tuple[Fitted, int]:
    columns = feature_columns(features, recipe.features)
    # The exit of a symbol that has gone is settled days after the label's own exit day: purge by what was known.
    known = labels.filter(pl.col("known_date") <= decided)
    training = training_set(features, known, plan.horizon, columns, days[:: plan.every])
    fitted = family(recipe.family).fit(training, dict(recipe.parameters), plan.seed, plan.threads)
    return fitted, len(training.target)


def _met(scores: pl.DataFrame, labels: pl.DataFrame, horizon: int) -> pl.DataFrame:
    """Scores beside what came of them."""
    among = [MARKET] if MARKET in labels.columns else []
    wanted = labels.filter(pl.col(HORIZON) == horizon).select(SYMBOL, DATE, FORWARD_RETURN, *among)
    return scores.join(wanted, on=[SYMBOL, DATE], how="inner").sort(DATE, SYMBOL)


def _by_market(met: pl.DataFrame) -> pl.DataFrame | None:
    return daily_rank_ic(met, [MARKET]) if MARKET in met.columns else None


def _fold_fit(fold: Fold, rows: int, daily: pl.DataFrame) -> FoldFit:
    mean = daily["rank_ic"].mean()
    return FoldFit(
        fold.number,
        fold.train_days[0],
        fold.train_days[-1],
        fold.test_days[0],
        fold.test_days[-1],
        rows,
        mean if isinstance(mean, float) else None,
    )
