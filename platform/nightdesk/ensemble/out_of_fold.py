"""What each member said of days it was not fitted on, beside what came of it: all that an ensemble may learn from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import polars as pl

from nightdesk.ensemble.members import check_members
from nightdesk.evaluation.walk_forward import Plan, fit_of, fitted_folds, rows_tested, said_of
from nightdesk.labels.columns import KNOWN_DATE
from nightdesk.models.recipe import Recipe
from nightdesk.models.training_set import feature_columns, to_matrix
from nightdesk.tables import DATE, FORWARD_RETURN, HORIZON, MARKET, SCORE, SYMBOL


def out_of_fold(features: pl.DataFrame, labels: pl.DataFrame, members: Sequence[Recipe], plan: Plan) -> pl.DataFrame:
    """Walk every member forward over the same purged blocks.

    Parameters
    ----------
    features
        symbol, date and feature columns, sorted by date; null where missing.
    labels
        As `labels.forward.forward_returns` gives them, `plan.horizon` among the horizons.
    members
        Two or more recipes of different names.

    Returns
    -------
    DataFrame
        symbol, date, of several markets market, known_date (the day on whose close the label is known), forward_return
        (fraction, null where it has no price), and one column of scores a member, in its own unit; sorted by date and
        symbol. Days whose label became known in a sealed stretch are left out.

    Raises
    ------
    BadInput, BadDate
        Fewer than two members, or as `evaluation.splits.purged_walk_forward`.
    """
    names = check_members([recipe.name for recipe in members])
    said = {name: _said(features, labels, recipe, plan) for name, recipe in zip(names, members, strict=True)}
    return beside_outcomes(said, labels, plan)


def beside_outcomes(said: Mapping[str, pl.DataFrame], labels: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """Put what was said out of fold, by name, beside what came of it.

    Each of `said` is symbol, date, score; the result is as that of `out_of_fold`, with a column of scores a name.
    """
    if plan.sealed_from is not None:
        labels = labels.filter(pl.col(KNOWN_DATE) < plan.sealed_from)
    among = [MARKET] if MARKET in labels.columns else []
    met = labels.filter(pl.col(HORIZON) == plan.horizon).select(SYMBOL, DATE, *among, KNOWN_DATE, FORWARD_RETURN)
    for name, scores in said.items():
        met = met.join(scores.select(SYMBOL, DATE, pl.col(SCORE).alias(name)), on=[SYMBOL, DATE], how="inner")
    return met.sort(DATE, SYMBOL)


def known_by(met: pl.DataFrame, day: dt.date) -> pl.DataFrame:
    """The rows of decisions before `day` whose label is known on its close: what may be learnt from that evening."""
    return met.filter(pl.col(DATE) < day, pl.col(KNOWN_DATE) <= day)


def _said(features: pl.DataFrame, labels: pl.DataFrame, recipe: Recipe, plan: Plan) -> pl.DataFrame:
    columns = feature_columns(features, recipe.features)
    said = []
    for one in fitted_folds(features, labels, columns, fit_of(recipe), plan):
        test = rows_tested(features, one.fold)
        said.append(said_of(test, one.fitted.predict(to_matrix(test, columns))))
    return pl.concat(said)
