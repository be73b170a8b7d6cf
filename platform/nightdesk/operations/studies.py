"""Studies on the data of a night: searched side by side, every trial counted, the best judged where none has looked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass

import polars as pl

from nightdesk.errors import NightLocked
from nightdesk.evaluation.evaluate import Material
from nightdesk.evaluation.walk_forward import Plan
from nightdesk.models.artifacts import Run, log_runs
from nightdesk.models.recipe import Recipe
from nightdesk.models.tuned import is_tuned, tuned
from nightdesk.operations.code import code_version
from nightdesk.operations.night import Night
from nightdesk.store.files import content_of, frame_content
from nightdesk.store.nights import held
from nightdesk.store.trials import LOOK, NOTEBOOK, TUNE, Trial, log_trials, trials_over
from nightdesk.tuning import space_of
from nightdesk.tuning.outcome import Earlier, Kept, kept_plan, look, luck, searched_plan
from nightdesk.tuning.parts import Task
from nightdesk.tuning.search import Budget, Rows, Search, Searched, search_together
from nightdesk.tuning.study import Tried, best_of


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """What is searched: a recipe at the horizon of `plan`, on which material, how far."""

    recipe: Recipe
    material: Material
    plan: Plan
    budget: Budget


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for studies.

    Attributes
    ----------
    by, realm
        As the ledger of trials names them.
    runs
        How MLflow's runs name the night they belong to (`artifacts.night_tag`); None: each study stands for itself.
    together
        Studies of the whole training that they are part of; None: somebody asks by hand.
    """

    by: str
    realm: str = NOTEBOOK
    runs: str | None = None
    together: int | None = None


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
        The recipe of the best trial; None where there is no best, or it is the recipe as it was.
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


@dataclass(frozen=True, slots=True, eq=False)
class _Begun:
    """A study with its name, whose content is `key`, and the first and last day on which trials are scored."""

    study: Study
    task: Task
    key: str
    span: tuple[dt.date, dt.date]


def run_studies(night: Night, wanted: Sequence[Study], asker: Asker) -> list[Tuned]:
    """Search all of them side by side, and judge the best of each on the newest blocks, which no trial sees.

    The same studies on the same data and code go on where they were interrupted, and make no trial twice.

    Raises
    ------
    BadInput
        A family has no space, or too few days are left to test on.
    BadSetting
        `tuning.kept_blocks` leaves nothing to search on, or `tuning.storage` is none.
    NightLocked
        Another process searches one of them.
    StoreBusy, RegistryUnavailable
        The storage of studies, the store or MLflow does not answer; what was tried stands in the studies.
    """
    begun = [_begun(night, study) for study in wanted]
    with ExitStack() as locks:
        for one in begun:
            _lock(night, one, locks)
        found = search_together([_search(night, one) for one in begun])
    return [_judged(night, one, searched, asker) for one, searched in zip(begun, found, strict=True)]


def facts(found: Tuned, kept: Kept) -> dict[str, object]:
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


def _begun(night: Night, study: Study) -> _Begun:
    recipe, plan, kept = study.recipe, study.plan, night.settings.tuning.kept_blocks
    space, folds = space_of(recipe.family), searched_plan(plan, kept).blocks()
    data = frame_content(study.material.features), frame_content(study.material.labels)
    told = {"space": space.plain(), "folds": plan.folds, "kept": kept, "every": plan.every, "seed": plan.seed}
    key = content_of(recipe.content, plan.horizon, night.as_of, data, told, plan.first_train, code_version())
    name = f"{recipe.name} h{plan.horizon} {night.as_of} {key}"
    task = Task(name, recipe, space, plan.horizon, len(folds), plan.seed)
    return _Begun(study, task, key, (folds[0].test_days[0], folds[-1].test_days[-1]))


def _lock(night: Night, one: _Begun, locks: ExitStack) -> None:
    try:
        locks.enter_context(held(night.engine, night.home.locks, f"tuning-{one.key}", night.as_of))
    except NightLocked as error:
        raise NightLocked(
            f"only one process may search a study, got another that searches {one.task.study!r}: wait for it to end"
        ) from error


def _search(night: Night, one: _Begun) -> Search:
    here, plan = one.study.material, searched_plan(one.study.plan, night.settings.tuning.kept_blocks)
    folder = night.home.study(one.task.study).with_suffix(".work")
    return Search(one.task, Rows(here.features, here.labels, plan), _storage(night, one.task), one.study.budget, folder)


def _judged(night: Night, one: _Begun, searched: Searched, asker: Asker) -> Tuned:
    """Count and record what was tried, and judge the best of it."""
    recipe, task = one.study.recipe, one.task
    _count(night, task, searched, one.span, asker)
    best = best_of(searched.trials)
    winner = None if best is None or best.parameters == recipe.parameters else tuned(recipe, dict(best.parameters))
    found = None if winner is None else _look(night, one, winner, len(searched.trials), asker)
    price = night.settings.tuning.core_hour_price
    whole = Tuned(
        recipe,
        task.horizon,
        night.as_of,
        task.study,
        searched.trials,
        one.study.budget.trials,
        searched.stopped,
        price * searched.core_seconds / 3600.0 if price else None,
        *one.span,
        best,
        luck(searched.trials),
        winner,
        found,
    )
    runs = asker.runs or f"tuning/{task.study}"
    # One run a trial, in one batch each; those that stand there already stay.
    log_runs(night.tracking, [_run(task, whole, tried, runs) for tried in whole.trials])
    return whole


def _storage(night: Night, task: Task) -> str:
    """Where the study is: as set, else beside the store on PostgreSQL, else a journal at home."""
    url = night.settings.store.url
    beside = url if url is not None and url.startswith("postgresql") else None
    return night.settings.tuning.storage or beside or str(night.home.study(task.study))


def _count(night: Night, task: Task, searched: Searched, span: tuple[dt.date, dt.date], asker: Asker) -> None:
    """Enter every trial in the ledger, however it ended: whoever picks the best picks among all."""
    tried = [
        Trial(
            asker.realm,
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
    log_trials(night.engine, tried, asker.by, night.started)


def _look(night: Night, one: _Begun, winner: Recipe, trials: int, asker: Asker) -> Kept:
    """Judge the winner on the kept days, in the light of whatever was scored there before, and count the look."""
    task, plan = one.task, kept_plan(one.study.plan, night.settings.tuning.kept_blocks)
    blocks = plan.blocks()
    span = blocks[0].test_days[0], blocks[-1].test_days[-1]
    own = Trial(asker.realm, LOOK, winner.name, winner.content, task.horizon, night.as_of, *span, task.seed)
    before = trials_over(night.engine, *span).filter(pl.col("trial_id") != own.trial_id)
    earlier = Earlier(before.height, tuple(before["sharpe"].drop_nulls()), _looks(before, night, asker))
    found = look(task.recipe, winner, one.study.material, plan, trials, earlier)
    log_trials(night.engine, [_with_sharpe(own, found)], asker.by, night.started)
    return found


def _looks(before: pl.DataFrame, night: Night, asker: Asker) -> int:
    """Other looks at tuned recipes; those of the same training all count, those to come too.

    So its verdicts are the same in whatever order it judges, and when it is started again after a kill.
    """
    looked = before.filter(kind=LOOK)
    if asker.together is not None:
        looked = looked.filter((pl.col("realm") != asker.realm) | (pl.col("as_of") != night.as_of))
    return sum(is_tuned(name) for name in looked["name"]) + (asker.together or 1) - 1


def _with_sharpe(trial: Trial, found: Kept) -> Trial:
    return Trial(**{**asdict(trial), "sharpe": found.sharpe})


def _run(task: Task, found: Tuned, one: Tried, runs: str) -> Run:
    # Of a booster: the mean of the rounds that its fits kept, and beside it each of them.
    rounds = sum(one.rounds) / len(one.rounds) if one.rounds else None
    known: Iterable[tuple[str, float | None]] = (
        *(("rank_ic", one.rank_ic), ("seconds", one.seconds), ("rounds", rounds)),
    )
    return Run(
        f"{task.recipe.name} h{task.horizon} {found.as_of} trial {one.number}",
        f"{task.study} {one.number}",
        runs,
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
            **({"rounds": ", ".join(map(str, one.rounds))} if one.rounds else {}),
            "as_of": str(found.as_of),
            "code": code_version(),
        },
    )
