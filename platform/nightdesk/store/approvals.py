"""Approvals: what a person was asked about a promotion, and what was answered, stored before it is acted on.

A decision that waits for its answer stands here and not among the decisions: so nothing can carry it out by mistake.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import polars as pl
import sqlalchemy as sa

from nightdesk.errors import NightLocked
from nightdesk.store.bulk import read
from nightdesk.store.decisions import MOVING, Decision, confirmed
from nightdesk.store.nights import NIGHT
from nightdesk.store.schema import approvals, decisions, nights

APPROVED, REFUSED, UNANSWERED = "approved", "refused", "unanswered"


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered, by whom (None: nobody), and their note, or why nobody answered."""

    answer: str
    by: str | None
    note: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The reply that stands for one horizon of a night."""

    horizon: int
    reply: Reply


def ask(engine: sa.Engine, proposed: Iterable[Decision], at: dt.datetime) -> list[Decision]:
    """Enter what is asked about at `at` (UTC); returns the decisions that a person still has to answer.

    An answer of a person stands, unless it was about another model. What has been carried out is not asked again.
    """
    return [one for one in proposed if _ask(engine, one, at)]


def _ask(engine: sa.Engine, decision: Decision, at: dt.datetime) -> bool:
    if confirmed(engine, decision.realm, decision.as_of, decision.horizon):
        return False
    question = {name: getattr(decision, name) for name in _ASKED} | {"model_content": decision.content}
    with _alone(engine) as connection:
        found = connection.execute(sa.select(approvals).where(*_of(decision))).mappings().first()
        if found is not None and found["answer"] in (APPROVED, REFUSED) and _is_about(found, decision):
            connection.execute(sa.update(approvals).where(*_of(decision)).values(**question))
            return False
        connection.execute(sa.delete(approvals).where(*_of(decision)))
        connection.execute(sa.insert(approvals).values(**question, asked_at=at))
    return True


def withdraw(engine: sa.Engine, realm: str, as_of: dt.date, horizons: Iterable[int]) -> None:
    """Take back what a killed start of this night asked at `horizons`, and nobody answered: it proposes it no more."""
    with _alone(engine) as connection:
        for horizon in horizons:
            if not confirmed(connection, realm, as_of, horizon):
                unanswered = approvals.c.answer.is_(None) | (approvals.c.answer == UNANSWERED)
                asked = (approvals.c.realm == realm, approvals.c.as_of == as_of, approvals.c.horizon == horizon)
                connection.execute(sa.delete(approvals).where(*asked, unanswered))


def reply_to_waiting(engine: sa.Engine, proposed: Iterable[Decision], reply: Reply, at: dt.datetime) -> None:
    """Enter a reply where none stands: one that came first by another way is kept."""
    with _alone(engine) as connection:
        for decision in proposed:
            waiting = sa.update(approvals).where(*_of(decision), approvals.c.answer.is_(None))
            connection.execute(waiting.values(**_values(reply), answered_at=at))


def reply_ahead(
    engine: sa.Engine, realm: str, as_of: dt.date, horizons: Iterable[int], reply: Reply, at: dt.datetime
) -> None:
    """Enter a reply in the place of any earlier one, also where the night has not asked yet."""
    with _alone(engine) as connection:
        for horizon in horizons:
            key = {"realm": realm, "as_of": as_of, "horizon": horizon}
            given = {**_values(reply), "answered_at": at}
            there = sa.update(approvals).where(*(approvals.c[name] == value for name, value in key.items()))
            if not connection.execute(there.values(**given)).rowcount:
                connection.execute(sa.insert(approvals).values(**key, **given))


def answers(engine: sa.Engine, proposed: Iterable[Decision]) -> tuple[Answer, ...]:
    """The replies that stand for these decisions; one that was about another model does not count."""
    found = []
    with engine.connect() as connection:
        for decision in proposed:
            row = connection.execute(sa.select(approvals).where(*_of(decision))).mappings().first()
            if row is not None and row["answer"] is not None and _is_about(row, decision):
                found.append(Answer(decision.horizon, Reply(row["answer"], row["by"], row["note"])))
    return tuple(found)


def asked_about(engine: sa.Engine, realm: str, as_of: dt.date, horizon: int) -> Decision | None:
    """The decision that a person was asked about on this night and horizon; None where nobody was."""
    wanted = sa.select(approvals).where(
        approvals.c.realm == realm, approvals.c.as_of == as_of, approvals.c.horizon == horizon
    )
    with engine.connect() as connection:
        row = connection.execute(wanted).mappings().first()
    return None if row is None or row["model_content"] is None else _proposal(row)


def unanswered(engine: sa.Engine, realm: str, as_of: dt.date) -> set[int]:
    """Horizons at which this night has gone on without an answer."""
    wanted = sa.select(approvals.c.horizon).where(
        approvals.c.realm == realm, approvals.c.as_of == as_of, approvals.c.answer == UNANSWERED
    )
    with engine.connect() as connection:
        return set(connection.scalars(wanted))


def waiting(engine: sa.Engine, realm: str) -> list[Decision]:
    """Promotions that nobody has answered and that may still be approved: no later night has decided."""
    later = sa.exists().where(
        decisions.c.realm == approvals.c.realm,
        decisions.c.horizon == approvals.c.horizon,
        (decisions.c.as_of > approvals.c.as_of) | ((decisions.c.as_of == approvals.c.as_of) & (decisions.c.number > 0)),
        decisions.c.confirmed.is_(True),
    )
    wanted = sa.select(approvals).where(
        approvals.c.realm == realm,
        approvals.c.model_content.is_not(None),
        approvals.c.answer.is_(None) | (approvals.c.answer == UNANSWERED),
        ~later,
    )
    with engine.connect() as connection:
        rows = connection.execute(wanted.order_by(approvals.c.as_of, approvals.c.horizon)).mappings().all()
    return [_proposal(row) for row in rows]


def decided_on(engine: sa.Engine, realm: str, as_of: dt.date, horizon: int) -> tuple[str, bool] | None:
    """The action of this night's decision, and whether it is confirmed; None where there is none."""
    wanted = sa.select(decisions.c.action, decisions.c.confirmed).where(
        decisions.c.realm == realm,
        decisions.c.as_of == as_of,
        decisions.c.horizon == horizon,
        decisions.c.number == 0,
    )
    with engine.connect() as connection:
        row = connection.execute(wanted).first()
    return None if row is None else (row[0], row[1])


def superseded_by(engine: sa.Engine, decision: Decision) -> dt.date | None:
    """The newest later night that has decided at this horizon, whatever it decided; its own where a person has since.

    None where nobody has.
    """
    wanted = sa.select(sa.func.max(decisions.c.as_of)).where(
        decisions.c.realm == decision.realm,
        decisions.c.horizon == decision.horizon,
        (decisions.c.as_of > decision.as_of) | ((decisions.c.as_of == decision.as_of) & (decisions.c.number > 0)),
        decisions.c.confirmed.is_(True),
    )
    with engine.connect() as connection:
        later: dt.date | None = connection.scalar(wanted)
    return later


def refused_by_person(engine: sa.Engine, realm: str, horizon: int, action: str, since: dt.date) -> bool:
    """Whether a person has refused `action` at a horizon on the night of `since` or a later one."""
    wanted = sa.select(sa.func.count()).where(
        approvals.c.realm == realm,
        approvals.c.horizon == horizon,
        approvals.c.action == action,
        approvals.c.answer == REFUSED,
        approvals.c.as_of >= since,
    )
    with engine.connect() as connection:
        return bool(connection.scalar(wanted))


def approve_late(engine: sa.Engine, decision: Decision, reply: Reply, begun: dt.date, at: dt.datetime) -> None:
    """Let `decision` take the place of the one that kept the champion, as an intent that counts after `begun`.

    `begun` is the newest night that has begun: it and those before forecast with the former champion. Raises
    NightLocked where a newer one has begun by now.
    """
    values = {name: getattr(decision, name) for name in ("action", "model", "version", "skill", "reasons")}
    own = (
        decisions.c.realm == decision.realm,
        decisions.c.as_of == decision.as_of,
        decisions.c.horizon == decision.horizon,
        decisions.c.number == 0,
    )
    with _alone(engine) as connection:
        started = sa.select(sa.func.max(nights.c.as_of)).where(nights.c.realm == decision.realm, nights.c.kind == NIGHT)
        newest = connection.scalar(started)
        if newest is not None and newest > begun:
            raise NightLocked(f"no night may begin while a promotion is approved, and that of {newest} has: try again")
        connection.execute(
            sa.update(approvals).where(*_of(decision)).values(**_values(reply), answered_at=at, begun=begun)
        )
        connection.execute(
            sa.update(decisions)
            .where(*own)
            .values(
                **values,
                model_content=decision.content,
                moves_alias=True,
                confirmed=False,
                decided_at=at,
                counts_after=begun,
            )
        )


def all_approvals(engine: sa.Engine, realm: str) -> pl.DataFrame:
    """Every question of a realm, oldest first: as_of, horizon, action, model, version, answer, by, note, begun."""
    names = ("as_of", "horizon", "action", "model", "version", "answer", "by", "note", "begun")
    wanted = sa.select(*(approvals.c[name] for name in names)).where(approvals.c.realm == realm)
    return read(engine, wanted.order_by(approvals.c.as_of, approvals.c.horizon))


@contextmanager
def _alone(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that no other writer of approvals gets between: a night and a command may both answer."""
    with engine.connect() as connection, connection.begin():
        connection.exec_driver_sql(
            "BEGIN IMMEDIATE" if engine.dialect.name == "sqlite" else "LOCK TABLE approvals IN SHARE ROW EXCLUSIVE MODE"
        )
        yield connection


_ASKED = ("realm", "as_of", "horizon", "action", "model", "version", "skill", "reasons")


def _is_about(row: sa.RowMapping, decision: Decision) -> bool:
    """Whether an answer was about this model, or given ahead to whatever the night would propose."""
    return row["model_content"] in (None, decision.content)


def _of(decision: Decision) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        approvals.c.realm == decision.realm,
        approvals.c.as_of == decision.as_of,
        approvals.c.horizon == decision.horizon,
    )


def _values(reply: Reply) -> dict[str, object]:
    return {"answer": reply.answer, "by": reply.by, "note": reply.note}


def _proposal(row: sa.RowMapping) -> Decision:
    return Decision(
        row["realm"],
        row["as_of"],
        row["horizon"],
        row["action"],
        row["model"],
        row["model_content"],
        row["version"],
        row["skill"],
        row["reasons"],
        row["action"] in MOVING,
    )
