"""The ledger of finished stages: it alone decides what a night started again may skip."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import polars as pl
import sqlalchemy as sa

from nightdesk.store.bulk import read
from nightdesk.store.nights import confirm_held
from nightdesk.store.schema import stages


@dataclass(frozen=True, slots=True)
class StageKey:
    """One stage of one night, made from inputs of one content."""

    realm: str
    as_of: dt.date
    stage: str
    content: str


def finished(engine: sa.Engine, key: StageKey) -> str | None:
    """The JSON that stage `key` left when it finished; none if it has not.

    Here and in `record` a night whose lock was lost with its session takes it again, or fails (nights.confirm_held).
    """
    confirm_held(engine, key.realm, key.as_of)
    with engine.connect() as connection:
        return connection.scalar(sa.select(stages.c.result).where(*_matches(key)))


def record(engine: sa.Engine, key: StageKey, result: str, seconds: float, at: dt.datetime) -> None:
    """Enter stage `key` as finished at `at` (UTC) with `result` (JSON); a second entry takes the place of the first."""
    confirm_held(engine, key.realm, key.as_of)
    with engine.begin() as connection:
        connection.execute(sa.delete(stages).where(*_matches(key)))
        connection.execute(
            sa.insert(stages).values(
                realm=key.realm,
                as_of=key.as_of,
                stage=key.stage,
                content=key.content,
                result=result,
                seconds=seconds,
                finished_at=at,
            )
        )


def stage_seconds(engine: sa.Engine, realm: str, as_of: dt.date) -> pl.DataFrame:
    """Seconds that each finished stage of a night took: stage, seconds, in the order in which they finished."""
    wanted = sa.select(stages.c.stage, stages.c.seconds).where(stages.c.realm == realm, stages.c.as_of == as_of)
    return read(engine, wanted.order_by(stages.c.finished_at, stages.c.stage))


def newest_result(engine: sa.Engine, realm: str, stage: str, on: dt.date | None = None) -> str | None:
    """The JSON that `stage` left on the newest night of a realm on which it finished, or last on the night `on`.

    None where it never has.
    """
    wanted = _newest_first(realm, stage)
    if on is not None:
        wanted = wanted.where(stages.c.as_of == on)
    with engine.connect() as connection:
        return connection.scalar(wanted.limit(1))


def all_results(engine: sa.Engine, realm: str, stage: str) -> list[str]:
    """The JSON that `stage` left on every night of a realm, the newest night first."""
    with engine.connect() as connection:
        return list(connection.scalars(_newest_first(realm, stage)))


def results_up_to(engine: sa.Engine, realm: str, as_of: dt.date, beginning: str) -> list[str]:
    """The JSON that stages whose names begin so left on nights of a realm up to `as_of`, the newest night first."""
    wanted = sa.select(stages.c.result).where(
        stages.c.realm == realm, stages.c.as_of <= as_of, stages.c.stage.startswith(beginning, autoescape=True)
    )
    with engine.connect() as connection:
        return list(connection.scalars(wanted.order_by(stages.c.as_of.desc(), stages.c.finished_at.desc())))


def _newest_first(realm: str, stage: str) -> sa.Select[tuple[str]]:
    wanted = sa.select(stages.c.result).where(stages.c.realm == realm, stages.c.stage == stage)
    return wanted.order_by(stages.c.as_of.desc(), stages.c.finished_at.desc())


def _matches(key: StageKey) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        stages.c.realm == key.realm,
        stages.c.as_of == key.as_of,
        stages.c.stage == key.stage,
        stages.c.content == key.content,
    )
