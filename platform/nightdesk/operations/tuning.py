"""Tunes a recipe on the data of a night: searches, counts every trial, and judges the best where none has looked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Final, Literal, TypeAlias

import polars as pl

from nightdesk.errors import NightLocked
from nightdesk.evaluation.evaluate import Material
from nightdesk.evaluation.walk_forward import Plan
from nightdesk.home import Home
from nightdesk.models.artifacts import Run, log_runs
from nightdesk.models.recipe import Recipe
from nightdesk.models.tuned import is_tuned, tuned
from nightdesk.operations.code import code_version
from nightdesk.operations.evaluating import Look, material_of, newest_day
from nightdesk.operations.features import check_features
from nightdesk.operations.night import LIVE, Night, plan_night
from nightdesk.operations.recipes import keep_recipe, known_recipe
from nightdesk.scoring.checks import check_horizon
from nightdesk.settings import Settings
from nightdesk.store.files import content_of, frame_content
from nightdesk.store.nights import held
from nightdesk.store.trials import LOOK, NOTEBOOK, TUNE, Trial, log_trials, trials_over
from nightdesk.tuning import space_of
from nightdesk.tuning.outcome import Earlier, Kept, kept_plan, look, luck, searched_plan
from nightdesk.tuning.parts import Task
from nightdesk.tuning.search import Budget, Rows, Searched, search
from nightdesk.tuning.study import Tried, best_of

Profile: TypeAlias = Literal["quick", "full"]

SECONDS: Final[Mapping[Profile, float]] = {"quick": 120.0, "full": 600.0}
"""How long a start of each profile may take: two boosters at two horizons are done within 40 minutes of `full`."""


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


@dataclass(frozen=True, slots=True, eq=False)
class Tuned:
    """What came of tuning.

    Attributes
    ----------
    trials
        All of the study, earlier starts included; `planned` is how many there may be.
    stopped
        Why this start ended before all were made; None: it did not.
    cost
        Of this start, in the currency of the settings; None where a core costs nothing.
    first_day, last_day
        The days on which trials were scored.
    best
        The trial with the highest rank IC there; None where none was made whole.
    lead
        By how much the best of as many equally good trials leads their mean, in rank IC; None where unknown.
    winner
        The recipe of the best trial, kept at home; None where there is no best, or it is the recipe as it was.
    kept
        The winner beside the recipe on the days that no trial has seen; None where there is no winner.
    """

    recipe: Recipe
    horizon: int
    as_of: dt.date
    study: str
    trials: tuple[Tried, ...]
    planned: int
    stopped: str | None
    cost: float | None
    first_day: dt.date
    last_day: dt.date
    best: Tried | None
    lead: float | None
    winner: Recipe | None
    kept: Kept | None


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
    kept = settings.tuning.kept_blocks
    rows = Rows(material.features, material.labels, searched_plan(plan, kept))
    folds = rows.plan.blocks()
    data = frame_content(material.features), frame_content(material.labels)
    told = {"space": space.plain(), "folds": plan.folds, "kept": kept, "every": plan.every, "seed": plan.seed}
    key = content_of(recipe.content, wish.horizon, night.as_of, data, told, plan.first_train, code_version())
    task = Task(
        f"{recipe.name} h{wish.horizon} {night.as_of} {key}", recipe, space, wish.horizon, len(folds), plan.seed
    )
    budget = _budget(wish, settings, space.full if _profile(wish, settings) == "full" else space.quick)
    try:
        with held(night.engine, night.home.locks, f"tuning-{key}", night.as_of):
            searched = search(
                task, rows, _storage(night, task), budget, night.home.study(task.study).with_suffix(".work")
            )
    except NightLocked as error:
        raise NightLocked(
            f"only one process may search a study, got another that searches {task.study!r}: wait for it to end"
        ) from error
    span = folds[0].test_days[0], folds[-1].test_days[-1]
    _count(night, task, searched, span, wish.by)
    best = best_of(searched.trials)
    winner = None if best is None or best.parameters == recipe.parameters else tuned(recipe, dict(best.parameters))
    found = None if winner is None else _look(night, task, winner, material, kept_plan(plan, kept), searched, wish.by)
    price = settings.tuning.core_hour_price
    whole = Tuned(
        recipe,
        wish.horizon,
        night.as_of,
        task.study,
        searched.trials,
        budget.trials,
        searched.stopped,
        price * searched.core_seconds / 3600.0 if price else None,
        *span,
        best,
        luck(searched.trials),
        winner,
        found,
    )
    if winner is not None and found is not None:
        keep_recipe(night.home, winner, _facts(whole, found))
    _record(night, task, whole)
    return whole


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


def _storage(night: Night, task: Task) -> str:
    """Where the study is: as set, else beside the store on PostgreSQL, else a journal at home."""
    url = night.settings.store.url
    beside = url if url is not None and url.startswith("postgresql") else None
    return night.settings.tuning.storage or beside or str(night.home.study(task.study))


def _count(night: Night, task: Task, searched: Searched, span: tuple[dt.date, dt.date], by: str) -> None:
    """Enter every trial in the ledger, however it ended: whoever picks the best picks among all."""
    tried = [
        Trial(
            NOTEBOOK,
            TUNE,
            f"{task.recipe.name[:40]}@{task.study[-8:]}#{one.number}",
            tuned(task.recipe, dict(one.parameters)).content,
            task.horizon,
            night.as_of,
            *span,
            task.seed,
        )
        for one in searched.trials
    ]
    log_trials(night.engine, tried, by, night.started)


def _look(
    night: Night, task: Task, winner: Recipe, material: Material, plan: Plan, searched: Searched, by: str
) -> Kept:
    """Judge the winner on the kept days, in the light of whatever was scored there before, and count the look."""
    blocks = plan.blocks()
    span = blocks[0].test_days[0], blocks[-1].test_days[-1]
    own = Trial(NOTEBOOK, LOOK, winner.name, winner.content, task.horizon, night.as_of, *span, task.seed)
    before = trials_over(night.engine, *span).filter(pl.col("trial_id") != own.trial_id)
    looks = sum(is_tuned(name) for name in before.filter(kind=LOOK)["name"])
    earlier = Earlier(before.height, tuple(before["sharpe"].drop_nulls()), looks)
    found = look(task.recipe, winner, material, plan, len(searched.trials), earlier)
    log_trials(night.engine, [_with_sharpe(own, found)], by, night.started)
    return found


def _with_sharpe(trial: Trial, found: Kept) -> Trial:
    return Trial(**{**asdict(trial), "sharpe": found.sharpe})


def _facts(found: Tuned, kept: Kept) -> dict[str, object]:
    """What a reader of the recipe's file wants to know of it."""
    difference = kept.difference
    return {
        "of": found.recipe.name,
        "study": found.study,
        "as_of": str(found.as_of),
        "horizon": found.horizon,
        "trials": len(found.trials),
        "searched": [str(found.first_day), str(found.last_day)],
        "kept": [str(kept.first_day), str(kept.last_day)],
        "difference": [difference.mean, difference.lower, difference.upper],
        "level": kept.level,
        "beats": kept.beats,
    }


def _record(night: Night, task: Task, found: Tuned) -> None:
    """Record every trial in MLflow, one run each, in one batch a run; those that stand there already stay."""
    log_runs(night.tracking, [_run(task, found, one) for one in found.trials])


def _run(task: Task, found: Tuned, one: Tried) -> Run:
    known: Iterable[tuple[str, float | None]] = (("rank_ic", one.rank_ic), ("seconds", one.seconds))
    return Run(
        f"{task.recipe.name} h{task.horizon} {found.as_of} trial {one.number}",
        f"{task.study} {one.number}",
        f"tuning/{task.study}",
        {
            **{name: str(value) for name, value in one.parameters},
            "family": task.recipe.family,
            "horizon": str(task.horizon),
            "seed": str(task.seed),
        },
        {"folds": float(one.folds), **{name: value for name, value in known if value is not None}},
        {
            "study": task.study,
            "trial": str(one.number),
            "recipe": tuned(task.recipe, dict(one.parameters)).name,
            "ended": one.ended,
            **({"why": one.why} if one.why else {}),
            "as_of": str(found.as_of),
            "code": code_version(),
        },
    )
