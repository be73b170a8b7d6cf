"""Feature families: Alpha158, thirty rolling features beside pandas, and all that is registered, with its memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import polars as pl

from nightdesk.features import INDICATORS
from nightdesk.features.matrix import feature_matrix
from tests.benchmarks.feature_peers import ROLLING, thirty_by_pandas
from tests.benchmarks.features import apart
from tests.benchmarks.machine import ROOT
from tests.benchmarks.page import Section, Target, timing_rows
from tests.benchmarks.sample import sample
from tests.benchmarks.timing import ROUNDS, Case, Timing, interleaved

HEAD = ("what", "median s", "best s", "rows a second", "times Alpha158")
ALPHA = [name for name, indicator in INDICATORS.items() if indicator.group == "alpha158"]
CANDLES = [name for name, indicator in INDICATORS.items() if indicator.group == "candlesticks"]
QLIB = os.environ.get("NIGHTDESK_TEST_QLIB_PYTHON")
PEER = "peer: Alpha158, pyqlib, 2 processes"
SCRIPT = ROOT / "tests" / "features" / "qlib_alpha158.py"
PEAK = """
import resource, sys, polars as pl
from nightdesk.features import INDICATORS
from nightdesk.features.matrix import feature_matrix
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
feature_matrix(pl.read_parquet(sys.argv[1]), list(INDICATORS))
print(before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def measure(symbols: int | None) -> list[Section]:
    """All families warm, the peers in the same rounds, and the memory of a process that does nothing else."""
    bars = sample(symbols).verdict.good
    everything = f"all {len(INDICATORS)} features"
    cases = {
        "Alpha158": ALPHA,
        f"{len(CANDLES)} candlestick patterns": CANDLES,
        everything: list(INDICATORS),
        "30 rolling features": list(ROLLING),
    }
    for names in cases.values():
        feature_matrix(bars.head(1000), names)
    pandas = "peer: the same 30, pandas groupby"
    timings = interleaved(
        [Case(name, nullcontext, partial(_build, bars, names)) for name, names in cases.items()]
        + [Case(pandas, partial(nullcontext, bars.to_pandas()), thirty_by_pandas)]
    )
    with tempfile.TemporaryDirectory(prefix="nightdesk-bench-") as folder:
        before, peak = _memory(bars, Path(folder))
        if QLIB:
            timings[PEER] = _by_qlib(bars, Path(folder))
    gap = apart(feature_matrix(bars, ROLLING), pl.from_pandas(thirty_by_pandas(bars.to_pandas())), ROLLING)
    kinds = ", ".join(dict.fromkeys(name.rstrip("0123456789") for name in ROLLING))
    sentence = (
        f"{bars.height:,} bars, kernels compiled before, all threads. The 30 are {kinds}"
        f" over 5, 10, 20, 30 and 60 bars; ours differ from pandas' by at most {gap:.0e}."
        f" {everything.capitalize()} take a process of {before:,.0f} MB to {peak:,.0f} MB."
        + ("" if QLIB else " pyqlib was not there: NIGHTDESK_TEST_QLIB_PYTHON names no Python that has it.")
    )
    times = timings[pandas].median / timings["30 rolling features"].median
    targets = [
        Target(f"{everything} on the panel", 6.0, timings[everything].median, "s", most=True),
        Target("memory for them", 4000.0, peak, "MB", most=True),
        Target("30 rolling features, times as fast as pandas groupby", 5.0, times, "", most=False),
    ]
    if QLIB:
        faster = timings[PEER].median / timings["Alpha158"].median
        targets.append(Target("Alpha158, times as fast as pyqlib", 40.0, faster, "", most=False))
    rows = timing_rows(list(timings.values()), timings["Alpha158"], bars.height)
    return [Section("Feature families", sentence, HEAD, rows, tuple(targets))]


def _build(bars: pl.DataFrame, names: list[str], _given: object) -> pl.DataFrame:
    return feature_matrix(bars, names)


def _memory(bars: pl.DataFrame, folder: Path) -> tuple[float, float]:
    """Peak megabytes of a fresh process before and after it has built all features."""
    bars.write_parquet(folder / "bars.parquet")
    command = [sys.executable, "-c", PEAK, str(folder / "bars.parquet")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    before, after = (int(word) / 1e3 for word in done.stdout.split())
    return before, after


def _by_qlib(bars: pl.DataFrame, folder: Path) -> Timing:
    """What qlib says its values took: neither its start nor the writing of its own store."""
    typical = (pl.col("high") + pl.col("low") + pl.col("close")) / 3.0
    bars.with_columns(typical.alias("vwap")).write_parquet(folder / "qlib.parquet")
    found = []
    for turn in range(ROUNDS):
        words = [str(QLIB), str(SCRIPT), str(folder / "qlib.parquet"), str(folder / f"store-{turn}")]
        done = subprocess.run(
            [*words, str(folder / "out.parquet"), "2"], capture_output=True, text=True, check=True, cwd=folder
        )
        found.append(float(done.stdout.split()[-1]))
    return Timing(PEER, tuple(found))
