"""The machine a run was made on, with the seconds of one fixed loop to compare noisy machines by."""

from __future__ import annotations

import datetime as dt
import os
import platform
import statistics
import subprocess
import time
from pathlib import Path

import psutil

from tests.benchmarks.page import Section, seconds

ROOT = Path(__file__).parents[2]
ADDITIONS, LOOPS = 5_000_000, 5


def describe() -> Section:
    """Cores, memory, processor, Python, calibration, date and commit."""
    rows = (
        ("processor", _processor()),
        ("cores", f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()}"),
        ("memory", f"{psutil.virtual_memory().total / 2**30:.1f} GiB"),
        ("load before the run", f"{os.getloadavg()[0]:.1f} over the last minute"),
        ("system", f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"),
        ("calibration", f"{seconds(calibration())} s for {ADDITIONS:,} additions in plain Python, median of {LOOPS}"),
        ("date", f"{dt.datetime.now().astimezone():%Y-%m-%d %H:%M %Z}"),
        ("commit", _commit()),
    )
    return Section("Machine", "Everything below was measured here, in one run.", ("what", "value"), rows)


def calibration() -> float:
    """Median seconds of a fixed loop in plain Python."""
    return statistics.median(_additions() for _ in range(LOOPS))


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
        return f"{commit}, with changes not committed" if _git("status", "--porcelain") else commit
    except (OSError, subprocess.CalledProcessError):
        return "unknown: not a git checkout"


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()
