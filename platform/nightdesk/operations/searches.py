"""The searches of a night or retrain: what is tuned before it fits, and what has been fitted since for their sake."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl
from pydantic import TypeAdapter

from nightdesk.errors import BadInput, UnknownName
from nightdesk.models.artifacts import night_tag
from nightdesk.models.recipe import Recipe
from nightdesk.models.tuned import is_tuned
from nightdesk.operations.evaluating import material_on
from nightdesk.operations.night import Night
from nightdesk.operations.panel import first_day
from nightdesk.operations.recipes import keep_recipe, known_recipe, recipes_to_fit
from nightdesk.operations.standing import moves_at
from nightdesk.operations.studies import Asker, Study, Tuned, facts, run_studies
from nightdesk.operations.training import chosen_of
from nightdesk.operations.tuning import SECONDS, Profile
from nightdesk.store.evidence import OPEN, superiority_tests_of
from nightdesk.store.features import FeatureTable
from nightdesk.store.ledger import results_up_to, stage_seconds
from nightdesk.tuning import space_of
from nightdesk.tuning.search import Budget
from nightdesk.tuning.study import SPENT

STAGE: Final = "tune"
"""The stage in which a training searches; the ledger keeps what it found."""

TOGETHER: Final[Mapping[Profile, float]] = {"quick": 120.0, "full": 1750.0}
"""Seconds that all searches of one night or retrain share: of the 5 and the 40 minutes that it may take on 2 cores."""

SEARCHED: Final[Mapping[Profile, float]] = {"quick": 2 / 3, "full": 5 / 6}
"""Of its share, what a search may take for its trials: the rest is for judging what they found."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the search of a training came to at one horizon.

    Attributes
    ----------
    trials, planned
        How many count in the study (those that were killed or stopped are made again), and how many may; `stopped`
        says why there are fewer, None: there are not.
    winner
        The recipe of the best trial; None where no trial was better than the recipe as it is.
    beats
        Whether it is better on the days that no trial has seen: then it is kept at home (`path`), and fitted.
    difference, lower, upper
        Mean daily rank IC of the winner less the recipe's there, and the interval of `level`; None where unknown.
    """

    recipe: str
    horizon: int
    profile: Profile
    study: str
    trials: int
    planned: int
    stopped: str | None
    winner: str | None
    beats: bool
    difference: float | None
    lower: float | None
    upper: float | None
    level: float | None
    path: str | None

    @property
    def fitted(self) -> str | None:
        """The winner, where trainings fit it from now on."""
        return self.winner if self.beats else None


_FOUND: Final = TypeAdapter(tuple[Found, ...])


def recipes_to_search(night: Night) -> tuple[str, ...]:
    """Those of `training.recipes` that a training tunes: known, not tuned themselves, of a family with a space.

    Those of few trials first: what they leave of their share is for the others. A recipe that is not known is not
    judged here: its fit fails, and tells.
    """
    wanted = [name for name in dict.fromkeys(night.settings.training.recipes) if _to_search(night, name)]
    return tuple(sorted(wanted, key=lambda name: space_of(known_recipe(night.home, name).family).full))


def fitted_at(night: Night, horizon: int) -> tuple[str, ...]:
    """The recipes that a training of tonight fits at `horizon`, by what searches up to tonight have found."""
    kept = results_up_to(night.engine, night.realm, night.as_of, f"{STAGE}-")
    searches = [one for result in kept for one in _FOUND.validate_json(result)]
    return recipes_to_fit(night.settings.training.recipes, searches, horizon, _needed(night, horizon))


def _needed(night: Night, horizon: int) -> Iterator[str]:
    """Who has served up to tonight, and whom a test weighs against them, the newest first: by name."""
    moves = moves_at(night, horizon, own=False)
    if moves:
        yield moves[-1].serving.model
    tests = superiority_tests_of(night.engine, night.realm, horizon, night.as_of)
    # A challenger called as the champion bears a label beside its name.
    yield from (one.challenger_model.partition("~")[0] for one in reversed(tests) if one.outcome == OPEN)


def search_recipe(
    night: Night, table: FeatureTable, bars: pl.DataFrame, name: str, horizons: Sequence[int], profile: Profile
) -> tuple[Found, ...]:
    """Tune one recipe at these horizons, as many at a time as there are cores; keep each winner that beats it.

    What it may take is its share of what is left for all searches of this night. Raises as `studies.run_studies`.
    """
    recipe, features = known_recipe(night.home, name), chosen_of(night, table)
    space, chosen = space_of(recipe.family), night.settings.tuning
    trials = chosen.trials or (space.full if profile == "full" else space.quick)
    cores = night.settings.training.threads or os.cpu_count() or 1
    waves = list(_waves(horizons, max(cores // chosen.workers, 1)))
    seconds = seconds_to_search(night, profile) / len(waves)
    budget = Budget(trials, seconds, chosen.workers, chosen.core_hour_price, chosen.cost_limit)
    asker = Asker(
        "night",
        night.realm,
        night_tag(night.realm, night.as_of),
        len(recipes_to_search(night)) * len(horizons),
    )
    found = []
    for wave in waves:
        plans = [night.plan(first_day(night, bars), horizon) for horizon in wave]
        studies = [Study(recipe, material_on(night, bars, features, plan), plan, budget) for plan in plans]
        found += [_found(night, one, profile) for one in run_studies(night, studies, asker)]
    return tuple(found)


def said(found: Found) -> str:
    """What a search came to, in a sentence."""
    of = f"{found.recipe} at {found.horizon} days (profile {found.profile}): {found.trials} of {found.planned} trials"
    stopped = "" if found.stopped is None else f"; stopped by the {found.stopped}"
    if found.winner is None:
        return f"{of}, none better than the recipe as it is{stopped}"
    if found.difference is None or found.lower is None or found.upper is None or found.level is None:
        return f"{of}; too few days to say whether {found.winner} beats it{stopped}"
    by = f"{found.difference:+.4f} ({found.lower:+.4f} to {found.upper:+.4f}) rank IC at {found.level:.1%} confidence"
    outcome = "beats it, and is fitted beside it from now on" if found.beats else "does not beat it"
    return f"{of}; on days that no trial has seen {found.winner} {outcome}: {by}{stopped}"


def _found(night: Night, one: Tuned, profile: Profile) -> Found:
    kept, path = one.kept, None
    if one.winner is not None and kept is not None and kept.beats:
        path = str(keep_recipe(night.home, one.winner, facts(one, kept)))
    difference = None if kept is None else kept.difference
    return Found(
        one.recipe.name,
        one.horizon,
        profile,
        one.study,
        sum(trial.ended in SPENT for trial in one.trials),
        one.planned,
        one.stopped,
        None if one.winner is None else one.winner.name,
        path is not None,
        None if difference is None else difference.mean,
        None if difference is None else difference.lower,
        None if difference is None else difference.upper,
        None if kept is None else kept.level,
        path,
    )


def seconds_to_search(night: Night, profile: Profile) -> float:
    """Seconds for the trials of the next search.

    Its share is what others of this night left of the whole, judged as they are, in equal parts for those to come.
    """
    chosen = night.settings.tuning
    done = stage_seconds(night.engine, night.realm, night.as_of).filter(pl.col("stage").str.starts_with(f"{STAGE}-"))
    known = set(done["stage"])
    left = [name for name in recipes_to_search(night) if stage_name(name, profile) not in known]
    rest = (chosen.all_seconds or TOGETHER[profile]) - float(done["seconds"].sum())
    # A moment at least: what was tried in an earlier start is judged even where nothing is left.
    return min(chosen.seconds or SECONDS[profile], max(SEARCHED[profile] * rest / max(len(left), 1), 1.0))


def stage_name(recipe: str, profile: Profile) -> str:
    """How the ledger names the search of a recipe."""
    return f"{STAGE}-{recipe}-{profile}"


def _waves(horizons: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for first in range(0, len(horizons), size):
        yield horizons[first : first + size]


def _to_search(night: Night, name: str) -> bool:
    if is_tuned(name):
        return False
    try:
        recipe: Recipe = known_recipe(night.home, name)
        space_of(recipe.family)
    except (UnknownName, BadInput):
        return False
    return True
