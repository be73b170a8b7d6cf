"""The feature engine at scale: 1, 4 and 16 times the symbols, and one more night on deeper history."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import polars as pl

from nightdesk.features.build import build_features, matrices_of_days
from nightdesk.features.matrix import matrix_of
from nightdesk.features.selection import NIGHTLY_GROUP, Choice, choose
from nightdesk.sessions import trading_days_before
from nightdesk.tables import DATE, SYMBOL
from tests.benchmarks.machine import ROOT, peak_memory
from tests.benchmarks.page import Section, Target, seconds
from tests.benchmarks.sample import sample
from tests.benchmarks.timing import Case, interleaved

TIMES = (1, 4, 16)
CHOICES = {
    "nightly": Choice(groups=(NIGHTLY_GROUP,)),
    "own": Choice(groups=("all",), leave_out=("alpha158",)),
    "all": Choice(groups=("all",)),
}
GIB = 2**30


def measure(symbols: int | None) -> list[Section]:
    """Growth with symbols, each in a process of its own, then a night more on the same panel with more past."""
    bars = sample(symbols).verdict.good
    with tempfile.TemporaryDirectory(prefix="nightdesk-bench-") as folder:
        bars.write_parquet(Path(folder) / "bars.parquet")
        return [_growth(bars.height, Path(folder)), _increment(bars)]


def _growth(rows: int, folder: Path) -> Section:
    found = {(name, times): _in_own_process(name, times, folder) for times in TIMES for name in ("nightly", "all")}
    table = tuple(
        (
            f"{name} ({one['features']:,.0f} features), {times}x",
            f"{rows * times:,}",
            seconds(one["seconds"]),
            f"{one['seconds'] / (rows * times) * 1e6:.2f}",
            f"{one['peak'] / GIB:.2f}",
        )
        for (name, times), one in found.items()
    )
    most, last = found["all", TIMES[-1]], TIMES[-1]
    growth = most["seconds"] / found["all", 1]["seconds"] / last
    sentence = (
        "Copies of the panel's symbols, computed in frames of successive dates as a first build does, through disk"
        " where they are many; kernels compiled before. One run each, seconds on the clock."
    )
    targets = (
        Target(f"all features on {last}x the panel, memory", 8.0, most["peak"] / GIB, "GiB", most=True),
        Target(f"all features, a row at {last}x against 1x", 150.0, 100.0 * growth, "%", most=True),
    )
    head = ("what", "bars", "s", "µs a bar", "peak GiB")
    return Section("Feature engine, growth", sentence, head, table, targets)


def _in_own_process(name: str, times: int, folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.engine", name, str(times), str(folder)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _computed(name: str, times: int, folder: Path) -> dict[str, float]:
    panel = pl.read_parquet(folder / "bars.parquet")
    features = choose(CHOICES[name])
    matrix_of(panel.head(2000), features)
    copies = [panel.with_columns(pl.col(SYMBOL) + f"~{copy:02}") for copy in range(times)]
    bars = pl.concat(copies).sort(SYMBOL, DATE)
    del panel, copies
    days = bars[DATE].unique().sort().to_list()
    began, held = time.perf_counter(), 0
    for block in matrices_of_days(bars, features, days, scratch=folder):
        held += block.height
    taken = time.perf_counter() - began
    if held != bars.height:
        raise SystemExit(f"{held} rows came of {bars.height} bars")
    return {"seconds": taken, "peak": peak_memory(), "features": len(features)}


def _increment(bars: pl.DataFrame) -> Section:
    dates = bars[DATE].unique().sort()
    before = trading_days_before("XNYS", dates[0], dates.len())
    older = bars.with_columns(pl.col(DATE).replace_strict(dates, before))
    deep = pl.concat([older, bars]).sort(SYMBOL, DATE)
    with tempfile.TemporaryDirectory(prefix="nightdesk-bench-") as folder:
        cases = []
        for name, choice in CHOICES.items():
            features = choose(choice)
            for times, known in ((1, bars), (2, deep)):
                root = Path(folder) / f"{name}-{times}"
                last = known[DATE].max()
                build_features(root, known, features)
                ready, build = partial(_without_last, root, last), partial(_build, known, features)
                cases.append(Case(f"{name} ({len(features)} features), {times}x history", ready, build))
        timings = list(interleaved(cases, 5).values())
    rows = tuple((one.name, seconds(one.median), seconds(one.best)) for one in timings)
    sentence = (
        f"`build_features` with one date missing, {bars[SYMBOL].n_unique()} symbols: bars hashed, what is missing"
        " found, one date computed from its look-back and written. Twice the history is the same symbols over twice the"
        " days."
    )
    own, own_deep, every, every_deep = (one.median for one in timings[2:])
    targets = (
        Target("one more night, all features but Alpha158", 0.4, own, "s", most=True),
        Target("one more night, Alpha158 with them", 0.4, every, "s", most=True),
        Target("the first at twice the history", 150.0, 100.0 * own_deep / own, "% of 1x", most=True),
        Target("the second at twice the history", 150.0, 100.0 * every_deep / every, "% of 1x", most=True),
    )
    return Section("Feature engine, one more night", sentence, ("what", "median s", "best s"), rows, targets)


@contextmanager
def _without_last(root: Path, last: dt.date) -> Iterator[Path]:
    for found in root.glob(f"*/date={last}"):
        shutil.rmtree(found)
    yield root


def _build(bars: pl.DataFrame, features: object, root: Path) -> None:
    build_features(root, bars, features)  # type: ignore[arg-type]


if __name__ == "__main__":
    print(json.dumps(_computed(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))))
