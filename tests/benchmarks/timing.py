"""Times cases against each other: a round runs each of them once, so that noise of the machine meets all alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

ROUNDS = 3


@dataclass(frozen=True)
class Case:
    """One thing to time: `ready` opens what it needs outside the clock, `action` is timed with what that gives."""

    name: str
    ready: Callable[[], AbstractContextManager[Any]]
    action: Callable[[Any], object]


@dataclass(frozen=True)
class Timing:
    """Seconds of each run of a case."""

    name: str
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def best(self) -> float:
        return min(self.seconds)


def interleaved(cases: Sequence[Case], rounds: int = ROUNDS) -> dict[str, Timing]:
    """Run every case once a round; timings by name, in the order of `cases`."""
    seconds: dict[str, list[float]] = {case.name: [] for case in cases}
    for _ in range(rounds):
        for case in cases:
            seconds[case.name].append(_once(case))
    return {name: Timing(name, tuple(taken)) for name, taken in seconds.items()}


def _once(case: Case) -> float:
    with case.ready() as given:
        gc.collect()
        began = time.perf_counter()
        case.action(given)
        return time.perf_counter() - began
