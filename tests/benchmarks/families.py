"""Feature families: Alpha158, thirty rolling features beside pandas, and all that is registered, with its memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import polars as pl

from nightdesk.features import INDICATORS
from nightdesk.features.matrix import feature_matrix, matrix_of
from nightdesk.features.selection import Choice, choose
from nightdesk.features.stages import time_series
from tests.benchmarks.feature_peers import ROLLING, thirty_by_pandas
from tests.benchmarks.features import apart
from tests.benchmarks.machine import ROOT
from tests.benchmarks.page import Section, Target, timing_rows
from tests.benchmarks.sample import sample
from tests.benchmarks.timing import ROUNDS, Case, Timing, interleaved

HEAD = ("what", "median s", "best s", "rows a second", "times Alpha158")
ALPHA = [name for name, indicator in INDICATORS.items() if indicator.group == "alpha158"]
CANDLES = [name for name, indicator in INDICATORS.items() if indicator.group == "candlesticks"]
PEERS = ROOT / ".peers"
QLIB, MLFORECAST = (
    os.environ.get(name) or (str(own) if own.exists() else None)
    for name, own in (
        ("NIGHTDESK_TEST_QLIB_PYTHON", PEERS / "qlib/bin/python"),
        ("NIGHTDESK_TEST_MLFORECAST_PYTHON", PEERS / "mlforecast/bin/python"),
    )
)
BY_QLIB, BY_MLFORECAST = "peer: Alpha158, pyqlib, 2 processes", "peer: the same 30, mlforecast, 2 threads"
BESIDE_QLIB, BESIDE_MLFORECAST = "Alpha158, beside pyqlib", "30 rolling features, beside mlforecast"
QLIB_SCRIPT = ROOT / "tests" / "features" / "qlib_alpha158.py"
MLFORECAST_SCRIPT = ROOT / "tests" / "benchmarks" / "mlforecast_rolling.py"
PEAK = """
import sys, polars as pl
from nightdesk.features.matrix import matrix_of
from nightdesk.features.selection import Choice, choose
from tests.benchmarks.machine import peak_memory
before = peak_memory()
matrix_of(pl.read_parquet(sys.argv[1]), choose(Choice(("all",))))
print(before, peak_memory())
"""


def measure(symbols: int | None) -> list[Section]:
    """All families warm, the peers in the same rounds, and the memory of a process that does nothing else."""
    bars = sample(symbols).verdict.good
    of_daily_bars = [feature.name for feature in choose(Choice(("all",)))]
    everything = f"all {len(of_daily_bars)} features"
    cases: dict[str, Sequence[str]] = {
        "Alpha158": ALPHA,
        f"{len(CANDLES)} candlestick patterns": CANDLES,
        everything: of_daily_bars,
        "30 rolling features": list(ROLLING),
    }
    for names in cases.values():
        _build(bars.head(1000), names, None)
    pandas = "peer: the same 30, pandas groupby"
    timings = interleaved(
        [Case(name, nullcontext, partial(_build, bars, names)) for name, names in cases.items()]
        + [Case(pandas, partial(nullcontext, bars.to_pandas()), thirty_by_pandas)]
    )
    with tempfile.TemporaryDirectory(prefix="nightdesk-bench-") as folder:
        before, peak = _memory(bars, Path(folder))
        away = 0.0
        if QLIB:
            timings |= _by_qlib(bars, Path(folder))
        if MLFORECAST:
            peers, away = _by_mlforecast(bars, Path(folder))
            timings |= peers
    gap = apart(feature_matrix(bars, ROLLING), pl.from_pandas(thirty_by_pandas(bars.to_pandas())), ROLLING)
    kinds = ", ".join(dict.fromkeys(name.rstrip("0123456789") for name in ROLLING))
    sentence = (
        f"{bars.height:,} bars, kernels compiled before, all threads. The 30 are {kinds}"
        f" over 5, 10, 20, 30 and 60 bars; ours differ from pandas' by at most {gap:.0e}."
        f" {everything.capitalize()} take a process of {before:,.0f} MB to {peak:,.0f} MB."
        + (f" From mlforecast's they differ by {away:.0e}, where both have one." if MLFORECAST else "")
        + (" 'Beside' are ours in turns with a peer." if QLIB or MLFORECAST else "")
        + ("" if QLIB and MLFORECAST else " Not all peers were there: `make peers` fetches them.")
    )
    times = timings[pandas].median / timings["30 rolling features"].median
    targets = [
        Target(f"{everything} on the panel", 6.0, timings[everything].median, "s", most=True),
        Target("memory for them", 4000.0, peak, "MB", most=True),
        Target("30 rolling features, times as fast as pandas groupby", 5.0, times, "", most=False),
    ]
    if QLIB:
        faster = timings[BY_QLIB].median / timings[BESIDE_QLIB].median
        targets.append(Target("Alpha158, times as fast as pyqlib", 40.0, faster, "", most=False))
    if MLFORECAST:
        faster = timings[BY_MLFORECAST].median / timings[BESIDE_MLFORECAST].median
        targets.append(Target("30 rolling features, times as fast as mlforecast", 1.5, faster, "", most=False))
    rows = timing_rows(list(timings.values()), timings["Alpha158"], bars.height)
    return [Section("Feature families", sentence, HEAD, rows, tuple(targets))]


def _build(bars: pl.DataFrame, names: Sequence[str], _given: object) -> pl.DataFrame:
    known = time_series()
    return matrix_of(bars, [known[name] for name in names])


def _memory(bars: pl.DataFrame, folder: Path) -> tuple[float, float]:
    """Peak megabytes of a fresh process before and after it has built all features."""
    bars.write_parquet(folder / "bars.parquet")
    command = [sys.executable, "-c", PEAK, str(folder / "bars.parquet")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    before, after = (int(word) / 1e6 for word in done.stdout.split())
    return before, after


def _by_qlib(bars: pl.DataFrame, folder: Path) -> dict[str, Timing]:
    """What qlib says its values took, neither its start nor the writing of its own store; and ours in turns with it."""
    typical = (pl.col("high") + pl.col("low") + pl.col("close")) / 3.0
    bars.with_columns(typical.alias("vwap")).write_parquet(folder / "qlib.parquet")
    ours, theirs = [], []
    for turn in range(ROUNDS):
        ours.append(_seconds(bars, ALPHA))
        words = [str(QLIB), str(QLIB_SCRIPT), str(folder / "qlib.parquet"), str(folder / f"store-{turn}")]
        theirs += _said([*words, str(folder / "out.parquet"), "2"], folder)
    return {BESIDE_QLIB: Timing(BESIDE_QLIB, tuple(ours)), BY_QLIB: Timing(BY_QLIB, tuple(theirs))}


def _by_mlforecast(bars: pl.DataFrame, folder: Path) -> tuple[dict[str, Timing], float]:
    """The same for mlforecast, and how far its values lie from ours."""
    bars.write_parquet(folder / "mlforecast.parquet")
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(_seconds(bars, ROLLING))
        words = [str(MLFORECAST), str(MLFORECAST_SCRIPT), str(folder / "mlforecast.parquet")]
        theirs += _said([*words, str(folder / "rolled.parquet"), "1"], folder)
    found = {
        BESIDE_MLFORECAST: Timing(BESIDE_MLFORECAST, tuple(ours)),
        BY_MLFORECAST: Timing(BY_MLFORECAST, tuple(theirs)),
    }
    values = pl.read_parquet(folder / "rolled.parquet").with_columns(pl.all().fill_nan(None))
    traded = pl.when(pl.col("^VMA.*$").is_finite()).then(pl.col("^VMA.*$"))
    return found, apart(feature_matrix(bars, ROLLING), values.with_columns(traded), ROLLING)


def _seconds(bars: pl.DataFrame, names: Sequence[str]) -> float:
    began = time.perf_counter()
    _build(bars, names, None)
    return time.perf_counter() - began


def _said(words: Sequence[str], folder: Path) -> list[float]:
    """The numbers in the last line that a peer's script prints."""
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=folder)
    return [float(word) for word in done.stdout.splitlines()[-1].split()]
