"""Assembles the ensemble of a night from the members' fits, and tests and records it as any other recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from nightdesk.ensemble.choice import Choice
from nightdesk.ensemble.out_of_fold import beside_outcomes
from nightdesk.ensemble.together import walk_together, weigh
from nightdesk.errors import BadInput
from nightdesk.models.artifacts import load_version
from nightdesk.models.bundle import Bundle
from nightdesk.models.combination import FittedCombination, Member, ensemble_recipe
from nightdesk.operations.members import members_of
from nightdesk.operations.night import Night
from nightdesk.operations.panel import first_day, labels_of
from nightdesk.operations.training import Made, Tested, calibration_of_walk, chosen_of, count_trial, registered
from nightdesk.store.features import FeatureTable


def examine_ensemble(
    night: Night, table: FeatureTable, bars: pl.DataFrame, tested: Sequence[Tested], horizon: int
) -> Tested:
    """Weigh tonight's fits of the members together, and test, record and register that as any other recipe.

    No member is fitted again: what each said out of fold was kept, and its fit is the registered one. A member whose
    fit is not among `tested`, or has a fault, is missing: then the ensemble is another one, and its fault says so.
    Raises BadInput where fewer than two members are left.
    """
    wanted = members_of(night.settings)
    present = {
        one.model: (one.said, one.version)
        for one in tested
        if one.horizon == horizon and one.fault is None and one.said is not None and one.version is not None
    }
    names = tuple(name for name in wanted if name in present)
    missing = tuple(name for name in wanted if name not in present)
    if len(names) < 2:
        raise BadInput(
            f"an ensemble must have two or more sound members, got {', '.join(names) or 'none'} at {horizon} days: "
            f"see why the fits of {', '.join(missing)} failed"
        )
    bundles = {name: load_version(night.tracking, present[name][1]) for name in names}
    configured = {name: weight for name, weight in night.settings.ensemble.weights.items() if name in names}
    contents = {name: bundle.manifest.recipe_content for name, bundle in bundles.items()}
    recipe, features = ensemble_recipe(contents, configured, missing), chosen_of(night, table)
    plan = night.plan(first_day(night, bars), horizon)
    labels = labels_of(night, bars, [horizon])
    met = beside_outcomes({name: present[name][0].read() for name in names}, labels, plan)
    walked = walk_together(met, names, plan, configured)
    count_trial(night, recipe, horizon, walked)
    fitted, columns = _together(bundles, weigh(met, names, horizon, configured), missing, features.columns)
    calibration = calibration_of_walk(night, bars, labels, plan, walked)
    return registered(night, table, features, Made(recipe, columns, fitted, met.height, calibration), horizon, walked)


def _together(
    bundles: Mapping[str, Bundle], choice: Choice, missing: tuple[str, ...], known: Sequence[str]
) -> tuple[FittedCombination, list[str]]:
    """The members' fits as one, and the columns that any of them needs, in the order of the table."""
    needed = {name for bundle in bundles.values() for name in bundle.manifest.features}
    columns = [name for name in known if name in needed]
    place = {name: number for number, name in enumerate(columns)}
    weights = choice.weights
    members = tuple(
        Member(
            name,
            bundle.manifest.family,
            tuple(place[column] for column in bundle.manifest.features),
            weights.of(name),
            weights.scale_of(name),
            bundle.fitted,
        )
        for name, bundle in bundles.items()
    )
    return FittedCombination(members, missing, weights.method, choice.reason), columns
