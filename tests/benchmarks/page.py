"""What a part found, as tables of Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.benchmarks.timing import Timing

TITLE = "# Benchmarks"
ABOUT = (
    "Written by `make bench` (`python -m tests.benchmarks`), measured on the machine below. A median and a best of "
    "3 runs that take turns with their peers; ratios hold across machines better than seconds do. Compare the "
    "calibration before comparing seconds with another machine's, or with another hour of a shared one."
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


def render(machine: Section, sections: Sequence[Section], *, whole: bool) -> str:
    """The page: the machine, the targets where the panel was `whole`, then every section."""
    targets = [target for section in sections for target in section.targets] if whole else []
    parts = [TITLE, ABOUT, show(machine), *([_targets(targets)] if targets else []), *(show(s) for s in sections)]
    return "\n\n".join(parts) + "\n"


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
    sentence = "Aims for a quiet machine of 2 cores, held against this run's medians."
    return show(Section("Targets", sentence, ("target", "aim", "found", "verdict"), rows))


def _aim(target: Target) -> str:
    return f"{'at most' if target.most else 'at least'} {_value(target.limit, target.unit)}"


def _value(value: float, unit: str) -> str:
    return f"{seconds(value) if unit == 's' else f'{value:,.0f}'} {unit}"


def _table(head: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> str:
    lines = [head, ("---", *["---:"] * (len(head) - 1)), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
