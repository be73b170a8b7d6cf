"""The retrain flow: every recipe tuned and fitted again on the newest data, the served one refreshed; no forecast."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from flows.alerts import look_around, mended, told_if_failed
from flows.approval import approvals
from flows.nightly import REPEATED, SKIPPED, fits, now
from flows.orphans import close_prefect_orphans
from flows.searching import searches
from flows.secret_blocks import read_settings
from nightdesk.errors import NightLocked, NothingServed
from nightdesk.operations.evidence import NOTHING_WEIGHED
from nightdesk.operations.night import LIVE, Night, plan_night
from nightdesk.operations.running import retraining
from nightdesk.operations.summaries import RetrainSummary
from nightdesk.settings import Settings
from nightdesk.store.nights import RETRAIN
from tasks.features import features, panel
from tasks.ingest import check, fetch, load
from tasks.reporting import sum_retrain_up
from tasks.serving import promote, propose

SUMMARY: TypeAdapter[RetrainSummary | None] = TypeAdapter(RetrainSummary | None)


class RetrainParameters(BaseModel):
    """On which data to train, and who asks; the Prefect UI shows these as a form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    as_of: dt.date | None = Field(
        None,
        title="As-of date",
        description="Trading day up to whose close the models learn; empty: the newest known",
    )
    realm: str = Field(
        LIVE,
        title="Realm",
        description="live, or the name of a replay: a realm keeps its own models, forecasts and decisions",
        pattern="^[a-z][a-z0-9-]{0,31}$",
    )
    profile: Literal["full", "quick", "none"] | None = Field(
        None,
        title="Profile of tuning",
        description="How far recipes are tuned before they are fitted: full, quick or none; empty: as settings say",
    )
    reason: str = Field(
        "asked for by hand",
        title="Reason",
        description="Who or what asks for it: shown with the run",
        max_length=300,
    )


def run_name() -> str:
    """Name a run by realm and date, as they were asked for."""
    asked = RetrainParameters.model_validate(flow_run.get_parameters().get("parameters") or {})
    return f"retrain-{asked.realm}-{asked.as_of or 'newest'}"


@flow(name="retrain", flow_run_name=run_name)
def retrain(parameters: RetrainParameters = RetrainParameters()) -> State[RetrainSummary | None]:  # noqa: B008
    """Tune and fit every recipe on the newest data, and serve the refreshed champion from the next night on."""
    settings, realm = with_profile(read_settings(), parameters.profile), parameters.realm
    with told_if_failed(settings, realm, parameters.as_of, RETRAIN):
        night = plan_night(settings, realm, parameters.as_of, "always", now())
    look_around(night)
    try:
        with told_if_failed(settings, realm, night.as_of, RETRAIN):
            state = run(night, parameters.reason)
    except NightLocked as busy:
        return Completed(name=SKIPPED, message=str(busy))
    mended(night, now(), RETRAIN)
    return state


def with_profile(settings: Settings, profile: Literal["full", "quick", "none"] | None) -> Settings:
    """The settings with the profile that is asked for: part of what the models depend on. None: as they are."""
    if profile is None:
        return settings
    return settings.model_copy(update={"tuning": settings.tuning.model_copy(update={"weekly": profile})})


def run(night: Night, reason: str) -> State[RetrainSummary | None]:
    """The retrain under its lock; data that was trained on before is not trained on again."""
    with retraining(night, flow_run.get_id(), now) as started:
        close_prefect_orphans(started.orphans)
        if started.summary is None:
            summary = stages(night, reason)
            started.summary = SUMMARY.dump_json(summary).decode()
            return Completed(data=summary, message=f"trained on the data of {night.as_of}")
        said = f"the data of {night.as_of} was trained on before: the same data, code and seeds give the same models"
        return Completed(name=REPEATED, data=SUMMARY.validate_json(started.summary), message=said)


def stages(night: Night, reason: str) -> RetrainSummary:
    """The retrain, stage by stage."""
    ingested = load(night, check(night, fetch(night)))
    bars = panel(night, ingested)
    table = features(night, bars)
    searched = searches(night, table, bars, night.settings.horizons, night.settings.tuning.weekly)
    tested, failed = fits(night, table, bars)
    if not any(one.version for one in tested):
        raise NothingServed(
            f"a retrain needs at least one fit, got none of {', '.join(failed)}: see why in their task runs"
        )
    proposed = propose(night, table, tested, NOTHING_WEIGHED)
    served = promote(night, proposed, approvals(night, proposed))
    return sum_retrain_up(night, reason, searched, failed, served)
