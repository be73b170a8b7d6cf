"""What a person's answer makes of a promotion: a pure function, and the words that tell of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nightdesk.store.approvals import APPROVED, REFUSED, Answer, Reply
from nightdesk.store.decisions import KEEP, REFUSE, Decision


def settled(decision: Decision, answers: Sequence[Answer], somebody_served: bool) -> Decision:
    """The decision that is carried out: as proposed where it was approved or nobody was asked, else nothing moves.

    Without an approval the champion is kept; where nobody is served yet, the horizon is refused.
    """
    reply = next((one.reply for one in answers if one.horizon == decision.horizon), None)
    if reply is None:
        return decision
    if reply.answer == APPROVED:
        return replace(decision, reasons=f"{decision.reasons}; {words(reply)}")
    stays = "" if reply.answer == REFUSED else "; the champion stays" if somebody_served else "; nobody is served"
    return replace(
        decision,
        action=KEEP if somebody_served else REFUSE,
        model=None,
        content=None,
        version=None,
        skill=None,
        reasons=f"{words(reply)}{stays} (proposed: {named(decision)}, {decision.reasons})",
        moves_alias=False,
    )


def words(reply: Reply) -> str:
    """Say what was answered and by whom: `approved by Ada: looks sound`."""
    if reply.by is None:
        return reply.note
    return f"{reply.answer} by {reply.by}{f': {reply.note}' if reply.note else ''}"


def named(decision: Decision) -> str:
    """Name what a decision would do: `refresh ridge version 2`."""
    return f"{decision.action} {decision.model} version {decision.version}"


def told(proposed: Sequence[Decision], answers: Sequence[Answer]) -> tuple[str, ...]:
    """A sentence for each promotion that somebody was asked about."""
    replies = {one.horizon: one.reply for one in answers}
    return tuple(
        f"{one.horizon} days, {named(one)}: {words(replies[one.horizon])}" for one in proposed if one.horizon in replies
    )
