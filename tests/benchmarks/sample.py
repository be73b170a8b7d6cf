"""The panel that the parts share: the bundled sample as it comes and as it is checked, and how it arrived."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache

import polars as pl

from nightdesk.quality.bars import Verdict, check_bars
from nightdesk.sessions import trading_days
from nightdesk.sources import open_source
from nightdesk.store.inputs import Arrival

LATER = dt.datetime(2018, 1, 2, tzinfo=dt.UTC)
"""After every bar of the sample was known."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Bars as delivered, their trading days, the verdict on them, and their arrival."""

    bars: pl.DataFrame
    days: list[dt.date]
    verdict: Verdict
    arrival: Arrival


@lru_cache(maxsize=1)
def sample(symbols: int | None) -> Sample:
    """The whole panel, or that of the first `symbols` symbols."""
    source = open_source("sample")
    bars = source.bars(None, source.last_day())
    if symbols is not None:
        bars = bars.filter(pl.col("symbol").rle_id() < symbols)
    facts = source.facts
    days = trading_days(facts.calendar, source.first_day(), source.last_day())
    arrival = Arrival(facts.name, facts.calendar, facts.publication_lag, facts.basis, LATER)
    return Sample(bars, days, check_bars(bars, days), arrival)
