"""Purged walk-forward: fit on the past of each test block, score its days, and say how good the ranking was."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import polars as pl

from nightdesk.errors import BadInput
from nightdesk.evaluation.splits import Fold, purged_walk_forward
from nightdesk.models import family
from nightdesk.models.baselines import ranked
from nightdesk.models.recipe import Fitted, Recipe, Scoring, Training, Vector, rounds_of
from nightdesk.models.training_set import feature_columns, to_matrix, training_set
from nightdesk.scoring.rank_ic import daily_rank_ic, rank_ic_within_markets
from nightdesk.tables import DATE, FORWARD_RETURN, HORIZON, MARKET, SCORE, SYMBOL


@dataclass(frozen=True, slots=True)
class Plan:
    """How models are fitted and tested: trading days in order up to the as-of day, test blocks, and their budget.

    From `sealed_from` on nothing is tested, nor on a day whose label ends there; a fit for serving learns from all.
    """

    days: tuple[dt.date, ...]
    horizon: int
    folds: int
    first_train: int
    every: int
    seed: int
    threads: int
    sealed_from: dt.date | None = None

    def blocks(self) -> list[Fold]:
        """The purged walk-forward blocks."""
        return purged_walk_forward(open_days(self.days, self.sealed_from), self.horizon, self.folds, self.first_train)


def open_days(days: Sequence[dt.date], sealed_from: dt.date | None) -> Sequence[dt.date]:
    """The days before `sealed_from`; all where nothing is sealed."""
    return days if sealed_from is None else [day for day in days if day < sealed_from]


@dataclass(frozen=True, slots=True)
class FoldFit:
    """One fit of a walk-forward: its days, its rows, and the mean daily rank IC of its test block (null: undefined).

    `rounds` is how many a booster kept; None of any other model.
    """

    number: int
    train_first: dt.date
    train_last: dt.date
    test_first: dt.date
    test_last: dt.date
    rows: int
    rank_ic: float | None
    rounds: int | None = None


Fit: TypeAlias = Callable[[Training, int, int], Scoring]
"""Fits on training rows with a seed and a number of threads."""


@dataclass(frozen=True, slots=True)
class FittedFold:
    """A test block, what was fitted on its past, and on how many rows."""

    fold: Fold
    fitted: Scoring
    rows: int


@dataclass(frozen=True, slots=True)
class WalkForward:
    """Daily rank IC out of sample (columns date, rank_ic, symbols) and the fits behind it.

    Of several markets it is that within markets, and `markets` has each market's own: market, date, rank_ic, symbols.
    `said` is what was said out of sample, whatever came of it: symbol, date, score.
    """

    daily: pl.DataFrame
    fits: tuple[FoldFit, ...]
    said: pl.DataFrame
    markets: pl.DataFrame | None = None


def fit_recipe(features: pl.DataFrame, labels: pl.DataFrame, recipe: Recipe, plan: Plan) -> tuple[Fitted, int]:
    """Fit `recipe` on every `plan.every`-th trading day whose label has matured; returns the model and its rows."""
    columns = feature_columns(features, recipe.features)
    training = _training(features, labels, columns, plan, plan.days, plan.days[-1])
    return fit_of(recipe)(training, plan.seed, plan.threads), len(training.target)


def walk_forward(features: pl.DataFrame, labels: pl.DataFrame, recipe: Recipe, plan: Plan) -> WalkForward:
    """Fit and score `recipe` block by block.

    Parameters
    ----------
    features
        symbol, date and feature columns, sorted by date; null where missing.
    labels
        As `labels.forward.forward_returns` gives them, `plan.horizon` among the horizons.

    Raises
    ------
    BadInput
        Features are not sorted by date.
    """
    fits, scored, met, said = [], [], [], []
    columns = feature_columns(features, recipe.features)
    for one in fitted_folds(features, labels, columns, fit_of(recipe), plan):
        test = rows_tested(features, one.fold)
        said.append(said_of(test, one.fitted.predict(to_matrix(test, columns))))
        met.append(met_by(said[-1], labels, plan))
        daily = rank_ic_within_markets(met[-1])
        fits.append(fold_fit(one.fold, one.rows, daily, rounds_of(one.fitted)))
        scored.append(daily)
    return WalkForward(pl.concat(scored), tuple(fits), pl.concat(said), in_markets(pl.concat(met)))


def walk_forward_ranking(features: pl.DataFrame, labels: pl.DataFrame, name: str, plan: Plan) -> WalkForward:
    """Score the ranking baseline `name` on the same test days; it is not fitted."""
    said = said_by_ranking(features, name, plan)
    met = met_by(said, labels, plan)
    return WalkForward(rank_ic_within_markets(met), (), said, in_markets(met))


def said_by_ranking(features: pl.DataFrame, name: str, plan: Plan) -> pl.DataFrame:
    """What the ranking baseline `name` said on the test days: symbol, date, score."""
    blocks = plan.blocks()
    return ranked(name, _between(features, blocks[0].test_days[0], blocks[-1].test_days[-1]))


def fit_of(recipe: Recipe) -> Callable[[Training, int, int], Fitted]:
    """How `recipe` is fitted."""

    def fit(training: Training, seed: int, threads: int) -> Fitted:
        return family(recipe.family).fit(training, dict(recipe.parameters), seed, threads)

    return fit


def fitted_folds(
    features: pl.DataFrame, labels: pl.DataFrame, columns: Sequence[str], fit: Fit, plan: Plan
) -> Iterator[FittedFold]:
    """Fit on the past of each test block, in order; arguments as of `walk_forward`, `columns` what is fitted on."""
    for fold, training in training_folds(features, labels, columns, plan):
        yield FittedFold(fold, fit(training, plan.seed, plan.threads), len(training.target))


def training_folds(
    features: pl.DataFrame, labels: pl.DataFrame, columns: Sequence[str], plan: Plan
) -> Iterator[tuple[Fold, Training]]:
    """Each test block with the rows of its past; arguments as of `fitted_folds`."""
    for fold in plan.blocks():
        yield fold, _training(features, labels, columns, plan, fold.train_days, fold.test_days[0])


def rows_tested(features: pl.DataFrame, fold: Fold) -> pl.DataFrame:
    """The rows of `features`, sorted by date, that are forecast in `fold`."""
    return _between(features, fold.test_days[0], fold.test_days[-1])


def _between(features: pl.DataFrame, first: dt.date, last: dt.date) -> pl.DataFrame:
    """The rows of these days, not copied: a filter would copy every column."""
    days = features[DATE]
    if not days.is_sorted():
        late = (days < days.shift(1)).arg_true()[0]
        raise BadInput(f"features must be sorted by date, got {days[late]} after {days[late - 1]}: sort them first")
    begin, end = days.search_sorted(first, side="left"), days.search_sorted(last, side="right")
    return features.slice(begin, end - begin)


def said_of(test: pl.DataFrame, scores: Vector) -> pl.DataFrame:
    """Scores of the rows of `test`: symbol, date, score."""
    return test.select(SYMBOL, DATE, pl.Series(SCORE, scores))


def met_by(said: pl.DataFrame, labels: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """What was `said` (symbol, date, score) beside what came of it: forward_return, null where it has no price.

    Of several markets with market too; sorted by date and symbol. What became known in a sealed stretch is left out.
    """
    among = [MARKET] if MARKET in labels.columns else []
    if plan.sealed_from is not None:
        labels = labels.filter(pl.col("known_date") < plan.sealed_from)
    wanted = labels.filter(pl.col(HORIZON) == plan.horizon).select(SYMBOL, DATE, FORWARD_RETURN, *among)
    return said.join(wanted, on=[SYMBOL, DATE], how="inner").sort(DATE, SYMBOL)


def _training(
    features: pl.DataFrame,
    labels: pl.DataFrame,
    columns: Sequence[str],
    plan: Plan,
    days: Sequence[dt.date],
    decided: dt.date,
) -> Training:
    # The exit of a symbol that has gone is settled days after the label's own exit day: purge by what was known.
    known = labels.filter(pl.col("known_date") <= decided)
    return training_set(features, known, plan.horizon, columns, days[:: plan.every])


def in_markets(met: pl.DataFrame) -> pl.DataFrame | None:
    """The daily rank IC of each of several markets by itself: market, date, rank_ic, symbols; None of one market."""
    return daily_rank_ic(met, [MARKET]) if MARKET in met.columns else None


def fold_fit(fold: Fold, rows: int, daily: pl.DataFrame, rounds: int | None = None) -> FoldFit:
    """One fit of a walk-forward on `rows` rows, grown in `rounds`, whose test block had this daily rank IC."""
    mean = daily["rank_ic"].mean()
    return FoldFit(
        fold.number,
        fold.train_days[0],
        fold.train_days[-1],
        fold.test_days[0],
        fold.test_days[-1],
        rows,
        mean if isinstance(mean, float) else None,
        rounds,
    )
