"""A worker of a study: a process of its own that makes trial after trial until the budget is used up.

It is started by `search.search`, says nothing, and is told on its standard input what to do. It ends when that is
closed: whoever started it is gone, and nobody would stop it at its limit any more.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import optuna
import polars as pl
from filelock import FileLock
from optuna.trial import Trial

from nightdesk.faults import reach
from nightdesk.models.recipe import rounds_of
from nightdesk.scoring.rank_ic import RANK_IC
from nightdesk.tuning.parts import Part, Task, parts, read_task
from nightdesk.tuning.study import (
    UNDEFINED,
    end,
    next_trial,
    note,
    open_storage,
    open_study,
    prune,
    spent,
)

ORPHANED = 3
"""Exit code of a worker whose parent is gone."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker is told: where the task and the storage are, which of how many it is, and the trials in all."""

    folder: str
    storage: str
    worker: int
    workers: int
    trials: int

    @property
    def line(self) -> str:
        """As it is told: one line of JSON."""
        return json.dumps(asdict(self)) + "\n"


def work(orders: Orders) -> None:
    """Make trials until there are `orders.trials` of them, those of other workers and earlier starts included."""
    folder = Path(orders.folder)
    task = read_task(folder)
    study = open_study(open_storage(orders.storage), task)
    folds = list(parts(folder, task))
    while (trial := _begin(study, task, orders)) is not None:
        _make(study, task, folds, trial)


def _begin(study: optuna.Study, task: Task, orders: Orders) -> Trial | None:
    # One at a time: two that count at once would make one trial too many.
    with FileLock(Path(orders.folder) / "begin.lock"):
        if spent(study) >= orders.trials:
            return None
        return next_trial(study, task, orders.worker, orders.workers)


def _make(study: optuna.Study, task: Task, folds: Sequence[Part], trial: Trial) -> None:
    began, days, rounds = time.perf_counter(), [], []
    parameters, score = task.tried(trial.params), None
    for fold, part in enumerate(folds, start=1):
        fitted = part.fit(parameters)
        if (kept := rounds_of(fitted)) is not None:
            rounds.append(kept)
        days.append(part.daily_rank_ic(fitted))
        score = pl.concat(days)[RANK_IC].mean()
        if isinstance(score, float):
            trial.report(score, fold)
            if fold < task.folds and trial.should_prune():
                note(trial, time.perf_counter() - began, rounds)
                blocks = f"block {fold} of {task.folds}"
                prune(study, trial, f"rank IC {score:+.4f} after {blocks} is below the median of the trials before it")
                return
        reach(f"tuning:{trial.number}:{fold}")
    note(trial, time.perf_counter() - began, rounds)
    if isinstance(score, float):
        study.tell(trial, score)
        return
    end(study, trial, UNDEFINED, "the same score for every symbol on each day")


def _end_with_parent() -> None:
    """End this process, wherever it stands, when standard input is closed."""
    # Not by sys.stdin: a thread that waits there cannot be left behind when the process ends.
    while os.read(0, 64):
        pass
    os._exit(ORPHANED)


if __name__ == "__main__":
    told = Orders(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    work(told)
