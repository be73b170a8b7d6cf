"""Carries decisions out: an intent row, the registry's `champion` alias, the confirmation; mended at the next start."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from mlflow.exceptions import MlflowException

from nightdesk.faults import reach
from nightdesk.models.artifacts import Tracking, client, model_name
from nightdesk.models.reaching import reaches, reaching
from nightdesk.store import decisions
from nightdesk.store.decisions import MOVING, Decision

CHAMPION = "champion"
"""The alias that means "served"; whether skill is proven is a tag of the version."""

_NOBODY = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""What MLflow answers where there is no such model, and where the model has no such alias."""


def carry_out(engine: sa.Engine, tracking: Tracking, decision: Decision, at: dt.datetime) -> None:
    """Enter the intent, move the alias where the decision says so, confirm; killed between, `reconcile` ends it."""
    if decisions.confirmed(engine, decision.realm, decision.as_of, decision.horizon):
        return
    decisions.write_intent(engine, decision, at)
    reach("promote:intent")
    _finish(engine, tracking, decision)


def reconcile(engine: sa.Engine, tracking: Tracking) -> list[Decision]:
    """Carry out what a killed night had decided and not confirmed; returns those decisions."""
    left = decisions.unconfirmed(engine, tracking.realm)
    for decision in left:
        _finish(engine, tracking, decision)
    return left


@reaches
def alias_version(tracking: Tracking, horizon: int) -> str | None:
    """The version that the `champion` alias names at a horizon; None where the registry says there is none."""
    try:
        found = client(tracking).get_model_version_by_alias(model_name(tracking.realm, horizon), CHAMPION)
    except MlflowException as error:
        if error.error_code not in _NOBODY:
            raise
        return None
    return str(found.version)


@reaches
def tag_skill(tracking: Tracking, horizon: int, version: str, skill: str) -> None:
    """Set the version's own tag of skill, which is registered as unproven: `proven`, once the evidence says so."""
    own, name = client(tracking), model_name(tracking.realm, horizon)
    if own.get_model_version(name, version).tags.get("skill") != skill:
        own.set_model_version_tag(name, version, "skill", skill)


def _finish(engine: sa.Engine, tracking: Tracking, decision: Decision) -> None:
    later = decisions.decided_after(engine, decision.realm, decision.as_of, decision.horizon, decision.counts_after)
    # Asked again: a night of a later date may have been served since this one decided.
    if decision.action in MOVING and decision.moves_alias and decision.version is not None and not later:
        name = model_name(decision.realm, decision.horizon)
        with reaching(tracking):
            client(tracking).set_registered_model_alias(name, CHAMPION, decision.version)
        reach("promote:alias")
    decisions.confirm(engine, decision)
