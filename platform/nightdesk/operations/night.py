"""A night: its date, realm and settings, what it reads and writes; planned at the edge, passed to every task."""

from __future__ import annotations

import datetime as dt
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from nightdesk.errors import BadDate, BadInput, BadSetting
from nightdesk.evaluation.walk_forward import Plan, open_days
from nightdesk.features.stages import Feature
from nightdesk.home import Home
from nightdesk.models.artifacts import Tracking
from nightdesk.monitoring.retraining import TrainingMode
from nightdesk.operations.code import code_version
from nightdesk.operations.features import chosen_features
from nightdesk.operations.held import held_by
from nightdesk.operations.markets import newest_known, open_markets
from nightdesk.operations.members import members_of
from nightdesk.sessions import check_trading_day, closed_day, last_trading_day, session_close, trading_days
from nightdesk.settings import Settings
from nightdesk.sources import Source, open_source
from nightdesk.store.database import open_store
from nightdesk.store.files import content_of
from nightdesk.store.inputs import Arrival, first_known, last_loaded
from nightdesk.store.nights import NightKey
from nightdesk.tables import OBSERVED, RULE

LIVE = "live"

CORRECTED = "-corrected"
"""How a realm's name ends whose nights read the newest versions, not those of their evening: it tells so everywhere."""

_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
"""How a tracking URI begins where MLflow speaks to a database itself."""
# What a person answers is an input of its own: whether and how long one is asked changes no fit and no forecast.
# Of tuning, a night depends on how far its own searches go: not on where studies are, nor on what a person's own take.
_INDEPENDENT: Any = {
    **dict.fromkeys(("home", "store", "tracking", "top", "servers", "alerts", "tables"), True),
    "promotion": {"approval", "approval_wait_s"},
    "recommend": {"holdings"},  # where a file lies; what stands in it is published with what was made of it
    "tuning": {"profile", "storage"},
}


@dataclass(frozen=True, slots=True)
class Night:
    """One night of one realm; `started` is when it began (UTC), the only clock time that reaches the library."""

    settings: Settings
    realm: str
    as_of: dt.date
    mode: TrainingMode
    started: dt.datetime

    @property
    def corrected(self) -> bool:
        """Whether it reads the newest versions of the days up to its own: put right since, nothing later."""
        return self.realm.endswith(CORRECTED)

    @property
    def content(self) -> str:
        """16 hex digits of everything that its results depend on beside the data: settings, mode and code."""
        dependent = self.settings.model_dump(mode="json", exclude=_INDEPENDENT)
        return content_of(dependent, self.mode, code_version())

    @property
    def key(self) -> NightKey:
        """The night's key in the store."""
        return NightKey(self.realm, self.as_of, self.content)

    @property
    def home(self) -> Home:
        """Where its files lie."""
        return Home(self.settings.home)

    @property
    def scratch(self) -> Path:
        """Its working files, gone when it is done."""
        return self.home.scratch(self.realm, self.as_of)

    @property
    def features(self) -> Path | str:
        """Where the feature store is: a folder at home, or a prefix in a bucket."""
        return self.settings.store.features or self.home.features

    @property
    def chosen(self) -> tuple[Feature, ...]:
        """The features that settings choose: what is learnt from, and built with what served models still need."""
        return chosen_features(self.settings)

    @property
    def evaluations(self) -> Path:
        """Its walk-forward results, kept."""
        return self.home.evaluations(self.realm, self.as_of)

    @property
    def engine(self) -> sa.Engine:
        """The store, opened once a process."""
        return open_store(self.settings.store.url or self.home.store_url)

    @property
    def tracking(self) -> Tracking:
        """Where its runs and models are recorded."""
        return tracking_of(self.settings, self.realm)

    @property
    def source(self) -> Source:
        """Where its bars come from; of several markets the lead's, whose calendar decides the nights."""
        return open_source(self.settings.source.name, **self.settings.source.options)

    @property
    def markets(self) -> tuple[Source, ...]:
        """Where the bars of every market come from, the lead first."""
        return open_markets(self.settings)

    def newest_of(self, market: Source) -> dt.date:
        """The newest trading day of `market` that it may know: its own date, or, of one beside the lead, by the rule.

        Raises BadDate where that market's calendar begins later.
        """
        lead = self.source.facts
        if market.facts.name == lead.name:
            return self.as_of
        day = newest_known(lead, market.facts, self.as_of)
        if day is None:
            raise BadDate(
                f"market {market.facts.name!r} must have a trading day of {market.facts.calendar} before the night, "
                f"got none before {self.as_of}: choose a later date"
            )
        return day

    @property
    def cutoff(self) -> dt.datetime:
        """The instant (UTC) up to which anything may be known: the close of the as-of day plus the source's lag.

        Where the source's rows are known as observed, it is when the first bars of the day came, if that is later: then
        could the desk first decide on them. It stands in the store, so that a night started again, however late, and
        every replay read what the first one read. A corrected night alone may know whatever is known when it starts; no
        read of its gives a bar after its day, nor an action or a rebase with a later ex-date.
        """
        if self.corrected:
            return self.started
        facts = self.source.facts
        by_rule = session_close(facts.calendar, self.as_of) + facts.publication_lag
        came = first_known(self.engine, facts.name, self.as_of) if facts.basis == OBSERVED else None
        return max(by_rule, came or by_rule)

    def arrival(self, market: Source | None = None) -> Arrival:
        """How tonight's rows of `market` (None: the lead) arrive.

        The first batch of a source is a declared load of history, known by its rule.
        """
        facts = (market or self.source).facts
        history = facts.basis == OBSERVED and last_loaded(self.engine, facts.name) is None
        basis = RULE if history else facts.basis
        return Arrival(facts.name, facts.calendar, facts.publication_lag, basis, self.started)

    def days(self, first: dt.date) -> list[dt.date]:
        """Trading days from `first` to tonight."""
        return trading_days(self.source.facts.calendar, first, self.as_of)

    def days_of(self, market: Source, first: dt.date) -> list[dt.date]:
        """Trading days of `market` from `first` to its newest that tonight may know; none where that is before."""
        last = self.newest_of(market)
        return trading_days(market.facts.calendar, first, last) if first <= last else []

    def plan(self, first: dt.date, horizon: int) -> Plan:
        """How tonight's models are fitted and tested at `horizon`, on data from `first` on."""
        training = self.settings.training
        return Plan(
            tuple(self.days(first)),
            horizon,
            training.folds,
            training.first_train,
            training.every,
            training.seed,
            training.threads or os.cpu_count() or 1,
            self.settings.evaluation.sealed_from,
        )


def closed_today(night: Night, now: dt.datetime) -> str | None:
    """Say that the exchange does not trade today, where that is so; None on a trading day."""
    calendar = night.source.facts.calendar
    day = closed_day(calendar, now)
    return (
        None if day is None else f"{calendar} is closed on {day:%A}, {day}; the newest night is that of {night.as_of}"
    )


def tracking_of(settings: Settings, realm: str) -> Tracking:
    """Where a realm's runs and models are recorded: on a server, which chooses where artifacts lie, or in a database.

    Beside a database nobody chooses, and MLflow would take the working directory: there artifacts lie at home.
    """
    home = Home(settings.home)
    uri = settings.tracking.uri or home.tracking_uri
    in_database = re.split(r"[+:]", uri, maxsplit=1)[0] in _DATABASES
    return Tracking(uri, home.artifacts if in_database else None, realm)


def plan_night(settings: Settings, realm: str, as_of: dt.date | None, mode: TrainingMode, now: dt.datetime) -> Night:
    """Plan the night of `as_of` (None: the newest the source can deliver by `now`).

    Raises BadDate for a date that is no trading day, lies in the future or outside the source's data, or leaves too
    little history to train and test on; BadInput for a realm's name that breaks its rule; BadSetting where the first
    test block would begin before a label has matured, the sealed stretch leaves too little to test on, markets do not
    go together, the chosen features lack one that a model needs, or the members of the ensemble do not hold;
    UnknownName for a feature or group that is not registered. What `held_by` raises, where holdings cannot be read.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,31}", realm):
        raise BadInput(f"a realm's name is 1 to 32 lowercase letters, digits and dashes, got {realm!r}: choose another")
    first_train, longest = settings.training.first_train, max(settings.horizons)
    if first_train <= longest:
        raise BadSetting(
            f"training.first_train must be above the longest horizon of {longest} days, got {first_train}: raise it"
        )
    chosen_features(settings)
    members_of(settings)
    if realm == LIVE:
        held_by(settings)
    source = open_markets(settings)[0]
    calendar = source.facts.calendar
    newest = min(source.last_day(), last_trading_day(calendar, now - source.facts.publication_lag))
    day = newest if as_of is None else as_of
    if day > now.date():
        raise BadDate(f"the as-of date must not lie in the future, got {day}: today is {now.date()}")
    first = source.first_day()
    if not first <= day <= newest:
        raise BadDate(
            f"source {source.facts.name!r} has bars from {first} to {newest}, got {day}: choose a date between"
        )
    check_trading_day(calendar, day)
    days = trading_days(calendar, first, day)
    # Enough to train on, and at the longest horizon one matured day for each test block.
    needed = first_train + longest + settings.training.folds + 2
    if len(days) < needed:
        full = trading_days(calendar, first, newest)
        cure = f"choose {full[needed - 1]} or later" if len(full) >= needed else "lower training.first_train"
        raise BadDate(f"a night needs {needed} trading days of history to train and test on, got {len(days)}: {cure}")
    _check_sealed(settings.evaluation.sealed_from, days, needed)
    return Night(settings, realm, day, mode, now)


def _check_sealed(sealed_from: dt.date | None, days: list[dt.date], needed: int) -> None:
    """Raise BadSetting where the sealed stretch leaves too little to train and test on."""
    left = open_days(days, sealed_from)
    if len(left) < needed:
        cure = f"choose a day after {days[needed - 1]}"
        raise BadSetting(
            f"evaluation.sealed_from must leave {needed} trading days before it to train and test on, got {len(left)} "
            f"before {sealed_from}: {cure}"
        )
