"""What stands between the store and training: checks, labels, and features kept a file a date."""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

import polars as pl

from nightdesk.features.build import build_features
from nightdesk.features.matrix import feature_matrix, version_of
from nightdesk.features.selection import NIGHTLY, Choice, choose
from nightdesk.labels.forward import forward_returns
from nightdesk.quality.bars import check_bars, history_findings
from nightdesk.quality.coverage import coverage
from nightdesk.tables import DATE
from tests.benchmarks.page import Section, Target, seconds
from tests.benchmarks.sample import Sample, sample
from tests.benchmarks.timing import Case, interleaved
from tests.readme_faults import FAULTS, SUSPICIONS, not_found, told_of_clean_bars

HORIZONS = (5, 20, 60)
WHOLE = "checks of the whole panel"


def measure(symbols: int | None) -> list[Section]:
    """Each stage on the whole panel; imports and compiled kernels before."""
    panel = sample(symbols)
    bars = panel.verdict.good
    feature_matrix(bars, NIGHTLY)
    with tempfile.TemporaryDirectory(prefix="nightdesk-bench-") as folder:
        built = Path(folder)
        build_features(built, bars, choose(Choice()))
        cases = [
            Case(WHOLE, nullcontext, lambda _: check_bars(panel.bars, panel.days)),
            Case("of these, what several days show", nullcontext, lambda _: history_findings(panel.bars, panel.days)),
            Case("checks of one more day", partial(_last_day, panel), _check_day),
            Case("coverage of every symbol", nullcontext, lambda _: coverage(bars, panel.days)),
            Case("labels at 5, 20, 60 days", nullcontext, lambda _: forward_returns(bars, panel.days, HORIZONS)),
            Case("features, first build", _new_folder, partial(_build, bars)),
            Case("features, next night", partial(_without_last, built, bars), partial(_build, bars)),
        ]
        timings = interleaved(cases)
    rows = tuple((one.name, seconds(one.median), seconds(one.best)) for one in timings.values())
    dates = bars[DATE].n_unique()
    sentence = (
        f"{bars.height:,} bars of {dates:,} dates. A first build computes all features and writes {dates:,} files, "
        "each flushed to disk; the next night's computes the one date that is missing from its look-back. "
        "One more day is checked against the 60 days before it."
    )
    target = Target("whole panel checked", 2.0, timings[WHOLE].median, "s", most=True)
    return [Section("Checks, labels, feature store", sentence, ("what", "median s", "best s"), rows, (target,))]


@contextmanager
def _new_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="nightdesk-bench-") as folder:
        yield Path(folder)


@contextmanager
def _without_last(built: Path, bars: pl.DataFrame) -> Iterator[Path]:
    """The built feature store without the files of its last date."""
    last: dt.date = bars[DATE].max()
    shutil.rmtree(built / version_of(choose(Choice())) / f"date={last}")
    yield built


@contextmanager
def _last_day(panel: Sample) -> Iterator[tuple[pl.DataFrame, dt.date, pl.DataFrame]]:
    """The last day as a batch of its own, and the 60 days before it."""
    last, first = panel.days[-1], panel.days[max(-61, -len(panel.days))]
    near = panel.verdict.good.filter(pl.col(DATE) >= first)
    yield panel.bars.filter(pl.col(DATE) == last), last, near.filter(pl.col(DATE) < last)


def _check_day(given: tuple[pl.DataFrame, dt.date, pl.DataFrame]) -> None:
    batch, day, before = given
    check_bars(batch, [day], before=before)


def _build(bars: pl.DataFrame, root: Path) -> None:
    build_features(root, bars, choose(Choice()))


def quality(symbols: int | None) -> list[Section]:
    """What the checks find on the real panel: the faults that its README names, and how much beyond them."""
    panel = sample(symbols)
    lost, beyond = not_found(panel.verdict.findings), told_of_clean_bars(panel.verdict.findings)
    rows = panel.bars.height
    named = tuple(
        (
            fault.rule,
            f"{len(fault.where)}",
            f"{sum(fault.rule == rule for rule, _ in lost)}",
            f"{beyond[fault.rule]:,}",
            f"{beyond[fault.rule] / rows * 10_000:.2f}",
        )
        for fault in FAULTS
    )
    others = tuple(
        (rule, "", "", f"{count:,}", f"{count / rows * 10_000:.2f}")
        for rule, count in sorted(beyond.items())
        if rule not in {fault.rule for fault in FAULTS}
    )
    alarms = sum(beyond[rule] for rule in SUSPICIONS)
    sentence = (
        f"{rows:,} real bars, whose README names {sum(len(f.where) for f in FAULTS)} faults by symbol and day. If it "
        f"named every one, the {alarms} suspicions beyond it ({', '.join(SUSPICIONS)}) were false alarms: "
        f"{alarms / rows * 10_000:.2f} in 10,000 bars. The other rules say what anybody sees who looks at the row."
    )
    head = ("rule", "named", "of these not found", "told beside them", "in 10,000 bars")
    targets = (Target("faults of the README not found", 0, len(lost), "faults", most=True),)
    return [Section("Faults found in the real panel", sentence, head, (*named, *others), targets)]
