"""The doctor flow: the checks of `nightdesk doctor` on a schedule; it fails where something is unsound."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import BaseModel, ConfigDict, Field

from flows.alerts import send
from flows.nightly import now
from flows.secret_blocks import read_settings
from nightdesk.operations.doctor import Check
from tasks.maintenance import look


class DoctorParameters(BaseModel):
    """What a sick machine does to the run; the Prefect UI shows these as a form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fail: bool = Field(
        True, title="Fail", description="Fail the run where a check is unsound, so that whoever is alerted hears of it"
    )


@flow(name="doctor")
def doctor(parameters: DoctorParameters = DoctorParameters()) -> State[tuple[Check, ...]]:  # noqa: B008
    """Check whether this machine can run the next night; what waits to be told is sent first."""
    settings = read_settings()
    send(settings, now())
    checks = look(settings, now())
    sick = [f"{check.name}: {check.finding}" for check in checks if not check.sound]
    if sick and parameters.fail:
        return Failed(message="; ".join(sick), data=checks)
    return Completed(data=checks, message="; ".join(sick) or "all sound")
