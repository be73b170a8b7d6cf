"""Tunes a recipe on the data of a night, as somebody asks for it: the best trial is kept as a recipe of its own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from nightdesk.home import Home
from nightdesk.operations.evaluating import Look, material_of, newest_day
from nightdesk.operations.features import check_features
from nightdesk.operations.night import LIVE, plan_night
from nightdesk.operations.recipes import keep_recipe, known_recipe
from nightdesk.operations.studies import Asker, Study, Tuned, facts, run_studies
from nightdesk.scoring.checks import check_horizon
from nightdesk.settings import Settings
from nightdesk.tuning import space_of
from nightdesk.tuning.search import Budget

Profile: TypeAlias = Literal["quick", "full"]

SECONDS: Final[Mapping[Profile, float]] = {"quick": 120.0, "full": 600.0}
"""How long a start of each profile may take."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks for: recipe, horizon and data, who asks, and how far to go (None: as settings say)."""

    recipe: str
    horizon: int
    by: str
    as_of: dt.date | None = None
    profile: Profile | None = None
    trials: int | None = None
    seconds: float | None = None
    workers: int | None = None


def tune(wish: Wish, settings: Settings, now: dt.datetime) -> Tuned:
    """Search better parameters for a recipe, and judge the best on the newest blocks, which no trial sees.

    The same wish on the same data and code goes on with its study where that was interrupted, and makes no trial twice.

    Raises
    ------
    BadInput, UnknownName
        The recipe, its family's space, or the horizon breaks its rule.
    BadSetting
        `tuning.kept_blocks` leaves nothing to search on, `tuning.storage` is none, or the recipe names a feature that
        the settings do not choose.
    NothingThere
        The store has no bars of that day.
    NightLocked
        Another process tunes the same.
    StoreBusy, RegistryUnavailable
        The storage of studies, the store or MLflow does not answer; what was tried stands in the study.
    """
    check_horizon(wish.horizon)
    recipe = known_recipe(Home(settings.home), wish.recipe)
    space = space_of(recipe.family)
    night = plan_night(settings, LIVE, wish.as_of or newest_day(settings), "never", now)
    check_features(recipe, night.chosen)
    material, plan, _ = material_of(night, Look(wish.horizon, wish.by))
    budget = _budget(wish, settings, space.full if _profile(wish, settings) == "full" else space.quick)
    (found,) = run_studies(night, [Study(recipe, material, plan, budget)], Asker(wish.by))
    if found.winner is not None and found.kept is not None:
        keep_recipe(night.home, found.winner, facts(found, found.kept))
    return found


def _profile(wish: Wish, settings: Settings) -> Profile:
    return wish.profile or settings.tuning.profile


def _budget(wish: Wish, settings: Settings, trials: int) -> Budget:
    """What is asked for, else what settings say, else the profile's own; a profile asked for overrules settings."""
    chosen = settings.tuning
    set_trials, set_seconds = (None, None) if wish.profile else (chosen.trials, chosen.seconds)
    return Budget(
        wish.trials or set_trials or trials,
        wish.seconds or set_seconds or SECONDS[_profile(wish, settings)],
        wish.workers or chosen.workers,
        chosen.core_hour_price,
        chosen.cost_limit,
    )
