"""A night's checks as its settings want them, and what a person may do with a row in quarantine."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace as changed
from typing import Final

import polars as pl
import sqlalchemy as sa

from nightdesk.errors import BadInput
from nightdesk.home import Home
from nightdesk.operations.markets import open_markets
from nightdesk.operations.night import Night
from nightdesk.quality.bars import check_bars
from nightdesk.quality.thresholds import Thresholds
from nightdesk.sessions import trading_days
from nightdesk.settings import QualitySettings, Settings
from nightdesk.sources import Source
from nightdesk.store import quarantine
from nightdesk.store.database import open_store
from nightdesk.store.inputs import Arrival, bars_as_known
from nightdesk.tables import BARS, DATE, SYMBOL

_NAMED: Final = 10_000
"""Symbols up to which a query names each of them: databases take no more than some ten thousand values."""

JUDGED: Final = frozenset({"ohlc_order"})
"""Rules that a person may set aside when releasing a row: the others say that something is not there or impossible."""


def thresholds_of(limits: QualitySettings) -> Thresholds:
    """The limits of the checks of bars, from the settings."""
    return Thresholds(
        broken_share=limits.max_broken_share,
        thin_day_share=limits.min_symbol_share,
        handful=limits.handful,
        ohlc_tolerance=limits.ohlc_tolerance,
        large_move=limits.large_move,
        stale_days=limits.stale_days,
        price_error=limits.price_error,
        action_gap=limits.action_gap,
        action_confidence=limits.action_confidence,
    )


def bars_before(night: Night, loaded: dt.date, batch: pl.DataFrame, market: Source | None = None) -> pl.DataFrame:
    """What `batch` is compared to: bars up to the day `loaded` before it, as known at the night's cut-off.

    Of `market` (None: the lead), of the symbols that the batch holds, and of those that had a bar on the day before.
    """
    source, wanted = market or night.source, night.settings.quality.look_back_days
    facts = source.facts
    # A source may have let go of days that the store keeps: then there is nothing older to compare to.
    days = trading_days(facts.calendar, min(source.first_day(), loaded), loaded)[-wanted:] or [loaded]
    yesterday = bars_as_known(night.engine, facts.name, night.cutoff, loaded, loaded)
    # What is not even a column of names is told by the check itself.
    tonight = batch[SYMBOL].drop_nulls() if batch.schema.get(SYMBOL) == pl.String else yesterday[SYMBOL]
    symbols = pl.concat([yesterday[SYMBOL], tonight]).unique().sort().to_list()
    named = symbols if len(symbols) <= _NAMED else None
    return bars_as_known(night.engine, facts.name, night.cutoff, days[0], loaded, named)


def list_quarantine(settings: Settings, *, everything: bool) -> list[quarantine.HeldRow]:
    """The rows that are held; with `everything`, those released and dropped too."""
    engine = _store(settings)
    rows = [row for source in open_markets(settings) for row in quarantine.held_rows(engine, source.facts.name)]
    return rows if everything else [one for one in rows if one.state == quarantine.HELD]


def held_row(settings: Settings, key: str) -> quarantine.HeldRow:
    """One row that is, or was, in quarantine; raises as `store.quarantine.held_row` does."""
    engine = _store(settings)
    return quarantine.held_row(engine, _source_of(settings, engine, key).facts.name, key)


def release_row(
    settings: Settings, key: str, corrections: Sequence[str], by: str, reason: str, at: dt.datetime, *, replace: bool
) -> tuple[quarantine.HeldRow, quarantine.Ruling]:
    """Release a row with `corrections` (`close=35.74`), known from `at` on; it must hold every rule but the judged.

    Raises BadInput for a correction that cannot be read, a row that is still broken or was released before, and a
    missing reason.
    """
    engine = _store(settings)
    source = _source_of(settings, engine, key)
    held = quarantine.held_row(engine, source.facts.name, key)
    row = dict(held.values) | _corrected(corrections)
    _refuse_if_broken(row, source, thresholds_of(settings.quality))
    facts = source.facts
    arrival = Arrival(facts.name, facts.calendar, facts.publication_lag, facts.basis, at)
    ruling = quarantine.release(engine, arrival, held.key, row, _name(by), _reason(reason), replace=replace)
    return held, ruling


def drop_row(settings: Settings, key: str, by: str, reason: str, at: dt.datetime) -> quarantine.HeldRow:
    """Drop a row for good; raises BadInput where it was released before, or the reason is missing."""
    engine = _store(settings)
    source = _source_of(settings, engine, key).facts.name
    held = quarantine.held_row(engine, source, key)
    ruling = quarantine.drop(engine, source, held.key, at, _name(by), _reason(reason))
    return changed(held, rulings=(*held.rulings, ruling))


def _source_of(settings: Settings, engine: sa.Engine, key: str) -> Source:
    """The market in whose quarantine a row's key begins with `key`; the lead where none has one, which then says so."""
    lead, *beside = open_markets(settings)
    for source in beside:
        if any(row.key.startswith(key.lower()) for row in quarantine.held_rows(engine, source.facts.name)):
            return source
    return lead


def _store(settings: Settings) -> sa.Engine:
    return open_store(settings.store.url or Home(settings.home).store_url)


def _reason(text: str) -> str:
    if not text.strip():
        raise BadInput(f"a reason must be given, got {text!r}: say why, for whoever reads the log")
    return text.strip()


def _name(text: str) -> str:
    if not 0 < len(text.strip()) <= 64:
        raise BadInput(f"--by must be a name of 1 to 64 characters, got {text!r}: give yours")
    return text.strip()


def _corrected(corrections: Sequence[str]) -> dict[str, object]:
    """Values from `column=value`; raises BadInput naming the columns there are."""
    values: dict[str, object] = {}
    for text in corrections:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or name not in BARS:
            raise BadInput(f"a correction must be one of {', '.join(BARS)} = value, got {text!r}: --set close=35.74")
        try:
            values[name] = value if name == SYMBOL else dt.date.fromisoformat(value) if name == DATE else float(value)
        except ValueError:
            kind = "a date like 2016-05-19" if name == DATE else "a number like 35.74"
            raise BadInput(f"a correction of {name} must be {kind}, got {value!r}: --set {name}=...") from None
    return values


def _refuse_if_broken(row: Mapping[str, object], source: Source, thresholds: Thresholds) -> None:
    day = row[DATE]
    days = trading_days(source.facts.calendar, day, day) if isinstance(day, dt.date) else []
    verdict = check_bars(pl.DataFrame([dict(row)], schema=BARS), days, thresholds)
    broken = {rule for rules in verdict.broken["reasons"] for rule in rules} - JUDGED
    if broken:
        raise BadInput(
            f"a released row must hold the rules of bars, got {', '.join(sorted(broken))} in {row[SYMBOL]} {day}: "
            "correct it with --set column=value, or drop it"
        )
