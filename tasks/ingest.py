"""Bars in: fetched from the source, checked, good rows to the store and broken ones to quarantine."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import polars as pl

from nightdesk.operations.night import Night
from nightdesk.operations.quality import bars_before, hour_notes, rebase_notes, rebases_in, thresholds_of
from nightdesk.quality.bars import check_bars
from nightdesk.quality.finding import Finding
from nightdesk.quality.gate import refuse_unless_accepted
from nightdesk.sessions import trading_days_before
from nightdesk.store.files import content_of
from nightdesk.store.inputs import (
    batch_ending,
    last_loaded,
    load_actions,
    load_bars,
    load_membership,
    quarantined,
)
from nightdesk.store.refs import FrameRef, save_frame
from nightdesk.tables import CORPORATE_ACTIONS, DATE
from tasks.stage import nightly_task, stage

ONE_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Checked:
    """A batch after its checks: rows to load, rows to hold, corporate actions, and what was found.

    None of it but the actions where nothing was new.

    Its content is its source and its end, not its rows: a batch that was loaded just before a kill comes back empty,
    and is the same batch.
    """

    content: str
    good: FrameRef
    broken: FrameRef
    actions: FrameRef
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Ingested:
    """What tonight's batch did: rows offered, rows new, what was noted; rows held by reason, over all known tonight."""

    content: str
    rows_in: int
    rows_new: int
    quarantined: tuple[tuple[str, int], ...]
    notes: tuple[tuple[str, int, str], ...]


@nightly_task("fetch")
def fetch(night: Night) -> FrameRef:
    """Fetch the bars that the store has not been offered yet, up to tonight, and what the source may have restated."""
    return save_frame(night.scratch, "batch", night.source.bars(_asked_from(night), night.as_of))


@nightly_task("check")
def check(night: Night, batch: FrameRef) -> Checked:
    """Check the batch; one past its thresholds stops the night here, with every finding at once."""
    name, calendar = night.source.facts.name, night.source.facts.calendar
    first, bars = _asked_from(night), batch.read()
    days = night.days(night.source.first_day() if first is None else first)
    eve = None if first is None or bars.is_empty() else trading_days_before(calendar, first, 1)[0]
    rebases = rebases_in(night, bars)
    before = None if eve is None else bars_before(night, eve, bars, rebases)
    symbols = None if before is None else before.filter(pl.col(DATE) == eve).height
    thresholds = thresholds_of(night.settings.quality)
    actions = _actions(night)
    verdict = check_bars(bars, days, thresholds, symbols_before=symbols, before=before, actions=actions)
    refuse_unless_accepted(verdict)
    good = save_frame(night.scratch, "good", verdict.good)
    broken = save_frame(night.scratch, "broken", verdict.broken)
    beside = (*rebase_notes(rebases), *(hour_notes(night, days[0]) if days else ()))
    findings = (*verdict.findings, *beside)
    told = save_frame(night.scratch, "actions", actions)
    return Checked(content_of(name, night.as_of), good, broken, told, findings)


def _asked_from(night: Night) -> dt.date | None:
    """The first day to ask for: the one after what was offered before, or as many trading days earlier as are restated.

    None asks for everything. A night whose batch was loaded, by itself before a kill or by a later one, has none.
    """
    facts = night.source.facts
    loaded = last_loaded(night.engine, facts.name)
    if loaded is None:
        return None
    after = loaded + ONE_DAY
    if after > night.as_of or not facts.restate_days:
        return after
    return max(trading_days_before(facts.calendar, after, facts.restate_days)[0], night.source.first_day())


def _actions(night: Night) -> pl.DataFrame:
    """Corporate actions up to tonight, of raw bars alone: they are in the prices of others already."""
    source = night.source
    return source.actions(night.as_of) if source.facts.price_basis == "raw" else pl.DataFrame(schema=CORPORATE_ACTIONS)


@stage("load")
def load(night: Night, checked: Checked) -> Ingested:
    """Load what was checked, in one transaction; say what tonight's batch brought."""
    source, arrival = night.source, night.arrival()
    load_membership(night.engine, source.membership(night.as_of), arrival)
    load_actions(night.engine, checked.actions.read(), arrival)
    if checked.good.rows + checked.broken.rows:
        load_bars(night.engine, checked.good.read(), checked.broken.read(), checked.findings, arrival)
    batch = batch_ending(night.engine, source.facts.name, night.as_of)
    held = quarantined(night.engine, source.facts.name, night.as_of, night.cutoff)
    reasons = held.select(pl.col("reasons").str.split(",").explode().value_counts()).unnest("reasons")
    counts = reasons.sort("count", "reasons", descending=[True, False]).rows()
    return Ingested(batch.content, batch.rows_in, batch.rows_new, tuple(counts), batch.notes)
