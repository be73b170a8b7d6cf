"""The replay flow: past nights, one after the other, in a realm of their own: as was, or as corrected since."""

from __future__ import annotations

import datetime as dt
from getpass import getuser
from typing import cast

from prefect import flow
from pydantic import BaseModel, ConfigDict, Field

from flows.nightly import SKIPPED, NightParameters, nightly
from flows.secret_blocks import read_settings
from nightdesk.errors import BadDate, BadInput, NightLocked
from nightdesk.operations.night import CORRECTED, LIVE, plan_night
from nightdesk.operations.sealing import check_replay, log_replay
from nightdesk.operations.summaries import NightSummary
from nightdesk.sessions import trading_days
from nightdesk.settings import Settings

LONGEST_REASON = 300


class ReplayParameters(BaseModel):
    """Which nights to replay, and in which realm; the Prefect UI shows these as a form."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    first: dt.date = Field(title="From", description="First date; nights run on the trading days from it on")
    last: dt.date = Field(title="To", description="Last date, included")
    realm: str = Field(
        "replay",
        title="Realm",
        description="Where the replay's models, forecasts and decisions live; never live. A realm that holds nights "
        "already is carried on: those are skipped",
        pattern="^[a-z][a-z0-9-]{0,31}$",
    )
    corrected: bool = Field(
        False,
        title="Corrected",
        description="No: each night reads what was known then. Yes: the newest versions of the days up to it, in a "
        f"realm whose name ends in {CORRECTED}",
    )

    unseal: str | None = Field(
        None,
        title="Unseal",
        description="Why nights of the sealed stretch are replayed too: what came of their forecasts can then be seen. "
        "Logged, and shown in the morning report",
        max_length=LONGEST_REASON,
    )

    @property
    def lives_in(self) -> str:
        """The realm's whole name."""
        return self.realm + CORRECTED if self.corrected and not self.realm.endswith(CORRECTED) else self.realm


def nights_to_replay(settings: Settings, parameters: ReplayParameters, now: dt.datetime) -> list[dt.date]:
    """The trading days to replay, all checked before the first one runs.

    Raises BadDate where the range is empty or out of order, or its ends cannot be nights; BadInput for realm `live`,
    for one that reads otherwise than was asked for, and for sealed days without a reason.
    """
    if parameters.realm == LIVE:
        raise BadInput("a replay must not touch realm 'live': choose another realm")
    if parameters.realm.endswith(CORRECTED) and not parameters.corrected:
        raise BadInput(
            f"a realm whose name ends in {CORRECTED} reads what was corrected since, got {parameters.realm!r} for a "
            "replay as was: add --corrected, or choose another realm"
        )
    days = days_between(settings, parameters.lives_in, parameters.first, parameters.last, now)
    check_replay(settings.evaluation.sealed_from, days[-1], parameters.unseal)
    return days


def days_between(settings: Settings, realm: str, first: dt.date, last: dt.date, now: dt.datetime) -> list[dt.date]:
    """Trading days from `first` to `last`, on each of which a night can be run; raises BadDate where there is none."""
    if first > last:
        raise BadDate(f"from must not be after to, got {first} after {last}: swap them")
    if last > now.date():
        raise BadDate(f"to must not lie in the future, got {last}: today is {now.date()}")
    calendar = plan_night(settings, realm, None, "auto", now).source.facts.calendar
    days = trading_days(calendar, first, last)
    if not days:
        raise BadDate(f"nights need a trading day of {calendar}, got none from {first} to {last}: choose a wider range")
    for day in (days[0], days[-1]):
        plan_night(settings, realm, day, "auto", now)
    return days


@flow(name="replay")
def replay(parameters: ReplayParameters) -> list[NightSummary]:
    """Replay past nights in order; one that is done already in this realm is not run again."""
    settings, now = read_settings(), dt.datetime.now(dt.UTC)
    days = nights_to_replay(settings, parameters, now)
    log_replay(plan_night(settings, parameters.lives_in, days[-1], "auto", now), parameters.unseal, getuser(), now)
    summaries = []
    for day in days:
        state = nightly(NightParameters(as_of=day, realm=parameters.lives_in), return_state=True)
        if state.name == SKIPPED:
            raise NightLocked(state.message or f"the night of {day} runs elsewhere: wait for it to end")
        summaries.append(cast(NightSummary, state.result()))
    return summaries
