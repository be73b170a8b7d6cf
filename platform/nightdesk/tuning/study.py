"""A study in Optuna's storage: opened or begun, its trials read, and those that a kill left open closed as killed."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import optuna
import sqlalchemy as sa
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from nightdesk.errors import BadSetting, StoreBusy
from nightdesk.store.files import content_of
from nightdesk.tuning.parts import Task
from nightdesk.tuning.space import Value

SCHEMA: Final = "nightdesk_tuning"
"""Schema of Optuna's tables on PostgreSQL: they are called like ours, and stand beside them."""

COMPLETE, PRUNED, CRASHED, UNDEFINED, KILLED, STOPPED, RUNNING = (
    *("complete", "pruned", "crashed", "undefined", "killed", "stopped", "running"),
)
"""How a trial ended: all folds; given up as worse than the median; its process died by itself; its rank IC is undefined
on every day; somebody killed all of the study; its limit was used up. The last is under way."""

SPENT: Final = (COMPLETE, PRUNED, CRASHED, UNDEFINED, RUNNING)
"""Trials that count towards the budget: those that were killed or stopped are made again."""

STARTUP: Final = 5
"""Trials drawn at random before the sampler learns from them, and before any is given up."""

_ENDED, _WHY, _SECONDS, _WORKER, _DEFAULT, _ROUNDS = "ended", "why", "seconds", "worker", "default", "rounds"


@dataclass(frozen=True, slots=True)
class Tried:
    """One trial: its number, how it ended and why, all its parameters, and what is known of it.

    `rank_ic` is the mean daily rank IC over the test days of `folds` blocks; None where none was finished or it is
    undefined. `seconds` is what it took; None of one that did not end by itself. `rounds` are those that a booster
    kept, block by block.
    """

    number: int
    ended: str
    why: str
    parameters: tuple[tuple[str, Value], ...]
    rank_ic: float | None
    folds: int
    seconds: float | None
    default: bool
    rounds: tuple[int, ...] = ()


def open_storage(where: str) -> BaseStorage:
    """Optuna's storage at `where`: a URL of PostgreSQL through psycopg, or the path of a journal file.

    Raises BadSetting for another database, StoreBusy where the server does not answer.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if "://" not in where:
        return JournalStorage(JournalFileBackend(where))
    url = sa.make_url(where)
    if url.drivername != "postgresql+psycopg":
        raise BadSetting(
            f"tuning.storage must be postgresql+psycopg://..., got {url.drivername}://: leave it out for a file at home"
        )
    with answering():
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            connection.execute(sa.schema.CreateSchema(SCHEMA, if_not_exists=True))
        engine.dispose()
        options = " ".join(filter(None, [str(url.query.get("options", "")), f"-csearch_path={SCHEMA}"]))
        within = url.update_query_dict({"options": options})
        return RDBStorage(within.render_as_string(hide_password=False), engine_kwargs={"pool_pre_ping": True})


@contextmanager
def answering() -> Iterator[None]:
    """Raise StoreBusy where the storage of studies does not answer inside the block."""
    try:
        yield
    except (sa.exc.OperationalError, StorageInternalError) as error:
        lost = error if isinstance(error, sa.exc.OperationalError) else error.__cause__
        reason = str(getattr(lost, "orig", None) or lost or error).splitlines()[0]
        raise StoreBusy(
            f"the storage of studies must answer, got {reason}: start it, or mend tuning.storage; what was tried "
            "stands, and the same command goes on from there"
        ) from None


def mend_journal(file: Path) -> None:
    """Bring a journal of which nobody writes into order after a kill: half a last line goes, and so does its lock."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.with_name(f"{file.name}.lock").unlink(missing_ok=True)
    if not file.is_file():
        return
    whole = file.read_bytes()
    kept = whole.rfind(b"\n") + 1
    if kept < len(whole):
        os.truncate(file, kept)


def begin_study(storage: BaseStorage, task: Task) -> optuna.Study:
    """The study of `task`, begun where there is none, what a kill left open in it closed; nobody may work on it yet.

    The recipe's own parameters are its first trial, where the space holds them.
    """
    optuna.create_study(study_name=task.study, storage=storage, direction="maximize", load_if_exists=True)
    study = open_study(storage, task)
    close(study, KILLED, "the process that tuned was killed")
    own = task.space.within(dict(task.recipe.parameters))
    made = [one for one in study.get_trials(deepcopy=False) if one.user_attrs.get(_DEFAULT)]
    if own is not None and all(_ended(one) in (KILLED, STOPPED) for one in made):
        study.enqueue_trial(own, user_attrs={_DEFAULT: True})
    return study


def open_study(storage: BaseStorage, task: Task) -> optuna.Study:
    """The study of `task`, which stands."""
    pruner = MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=0)
    return optuna.load_study(study_name=task.study, storage=storage, pruner=pruner)


def next_trial(study: optuna.Study, task: Task, worker: int, workers: int) -> Trial:
    """Begin a trial: what it tries follows from the seed, the worker and the trials before it, and from nothing else.

    A study of one worker that was interrupted therefore goes on as one that was not.
    """
    before = spent(study)
    seed = int(content_of(task.recipe.content, task.seed, worker, before), 16) % 2**32
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study.sampler = TPESampler(seed=seed, n_startup_trials=STARTUP, constant_liar=workers > 1)
    trial = study.ask(task.space.distributions)
    trial.set_user_attr(_WORKER, worker)
    return trial


def spent(study: optuna.Study) -> int:
    """How many trials count towards the budget so far, those under way included."""
    return sum(_ended(one) in SPENT for one in study.get_trials(deepcopy=False))


def finished(study: optuna.Study) -> int:
    """How many of them have ended."""
    return sum(_ended(one) in SPENT[:-1] for one in study.get_trials(deepcopy=False))


def close(study: optuna.Study, ended: str, why: str, workers: Iterable[int] | None = None) -> int:
    """Close trials that are under way as `ended`, of `workers` or all; returns how many there were."""
    known = None if workers is None else set(workers)
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    wanted = [one for one in running if known is None or one.user_attrs.get(_WORKER) in known]
    for one in wanted:
        end(study, Trial(study, one._trial_id), ended, why)
    return len(wanted)


def end(study: optuna.Study, trial: Trial, ended: str, why: str) -> None:
    """End a trial that gives no score, and write beside it how and why: Optuna would only say that it failed."""
    trial.set_user_attr(_ENDED, ended)
    trial.set_user_attr(_WHY, why)
    study.tell(trial, state=TrialState.FAIL)


def note(trial: Trial, seconds: float, rounds: Sequence[int]) -> None:
    """Write beside a trial how long it took, and the rounds that a booster kept, block by block."""
    trial.set_user_attr(_SECONDS, seconds)
    if rounds:
        trial.set_user_attr(_ROUNDS, list(rounds))


def prune(study: optuna.Study, trial: Trial, why: str) -> None:
    """Give a trial up, and write beside it why."""
    trial.set_user_attr(_WHY, why)
    study.tell(trial, state=TrialState.PRUNED)


def tried(study: optuna.Study, task: Task) -> tuple[Tried, ...]:
    """Every trial that was begun, in order."""
    begun = [one for one in study.get_trials(deepcopy=False) if one.state != TrialState.WAITING]
    return tuple(_tried(one, task) for one in begun)


def best_of(trials: Iterable[Tried]) -> Tried | None:
    """The complete trial with the highest rank IC, the earliest of equals; None where none is complete."""
    whole = [(one.rank_ic, -one.number, one) for one in trials if one.ended == COMPLETE and one.rank_ic is not None]
    return max(whole)[2] if whole else None


def _tried(one: FrozenTrial, task: Task) -> Tried:
    ended = _ended(one)
    known = one.value if one.state == TrialState.COMPLETE else None
    if known is None and one.intermediate_values:
        known = one.intermediate_values[max(one.intermediate_values)]
    return Tried(
        one.number,
        ended,
        one.user_attrs.get(_WHY, ""),
        tuple(task.tried(one.params).items()),
        known,
        max(one.intermediate_values, default=0),
        one.user_attrs.get(_SECONDS),
        bool(one.user_attrs.get(_DEFAULT)),
        tuple(one.user_attrs.get(_ROUNDS, ())),
    )


def _ended(one: FrozenTrial) -> str:
    """How a trial ended; "" of one that nobody has begun."""
    if one.state == TrialState.FAIL:
        return str(one.user_attrs.get(_ENDED, KILLED))
    known = {TrialState.COMPLETE: COMPLETE, TrialState.PRUNED: PRUNED, TrialState.RUNNING: RUNNING}
    return known.get(one.state, "")
