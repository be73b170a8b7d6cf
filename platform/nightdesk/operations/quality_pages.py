"""Gathers what is known of a night's input tables, and writes one page a table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from nightdesk.operations.night import Night
from nightdesk.operations.panel import bars_of
from nightdesk.operations.quality import thresholds_of
from nightdesk.operations.table_pages import tables_beside
from nightdesk.quality.bars import history_findings
from nightdesk.quality.coverage import audit_survivorship, coverage
from nightdesk.quality.history import day_findings
from nightdesk.quality.suite import ZERO_VOLUME
from nightdesk.quality.thresholds import Thresholds
from nightdesk.report.quality import (
    PICTURED,
    BarsQuality,
    MembershipQuality,
    TableQuality,
    render_bars,
    render_table,
)
from nightdesk.report.write import write_page
from nightdesk.sessions import trading_days
from nightdesk.sources.aliases import bundled_aliases
from nightdesk.sources.source import Source, SourceFacts
from nightdesk.store.adjusted import adjusted
from nightdesk.store.inputs import actions_as_known, members_as_known
from nightdesk.store.quarantine import HELD, HeldRow, held_rows
from nightdesk.tables import BARS, CLOSE, DATE, PRICES, SYMBOL, VOLUME

_HELD: Final = {
    "key": pl.String(),
    "symbol": pl.String(),
    "date": pl.Date(),
    "reasons": pl.String(),
    "value": pl.String(),
    "state": pl.String(),
}

_FINDINGS: Final = {
    "rule": pl.String(),
    "symbol": pl.String(),
    "date": pl.Date(),
    "value": pl.String(),
    "meaning": pl.String(),
    "count": pl.Int64(),
    "confidence": pl.Float64(),
}


@dataclass(frozen=True, slots=True, eq=False)
class Quality:
    """What is known of each input table of a night: its bars, those beside them that have rows, the members' audit.

    The audit is None where no list of members is known.
    """

    bars: BarsQuality
    members: MembershipQuality | None
    tables: tuple[TableQuality, ...] = ()


def qualities_of(night: Night, bars: pl.DataFrame) -> Iterator[Quality]:
    """Check the tables of `night`, whose bars as known at its cut-off are the panel `bars`; each market's, lead first.

    A market without any bar is left out.
    """
    for market in night.markets:
        own = bars_of(market, bars)
        if own.height:
            yield _quality_of(night, market, own)


def _quality_of(night: Night, market: Source, bars: pl.DataFrame) -> Quality:
    facts, cutoff, last = market.facts, night.cutoff, night.newest_of(market)
    members = members_as_known(night.engine, facts.name, cutoff, last)
    return Quality(
        _bars_quality(night, facts, last, bars),
        _membership_quality(last, facts, members, bars),
        tuple(tables_beside(night, market, bars)),
    )


def write_quality_pages(night: Night, found: Quality) -> list[Path]:
    """Write one page a table; returns where they lie, that of the bars first.

    Those of a market beside the lead lie in a folder of its name.
    """
    folder = night.home.quality(night.realm, night.as_of)
    if found.bars.source != night.source.facts.name:
        folder /= found.bars.source
    names = ["bars", *(table.page for table in found.tables)]
    pages = {"bars.html": render_bars(found.bars, names)}
    for table in found.tables:
        audit = found.members if table.page == "membership" else None
        pages[f"{table.page}.html"] = render_table(table, names, audit)
    for name, html in pages.items():
        write_page(folder / name, html)
    return [folder / name for name in pages]


def _bars_quality(night: Night, facts: SourceFacts, last: dt.date, bars: pl.DataFrame) -> BarsQuality:
    """What is known of the bars: the checks of history run on all of them, and every row that came into quarantine."""
    cutoff = night.cutoff
    rows = [one for one in held_rows(night.engine, facts.name) if _up_to(one, last)]
    first: dt.date = bars[DATE].min()  # type: ignore[assignment]
    days = trading_days(facts.calendar, first, last)
    everything = _with_held(bars, _whole(night, facts, last, rows))
    findings = _findings(everything, days, thresholds_of(night.settings.quality))
    pictured = findings.filter(pl.col("rule").is_in([rule for rule, _ in PICTURED]))["symbol"].unique()
    closes = everything.filter(pl.col(SYMBOL).is_in(pictured.implode())).select(SYMBOL, DATE, CLOSE)
    return BarsQuality(
        facts.name,
        facts.calendar,
        last,
        bars.height,
        len(days),
        findings,
        _held(rows, cutoff),
        coverage(bars, days),
        closes,
    )


def _membership_quality(
    as_of: dt.date, facts: SourceFacts, members: pl.DataFrame, bars: pl.DataFrame
) -> MembershipQuality | None:
    """How the members known by the night stand against its bars; None where none are known."""
    if members.is_empty():
        return None
    names = members["index_name"].unique().sort().to_list()
    audit = audit_survivorship(members, bars[SYMBOL], bundled_aliases())
    return MembershipQuality(
        facts.name,
        ", ".join(names),
        as_of,
        members["snapshot_date"].n_unique(),
        audit.members_as_spelt,
        audit.without_as_spelt,
        audit.members,
        audit.without,
        audit.joined,
    )


def _findings(everything: pl.DataFrame, days: list[dt.date], limits: Thresholds) -> pl.DataFrame:
    # A held row may bear a day on which nothing trades: it stands in the quarantine, and no check can place it.
    everything = everything.filter(pl.col(DATE).is_in(days))
    found = [
        *history_findings(everything, days, limits),
        *day_findings(everything.select(SYMBOL, DATE), days, limits, None),
    ]
    values = [tuple(getattr(one, name) for name in _FINDINGS) for one in found]
    told = pl.DataFrame(values, schema=_FINDINGS, orient="row")
    untraded = everything.filter(pl.col(VOLUME) == 0).select(
        pl.lit(ZERO_VOLUME.code).alias("rule"),
        SYMBOL,
        DATE,
        pl.format("close {}", pl.col(CLOSE)).alias("value"),
        pl.lit(ZERO_VOLUME.meaning).alias("meaning"),
        pl.lit(1, pl.Int64).alias("count"),
        pl.lit(None, pl.Float64).alias("confidence"),
    )
    return pl.concat([told, untraded]).sort("rule", "symbol", "date", nulls_last=True)


def _whole(night: Night, facts: SourceFacts, last: dt.date, rows: list[HeldRow]) -> pl.DataFrame:
    """What is in quarantine under a symbol, each symbol and date once, in the shares in which the bars are."""
    whole = [dict(one.values) for one in rows if one.values[SYMBOL] is not None]
    held = pl.DataFrame(whole, schema=BARS).unique([SYMBOL, DATE], keep="first").sort(SYMBOL, DATE)
    if facts.price_basis != "raw":
        return held
    return adjusted(held, actions_as_known(night.engine, facts.name, night.cutoff, last), last)


def _with_held(bars: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    """The bars, and beside them what is in quarantine without a bar of its own: a wrong price is told by the others."""
    touched = pl.col(SYMBOL).is_in(held[SYMBOL].unique().implode())
    near = bars.filter(touched)
    alone = held.join(near, on=[SYMBOL, DATE], how="anti")
    # Only the symbols concerned are sorted again: what looks at the rows wants each symbol's together, by date.
    return pl.concat([bars.filter(~touched), pl.concat([near, alone]).sort(SYMBOL, DATE)])


def _held(rows: list[HeldRow], cutoff: dt.datetime) -> pl.DataFrame:
    """Each row with its state as it was at the cut-off: what was decided later is not known yet."""
    states = [[ruling.action for ruling in one.rulings if ruling.at <= cutoff] for one in rows]
    told = [
        (
            one.key,
            one.values[SYMBOL],
            one.values[DATE],
            ", ".join(one.reasons),
            _as_it_came(one),
            state[-1] if state else HELD,
        )
        for one, state in zip(rows, states, strict=True)
    ]
    return pl.DataFrame(told, schema=_HELD, orient="row")


def _as_it_came(row: HeldRow) -> str:
    values = ((name, row.values[name]) for name in (*PRICES, VOLUME))
    return ", ".join(f"{name} {'missing' if value is None else f'{value:,.10g}'}" for name, value in values)


def _up_to(row: HeldRow, as_of: dt.date) -> bool:
    day = row.values[DATE]
    return isinstance(day, dt.date) and day <= as_of
