"""Nights: which ran, when, how they ended; and the lock that lets only one of a date run at a time."""

from __future__ import annotations

import datetime as dt
import os
import socket
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
    with _session_lock(engine, name, realm, as_of):
        yield


@contextmanager
def _session_lock(engine: sa.Engine, name: str, realm: str, as_of: dt.date) -> Iterator[None]:
    """A session's advisory lock lives as long as its connection: take one out of the pool, and close it at the end."""
    lock = sa.func.hashtextextended(f"nightdesk.night.{name}", 0)
    with engine.connect() as connection:
        connection.detach()
        connection.execute(sa.select(sa.func.set_config("application_name", f"nightdesk {_me()}", False)))
        if not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(lock))):
            raise NightLocked(_busy(realm, as_of, _holder(connection, lock)))
        connection.commit()  # idle outside transactions, for the whole night
        yield


def _holder(connection: sa.Connection, lock: sa.Function[int]) -> str:
    """Who has the advisory lock, as that session named itself."""
    wanted = sa.text(
        "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' "
        "AND l.granted AND l.objsubid = 1 AND (l.classid::bigint << 32 | l.objid::bigint) = :key "
        "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return connection.scalar(wanted, {"key": connection.scalar(sa.select(lock))}) or "another process"


def _me() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


@contextmanager
def _file_lock(path: Path, realm: str, as_of: dt.date) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, blocking=False)
    holder = path.with_suffix(".holder")
    try:
        lock.acquire()
    except Timeout:
        who = holder.read_text(encoding="utf-8") if holder.exists() else ""
        raise NightLocked(_busy(realm, as_of, who or "another process")) from None
    try:
        holder.write_text(_me(), encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
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


@dataclass(frozen=True, slots=True)
class Killed:
    """A night that stands as running while nobody runs it; `run_id` is the orchestrator's name for it, if any."""

    realm: str
    as_of: dt.date
    run_id: str | None


def killed(engine: sa.Engine, locks: Path) -> list[Killed]:
    """Nights that were killed before their end and not started again since, oldest first.

    Each lock is held for the moment in which the night is looked at; only nights that look killed are.
    """
    wanted = sa.select(nights.c.realm, nights.c.as_of, nights.c.run_id).where(nights.c.status == RUNNING)
    found: list[Killed] = []
    with engine.connect() as connection:
        suspected = sorted({(realm, as_of) for realm, as_of, _ in connection.execute(wanted)}, key=lambda one: one[1])
    for realm, as_of in suspected:
        try:
            with held(engine, locks, realm, as_of), engine.connect() as connection:
                of_night = wanted.where(nights.c.realm == realm, nights.c.as_of == as_of)
                found += [Killed(*row) for row in connection.execute(of_night)]
        except NightLocked:
            continue  # it runs
    return found


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
