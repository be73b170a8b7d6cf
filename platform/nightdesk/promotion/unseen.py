"""Which nights of a sealed stretch nobody had looked into when their forecasts were made."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class Reach:
    """A fit, trial or look: the last trading day whose prices it knew, and when (UTC) it began."""

    day: dt.date
    at: dt.datetime


def unseen_nights(
    done: Mapping[dt.date, dt.datetime], reaches: Iterable[Reach], sealed_from: dt.date | None
) -> set[dt.date]:
    """The nights from `sealed_from` on (None: none) beyond which nothing had reached before they were done.

    Parameters
    ----------
    done
        When (UTC) the forecasts of each night were made at the latest.
    reaches
        Every fit, trial and look of any realm. What a night reaches itself, its own close, is no look at what came of
        it: only days after it are.
    """
    ordered = sorted(reaches, key=lambda one: one.at)
    began = [one.at for one in ordered]
    farthest = list(accumulate((one.day for one in ordered), max))
    unseen = set()
    for night, at in done.items():
        before = bisect_left(began, at)
        if sealed_from is not None and night >= sealed_from and (before == 0 or farthest[before - 1] <= night):
            unseen.add(night)
    return unseen
