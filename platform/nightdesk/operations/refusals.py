"""Tells people of what became of a served model against its will: a promotion refused, a champion rolled back."""

from __future__ import annotations

from nightdesk.alerts import Incident, tell
from nightdesk.operations.night import LIVE, Night
from nightdesk.store import incidents
from nightdesk.store.decisions import MOVING, REFUSE, ROLLBACK, Decision

REFUSED, ROLLED_BACK = "promotion-refused", "rolled-back"


def tell_of(night: Night, decision: Decision) -> None:
    """Enter a refused promotion or a rollback of the live realm, to be told when the night ends.

    The next promotion at the same horizon closes both. A promotion that a person refused is not told: they know.
    """
    if night.realm != LIVE:
        return
    where = f"{night.realm}/h{decision.horizon}/"
    if decision.action == REFUSE:
        tell(night.engine, _refused(night, decision, where), night.started)
    elif decision.action in MOVING:
        # A way back leaves its own incident open: started again, the night would tell of it twice.
        for kind in (REFUSED,) if decision.action == ROLLBACK else (REFUSED, ROLLED_BACK):
            incidents.close_below(night.engine, night.started, f"{kind}/{where}")
    if decision.action == ROLLBACK:
        tell(night.engine, _rolled_back(night, decision, where), night.started)


def _refused(night: Night, decision: Decision, where: str) -> Incident:
    return Incident(
        f"{REFUSED}/{where}{night.as_of}",
        REFUSED,
        f"The promotion of {night.as_of} at {decision.horizon} days was refused",
        decision.reasons,
        "nothing has moved, and the champion serves on; see the walk-forward in the report, and the newest data",
        night.home.report(night.realm, night.as_of).as_uri(),
    )


def _rolled_back(night: Night, decision: Decision, where: str) -> Incident:
    return Incident(
        f"{ROLLED_BACK}/{where}{night.as_of}",
        ROLLED_BACK,
        f"The champion at {decision.horizon} days was rolled back to {decision.model} version {decision.version}",
        decision.reasons,
        f"see nightdesk history; to take it back: nightdesk rollback --undo --horizon {decision.horizon} --by NAME "
        "--reason TEXT",
        night.home.report(night.realm, night.as_of).as_uri(),
    )
