"""What a part found, as tables of Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.benchmarks.machine import ADDITIONS, LOOPS, Machine
from tests.benchmarks.timing import Timing

TITLE = "# Benchmarks"
ABOUT = (
    "Written by `make bench` (`python -m tests.benchmarks`), each part on the machine, at the time and of the commit "
    "that the first table names. A median and a best of 3 runs that take turns with their peers; ratios hold across "
    "machines better than seconds do. Compare the calibration before comparing seconds with another machine's, or with "
    "another hour of a shared one."
)
MEASURED = (
    f"Calibration is the seconds of {ADDITIONS:,} additions in plain Python, median of {LOOPS}; load is the mean over "
    "the minute before."
)


@dataclass(frozen=True)
class Target:
    """What was aimed at and found; `most` says whether `limit` is a largest or a smallest value."""

    what: str
    limit: float
    found: float
    unit: str
    most: bool

    @property
    def verdict(self) -> str:
        met = self.found <= self.limit if self.most else self.found >= self.limit
        return "met" if met else "not met on this machine"


@dataclass(frozen=True)
class Section:
    """A heading, a sentence, a table, and the targets it speaks of."""

    title: str
    sentence: str
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True)
class Measured:
    """One run of a part, and what it ran on."""

    machine: Machine
    sections: tuple[Section, ...]


def render(measured: Mapping[str, Measured]) -> str:
    """The page: what was measured where, the targets, then every section."""
    sections = [section for one in measured.values() for section in one.sections]
    targets = [target for section in sections for target in section.targets]
    parts = [TITLE, ABOUT, show(_machines(measured)), _targets(targets), *(show(section) for section in sections)]
    return "\n\n".join(parts) + "\n"


def _machines(measured: Mapping[str, Measured]) -> Section:
    rows = tuple(
        (
            *(name, one.date, one.commit, one.processor, f"{one.cores}", f"{one.memory_gib:.1f}", one.system),
            *(seconds(one.calibration), f"{one.load:.1f}"),
        )
        for name, one in ((name, of.machine) for name, of in measured.items())
    )
    head = ("part", "date", "commit", "processor", "cores", "memory GiB", "system", "calibration s", "load")
    return Section("Where and when", MEASURED, head, rows)


def show(section: Section) -> str:
    """One section as Markdown."""
    parts = [f"## {section.title}", section.sentence]
    return "\n\n".join([*parts, _table(section.head, section.rows)] if section.rows else parts)


def timing_rows(timings: Sequence[Timing], against: Timing, rows: int) -> tuple[tuple[str, ...], ...]:
    """Name, median, best, rows a second, and how many times as long as `against` each took (medians)."""
    return tuple(
        (one.name, seconds(one.median), seconds(one.best), f"{rows / one.median:,.0f}", times(one, against))
        for one in timings
    )


def seconds(value: float) -> str:
    """Seconds with three significant digits or so."""
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def times(one: Timing, against: Timing) -> str:
    """How many times as long as `against` it took, by medians."""
    return f"{one.median / against.median:.2f}"


def _targets(targets: Sequence[Target]) -> str:
    rows = tuple((t.what, _aim(t), _value(t.found, t.unit), t.verdict) for t in targets)
    sentence = "Aims for a quiet machine of 2 cores, held against medians."
    return show(Section("Targets", sentence, ("target", "aim", "found", "verdict"), rows))


def _aim(target: Target) -> str:
    return f"{'at most' if target.most else 'at least'} {_value(target.limit, target.unit)}"


def _value(value: float, unit: str) -> str:
    # A ratio of 1.5 is not 2.
    plain = f"{value:,.0f}" if value >= 100.0 or value == int(value) else f"{value:,.1f}"
    return f"{seconds(value) if unit == 's' else plain} {unit}".rstrip()


def _table(head: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> str:
    lines = [head, ("---", *["---:"] * (len(head) - 1)), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
