"""The markets of one desk: the lead, whose calendar decides the nights, and those beside it, each on its own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import polars as pl

from nightdesk.errors import BadSetting
from nightdesk.sessions import newest_closed, next_opened, session_closes
from nightdesk.settings import Settings
from nightdesk.sources import Source, SourceFacts, open_source, source_names
from nightdesk.sources.renamed import Renamed
from nightdesk.tables import BAR_DATE, DATE, DECIDED, MARKET, OBSERVED


def open_markets(settings: Settings) -> tuple[Source, ...]:
    """Every market's source, the lead first; those beside it bear the names that the settings give them.

    Raises BadSetting where a market has a source's name, or is known as observed beside a lead known by rule.
    """
    lead = open_source(settings.source.name, **settings.source.options)
    if not settings.markets:
        return (lead,)
    taken = source_names()
    beside = []
    for market in settings.markets:
        if market.name in taken:
            raise BadSetting(
                f"a market's name must not be that of a source, got {market.name!r}: choose another, like "
                f"{market.name}-2; rows are kept under it"
            )
        source = Renamed(open_source(market.source, **market.options), market.name)
        if source.facts.basis == OBSERVED and lead.facts.basis != OBSERVED:
            raise BadSetting(
                f"the lead must be known as observed where a market beside it is, got {market.name!r} beside "
                f"{lead.facts.name!r} known by rule: what comes after a cut-off by rule would be seen by no night; set "
                "basis of both alike"
            )
        beside.append(source)
    return (lead, *beside)


def decisions(lead: SourceFacts, markets: Sequence[SourceFacts], days: Sequence[dt.date]) -> pl.DataFrame:
    """What the nights of `days` (the lead's trading days, ascending) decide on: `tables.DECIDED`.

    A night decides at the lead's close plus its lag. Of another market it knows the days that had closed, lag added, by
    then, and it can be filled at the first open from then on: never at that of a day already under way.
    """
    closes = list(session_closes(lead.calendar, list(days)).values())
    moments = [close + lead.publication_lag for close in closes]
    parts = []
    for facts in markets:
        if facts == lead:  # its own rule, in force for a desk of one market too: the open of its next trading day
            known: list[dt.date | None] = [*days]
            entries = next_opened(lead.calendar, closes)
        else:
            known = newest_closed(facts.calendar, moments, facts.publication_lag)
            entries = next_opened(facts.calendar, moments)
        columns = {MARKET: [facts.name] * len(days), DATE: list(days), BAR_DATE: known, "entry_date": entries}
        parts.append(pl.DataFrame(columns, schema=DECIDED))
    return pl.concat(parts).sort(MARKET, DATE)


def newest_known(lead: SourceFacts, market: SourceFacts, day: dt.date) -> dt.date | None:
    """The newest trading day of `market` that the night of `day` knows by rule; None before its calendar begins."""
    found: dt.date | None = decisions(lead, [market], [day]).get_column(BAR_DATE).item()
    return found
