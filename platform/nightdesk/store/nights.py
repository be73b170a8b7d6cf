"""Nights: which ran, when, how they ended; and the lock that lets only one of a date run at a time."""

from __future__ import annotations

import datetime as dt
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import sqlalchemy as sa
from filelock import FileLock, Timeout

from nightdesk.errors import NightLocked
from nightdesk.store.bulk import read
from nightdesk.store.schema import nights

RUNNING, DONE, FAILED, ABANDONED = "running", "done", "failed", "abandoned"


@dataclass(frozen=True, slots=True)
class NightKey:
    """A night: its realm (`live`, or that of a replay), its as-of date, and the content of settings and code."""

    realm: str
    as_of: dt.date
    content: str


@contextmanager
def held(engine: sa.Engine, locks: Path, realm: str, as_of: dt.date) -> Iterator[None]:
    """Hold the lock of one realm and date; the operating system frees it when the process ends, however it ends.

    Raises NightLocked, naming the holder, where another process (or thread) has it.
    """
    name = f"{realm}-{as_of}"
    if engine.dialect.name == "sqlite":
        with _file_lock(locks / f"{name}.lock", realm, as_of):
            yield
        return
    with engine.connect() as connection:
        wanted = sa.select(sa.func.pg_try_advisory_lock(sa.func.hashtext(f"nightdesk.night.{name}")))
        if not connection.scalar(wanted):
            raise NightLocked(_busy(realm, as_of, "another connection to the store"))
        # A session's advisory lock lives as long as its connection: keep that one open, and idle outside transactions.
        connection.commit()
        yield
        connection.execute(sa.select(sa.func.pg_advisory_unlock(sa.func.hashtext(f"nightdesk.night.{name}"))))


@contextmanager
def _file_lock(path: Path, realm: str, as_of: dt.date) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, blocking=False)
    holder = path.with_suffix(".holder")
    try:
        lock.acquire()
    except Timeout:
        who = holder.read_text(encoding="utf-8") if holder.exists() else "another process"
        raise NightLocked(_busy(realm, as_of, who)) from None
    try:
        holder.write_text(f"process {os.getpid()}", encoding="utf-8")
        yield
        holder.unlink(missing_ok=True)
    finally:
        lock.release()


def _busy(realm: str, as_of: dt.date, who: str) -> str:
    return f"only one night of a date may run, and {who} runs that of {as_of} ({realm}): wait for it to end"


def begin(engine: sa.Engine, key: NightKey, run_id: str | None, at: dt.datetime) -> str:
    """Enter a night as running, started at `at` (UTC), under the lock of its date; returns the night's identifier."""
    night_id = uuid.uuid4().hex
    with engine.begin() as connection:
        connection.execute(
            sa.insert(nights).values(
                night_id=night_id,
                realm=key.realm,
                as_of=key.as_of,
                content=key.content,
                status=RUNNING,
                run_id=run_id,
                started_at=at,
            )
        )
    return night_id


def end(
    engine: sa.Engine,
    night_id: str,
    status: str,
    at: dt.datetime,
    reason: str | None = None,
    summary: str | None = None,
) -> None:
    """Enter how a night ended: status `done` or `failed`, with its reason, or its summary (JSON)."""
    change = sa.update(nights).where(nights.c.night_id == night_id)
    with engine.begin() as connection:
        connection.execute(change.values(status=status, ended_at=at, reason=reason, summary=summary))


def close_orphans(engine: sa.Engine, realm: str, as_of: dt.date, at: dt.datetime) -> list[str]:
    """Close nights of this date that still stand as running; whoever holds the lock knows that they were killed.

    Returns the orchestrator's run identifiers of those that had one.
    """
    orphans = (nights.c.realm == realm, nights.c.as_of == as_of, nights.c.status == RUNNING)
    with engine.begin() as connection:
        runs = connection.scalars(sa.select(nights.c.run_id).where(*orphans)).all()
        reason = "killed before its end; closed by the next start"
        connection.execute(sa.update(nights).where(*orphans).values(status=ABANDONED, ended_at=at, reason=reason))
    return [run for run in runs if run is not None]


def done_summary(engine: sa.Engine, realm: str, as_of: dt.date) -> str | None:
    """The summary (JSON) that a finished night of this date left; none if there is none."""
    wanted = sa.select(nights.c.summary).where(
        nights.c.realm == realm, nights.c.as_of == as_of, nights.c.status == DONE
    )
    with engine.connect() as connection:
        return connection.scalar(wanted)


def history(engine: sa.Engine, realm: str) -> pl.DataFrame:
    """Every start of a night of `realm`: as_of, status, reason, started_at, ended_at, oldest first."""
    columns = (nights.c.as_of, nights.c.status, nights.c.reason, nights.c.started_at, nights.c.ended_at)
    return read(
        engine,
        sa.select(*columns).where(nights.c.realm == realm).order_by(nights.c.as_of, nights.c.started_at),
    )
