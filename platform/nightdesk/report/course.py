"""A small picture of a price around one day, as SVG text: the same bytes for the same numbers."""

from __future__ import annotations

import bisect
import datetime as dt
import html
import math
from collections.abc import Sequence
from typing import Final

WIDTH, HEIGHT = 300, 110
_LEFT, _RIGHT, _TOP, _BOTTOM = 8, 52, 10, 20
AROUND: Final = 30  # bars on each side of the day
_INK, _LINE, _MARK = "#1f5a92", "#c9ced4", "#a3262a"


def course(days: Sequence[dt.date], closes: Sequence[float | None], at: dt.date, symbol: str) -> str:
    """Draw the closes of up to 30 bars before and after `at`, on a log scale, with that day marked.

    `days` ascend; `closes` (currency) may lack values, which are left out. Empty text where fewer than two are known.
    """
    first = max(bisect.bisect_left(days, at) - AROUND, 0)
    known = [
        (day, close)
        for day, close in zip(days[first : first + 2 * AROUND + 1], closes[first:], strict=False)
        if close is not None and math.isfinite(close) and close > 0
    ]
    if len(known) < 2:
        return ""
    low, high = min(close for _, close in known), max(close for _, close in known)
    span = math.log(high / low) or 1.0
    across = (WIDTH - _LEFT - _RIGHT) / (len(known) - 1)

    def place(number: int, close: float) -> tuple[float, float]:
        down = (HEIGHT - _TOP - _BOTTOM) * (math.log(high / close) / span)
        return _LEFT + number * across, _TOP + down

    points = [place(number, close) for number, (_, close) in enumerate(known)]
    marked = min(bisect.bisect_left([day for day, _ in known], at), len(known) - 1)
    x, y = points[marked]
    line = " ".join(f"{left:.1f},{down:.1f}" for left, down in points)
    ends = ((_TOP, high), (HEIGHT - _BOTTOM, low)) if high > low else ((_TOP, high),)
    labels = "".join(
        f'<text x="{WIDTH - _RIGHT + 6}" y="{down + 4:.0f}" class="axis">{price:,.2f}</text>' for down, price in ends
    )
    name = html.escape(symbol)
    said = f"Closes of {name} from {known[0][0]} to {known[-1][0]}, between {low:,.2f} and {high:,.2f}; marked: {at}"
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{said}">'
        f'<line x1="{x:.1f}" y1="{_TOP - 6}" x2="{x:.1f}" y2="{HEIGHT - _BOTTOM + 4}" stroke="{_LINE}"/>'
        f'<polyline points="{line}" fill="none" stroke="{_INK}" stroke-width="1.5" stroke-linejoin="round"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{_MARK}"/>{labels}'
        f'<text x="{_LEFT}" y="{HEIGHT - 4}" class="axis">{known[0][0]}</text>'
        f'<text x="{WIDTH - _RIGHT}" y="{HEIGHT - 4}" class="axis" text-anchor="end">{known[-1][0]}</text></svg>'
    )
