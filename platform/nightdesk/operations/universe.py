"""A night's universe as its settings want it: read from the store as known at the night's cut-off."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from nightdesk.errors import NothingThere
from nightdesk.features.cross_section import CrossSection
from nightdesk.features.stages import Feature
from nightdesk.operations.night import Night
from nightdesk.sessions import session_closes, trading_days_before
from nightdesk.sources.aliases import bundled_aliases
from nightdesk.store.inputs import bars_as_known, members_as_known
from nightdesk.store.members import member_versions
from nightdesk.tables import DATE, SYMBOL
from nightdesk.universe import members_by_day, members_on, most_traded


def universe_of(night: Night) -> pl.Series | None:
    """The symbols that a night may forecast, sorted; None where the rule is `all`.

    Raises NothingThere where the rule finds none: where no list of members was known at its cut-off, for example.
    """
    chosen, name = night.settings.universe, night.source.facts.name
    if chosen.rule == "all":
        return None
    found = _most_traded(night) if chosen.rule == "top_n" else _members(night)
    if found.is_empty():
        raise NothingThere(
            f"universe.rule {chosen.rule} must find a symbol with bars, got none of source {name!r} known on "
            f"{night.as_of}: load the lists of members (nightdesk ingest membership), or choose another rule"
        )
    return found


def _most_traded(night: Night) -> pl.Series:
    chosen, facts = night.settings.universe, night.source.facts
    days = [*trading_days_before(facts.calendar, night.as_of, chosen.window - 1), night.as_of]
    bars = bars_as_known(night.engine, facts.name, night.cutoff, days[0], night.as_of)
    return most_traded(bars, days, chosen.n)


def _members(night: Night) -> pl.Series:
    """Members that have a bar tonight."""
    name = night.source.facts.name
    symbols = bars_as_known(night.engine, name, night.cutoff, night.as_of, night.as_of).get_column(SYMBOL)
    members = members_as_known(night.engine, name, night.cutoff, night.as_of)
    found = members_on(members, night.as_of, symbols, bundled_aliases())
    return found.filter(found.is_in(symbols.implode()))


def members_of_days(night: Night, features: Iterable[Feature], bars: pl.DataFrame) -> pl.DataFrame | None:
    """The members of each day of `bars` as they were known on its evening: date, symbol, sector.

    None where no list was known, and where none of `features` is a cross-section: nobody else asks for members.
    A list or a correction that came later changes no earlier day, whichever night asks.
    """
    if not any(isinstance(feature, CrossSection) for feature in features):
        return None
    facts = night.source.facts
    versions = member_versions(night.engine, facts.name, night.cutoff, night.as_of)
    if versions.is_empty():
        return None
    closes = session_closes(facts.calendar, bars[DATE].unique().sort().to_list())
    evenings = {day: close + facts.publication_lag for day, close in closes.items()}
    return members_by_day(versions, evenings, bars[SYMBOL].unique(), bundled_aliases())
