"""A search in processes of its own: ended at its limit, a crash survived and told, nothing lost and nothing doubled."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa
from desk_families import SCRIPTED, install
from postgresql_server import database
from tuning_samples import RIDGE, rows, task, written

from nightdesk.store.database import open_store
from nightdesk.tuning import space_of
from nightdesk.tuning.parts import Task
from nightdesk.tuning.search import Budget, Searched, search
from nightdesk.tuning.study import COMPLETE, CRASHED, KILLED, STOPPED, begin_study, open_storage, tried
from nightdesk.tuning.worker import Orders, work


def scripted() -> Task:
    """A study of one block: one fit a trial."""
    return replace(task(SCRIPTED, space_of("scripted")), folds=1)


def run(home: Path, budget: Budget, one: Task | None = None, hanging: Path | None = None) -> Searched:
    """One start; its clock stands still until somebody hangs, and then shows the end of all limits."""
    here = rows()
    seen = replace(here, plan=replace(here.plan, folds=1)) if one is None else here

    def clock() -> float:
        return 1e9 if hanging is not None and hanging.exists() else 0.0

    return search(one or scripted(), seen, str(home / "study.journal"), budget, home / "work", clock)


def test_a_crash_is_told_and_a_limit_ends_what_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "nightdesk.tuning")
    desk = install(tmp_path / "desk", "fit raise fit hang", monkeypatch)
    found = run(tmp_path, Budget(9, 300.0), hanging=desk / "hanging")
    assert found.stopped == "time limit 300 s after 3 of 9 trials"
    assert [one.ended for one in found.trials] == [COMPLETE, CRASHED, COMPLETE, STOPPED]
    assert [one.why for one in found.trials] == [
        *("", "ArithmeticError: alpha does not please me", "", "time limit 300 s"),
    ]
    # Whoever listens hears of each trial as it ends.
    assert [line.partition(" trial ")[2].split()[:5] for line in caplog.messages] == [
        [str(number), f"({number + 1}", "of", "9)", one.ended] for number, one in enumerate(found.trials)
    ]
    assert not (tmp_path / "work").exists()
    # Two processes: the one that crashed, and its successor; both are gone.
    pids = {int(line.split()[0]) for line in (desk / "fits").read_text().splitlines()}
    assert len(pids) == 2
    assert not any(psutil.pid_exists(pid) for pid in pids)
    # The next start makes the trial that was stopped once more, the very same: here without a process of its own.
    journal, folder = str(tmp_path / "study.journal"), tmp_path / "again"
    study = begin_study(open_storage(journal), scripted())
    work(Orders(str(written(folder, scripted())), journal, 0, 1, 4))
    again = tried(study, scripted())
    assert again[:4] == found.trials
    assert again[4].parameters == found.trials[3].parameters
    assert (len(again), again[4].ended) == (5, COMPLETE)


def test_what_a_limit_of_cost_comes_to() -> None:
    assert Budget(20, 600.0, 2, 0.5, 0.05).limit == (180.0, "cost limit 0.05")
    assert Budget(20, 100.0, 2, 0.5, 0.05).limit == (100.0, "time limit 100 s")
    assert Budget(20, 600.0, 2, 0.0, 0.05).limit == (600.0, "time limit 600 s")


@pytest.mark.proof
def test_who_crashes_again_and_again_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "desk", "raise killed raise fit", monkeypatch)
    found = run(tmp_path, Budget(9, 300.0))
    assert found.stopped == "3 crashes after 3 of 9 trials, the last: ArithmeticError: alpha does not please me"
    assert [one.why for one in found.trials][1] == "ended by SIGKILL"


@pytest.mark.proof
def test_two_workers_make_exactly_what_is_asked_for(tmp_path: Path) -> None:
    one = task(RIDGE)
    found = run(tmp_path, Budget(9, 300.0, workers=2), one)
    assert found.stopped is None
    assert [trial.number for trial in found.trials] == list(range(9))
    assert len({trial.parameters for trial in found.trials}) == 9


PARENT = """
import sys
from pathlib import Path
from test_search import run
from nightdesk.tuning.search import Budget
run(Path(sys.argv[1]), Budget(6, 3600.0, workers=2))
"""


@pytest.mark.proof
def test_a_killed_parent_leaves_no_worker_and_the_next_start_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = install(tmp_path / "desk", "fit fit hang hang", monkeypatch)
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], cwd=Path(__file__).parent)
    try:
        deadline = time.monotonic() + 240
        while len(_fits(desk)) < 4:
            assert parent.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    workers = {int(line.split()[0]) for line in _fits(desk)}
    _, alive = psutil.wait_procs([psutil.Process(pid) for pid in workers if psutil.pid_exists(pid)], timeout=60)
    assert alive == []
    study = begin_study(open_storage(str(tmp_path / "study.journal")), scripted())
    before = tried(study, scripted())
    assert [one.ended for one in before].count(COMPLETE) == 2
    assert [one.ended for one in before].count(KILLED) == 2
    found = run(tmp_path, Budget(6, 3600.0))
    assert found.stopped is None
    assert found.trials[:4] == before
    assert [one.ended for one in found.trials[4:]] == [COMPLETE] * 4
    assert not (tmp_path / "work").exists()


def _fits(desk: Path) -> list[str]:
    file = desk / "fits"
    return file.read_text().splitlines() if file.exists() else []


@pytest.mark.server
def test_a_study_lives_beside_the_store_on_postgresql(tmp_path: Path, postgresql_url: str) -> None:
    one = task(RIDGE)
    folder = written(tmp_path / "work", one)
    with database(postgresql_url) as url:
        engine = open_store.__wrapped__(url)
        begin_study(open_storage(url), one)
        work(Orders(str(folder), url, 0, 1, 2))
        study = begin_study(open_storage(url), one)
        work(Orders(str(folder), url, 0, 1, 3))
        found = tried(study, one)
        with engine.connect() as connection:
            assert connection.scalar(sa.text("SELECT count(*) FROM trials")) == 0  # our own ledger
            assert connection.scalar(sa.text("SELECT count(*) FROM nightdesk_tuning.trials")) == 3
        engine.dispose()
    assert [trial.ended for trial in found] == [COMPLETE] * 3
    in_a_file = begin_study(open_storage(str(tmp_path / "study.journal")), one)
    work(Orders(str(folder), str(tmp_path / "study.journal"), 0, 1, 3))
    assert [trial.parameters for trial in tried(in_a_file, one)] == [trial.parameters for trial in found]
