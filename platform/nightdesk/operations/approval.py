"""Approval of a promotion by a person: what the question tells, and answers given at the command line."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import polars as pl

from nightdesk.concealment import without_password
from nightdesk.errors import BadSetting, ModelBroken, NightDone, NothingThere
from nightdesk.models.artifacts import ModelVersion, load_version, model_name
from nightdesk.operations.night import LIVE, Night
from nightdesk.promotion.approval import named, words
from nightdesk.promotion.champion import reconcile
from nightdesk.store import approvals
from nightdesk.store.approvals import APPROVED, REFUSED, Reply
from nightdesk.store.decisions import (
    KEEP,
    MOVING,
    REFUSE,
    ROLLBACK,
    Decision,
    decided_after,
    newest_walk_forward,
    serving_on,
)
from nightdesk.store.nights import done_summary, held, newest_begun

MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Approved:
    """What an answer did: promotions carried out at once, and horizons at which the night itself will act on it."""

    carried_out: tuple[Decision, ...]
    recorded: tuple[int, ...]


def to_approve(night: Night, proposed: Iterable[Decision]) -> tuple[Decision, ...]:
    """Those of tonight's decisions that a person must let through: in the live realm, where the alias would move.

    A way back asks nobody: it is there for the night on which nobody is.
    """
    if night.realm != LIVE or night.settings.promotion.approval != MANUAL:
        return ()
    # Asked again: a night killed while it waited may be one of the past by now.
    return tuple(
        one
        for one in proposed
        if one.moves_alias
        and one.action != ROLLBACK
        and not decided_after(night.engine, night.realm, night.as_of, one.horizon, one.counts_after)
    )


def question(night: Night, decisions: Sequence[Decision]) -> str:
    """Say in Markdown what would change at each horizon, on what evidence, and where to look at the model."""
    served = {one.horizon: one for one in serving_on(night.engine, night.realm, night.as_of)}
    walked = newest_walk_forward(night.engine, night.realm, night.as_of)
    parts = [
        f"**Night of {night.as_of}: may these models serve from tonight on?** Otherwise the champion stays; "
        "where nobody is served yet, the night ends without forecasts."
    ]
    for one in decisions:
        now = served.get(one.horizon)
        former = f"{now.model} version {now.version} (since {now.since})" if now else "nobody"
        parts.append(
            f"**{one.horizon} days**: {one.action}, from {former} to {one.model} version {one.version}\n\n"
            f"- Why: {one.reasons}\n- Evidence: {_evidence(walked, one)}\n- Model: {_link(night, one)}"
        )
    return "\n\n".join(parts)


def _evidence(walked: pl.DataFrame, decision: Decision) -> str:
    own = walked.filter(pl.col("horizon") == decision.horizon, pl.col("model_content") == decision.content)
    if own.is_empty() or own["mean"][0] is None:
        return "rank IC undefined"
    row = own.row(0, named=True)
    span = "" if row["lower"] is None else f" ({row['lower']:+.4f} to {row['upper']:+.4f})"
    edge = "" if row["edge_lower"] is None else f"; beats {row['rival']}: {'yes' if row['edge_lower'] > 0 else 'no'}"
    return f"rank IC {row['mean']:+.4f}{span} on {row['days']} walk-forward days{edge}"


def _link(night: Night, decision: Decision) -> str:
    name, uri = model_name(night.realm, decision.horizon), without_password(night.tracking.uri)
    if uri.startswith("http"):
        return f"[{name}]({uri.rstrip('/')}/#/models/{name}/versions/{decision.version})"
    return f"`models:/{name}/{decision.version}` (`mlflow ui --backend-store-uri {uri}`)"


def approve(night: Night, reply: Reply, at: dt.datetime) -> Approved:
    """Take a person's answer to the promotions of a night, which waits now, has gone on without one, or comes yet.

    A night that keeps its champion for want of an approval has its promotion carried out here: it serves from the night
    after the newest that has begun. Else the answer is stored, and the night acts on it. Raises BadSetting where nobody
    is asked, NothingThere where nothing waits, NightDone where it is too late, NightLocked while the newest night runs.
    """
    if night.settings.promotion.approval != MANUAL:
        raise BadSetting(
            "an approval is given where promotion.approval is manual, got automatic: "
            "set NIGHTDESK_PROMOTION__APPROVAL=manual"
        )
    reconcile(night.engine, night.tracking)
    kept, open_horizons = _states(night, reply)
    if not kept and not open_horizons:
        raise NothingThere(
            f"an approval needs a promotion that waits for it, got none on {night.as_of}: see nightdesk history"
        )
    carried: tuple[Decision, ...] = ()
    if reply.answer == APPROVED and kept:
        carried = _approve_late(night, kept, reply, at)
    elif kept:
        horizons = [one.horizon for one in kept]
        approvals.reply_ahead(night.engine, night.realm, night.as_of, horizons, reply, at)
    _check_still_asked(night, open_horizons)
    approvals.reply_ahead(night.engine, night.realm, night.as_of, open_horizons, reply, at)
    # The night may have gone on without an answer in between: then it is one given late.
    overtaken = [one for one in _states(night, reply)[0] if one.horizon in open_horizons]
    if overtaken and reply.answer == APPROVED:
        carried += _approve_late(night, overtaken, reply, at)
    late = {one.horizon for one in overtaken}
    return Approved(carried, tuple(horizon for horizon in open_horizons if horizon not in late))


def _check_still_asked(night: Night, horizons: Iterable[int]) -> None:
    """An answer that comes as the night goes on without one would be stored, and acted on by nobody."""
    given_up = approvals.unanswered(night.engine, night.realm, night.as_of) & set(horizons)
    if given_up:
        with held(night.engine, night.home.locks, night.realm, night.as_of):
            return  # killed since: the next start acts on the answer


def _states(night: Night, reply: Reply) -> tuple[list[Decision], list[int]]:
    """Promotions in whose place the champion was kept, and horizons at which the night has yet to act."""
    engine, kept, open_horizons = night.engine, [], []
    done = done_summary(engine, night.realm, night.as_of) is not None
    for horizon in night.settings.horizons:
        decided = approvals.decided_on(engine, night.realm, night.as_of, horizon)
        asked = approvals.asked_about(engine, night.realm, night.as_of, horizon)
        if decided in [(action, True) for action in MOVING]:
            if asked is not None and reply.answer == REFUSED:
                raise NightDone(
                    f"a promotion is refused before it is carried out, got that of {night.as_of} at {horizon} days, "
                    "which was approved and serves: see nightdesk history"
                )
        elif decided == (KEEP, True):
            if asked is not None:
                kept.append(asked)
        elif not done and (decided is None or decided[0] == REFUSE):
            open_horizons.append(horizon)
    return kept, open_horizons


def _approve_late(night: Night, kept: Sequence[Decision], reply: Reply, at: dt.datetime) -> tuple[Decision, ...]:
    engine = night.engine
    begun = newest_begun(engine, night.realm) or night.as_of
    # A night that runs has read who is served: it must not change under it.
    with held(engine, night.home.locks, night.realm, begun):
        for decision in kept:
            later = approvals.superseded_by(engine, decision)
            if later is not None:
                raise NightDone(
                    f"a promotion is approved before a later night decides, got that of {night.as_of} at "
                    f"{decision.horizon} days, and {later} has decided: approve that one, or wait for the next training"
                )
            _check_model(night, decision)
        late = replace(reply, answer=f"{reply.answer} late")
        finals = tuple(replace(one, reasons=f"{one.reasons}; {words(late)}") for one in kept)
        for final in finals:
            approvals.approve_late(engine, final, reply, begun, at)
        reconcile(engine, night.tracking)
    return finals


def _check_model(night: Night, decision: Decision) -> None:
    """A model that was deleted since would leave a decision that nobody can carry out."""
    name = model_name(night.realm, decision.horizon)
    version = ModelVersion(name, decision.version or "", "", decision.content or "")
    try:
        load_version(night.tracking, version)
    except ModelBroken as error:
        raise ModelBroken(f"{named(decision)} needs its model, and {error}") from None
