"""What speaks for a split or spin-off, for a price error, and for news: measured, weighed, and said in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FRACTIONS: Final = tuple(
    (f"{new}/{old}" if old > 1 else str(new), new / old)
    for new, old in (
        *((1, 2), (1, 3), (1, 4), (1, 5), (1, 6), (1, 7), (1, 8), (1, 10), (1, 20), (2, 3), (3, 4), (4, 5)),
        *((2, 1), (3, 1), (4, 1), (5, 1), (8, 1), (10, 1), (20, 1)),
    )
)
"""Price ratios of splits: a 7:1 split leaves 1/7 of the price, a reverse one of 1:10 ten times it."""

NEAR: Final = 0.03  # natural log: within 3 % of a fraction


@dataclass(frozen=True, slots=True)
class Reason:
    """One piece of evidence: its weight in natural log odds (above zero speaks for the suspicion) and its words."""

    weight: float
    words: str


@dataclass(frozen=True, slots=True)
class Move:
    """What one day's jump of a symbol looks like; nan where it cannot be measured.

    Attributes
    ----------
    gap
        Log return from the close before to the open, beyond the market's median that night.
    move
        Log return from close to close.
    share
        The day's range, high over low in logs, as a multiple of the gap's size.
    turnover
        Price times volume of the day over its median of the days before.
    calm
        Median daily move over up to 20 days since, over that before; nan where fewer than 5 days are known.
    back
        Share of the move that was taken back within the 5 days since (1: all of it); nan where fewer are known.
    """

    gap: float
    move: float
    share: float
    turnover: float
    calm: float = float("nan")
    back: float = float("nan")


def confidence(reasons: Sequence[Reason]) -> float:
    """Fold the weights into a number from 0.01 to 0.99. It ranks suspicions; it is no calibrated probability."""
    return _within(1 / (1 + math.exp(-sum(one.weight for one in reasons))), 0.01, 0.99)


def at_its_close(move: Move) -> list[Reason]:
    """What speaks for and against an unadjusted split or spin-off at the close of its own day.

    The weights were set by hand on the bundled sample (infra/operations/quality.md says how they fare): an exchange of
    shares moves the price overnight and leaves the money that changes hands about where it was, while news brings
    a multiple of it, and a wide day.
    """
    size = abs(move.gap)
    fraction, distance = _nearest(move.gap)
    split = distance < NEAR and abs(math.log(fraction[1])) > 0.3
    reasons = [Reason(-0.5, "")]  # without further evidence a gap is rather news
    if math.isfinite(move.turnover):
        weight = _within(2.5 * math.log(4 / max(move.turnover, 0.01)), -4, 3)
        reasons.append(Reason(weight, f"money traded {move.turnover:.1f} times the usual"))
    if math.isfinite(move.share):
        weight = _within(1 - 4 * move.share, -2, 1)
        reasons.append(Reason(weight, f"the day's range {move.share:.2f} times the gap"))
    if size > 0.25:
        reasons.append(Reason(2.0 if size > 0.4 else 1.0, f"{math.expm1(move.gap):+.0%} overnight"))
    if move.gap > 0:
        reasons.append(Reason(0.0 if split and move.gap > 0.6 else -4.0, "the price rose"))
    if distance < NEAR:
        reasons.append(Reason(1.0, f"ratio {math.exp(move.gap):.3f}, near {fraction[0]}"))
    if size < 0.5 * abs(move.move):
        reasons.append(Reason(-3.0, "most of the move came while the market was open"))
    return reasons


def since_then(move: Move) -> list[Reason]:
    """What the days after add; none where they are not known yet."""
    reasons = []
    if math.isfinite(move.calm):
        weight = _within(math.log(1.5 / max(move.calm, 0.01)), -1, 1)
        reasons.append(Reason(weight, f"daily moves {move.calm:.1f} times those before"))
    if math.isfinite(move.back) and move.back > 0.7:
        reasons.append(Reason(-3.0, f"{min(move.back, 1):.0%} of it was taken back within 5 days"))
    return reasons


def reverting(size: float, left: float, turnover: float) -> list[Reason]:
    """What speaks for a wrong price: a move of `size` of which `left` was still there at the next day's open (logs)."""
    reasons = [Reason(1.0, f"{1 - abs(left / size):.0%} of it was taken back by the next open")]
    if math.isfinite(turnover):
        weight = _within(2 * math.log(2.5 / max(turnover, 0.01)), -4, 2)
        reasons.append(Reason(weight, f"money traded {turnover:.1f} times the usual"))
    return reasons


def in_words(reasons: Sequence[Reason]) -> str:
    """The evidence, the weightiest first: what speaks for it, then what speaks against it."""
    told = sorted((one for one in reasons if one.words), key=lambda one: -abs(one.weight))
    sides = (("for", [o.words for o in told if o.weight >= 0]), ("against", [o.words for o in told if o.weight < 0]))
    return "; ".join(f"{side}: {', '.join(words)}" for side, words in sides if words)


def _within(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def _nearest(gap: float) -> tuple[tuple[str, float], float]:
    distances = [abs(gap - math.log(ratio)) for _, ratio in FRACTIONS]
    at = distances.index(min(distances))
    return FRACTIONS[at], distances[at]
