"""Bars in: fetched from the source, checked, good rows to the store and broken ones to quarantine."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import polars as pl

from nightdesk.faults import reach
from nightdesk.operations.incoming import beside_findings
from nightdesk.operations.intake import (
    MarketIntake,
    batch_of,
    held_of,
    last_asked,
    last_expected,
    measures_asked,
    named_file,
    notes_together,
    refuse_shared_symbols,
)
from nightdesk.operations.night import Night
from nightdesk.operations.quality import bars_before, hour_notes, rebase_notes, rebases_in, thresholds_of
from nightdesk.quality.bars import check_bars
from nightdesk.quality.finding import Finding
from nightdesk.quality.gate import refuse_unless_accepted
from nightdesk.sessions import trading_days, trading_days_before
from nightdesk.sources import Source
from nightdesk.store.files import content_of
from nightdesk.store.inputs import (
    last_loaded,
    load_actions,
    load_bars,
    load_membership,
)
from nightdesk.store.refs import FrameRef, save_frame
from nightdesk.store.session_measures import load_session_measures
from nightdesk.tables import BARS, CORPORATE_ACTIONS, DATE
from tasks.stage import nightly_task, stage

ONE_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A batch as its source gave it: bars, and what the shorter ones that they are made of say of their sessions."""

    bars: FrameRef
    measures: FrameRef | None


@dataclass(frozen=True, slots=True)
class Checked:
    """A batch after its checks: rows to load, rows to hold, corporate actions, members, and what was found.

    None of it but the actions and members where nothing was new; measures of sessions only where the source has them.

    Its content is its source and its end, not its rows: a batch that was loaded just before a kill comes back empty,
    and is the same batch.
    """

    content: str
    good: FrameRef
    broken: FrameRef
    actions: FrameRef
    members: FrameRef
    measures: FrameRef | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Ingested:
    """What tonight's batch did: rows offered, rows new, what was noted; rows held by reason, over all known tonight.

    Of several markets the sums, and each market's own in `markets`.
    """

    content: str
    rows_in: int
    rows_new: int
    quarantined: tuple[tuple[str, int], ...]
    notes: tuple[tuple[str, int, str], ...]
    markets: tuple[MarketIntake, ...] = ()


@nightly_task("fetch")
def fetch(night: Night) -> tuple[Fetched, ...]:
    """Fetch the bars that the store has not been offered yet, up to tonight, and what the source may have restated.

    A batch for each market, the lead's first.
    """
    return tuple(_fetched(night, market) for market in night.markets)


@nightly_task("check")
def check(night: Night, batches: tuple[Fetched, ...]) -> tuple[Checked, ...]:
    """Check each batch; one past its thresholds stops the night here, with every finding at once."""
    frames = [one.bars.read() for one in batches]
    markets = list(zip(night.markets, batches, frames, strict=True))
    checked = tuple(_checked(night, market, bars, fetched.measures) for market, fetched, bars in markets)
    refuse_shared_symbols(night, {market.facts.name: bars for market, _, bars in markets})
    return checked


def _fetched(night: Night, market: Source) -> Fetched:
    first, last = _asked_from(night, market), last_asked(night, market)
    bars = market.bars(first, last) if first is None or first <= last else pl.DataFrame(schema=BARS)
    measures = measures_asked(night, market, first, last)
    return Fetched(
        save_frame(night.scratch, named_file(night, market, "batch"), bars),
        None if measures is None else save_frame(night.scratch, named_file(night, market, "measures"), measures),
    )


def _checked(night: Night, market: Source, bars: pl.DataFrame, measures: FrameRef | None) -> Checked:
    name, calendar, newest = market.facts.name, market.facts.calendar, night.newest_of(market)
    first = _asked_from(night, market)
    from_day, last = market.first_day() if first is None else first, last_expected(night, market, bars)
    days = trading_days(calendar, from_day, last) if last is not None and from_day <= last else []
    eve = None if first is None or bars.is_empty() else trading_days_before(calendar, first, 1)[0]
    rebases = rebases_in(night, market, bars)
    before = None if eve is None else bars_before(night, market, eve, bars, rebases)
    symbols = None if before is None else before.filter(pl.col(DATE) == eve).height
    thresholds = thresholds_of(night.settings.quality)
    actions, members = _actions(market, newest), market.membership(newest)
    came_with = beside_findings(night, market, actions, members)
    verdict = check_bars(
        bars, days, thresholds, symbols_before=symbols, before=before, actions=actions, beside=came_with
    )
    refuse_unless_accepted(verdict)
    good = save_frame(night.scratch, named_file(night, market, "good"), verdict.good)
    broken = save_frame(night.scratch, named_file(night, market, "broken"), verdict.broken)
    told = save_frame(night.scratch, named_file(night, market, "actions"), actions)
    listed = save_frame(night.scratch, named_file(night, market, "members"), members)
    beside = (*rebase_notes(rebases), *(hour_notes(market, days[0], days[-1]) if days else ()))
    return Checked(content_of(name, night.as_of), good, broken, told, listed, measures, (*verdict.findings, *beside))


def _asked_from(night: Night, market: Source) -> dt.date | None:
    """The first day to ask for: the one after what was offered before, or as many trading days earlier as are restated.

    None asks for everything. A night whose batch was loaded, by itself before a kill or by a later one, has none.
    """
    facts = market.facts
    loaded = last_loaded(night.engine, facts.name)
    if loaded is None:
        return None
    after = loaded + ONE_DAY
    if after > night.newest_of(market) or not facts.restate_days:
        return after
    return max(trading_days_before(facts.calendar, after, facts.restate_days)[0], market.first_day())


def _actions(market: Source, last: dt.date) -> pl.DataFrame:
    """Corporate actions up to `last`, of raw bars alone: they are in the prices of others already."""
    return market.actions(last) if market.facts.price_basis == "raw" else pl.DataFrame(schema=CORPORATE_ACTIONS)


@stage("load")
def load(night: Night, checked: tuple[Checked, ...]) -> Ingested:
    """Load what was checked, each market's bars in one transaction; say what tonight's batches brought.

    The lead's come last: where rows are known as observed, its own say from when on the night could decide.
    """
    for market, one in reversed(list(zip(night.markets, checked, strict=True))):
        _loaded(night, market, one)
    return _brought(night)


def _loaded(night: Night, market: Source, checked: Checked) -> None:
    arrival, minutes = night.arrival(market), market.facts.bar_minutes
    load_membership(night.engine, checked.members.read(), arrival)
    load_actions(night.engine, checked.actions.read(), arrival)
    if checked.measures is not None and minutes is not None:
        # Before the bars, whose batch says up to which day was loaded: a night killed in between asks for both again.
        load_session_measures(night.engine, checked.measures.read(), minutes, arrival)
    if checked.good.rows + checked.broken.rows:
        load_bars(night.engine, checked.good.read(), checked.broken.read(), checked.findings, arrival)
    reach(f"loaded:{market.facts.name}")


def _brought(night: Night) -> Ingested:
    batches = [batch_of(night, market) for market in night.markets]
    held = [held_of(night, market) for market in night.markets]
    reasons = pl.concat(held).select(pl.col("reasons").str.split(",").explode().value_counts()).unnest("reasons")
    counts = tuple(reasons.sort("count", "reasons", descending=[True, False]).rows())
    (lead, *beside) = batches
    if not beside:
        return Ingested(lead.content, lead.rows_in, lead.rows_new, counts, lead.notes)
    each = tuple(
        MarketIntake(market.facts.name, batch.rows_in, batch.rows_new, rows.height)
        for market, batch, rows in zip(night.markets, batches, held, strict=True)
    )
    return Ingested(
        content_of([batch.content for batch in batches]),
        sum(batch.rows_in for batch in batches),
        sum(batch.rows_new for batch in batches),
        counts,
        notes_together(batches),
        each,
    )
