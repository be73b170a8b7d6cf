"""The machine a run was made on, with the seconds of one fixed loop to compare noisy machines by."""

from __future__ import annotations

import datetime as dt
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
WRITTEN = ("BENCHMARKS.md", "tests/benchmarks/measured.json")
"""What measuring itself changes."""

ADDITIONS, LOOPS = 5_000_000, 5


@dataclass(frozen=True)
class Machine:
    """What a part was measured on: `calibration` in seconds, `load` over the minute before."""

    processor: str
    cores: int
    memory_gib: float
    system: str
    calibration: float
    load: float
    date: str
    commit: str


def describe() -> Machine:
    """This machine as it is now."""
    return Machine(
        _processor(),
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        psutil.virtual_memory().total / 2**30,
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        calibration(),
        os.getloadavg()[0],
        f"{dt.datetime.now().astimezone():%Y-%m-%d %H:%M %Z}",
        _commit(),
    )


def calibration() -> float:
    """Median seconds of a fixed loop in plain Python."""
    return statistics.median(_additions() for _ in range(LOOPS))


def peak_memory() -> int:
    """The most bytes that this process itself held at once.

    Where the system tells of it: what getrusage gives counts what the parent held when it was forked.
    """
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    told = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")]
    unit = 1 if sys.platform == "darwin" else 1024
    return told[0] if told else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _additions() -> float:
    began = time.perf_counter()
    total = 0
    for _ in range(ADDITIONS):
        total += 1  # noqa: SIM113  the addition is what is timed
    return time.perf_counter() - began


def _processor() -> str:
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text().splitlines() if listed.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or "unknown"


def _commit() -> str:
    try:
        commit = _git("rev-parse", "--short", "HEAD")
        changes = _git("status", "--porcelain", "--", ".", *(f":!{name}" for name in WRITTEN))
        return f"{commit}, with changes not committed" if changes else commit
    except (OSError, subprocess.CalledProcessError):
        return "unknown: not a git checkout"


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()
