"""What the served models' rankings lose without a feature, on days that no fit had seen: permutation importance."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from nightdesk.errors import ModelBroken, NothingThere
from nightdesk.evaluation.walk_forward import Plan, fit_of, fitted_folds
from nightdesk.explain.permutation import Importance, permutation_importance
from nightdesk.features.build import build_features
from nightdesk.features.stages import every_feature
from nightdesk.models.recipe import Recipe, Scoring
from nightdesk.operations.explaining import Explained, explained
from nightdesk.operations.night import Night
from nightdesk.operations.panel import bars_of, decided_by, first_day, labels_of, panel_of
from nightdesk.operations.recipes import known_recipe
from nightdesk.operations.served_features import check_needs
from nightdesk.operations.universe import members_of_days
from nightdesk.settings import Settings
from nightdesk.store.features import read_features
from nightdesk.store.trials import FIT, Trial, log_trials
from nightdesk.tables import DATE, FORWARD_RETURN, HORIZON, MARKET, SYMBOL

ENOUGH: Final = 120
"""Test days that are asked at least, where there are so many: more cost more and say little, for labels overlap."""

REPEATS: Final = 2
"""How often a feature's values change their symbols on each day."""


@dataclass(frozen=True, slots=True)
class Worth:
    """What each feature of a served model's recipe is worth on past days: `importances`, the most first.

    The recipe was fitted on the past of each test block, on the data of `trained_as_of`, as the night that registered
    the model did; of the test days from `first_day` to `last_day` every `step`-th was asked, `days` in all.
    """

    model: str
    horizon: int
    trained_as_of: dt.date
    first_day: dt.date
    last_day: dt.date
    days: int
    step: int
    importances: tuple[Importance, ...]


def worth_of_features(settings: Settings, realm: str, horizon: int | None, now: dt.datetime) -> list[Worth]:
    """What each feature is worth to the served models, at one horizon or at all; each is fitted again: it takes time.

    The fits are those of the night that registered the model, and count once with it in the ledger of trials. Raises as
    `explaining.explained`, ModelBroken where the recipe, or a feature, is defined otherwise by now, and NothingThere
    where the store has no bars of that night.
    """
    return [_worth(one, settings, now) for one in explained(settings, realm, horizon, now)]


def _worth(one: Explained, settings: Settings, now: dt.datetime) -> Worth:
    manifest, horizon = one.bundle.manifest, one.serving.horizon
    night = Night(settings, one.night.realm, dt.date.fromisoformat(manifest.trained_as_of), "never", now)
    recipe = known_recipe(night.home, manifest.recipe)
    if recipe.content != manifest.recipe_content:
        raise ModelBroken(
            f"{recipe.name} must be the recipe by which the served model was fitted, got another one by that name: "
            "train again (nightdesk train)"
        )
    bars = panel_of(night)
    if bars.is_empty():
        raise NothingThere(
            f"what a feature is worth is measured on bars, got none of {night.as_of} in the store: run nightdesk "
            f"nightly --as-of {night.as_of}"
        )
    plan = night.plan(first_day(night, bars), horizon)
    features = _features(night, bars, one, manifest.features)
    labels = labels_of(night, bars, [horizon])
    tested = [day for fold in plan.blocks() for day in fold.test_days]
    step = max(1, min(horizon, len(tested) // ENOUGH))
    trial = Trial(night.realm, FIT, recipe.name, recipe.content, horizon, night.as_of, tested[0], tested[-1], plan.seed)
    log_trials(night.engine, [trial], "explain", now)
    blocks = _blocks(features, labels, manifest.features, recipe, plan, tested[::step])
    # Days that are asked lie `step` apart, so that a label overlaps with so many fewer others.
    overlap = -(-horizon // step)
    found = permutation_importance(blocks, manifest.features, overlap, REPEATS, plan.seed)
    asked = tested[::step]
    return Worth(recipe.name, horizon, night.as_of, asked[0], asked[-1], len(asked), step, found)


def _features(night: Night, bars: pl.DataFrame, one: Explained, names: Sequence[str]) -> pl.DataFrame:
    known = every_feature()
    built = tuple(feature for name, feature in known.items() if name in names)
    members = members_of_days(night, built, bars_of(night.source, bars))
    table = build_features(night.features, bars, built, members, decided_by(night, bars))
    check_needs(night, table, f"{one.serving.model} at {one.serving.horizon} days", one.serving.content)
    return read_features(table)


def _blocks(
    features: pl.DataFrame,
    labels: pl.DataFrame,
    names: Sequence[str],
    recipe: Recipe,
    plan: Plan,
    asked: Sequence[dt.date],
) -> Iterator[tuple[Scoring, pl.DataFrame]]:
    """Each fit with the rows of the asked days of its block, and what came of them; nothing of what is sealed."""
    among = [MARKET] if MARKET in labels.columns else []
    open_labels = labels if plan.sealed_from is None else labels.filter(pl.col("known_date") < plan.sealed_from)
    wanted = open_labels.filter(pl.col(HORIZON) == plan.horizon, pl.col(DATE).is_in(list(asked)))
    came = wanted.select(SYMBOL, DATE, FORWARD_RETURN, *among)
    for one in fitted_folds(features, labels, names, fit_of(recipe), plan):
        rows = came.filter(pl.col(DATE).is_between(one.fold.test_days[0], one.fold.test_days[-1]))
        if rows.height:
            yield one.fitted, rows.join(features.select(SYMBOL, DATE, *names), on=[SYMBOL, DATE])
