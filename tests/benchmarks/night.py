"""The night as a user runs it: the real command in processes of its own, in a home that is new."""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.benchmarks.page import Section, Target, seconds

FIRST, NEXT = dt.date(2017, 6, 29), dt.date(2017, 6, 30)
EVERY = 0.2
FOREIGN = ("PREFECT_", "MLFLOW_", "NIGHTDESK_")


@dataclass(frozen=True)
class Run:
    """One command: wall seconds, peak bytes of its process tree, and (stage, seconds) as the store holds them."""

    name: str
    seconds: float
    peak: int
    stages: tuple[tuple[str, float], ...]


def measure(_symbols: int | None) -> list[Section]:
    """The first night, the next one, and the next one asked for again."""
    with tempfile.TemporaryDirectory(prefix="nightdesk-bench-", ignore_cleanup_errors=True) as folder:
        home = Path(folder) / "home"
        first = _night(home, "first night, with training", FIRST)
        following = _night(home, "next night, no training due", NEXT)
        again = _night(home, "next night again, done before", NEXT)
    return [_whole([first, following, again]), _by_stage(first, following)]


def _night(home: Path, name: str, day: dt.date) -> Run:
    taken, peak = watched(home, ["nightly", "--as-of", str(day)])
    return Run(name, taken, peak, stages_of(home, day))


def watched(home: Path, arguments: list[str], **settings: str) -> tuple[float, int]:
    """Run `nightdesk` in `home`; wall seconds and peak of the summed resident memory, looked at every 0.2 s."""
    log = home.with_name("output.txt")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    command = [str(Path(sys.executable).with_name("nightdesk")), *arguments]
    with log.open("w") as output:
        began = time.perf_counter()
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=home.parent,
            env={**kept, "NIGHTDESK_HOME": str(home), **settings},
        )
        peak = 0
        while child.poll() is None:
            peak = max(peak, _resident(child.pid))
            time.sleep(EVERY)
        taken = time.perf_counter() - began
    if child.returncode:
        raise SystemExit(f"nightdesk {' '.join(arguments)} ended with exit code {child.returncode}:\n{log.read_text()}")
    return taken, peak


def _resident(pid: int) -> int:
    """Resident bytes of a process and all below it; pages that two share count twice."""
    total = 0
    try:
        top = psutil.Process(pid)
        tree = [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for process in tree:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def stages_of(home: Path, day: dt.date) -> tuple[tuple[str, float], ...]:
    """Each finished stage of a day with its seconds, in the order in which they ended."""
    wanted = "SELECT stage, seconds FROM stages WHERE realm = 'live' AND as_of = ? ORDER BY finished_at"
    with closing(sqlite3.connect(home / "store.db")) as connection:
        return tuple(connection.execute(wanted, (str(day),)).fetchall())


def _whole(runs: list[Run]) -> Section:
    rows = tuple((run.name, seconds(run.seconds), f"{run.peak / 2**30:.2f}") for run in runs)
    sentence = (
        f"`nightdesk nightly --as-of {FIRST}`, then `{NEXT}` twice, on the bundled sample in a new home, once each; "
        "peak memory is the resident memory of all its processes together, so pages that two share count twice."
    )
    target = Target("next night, no training due", 40, runs[1].seconds, "s", most=True)
    return Section("The night", sentence, ("command", "wall s", "peak GiB"), rows, (target,))


def _by_stage(first: Run, following: Run) -> Section:
    one, two = dict(first.stages), dict(following.stages)
    names = [*one, *(name for name in two if name not in one)]
    rows = [(name, *(seconds(run[name]) if name in run else "" for run in (one, two))) for name in names]
    rest = [run.seconds - sum(dict(run.stages).values()) for run in (first, following)]
    rows.append(("all else: start, Prefect, fetch, check, end", *(seconds(max(0.0, value)) for value in rest)))
    sentence = "Seconds as the store's own ledger holds them; stages that run side by side would count twice."
    return Section("The night, stage by stage", sentence, ("stage", "first night", "next night"), tuple(rows))
