"""Six thousand symbols by a thousand days: checked, loaded and read in a process whose memory is watched."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from nightdesk.quality.bars import check_bars
from nightdesk.sessions import trading_days
from nightdesk.sources import open_source
from nightdesk.store.database import open_store
from nightdesk.store.inputs import Arrival, bars_as_known, load_bars
from nightdesk.tables import SYMBOL
from tests.benchmarks.machine import ROOT, peak_memory
from tests.benchmarks.page import Section, Target, seconds
from tests.benchmarks.sample import LATER

SYMBOLS, DAYS = 6_000, 1_000
STAGES = ("checked", "loaded", "read")
GIB = 2**30
KINDS = ("wall", "cpu")


def measure(symbols: int | None) -> list[Section]:
    """The three stages once each; making the synthetic market counts towards no time, but towards the memory."""
    wanted = SYMBOLS if symbols is None else symbols
    with tempfile.TemporaryDirectory(prefix="nightdesk-bench-") as folder:
        command = [sys.executable, "-m", "tests.benchmarks.scale", str(wanted), folder]
        found = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    total = {kind: sum(found[kind][stage] for stage in STAGES) for kind in KINDS}
    rows = [
        (stage, seconds(found["wall"][stage]), seconds(found["cpu"][stage]), f"{found['peak'][stage] / GIB:.2f}")
        for stage in STAGES
    ]
    peak = max(found["peak"].values())
    whole = ("all three", seconds(total["wall"]), seconds(total["cpu"]), f"{peak / GIB:.2f}")
    sentence = (
        f"{found['rows']:,} synthetic bars of {wanted:,} symbols and {DAYS:,} days through `check_bars`, `load_bars` "
        "and `bars_as_known` on SQLite, once, in a process of its own; seconds on the clock and of processor time, and "
        "the largest resident set by the end of each stage."
    )
    targets = (
        Target("6,000 symbols by 1,000 days checked, loaded, read", 60, total["wall"], "s", most=True),
        Target("memory for them", 4 * GIB / 2**20, peak / 2**20, "MiB", most=True),
    )
    return [Section("Scale", sentence, ("stage", "s", "processor s", "peak GiB"), (*rows, whole), targets)]


def _run(symbols: int, folder: Path) -> dict[str, object]:
    # Two markets, the second under names of its own: one may have no more than five thousand symbols.
    half = symbols // 2
    sources = [open_source("synthetic", symbols=many, days=DAYS, seed=many) for many in (half, symbols - half)]
    source, facts = sources[0], sources[0].facts
    first, second = (one.bars(None, one.last_day()) for one in sources)
    bars = pl.concat([first, second.with_columns(pl.col(SYMBOL).str.replace("^", "Z"))], rechunk=True)
    del first, second
    days = trading_days(facts.calendar, source.first_day(), source.last_day())
    engine = open_store(f"sqlite:///{folder / 'store.db'}")
    check_bars(bars.head(DAYS), days)  # imports
    taken = [_now()]
    verdict = check_bars(bars, days)
    height = bars.height
    del bars
    taken.append(_now())
    arrival = Arrival(facts.name, facts.calendar, facts.publication_lag, facts.basis, LATER.replace(year=2030))
    load_bars(engine, verdict.good, verdict.broken, verdict.findings, arrival)
    good = verdict.good.height
    del verdict
    taken.append(_now())
    read = bars_as_known(engine, facts.name, arrival.at)
    taken.append(_now())
    if read.height != good or read.select(pl.all().null_count().sum()).row(0) != (0,) * read.width:
        raise SystemExit(f"read {read.height} of {good} bars")
    engine.dispose()
    spans = list(zip(STAGES, taken, taken[1:], strict=False))
    lasted = {kind: {stage: after[at] - before[at] for stage, before, after in spans} for at, kind in enumerate(KINDS)}
    return {**lasted, "rows": height, "peak": {stage: after[-1] for stage, _, after in spans}}


def _now() -> tuple[float, float, int]:
    """The clock, this process's processor time, and its largest resident set so far (bytes)."""
    return time.perf_counter(), time.process_time(), peak_memory()


if __name__ == "__main__":
    print(json.dumps(_run(int(sys.argv[1]), Path(sys.argv[2]))))
