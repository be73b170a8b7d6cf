"""The nightly flow: market data in, forecasts and a report out; read it as the night's table of contents."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from flows.alerts import look_around, mended, told_if_failed
from flows.approval import approvals
from flows.orphans import close_prefect_orphans
from flows.searching import searches
from flows.secret_blocks import read_settings
from nightdesk.errors import NightLocked, TransientError
from nightdesk.models.combination import ENSEMBLE
from nightdesk.monitoring.findings import Watched
from nightdesk.monitoring.retraining import TrainingMode
from nightdesk.operations.members import members_of
from nightdesk.operations.night import LIVE, Night, closed_today, plan_night
from nightdesk.operations.running import running
from nightdesk.operations.searches import fitted_at
from nightdesk.operations.summaries import NightSummary
from nightdesk.operations.training import Tested
from nightdesk.store.features import FeatureTable
from nightdesk.store.refs import FrameRef
from tasks.features import features, panel
from tasks.ingest import check, fetch, load
from tasks.monitoring import watch
from tasks.reporting import Page, picture_drift, report, summarise
from tasks.serving import book, forecast, mature, promote, propose, publish, weigh
from tasks.training import assemble, baselines, decide, fit

SKIPPED, REPEATED, HOLIDAY = "Skipped", "DoneBefore", "Holiday"
"""Names of completed states in which no night ran: another process runs it, it was done before, nothing traded."""

SUMMARY = TypeAdapter(NightSummary)


class NightParameters(BaseModel):
    """What a person may choose for a night; the Prefect UI shows these as a form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    as_of: dt.date | None = Field(
        None,
        title="As-of date",
        description="Trading day whose close the night decides on; empty: the newest known",
    )
    train: TrainingMode = Field(
        "auto",
        title="Training",
        description="auto: when due; always: tonight, whatever the schedule says; never: not tonight",
    )
    realm: str = Field(
        LIVE,
        title="Realm",
        description="live, or the name of a replay: a realm keeps its own models, forecasts and decisions",
        pattern="^[a-z][a-z0-9-]{0,31}$",
    )


def now() -> dt.datetime:
    """The clock, which no part of the library reads."""
    return dt.datetime.now(dt.UTC)


def run_name() -> str:
    """Name a run by realm and date, as they were asked for."""
    given = flow_run.get_parameters().get("parameters") or {}
    asked = NightParameters.model_validate(given)
    return f"nightly-{asked.realm}-{asked.as_of or 'newest'}"


@flow(name="nightly", flow_run_name=run_name)
def nightly(parameters: NightParameters = NightParameters()) -> State[NightSummary]:  # noqa: B008
    """Run one night: ingest, check, build features, train where due, forecast, publish, report."""
    settings, began = read_settings(), now()
    with told_if_failed(settings, parameters.realm, parameters.as_of):
        night = plan_night(settings, parameters.realm, parameters.as_of, parameters.train, began)
    look_around(night)
    closed = closed_today(night, began) if parameters.as_of is None else None
    try:
        with told_if_failed(settings, night.realm, night.as_of):
            state = run(night, closed)
    except NightLocked as busy:
        return Completed(name=SKIPPED, message=str(busy))
    mended(night, now())
    return state


def run(night: Night, closed: str | None) -> State[NightSummary]:
    """The night under its lock; one that was done before is not run again. `closed` says that nothing trades today."""
    with running(night, flow_run.get_id(), now) as started:
        close_prefect_orphans(started.orphans)
        if started.summary is not None:
            before, name = SUMMARY.validate_json(started.summary), HOLIDAY if closed else REPEATED
            return Completed(name=name, data=before, message=f"{closed}, which is done" if closed else "done before")
        summary = stages(night)
        started.summary = SUMMARY.dump_json(summary).decode()
        caught_up = f" ({closed}, and it had not been run)" if closed else ""
        return Completed(data=summary, message=f"night of {night.as_of} done{caught_up}")


def stages(night: Night) -> NightSummary:
    """The night, stage by stage."""
    ingested = load(night, check(night, fetch(night)))
    bars = panel(night, ingested)
    table = features(night, bars)
    matured = mature(night, bars)
    weighed = weigh(night, matured)
    watched = watch(night, table, matured)
    training = decide(night, bars, watched)
    searched = searches(night, table, bars, training.unserved, night.settings.tuning.first_night)
    tested, failed = fits(night, table, bars) if training.train else ((), ())
    proposed = propose(night, table, tested, weighed)
    served = promote(night, proposed, approvals(night, proposed))
    logged = forecast(night, table, served)
    publication = publish(night, table, bars, logged, served)
    booked = book(night, bars, publication, served)
    drawn = drift_page(night, table, watched)
    page = report(night, ingested, bars, table, training, served, matured, weighed, publication, booked, watched, drawn)
    return summarise(night, ingested, watched, training, searched, failed, served, matured, logged, publication, page)


def drift_page(night: Night, table: FeatureTable, watched: Watched) -> Page | None:
    """Evidently's page of what drifted, where something did; without it the night is whole, so it may fail alone."""
    if not watched.flagged:
        return None
    state: State[Page] = picture_drift(night, table, watched, return_state=True)
    error = state.result(raise_on_failure=False)
    if isinstance(error, TransientError):
        raise error
    return state.result() if state.is_completed() else None


def fits(night: Night, table: FeatureTable, bars: FrameRef) -> tuple[tuple[Tested, ...], tuple[str, ...]]:
    """Fit recipes at every horizon, named and tuned, and the ensemble of those named, beside the baselines.

    A fit that fails fails alone, and its name is told. Not so where a registry, store or disk failed it: that would be
    the night's models by chance, and ends the night.
    """
    states: dict[str, State[Tested]] = {}
    for horizon in night.settings.horizons:
        for name in fitted_at(night, horizon):
            states[f"{name} h{horizon}"] = lasting(fit(night, table, bars, name, horizon, return_state=True))
        if members_of(night.settings):
            own = tuple(one for one in made(states) if one.horizon == horizon)
            states[f"{ENSEMBLE} h{horizon}"] = lasting(assemble(night, table, bars, own, horizon, return_state=True))
    beside = tuple(one for horizon in night.settings.horizons for one in baselines(night, table, bars, horizon))
    return made(states) + beside, tuple(name for name, state in states.items() if not state.is_completed())


def lasting(state: State[Tested]) -> State[Tested]:
    """The state of a fit; what ended it is raised where another start of the night might fare better."""
    error = state.result(raise_on_failure=False)
    if isinstance(error, TransientError):
        raise error
    return state


def made(states: Mapping[str, State[Tested]]) -> tuple[Tested, ...]:
    """The fits that came to an end."""
    return tuple(state.result() for state in states.values() if state.is_completed())
