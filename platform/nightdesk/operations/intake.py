"""What a night takes in, market by market: up to which day, under which names, and what came of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import polars as pl

from nightdesk.errors import DataRefused
from nightdesk.operations.markets import newest_known
from nightdesk.operations.night import Night
from nightdesk.sources import Source
from nightdesk.sources.session_measures import session_measures
from nightdesk.sources.source import IntradaySource
from nightdesk.store.inputs import Batch, batch_ending, last_loaded, quarantined, symbols_of
from nightdesk.store.session_measures import has_session_measures
from nightdesk.tables import DATE, SYMBOL

_LISTED = 5
_EVER = dt.date(1900, 1, 1)


@dataclass(frozen=True, slots=True)
class MarketIntake:
    """What tonight's batch of one of several markets brought, and how many of its rows are in quarantine by now."""

    market: str
    rows_in: int
    rows_new: int
    quarantined: int


def last_asked(night: Night, market: Source) -> dt.date:
    """Up to which day tonight asks `market` for bars: the newest it may know; of one beside the lead, if it has it.

    A market beside the lead that is late holds nobody up: the night goes on without its new bars, and says so.
    """
    newest = night.newest_of(market)
    return newest if leads(night, market) else min(newest, market.last_day())


def last_expected(night: Night, market: Source, batch: pl.DataFrame) -> dt.date | None:
    """Up to which day `batch` of `market` should hold bars: of one beside the lead, as far as it goes; None: no day.

    Not up to the newest it has by now: what came since it was asked is the next night's.
    """
    newest = night.newest_of(market)
    if leads(night, market) or batch.schema.get(DATE) != pl.Date:
        return newest
    reached: dt.date | None = batch.get_column(DATE).max()  # type: ignore[assignment]
    return None if reached is None else min(newest, reached)


def measures_asked(night: Night, market: Source, first: dt.date | None, last: dt.date) -> pl.DataFrame | None:
    """Measures of the sessions from `first` (None: the oldest) to `last` (`tables.SESSION_MEASURES`).

    Of all up to `last` where the store has none of bars of their length: daily bars were loaded before there were
    measures, or are made of others now. None where the bars of `market` are daily as they come, or nothing is asked.
    """
    facts = market.facts
    if facts.bar_minutes is None or not isinstance(market, IntradaySource):
        return None
    since = first if has_session_measures(night.engine, facts.name, facts.bar_minutes) else None
    if since is not None and since > last:
        return None
    return session_measures(market.intraday(since, last), facts.calendar, facts.bar_minutes)


def leads(night: Night, market: Source) -> bool:
    """Whether `market` is the one whose calendar decides the nights."""
    return market.facts.name == night.source.facts.name


def named_file(night: Night, market: Source, name: str) -> str:
    """The name of a working file of `market`."""
    return name if leads(night, market) else f"{name}-{market.facts.name}"


def batch_of(night: Night, market: Source) -> Batch:
    """The batch of `market` that tonight loaded, as the store remembers it; one of no rows where it had no new day."""
    newest, name = night.newest_of(market), market.facts.name
    if leads(night, market):
        return batch_ending(night.engine, name, newest)
    lead = night.source.facts
    # Nights may have been missed: what the one before knew is told by what it loaded of the lead.
    eve = last_loaded(night.engine, lead.name, before=night.as_of)
    before = None if eve is None else newest_known(lead, market.facts, eve)
    return batch_ending(night.engine, name, newest, after=before or _EVER)


def held_of(night: Night, market: Source) -> pl.DataFrame:
    """The rows of `market` in quarantine tonight: symbol, date, reasons."""
    return quarantined(night.engine, market.facts.name, night.newest_of(market), night.cutoff)


def notes_together(batches: Sequence[Batch]) -> tuple[tuple[str, int, str], ...]:
    """What was noted in several batches, counted together: (rule, count, meaning)."""
    counts: dict[tuple[str, str], int] = {}
    for rule, count, meaning in (note for batch in batches for note in batch.notes):
        counts[rule, meaning] = counts.get((rule, meaning), 0) + count
    return tuple((rule, count, meaning) for (rule, meaning), count in sorted(counts.items()))


def refuse_shared_symbols(night: Night, batches: Mapping[str, pl.DataFrame]) -> None:
    """Raise DataRefused, before anything is stored, where a symbol of `batches` (by market) is in two markets.

    Forecasts and rankings name a symbol alone.
    """
    if len(batches) < 2:
        return
    symbols = {
        name: symbols_of(night.engine, name) | set(batch[SYMBOL].drop_nulls().to_list())
        for name, batch in batches.items()
    }
    for (one, first), (other, second) in combinations(symbols.items(), 2):
        if shared := sorted(first & second):
            more = f" and {len(shared) - _LISTED} more" if len(shared) > _LISTED else ""
            raise DataRefused(
                f"a symbol must belong to one market, got {', '.join(shared[:_LISTED])}{more} in both {one!r} and "
                f"{other!r}: rename or leave it out in one of the two, like PETR4.SA for Sao Paulo's"
            )
