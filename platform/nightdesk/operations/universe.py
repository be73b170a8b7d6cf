"""A night's universe as its settings want it: read from the store as known at the night's cut-off."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from nightdesk.errors import NothingThere
from nightdesk.features.cross_section import CrossSection
from nightdesk.features.stages import Feature
from nightdesk.operations.night import Night
from nightdesk.sessions import session_closes, trading_days_before
from nightdesk.sources import Source
from nightdesk.sources.aliases import bundled_aliases
from nightdesk.store.inputs import bars_as_known, members_as_known
from nightdesk.store.members import member_versions
from nightdesk.tables import DATE, SYMBOL
from nightdesk.universe import members_by_day, members_on, most_traded


def universe_of(night: Night) -> pl.Series | None:
    """The symbols that a night may forecast, sorted; None where the rule is `all`.

    Of several markets each has a universe of its own, since money in two currencies cannot be compared: `top_n` takes
    so many of each; `members` takes all symbols of a market beside the lead that has no lists of members.

    Raises NothingThere where the rule finds none in the lead: where no list of members was known, for example.
    """
    chosen, name = night.settings.universe, night.source.facts.name
    if chosen.rule == "all":
        return None
    found = [_most_traded(night, one) if chosen.rule == "top_n" else _members(night, one) for one in night.markets]
    if found[0].is_empty():
        raise NothingThere(
            f"universe.rule {chosen.rule} must find a symbol with bars, got none of source {name!r} known on "
            f"{night.as_of}: load the lists of members (nightdesk ingest membership), or choose another rule"
        )
    return found[0] if len(found) == 1 else pl.concat(found).sort()


def _most_traded(night: Night, market: Source) -> pl.Series:
    chosen, facts, newest = night.settings.universe, market.facts, night.newest_of(market)
    days = [*trading_days_before(facts.calendar, newest, chosen.window - 1), newest]
    bars = bars_as_known(night.engine, facts.name, night.cutoff, days[0], newest, rebased_until=newest)
    return most_traded(bars, days, chosen.n)


def _members(night: Night, market: Source) -> pl.Series:
    """Members that have a bar on the newest day."""
    name, newest = market.facts.name, night.newest_of(market)
    symbols = bars_as_known(night.engine, name, night.cutoff, newest, newest).get_column(SYMBOL)
    members = members_as_known(night.engine, name, night.cutoff, newest)
    if members.is_empty() and name != night.source.facts.name:
        return symbols
    found = members_on(members, newest, symbols, bundled_aliases())
    return found.filter(found.is_in(symbols.implode()))


def members_of_days(night: Night, features: Iterable[Feature], bars: pl.DataFrame) -> pl.DataFrame | None:
    """The members of each day of `bars` as they were known on its evening: date, symbol, sector.

    None where no list was known, and where none of `features` is a cross-section: nobody else asks for members.
    A list or a correction that came later changes no earlier day, whichever night asks.
    """
    if not any(isinstance(feature, CrossSection) for feature in features):
        return None
    return members_of_evenings(night, bars)


def members_of_evenings(night: Night, bars: pl.DataFrame) -> pl.DataFrame | None:
    """The members of each day of `bars` as they were known on its evening: date, symbol, sector; None without lists."""
    facts = night.source.facts
    versions = member_versions(night.engine, facts.name, night.cutoff, night.as_of)
    if versions.is_empty():
        return None
    closes = session_closes(facts.calendar, bars[DATE].unique().sort().to_list())
    evenings = {day: close + facts.publication_lag for day, close in closes.items()}
    return members_by_day(versions, evenings, bars[SYMBOL].unique(), bundled_aliases())
