"""Small random markets for label tests: gaps, late listings, delistings, missing and impossible prices."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import polars as pl
from hypothesis import strategies as st

GONE = 10
"""Written out here too: a test that imports the rule cannot notice that it changed."""


@dataclass(frozen=True)
class Bar:
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    sigma: float | None


@dataclass(frozen=True)
class Panel:
    frame: pl.DataFrame
    days: list[dt.date]
    bars: dict[tuple[str, int], Bar]

    def until(self, last: int) -> tuple[pl.DataFrame, list[dt.date]]:
        days = self.days[: last + 1]
        return self.frame.filter(pl.col("date") <= days[-1]), days


@st.composite
def panels(draw: st.DrawFn) -> Panel:
    count = draw(st.integers(8, 50))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    days = [dt.date(2020, 1, 1) + dt.timedelta(days=2 * step) for step in range(count)]
    bars: dict[tuple[str, int], Bar] = {}
    for symbol in ("A", "B", "C")[: draw(st.integers(1, 3))]:
        # Runs of days with and without bars; a run without may be longer than a delisting takes.
        runs = draw(st.lists(st.integers(0, 13), min_size=1, max_size=8))
        present = np.repeat(np.arange(len(runs) + 1) % 2 == draw(st.integers(0, 1)), [*runs, count])[:count]
        for position in np.flatnonzero(present).tolist():
            bars[symbol, position] = _bar(random)
    return Panel(_frame(bars, days), days, bars)


def usable(price: float | None) -> bool:
    return price is not None and price > 0.0


def reference_exit(panel: Panel, symbol: str, entry: int, scheduled: int) -> tuple[float | None, int, int, bool] | None:
    """Price, day of fill, day known, delisted; None where it is not known on the last day."""
    bars, count = panel.bars, len(panel.days)
    if scheduled >= count:
        return None
    if (symbol, scheduled) in bars:
        price = bars[symbol, scheduled].open
        return (price if usable(price) else None), scheduled, scheduled, False
    last = scheduled
    while (symbol, last) not in bars:
        last -= 1
    for day in range(last + 1, last + GONE + 1):
        if day >= count:
            return None
        if (symbol, day) in bars:
            return None, scheduled, day, False
    known = max(scheduled, last + GONE)
    if (symbol, entry) not in bars or not usable(bars[symbol, entry].open):
        return None, scheduled, known, False
    for day in range(scheduled, entry - 1, -1):
        bar = bars.get((symbol, day))
        if bar is not None and usable(bar.close):
            return bar.close, day, known, True
    return None, scheduled, known, True


def _bar(random: np.random.Generator) -> Bar:
    opened, closed = (float(price) for price in np.round(random.lognormal(3.0, 0.05, 2), 2))
    high = round(max(opened, closed) * (1 + 0.03 * random.random()), 2)
    low = round(min(opened, closed) * (1 - 0.03 * random.random()), 2)
    values: list[float | None] = [opened, high, low, closed, float(random.choice([0.01, 0.03, 0.1]))]
    if random.random() < 0.1:
        values[random.integers(5)] = [None, 0.0, -1.0][random.integers(3)]
    return Bar(*values)


def _frame(bars: dict[tuple[str, int], Bar], days: list[dt.date]) -> pl.DataFrame:
    rows = [
        (symbol, days[position], bar.open, bar.high, bar.low, bar.close, bar.sigma)
        for (symbol, position), bar in sorted(bars.items())
    ]
    prices = dict.fromkeys(("open", "high", "low", "close", "daily_volatility"), pl.Float64)
    return pl.DataFrame(rows, schema={"symbol": pl.String, "date": pl.Date, **prices}, orient="row")
