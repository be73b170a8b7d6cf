"""A search: workers in processes of their own, ended at the limit of time or cost, and what they did kept."""

from __future__ import annotations

import logging
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import optuna
import polars as pl

from nightdesk.concealment import concealed
from nightdesk.evaluation.walk_forward import Plan
from nightdesk.tuning.parts import Task, write_parts
from nightdesk.tuning.study import (
    CRASHED,
    KILLED,
    RUNNING,
    STOPPED,
    Tried,
    answering,
    begin_study,
    close,
    finished,
    mend_journal,
    open_storage,
    spent,
    tried,
)
from nightdesk.tuning.worker import Orders

CRASHES: Final = 3
"""Workers that may crash in one start before nobody takes their place any more."""

GRACE_S: Final = 5.0
"""How long a worker that is asked to end may take before it is killed."""

_log = logging.getLogger("nightdesk.tuning")

_LOOK_S: Final = 0.1
_TELL_S: Final = 1.0
_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")


@dataclass(frozen=True, slots=True)
class Budget:
    """How far a start may go.

    Attributes
    ----------
    trials
        Of the study in all, earlier starts included.
    seconds
        Of this start, from its beginning.
    workers
        Processes at a time, each with one thread.
    core_hour_price, cost_limit
        In any one currency; of this start: workers times time. None: no limit.
    """

    trials: int
    seconds: float
    workers: int = 1
    core_hour_price: float = 0.0
    cost_limit: float | None = None

    @property
    def limit(self) -> tuple[float, str]:
        """The seconds after which workers are ended, and what that limit is called."""
        paid = math.inf
        if self.cost_limit is not None and self.core_hour_price > 0.0:
            paid = 3600.0 * self.cost_limit / self.core_hour_price / self.workers
        if paid < self.seconds:
            return paid, f"cost limit {self.cost_limit:g}"
        return self.seconds, f"time limit {self.seconds:g} s"


@dataclass(frozen=True, slots=True)
class Searched:
    """All trials of the study, why this start stopped short (None: it did not), and its core-seconds."""

    trials: tuple[Tried, ...]
    stopped: str | None
    core_seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What is fitted and scored: features, labels and plan as `walk_forward.walk_forward` takes them."""

    features: pl.DataFrame
    labels: pl.DataFrame
    plan: Plan


def search(
    task: Task,
    rows: Rows,
    storage: str,
    budget: Budget,
    folder: Path,
    clock: Callable[[], float] = time.perf_counter,
) -> Searched:
    """Make the trials of `task` that are still to make, and end at the limit with what was done.

    Parameters
    ----------
    rows
        Of the part that the search may see, and no more: its plan ends before the part that is kept.
    storage
        As `study.open_storage` takes it. Nobody else may search the same study meanwhile: hold a lock.
    folder
        For the files of the workers; made, and gone at the end.
    clock
        Seconds since whenever, by which the limit is kept.

    Raises
    ------
    BadSetting, StoreBusy
        As `study.open_storage`.
    """
    (found,) = search_together([Search(task, rows, storage, budget, folder)], clock)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """One of several searches: what `search` takes."""

    task: Task
    rows: Rows
    storage: str
    budget: Budget
    folder: Path


def search_together(wanted: Sequence[Search], clock: Callable[[], float] = time.perf_counter) -> list[Searched]:
    """Make several searches side by side, each with workers and a limit of its own; one that fails ends them all.

    What each of several searches of one worker finds does not depend on the others. Raises as `search`.
    """
    found: dict[int, Searched] = {}
    with answering(), ExitStack() as stack:
        going = {place: stack.enter_context(closing(_searched(one, clock))) for place, one in enumerate(wanted)}
        while going:
            for place, one in list(going.items()):
                try:
                    next(one)
                except StopIteration as ended:
                    found[place] = ended.value
                    del going[place]
            if going:
                time.sleep(_LOOK_S)
    return [found[place] for place in range(len(wanted))]


def _searched(wanted: Search, clock: Callable[[], float]) -> Generator[None, None, Searched]:
    """One search; it comes back after each look at its workers, and ends them when it is closed."""
    task, rows, storage, budget, folder = wanted.task, wanted.rows, wanted.storage, wanted.budget, wanted.folder
    began = clock()
    if "://" not in storage:
        mend_journal(Path(storage))
    study = begin_study(open_storage(storage), task)
    if spent(study) >= budget.trials:
        return Searched(tried(study, task), None, 0.0)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    crew = _Crew(study, task, storage, budget, folder, clock)
    try:
        write_parts(folder, task, rows.features, rows.labels, rows.plan)
        stopped = yield from crew.run(began)
    finally:
        crew.end()
        shutil.rmtree(folder, ignore_errors=True)
    crew.tell()
    return Searched(tried(study, task), stopped, crew.core_seconds)


@dataclass(frozen=True, slots=True)
class _Worker:
    number: int
    process: subprocess.Popen[str]
    log: Path
    since: float


@dataclass(slots=True)
class _Crew:
    """The workers of one start."""

    study: optuna.Study
    task: Task
    storage: str
    budget: Budget
    folder: Path
    clock: Callable[[], float]
    running: list[_Worker] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    core_seconds: float = 0.0
    told: set[int] = field(default_factory=set)
    looked: float = -math.inf

    def run(self, began: float) -> Generator[None, None, str | None]:
        """Work until the budget is used up, and come back after each look; returns why it stopped short."""
        seconds, limit = self.budget.limit
        self.told |= {one.number for one in tried(self.study, self.task)}
        for number in range(min(self.budget.workers, self.budget.trials - spent(self.study))):
            self._start(number)
        while self.running:
            if self.clock() - began > seconds:
                self.end()
                if close(self.study, STOPPED, limit) or spent(self.study) < self.budget.trials:
                    return f"{limit} {self._far()}"
                return None
            for worker in [one for one in self.running if one.process.poll() is not None]:
                self._leave(worker)
            if time.monotonic() - self.looked > _TELL_S:
                self.tell()
            yield
        # Begun by a worker that died before it could say whose it is.
        close(self.study, KILLED, "its process died as it began")
        if spent(self.study) >= self.budget.trials:
            return None
        return f"{len(self.crashes)} crashes {self._far()}, the last: {self.crashes[-1]}"

    def end(self) -> None:
        """End every worker that runs: first asked, then by force."""
        for worker in self.running:
            worker.process.terminate()
        for worker in self.running:
            try:
                worker.process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
            self._release(worker)
        self.running.clear()

    def tell(self) -> None:
        """Say a line for each trial that has ended since the last time, to whoever listens."""
        self.looked = time.monotonic()
        if not _log.isEnabledFor(logging.INFO):
            return
        for one in tried(self.study, self.task):
            if one.ended == RUNNING or one.number in self.told:
                continue
            self.told.add(one.number)
            score = "" if one.rank_ic is None else f"  rank IC {one.rank_ic:+.4f}"
            taken = "" if one.seconds is None else f"  {one.seconds:.1f} s"
            study = f"{self.task.recipe.name} h{self.task.horizon}"
            done = f"{len(self.told)} of {self.budget.trials}"
            _log.info("%-24s trial %d (%s) %s%s%s", study, one.number, done, one.ended, score, taken)

    def _start(self, number: int) -> None:
        log = self.folder / f"worker-{number}.log"
        orders = Orders(str(self.folder), self.storage, number, self.budget.workers, self.budget.trials)
        environment = {**os.environ, **dict.fromkeys(_THREADS, "1")}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        with log.open("wb") as said:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "nightdesk.tuning.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=said,
                env=environment,
                text=True,
            )
        self.running.append(_Worker(number, process, log, self.clock()))
        if process.stdin is not None:
            # The storage's URL may hold a password: it stands in no argument and in no file.
            with suppress(BrokenPipeError):
                process.stdin.write(orders.line)
                process.stdin.flush()

    def _leave(self, worker: _Worker) -> None:
        """See a worker off that has ended by itself; one that crashed over a trial gets a successor."""
        self.running.remove(worker)
        self._release(worker)
        if worker.process.returncode == 0:
            return
        why = _why(worker)
        self.crashes.append(why)
        over_a_trial = close(self.study, CRASHED, why, [worker.number]) > 0
        if over_a_trial and len(self.crashes) < CRASHES and spent(self.study) < self.budget.trials:
            self._start(worker.number)

    def _release(self, worker: _Worker) -> None:
        self.core_seconds += self.clock() - worker.since
        if worker.process.stdin is not None:
            with suppress(BrokenPipeError):
                worker.process.stdin.close()

    def _far(self) -> str:
        return f"after {finished(self.study)} of {self.budget.trials} trials"


def _why(worker: _Worker) -> str:
    """Why a worker crashed: the signal that ended it, or the last line it said."""
    if worker.process.returncode < 0:
        return f"ended by {signal.Signals(-worker.process.returncode).name}"
    said = worker.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return concealed(said[-1])[:200] if said else f"exit code {worker.process.returncode}"
