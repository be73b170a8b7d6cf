"""The backfill flow: past nights of the live realm that were missed, in order; those that are done are passed over."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from prefect import flow
from pydantic import BaseModel, ConfigDict, Field

from flows.nightly import SKIPPED, NightParameters, nightly, now
from flows.replay import days_between
from flows.secret_blocks import read_settings
from nightdesk.errors import NightLocked
from nightdesk.operations.night import LIVE, plan_night
from nightdesk.settings import Settings
from nightdesk.store.nights import done_dates


class BackfillParameters(BaseModel):
    """Which missed nights to run; the Prefect UI shows these as a form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: dt.date = Field(title="From", description="First date; the missed nights from it on are run")
    last: dt.date = Field(title="To", description="Last date, included")
    keep_going: bool = Field(
        False, title="Keep going", description="Go on with the next night where one fails; else stop at the first"
    )


@dataclass(frozen=True, slots=True)
class Backfilled:
    """What a backfill did: nights run, nights that had been done, and those that failed with their reasons."""

    run: tuple[dt.date, ...]
    done_before: tuple[dt.date, ...]
    failed: tuple[tuple[dt.date, str], ...]


def nights_to_fill(settings: Settings, parameters: BackfillParameters) -> tuple[list[dt.date], list[dt.date]]:
    """The missed and the finished nights in the range; raises BadDate where the range cannot be run."""
    days = days_between(settings, LIVE, parameters.first, parameters.last, now())
    done = done_dates(plan_night(settings, LIVE, days[0], "auto", now()).engine, LIVE)
    return [day for day in days if day not in done], [day for day in days if day in done]


@flow(name="backfill")
def backfill(parameters: BackfillParameters) -> Backfilled:
    """Run the missed nights in order; they serve who was served then, and move neither alias nor `latest` back."""
    missed, done = nights_to_fill(read_settings(), parameters)
    run, failed = [], []
    for day in missed:
        state = nightly(NightParameters(as_of=day), return_state=True)
        if state.is_completed() and state.name != SKIPPED:
            run.append(day)
        elif parameters.keep_going:
            failed.append((day, state.message or state.name or ""))
        elif state.name == SKIPPED:
            raise NightLocked(state.message or f"the night of {day} runs elsewhere: wait for it to end")
        else:
            state.result()
    return Backfilled(tuple(run), tuple(done), tuple(failed))
