"""What a recipe's selection chose over time: fitted anew on the past of many days, or as its retrains registered it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from nightdesk.errors import BadInput, NothingThere
from nightdesk.evaluation.walk_forward import fit_of, fitted_folds
from nightdesk.features.build import build_features
from nightdesk.models import recipe as recipe_called
from nightdesk.models import recipes
from nightdesk.models.artifacts import ModelVersion, fitted_of, load_version, registered_models
from nightdesk.models.recipe import Recipe
from nightdesk.models.selected import SELECTED, FittedChoice
from nightdesk.models.training_set import feature_columns
from nightdesk.operations.night import Night
from nightdesk.operations.panel import bars_of, decided_by, first_day, labels_of, panel_of
from nightdesk.operations.served_features import features_to_build
from nightdesk.operations.universe import members_of_days
from nightdesk.report.selection_picture import selection_picture
from nightdesk.report.write import write_page
from nightdesk.scoring.checks import check_horizon
from nightdesk.selection import COMPONENTS
from nightdesk.selection.selector import Mask
from nightdesk.selection.stability import Agreement, agreement
from nightdesk.store.features import read_features
from nightdesk.tables import DATE, SYMBOL

MOST_TIMES: Final = 40
"""Selections of a picture at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """What a recipe's selection chose: `days` on which it was fitted, up to which its training goes; `names` of all
    features; `chosen`, days by features; and how much the days agree.
    """

    recipe: str
    horizon: int
    days: tuple[dt.date, ...]
    names: tuple[str, ...]
    chosen: Mask
    agreement: Agreement


def choosing(name: str) -> Recipe:
    """The recipe called `name`; UnknownName where there is none, BadInput where it chooses no features."""
    recipe = recipe_called(name)
    if _chooses(recipe):
        return recipe
    known = ", ".join(sorted(own for own, one in recipes().items() if _chooses(one))) or "none, there are none yet"
    raise BadInput(f"a selection is looked at of a recipe that chooses features, got {name!r}: choose {known}")


def chosen_over_time(night: Night, name: str, horizon: int, times: int) -> Chosen:
    """Fit the selection of recipe `name` on the past of each of `times` test blocks; nothing is scored, so no look.

    Features and labels are those of `night`; what is sealed stays so. Raises BadInput for a recipe that chooses
    nothing, a horizon outside 1 to 60, or `times` outside 2 to 40 or more than there are days to test on; NothingThere
    where the store has no bars.
    """
    recipe = choosing(name)
    check_horizon(horizon)
    if not 2 <= times <= MOST_TIMES:
        raise BadInput(f"--times must be 2 to {MOST_TIMES}, got {times}: choose among these")
    bars = panel_of(night)
    if bars.is_empty():
        raise NothingThere(
            f"a selection is fitted on bars, got none of {night.source.facts.name!r} in the store: run nightdesk "
            "nightly"
        )
    plan = replace(night.plan(first_day(night, bars), horizon), folds=times)
    built = features_to_build(night)
    members = members_of_days(night, built, bars_of(night.source, bars))
    table = build_features(night.features, bars, built, members, decided_by(night, bars))
    features = read_features(table).select(SYMBOL, DATE, *(feature.name for feature in night.chosen))
    names = feature_columns(features, recipe.features)
    folds = list(fitted_folds(features, labels_of(night, bars, [horizon]), names, fit_of(recipe), plan))
    kept = [[names[place] for place in _columns(one.fitted)] for one in folds]
    return _chosen(recipe, horizon, [one.fold.train_days[-1] for one in folds], names, kept)


def chosen_by_retrains(night: Night, name: str, horizon: int) -> Chosen:
    """What each registered fit of recipe `name` chose, in the order of their nights.

    Raises BadInput for a recipe that chooses nothing or has fewer than two fits, ModelBroken for a broken artifact.
    """
    recipe = choosing(name)
    fits = fitted_of(night.tracking, horizon) if horizon in registered_models(night.tracking) else []
    days, kept, names = [], [], dict[str, None]()
    for fit in sorted((one for one in fits if one.version is not None), key=lambda one: one.as_of):
        bundle = load_version(night.tracking, ModelVersion(fit.name, str(fit.version), fit.run_id, fit.content))
        if bundle.manifest.recipe_content == recipe.content and fit.as_of <= night.as_of:
            days.append(fit.as_of)
            names |= dict.fromkeys(bundle.manifest.features)
            kept.append([bundle.manifest.features[place] for place in _columns(bundle.fitted)])
    if len(days) < 2:
        raise BadInput(
            f"--retrains compares at least two registered fits of {name} at {horizon} days, got {len(days)}: leave "
            "--retrains out, or train again first"
        )
    return _chosen(recipe, horizon, days, list(names), kept)


def draw_chosen(night: Night, found: Chosen) -> Path:
    """Write the picture of what was chosen; returns the SVG file."""
    first, last = found.days[0], found.days[-1]
    title = f"What {found.recipe} chooses at {found.horizon} days: {night.source.facts.name}, {first} to {last}"
    file = night.home.feature_study(f"selection-{found.recipe}-h{found.horizon}")
    write_page(file, selection_picture(title, found.days, found.names, found.chosen, found.agreement))
    return file


def _chooses(recipe: Recipe) -> bool:
    return recipe.family == SELECTED and dict(recipe.parameters).get("selection") != COMPONENTS


def _columns(fitted: object) -> tuple[int, ...]:
    if not isinstance(fitted, FittedChoice):
        raise BadInput(f"a fitted selection must say its columns, got {type(fitted).__name__}: train again")
    return fitted.columns


def _chosen(
    recipe: Recipe, horizon: int, days: Sequence[dt.date], names: Sequence[str], kept: Sequence[Sequence[str]]
) -> Chosen:
    chosen = np.array([[name in own for name in names] for own in kept], dtype=np.bool_)
    return Chosen(recipe.name, horizon, tuple(days), tuple(names), chosen, agreement(chosen))
