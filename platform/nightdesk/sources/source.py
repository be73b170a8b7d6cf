"""What every source of market data is: facts about itself, a fingerprint, bars, members, actions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import polars as pl

from nightdesk.errors import BadSetting

PriceBasis = Literal["raw", "adjusted_as_known", "adjusted_later"]
KnowledgeBasis = Literal["rule", "observed"]


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What a source declares about its data, once.

    Attributes
    ----------
    name
        The name under which the registry knows it.
    calendar
        Code of its exchange calendar (exchange_calendars: XNYS, 24/7).
    currency
        ISO code of the currency of its prices.
    price_basis
        `raw` (beside it `actions`), `adjusted_as_known`, or `adjusted_later`: with knowledge of later splits,
        so that only what is unchanged by a constant factor per symbol may be computed from it.
    publication_lag
        From the close of a trading day to the instant at which its bars can be used.
    basis
        How a row's `known_at` comes about: by the publication `rule`, or as `observed` on arrival.
    index_name
        The index whose members `membership` gives; None where it gives none.
    live
        Whether new bars are expected after each close; False for what was recorded once, which never comes late.
    restate_days
        Trading days already delivered that are asked for again with each new day, so that what was restated arrives.
    bar_minutes
        Length of the bars of which its daily bars are made, which it then gives as `IntradaySource`; None: they are
        daily as they come.
    """

    name: str
    calendar: str
    currency: str
    price_basis: PriceBasis
    publication_lag: dt.timedelta
    basis: KnowledgeBasis
    index_name: str | None = None
    live: bool = False
    restate_days: int = 0
    bar_minutes: int | None = None


class Source(Protocol):
    """One provider of market data; `tests/contracts/test_sources.py` runs over every registered one."""

    @property
    def facts(self) -> SourceFacts:
        """What the source declares about its data."""

    def fingerprint(self) -> str:
        """Hexadecimal hash that changes when, and only when, something it would deliver changes."""

    def first_day(self) -> dt.date:
        """The oldest trading day it can deliver."""

    def last_day(self) -> dt.date:
        """The newest trading day it can deliver."""

    def bars(self, first: dt.date | None, last: dt.date) -> pl.DataFrame:
        """Bars of the trading days from `first` (None: the oldest) to `last`, both included.

        Returns
        -------
        DataFrame
            `tables.BARS`, sorted by symbol and date, faults left in; a value it does not have is null.
            Without rows where the range holds none. What it says of a day does not depend on `last`.

        Raises
        ------
        SourceUnavailable, SourceBroken
        """

    def membership(self, last: dt.date) -> pl.DataFrame:
        """Index members as published up to `last`: `tables.MEMBERSHIP`, sorted; no rows where it has none."""

    def actions(self, last: dt.date) -> pl.DataFrame:
        """Corporate actions with an ex-date up to `last`: `tables.CORPORATE_ACTIONS`; no rows where none."""


@runtime_checkable
class IntradaySource(Protocol):
    """A source whose daily bars are made of shorter ones, which it gives too."""

    def intraday(self, first: dt.date | None, last: dt.date) -> pl.DataFrame:
        """Bars inside the sessions of the trading days from `first` (None: the oldest) to `last`: INTRADAY_BARS.

        No rows where its files are daily. Raises SourceUnavailable, SourceBroken.
        """


def refuse_unknown_options(source: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise BadSetting, naming the options there are, where one of `given` is none of `known`."""
    allowed, unknown = sorted(known), sorted(set(given) - set(known))
    if unknown:
        raise BadSetting(
            f"options of source {source!r} must be among {', '.join(allowed) or 'none: it takes none'}, "
            f"got {', '.join(unknown)}: remove or rename"
        )
