"""Nights: which ran, when, how they ended; and the lock that lets only one of a date run at a time."""

from __future__ import annotations

import datetime as dt
import logging
import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import sqlalchemy as sa
from filelock import FileLock, Timeout
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from nightdesk.errors import NightLocked, StoreBusy
from nightdesk.store.bulk import read
from nightdesk.store.schema import nights

_log = logging.getLogger("nightdesk.night")

RUNNING, DONE, FAILED, ABANDONED = "running", "done", "failed", "abandoned"
NIGHT, RETRAIN = "night", "retrain"
"""What was started: a whole night, or a training on a night's data that forecasts nothing."""


_GATE = "every-night.lock"
_PASSING_SECONDS = 5
_LOOKING_SECONDS = 1
_EVERY_NIGHT = sa.func.hashtextextended("nightdesk.every night", 0)
"""What each night shares, and whoever needs the store without nights holds alone."""
_WHOLE = "no night may run meanwhile, and {who} runs one: wait for it to end"


@dataclass(frozen=True, slots=True)
class NightKey:
    """A night: its realm (`live`, or that of a replay), its as-of date, and the content of settings and code."""

    realm: str
    as_of: dt.date
    content: str


@contextmanager
def held(engine: sa.Engine, locks: Path, realm: str, as_of: dt.date) -> Iterator[None]:
    """Hold the lock of one realm and date; the operating system frees it when the process ends, however it ends.

    Raises NightLocked, naming the holder, where another process (or thread) has it, or the whole store is held. On
    PostgreSQL the lock goes with its session: `confirm_held` takes it again where that was lost.
    """
    name = f"{realm}-{as_of}"
    # A moment's patience: whoever looks whether a night runs takes its lock for as long.
    patiently = Retrying(
        stop=stop_after_delay(_LOOKING_SECONDS),
        wait=wait_fixed(0.05),
        retry=retry_if_exception_type(NightLocked),
        reraise=True,
    )
    if engine.dialect.name == "sqlite":
        with ExitStack() as stack:

            def take() -> None:
                with _gate(locks):  # whoever holds the whole store sees this night, or this night sees it
                    stack.enter_context(_file_lock(locks / f"{name}.lock", _busy(realm, as_of, "{who}")))

            patiently(take)
            yield
        return
    session = _SessionLock(engine, realm, as_of)
    patiently(session.take)
    _sessions[engine, realm, as_of] = session
    try:
        yield
    finally:
        del _sessions[engine, realm, as_of]
        session.let_go()


def confirm_held(engine: sa.Engine, realm: str, as_of: dt.date) -> None:
    """Make sure that this process still holds the lock it took; where it holds none of this date, do nothing.

    A lock of PostgreSQL ends with its session, as when the server was restarted: it is taken again, or NightLocked is
    raised where another process was quicker, StoreBusy where the server does not answer.
    """
    session = _sessions.get((engine, realm, as_of))
    if session is not None:
        session.confirm()


class _SessionLock:
    """An advisory lock and the session that has it: a connection of its own, out of the pool, for the whole night."""

    def __init__(self, engine: sa.Engine, realm: str, as_of: dt.date) -> None:
        self.engine, self.realm, self.as_of = engine, realm, as_of
        self.connection: sa.Connection | None = None
        self.alone = threading.Lock()

    def take(self) -> None:
        key = sa.func.hashtextextended(f"nightdesk.night.{self.realm}-{self.as_of}", 0)
        connection = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            connection.detach()
            connection.execute(sa.select(sa.func.set_config("application_name", f"nightdesk {_me()}", False)))
            for lock, wanted in (
                (_EVERY_NIGHT, sa.func.pg_try_advisory_lock_shared),
                (key, sa.func.pg_try_advisory_lock),
            ):
                if not connection.scalar(sa.select(wanted(lock))):
                    raise NightLocked(_busy(self.realm, self.as_of, _holder(connection, lock)))
        except BaseException:
            connection.close()
            raise
        self.connection = connection

    def confirm(self) -> None:
        with self.alone:
            if self.connection is not None:
                try:
                    self.connection.execute(sa.select(1))
                    return
                except StoreBusy:
                    self.let_go()
            _log.warning(
                "the lock of the night of %s (%s) went with its session: taking it again", self.as_of, self.realm
            )
            self.take()

    def let_go(self) -> None:
        if self.connection is not None:
            # A closed session's locks go a moment later, when the server notices: whoever comes next need not wait.
            # One that was lost has none left.
            with suppress(StoreBusy, sa.exc.SQLAlchemyError):
                self.connection.execute(sa.select(sa.func.pg_advisory_unlock_all()))
            self.connection.close()
            self.connection = None


@contextmanager
def no_night(engine: sa.Engine, locks: Path) -> Iterator[None]:
    """Hold off every night of this store inside the block; raises NightLocked where one runs."""
    if engine.dialect.name != "sqlite":
        with engine.connect() as connection:
            if not connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(_EVERY_NIGHT))):
                raise NightLocked(_WHOLE.format(who=_holder(connection, _EVERY_NIGHT)))
            yield
        return
    with _gate(locks):  # nobody passes it meanwhile: so each lock need only be free once
        for lock in sorted(locks.glob("*.lock")):
            if lock.name != _GATE:
                with _file_lock(lock, _WHOLE):
                    pass
        yield


@contextmanager
def _gate(locks: Path) -> Iterator[None]:
    """Pass where nights of SQLite begin: each for a moment, whoever wants none to begin for as long as it works."""
    locks.mkdir(parents=True, exist_ok=True)
    gate = FileLock(locks / _GATE)
    try:
        gate.acquire(timeout=_PASSING_SECONDS)
    except Timeout:
        raise NightLocked("no night may begin while its store is moved, and another process moves it: wait") from None
    try:
        yield
    finally:
        gate.release()


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
def _file_lock(path: Path, busy: str) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, blocking=False)
    holder = path.with_suffix(".holder")
    try:
        lock.acquire()
    except Timeout:
        try:
            who = holder.read_text(encoding="utf-8")
        except FileNotFoundError:  # it has just ended
            who = ""
        raise NightLocked(busy.format(who=who or "another process")) from None
    try:
        holder.write_text(_me(), encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _busy(realm: str, as_of: dt.date, who: str) -> str:
    return f"only one night of a date may run, and {who} runs that of {as_of} ({realm}): wait for it to end"


_sessions: dict[tuple[sa.Engine, str, dt.date], _SessionLock] = {}


def begin(engine: sa.Engine, key: NightKey, run_id: str | None, at: dt.datetime, kind: str = NIGHT) -> str:
    """Enter a night or retrain as running from `at` (UTC), under the lock of its date; returns its identifier."""
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
                kind=kind,
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


def close_orphans(engine: sa.Engine, realm: str, as_of: dt.date, at: dt.datetime, kind: str | None = None) -> list[str]:
    """Close nights and retrains of this date that stand as running: whoever holds the lock knows they were killed.

    `kind`: only those. Returns the orchestrator's run identifiers of those that had one.
    """
    orphans = [nights.c.realm == realm, nights.c.as_of == as_of, nights.c.status == RUNNING]
    orphans += [] if kind is None else [nights.c.kind == kind]
    with engine.begin() as connection:
        runs = connection.scalars(sa.select(nights.c.run_id).where(*orphans)).all()
        reason = "killed before its end; closed by the next start"
        connection.execute(sa.update(nights).where(*orphans).values(status=ABANDONED, ended_at=at, reason=reason))
    return [run for run in runs if run is not None]


@dataclass(frozen=True, slots=True)
class Killed:
    """A night or retrain that stands as running while nobody runs it.

    `run_id` is the orchestrator's name for it, if any.
    """

    realm: str
    as_of: dt.date
    run_id: str | None
    kind: str


def killed(engine: sa.Engine, locks: Path) -> list[Killed]:
    """Nights and retrains that were killed before their end and not started again since, oldest first.

    Each lock is held for the moment in which the night is looked at; only nights that look killed are.
    """
    columns = (nights.c.realm, nights.c.as_of, nights.c.run_id, nights.c.kind)
    wanted = sa.select(*columns).where(nights.c.status == RUNNING)
    found: list[Killed] = []
    with engine.connect() as connection:
        suspected = sorted({(realm, as_of) for realm, as_of, *_ in connection.execute(wanted)}, key=lambda one: one[1])
    for realm, as_of in suspected:
        try:
            with held(engine, locks, realm, as_of), engine.connect() as connection:
                of_night = wanted.where(nights.c.realm == realm, nights.c.as_of == as_of)
                found += [Killed(*row) for row in connection.execute(of_night)]
        except NightLocked:
            continue  # it runs
    return found


def done_summary(engine: sa.Engine, realm: str, as_of: dt.date, kind: str = NIGHT) -> str | None:
    """The summary (JSON) that a finished night (or retrain) of this date left; none if there is none."""
    wanted = sa.select(nights.c.summary).where(
        nights.c.realm == realm, nights.c.as_of == as_of, nights.c.status == DONE, nights.c.kind == kind
    )
    with engine.connect() as connection:
        return connection.scalar(wanted)


def tried(engine: sa.Engine, realm: str, as_of: dt.date, kind: str) -> bool:
    """Whether any start of `kind` was entered for this date, however it ended."""
    wanted = sa.select(sa.func.count()).where(nights.c.realm == realm, nights.c.as_of == as_of, nights.c.kind == kind)
    with engine.connect() as connection:
        return bool(connection.scalar(wanted))


def newest_begun(engine: sa.Engine, realm: str) -> dt.date | None:
    """The as-of date of the newest night (no retrain) that has begun, however it ended; None where none has."""
    wanted = sa.select(sa.func.max(nights.c.as_of)).where(nights.c.realm == realm, nights.c.kind == NIGHT)
    with engine.connect() as connection:
        newest: dt.date | None = connection.scalar(wanted)
    return newest


def begun_by(engine: sa.Engine, moment: dt.datetime) -> list[tuple[dt.date, dt.datetime]]:
    """The as-of date of every night and retrain of any realm that began by `moment` (UTC), and when each began."""
    wanted = sa.select(nights.c.as_of, nights.c.started_at).where(nights.c.started_at <= moment)
    with engine.connect() as connection:
        return list(connection.execute(wanted).tuples().all())


def running_kind(engine: sa.Engine, realm: str, as_of: dt.date) -> str | None:
    """Whether a night or a retrain runs on this date, asked under its lock; None where neither does."""
    wanted = sa.select(nights.c.kind).where(
        nights.c.realm == realm, nights.c.as_of == as_of, nights.c.status == RUNNING
    )
    with engine.connect() as connection:
        kind: str | None = connection.scalar(wanted.limit(1))
    return kind


def history(engine: sa.Engine, realm: str) -> pl.DataFrame:
    """Every start of a night or retrain of `realm`: as_of, kind, status, reason, started_at, ended_at, oldest first."""
    columns = (nights.c.as_of, nights.c.kind, nights.c.status, nights.c.reason, nights.c.started_at, nights.c.ended_at)
    return read(
        engine,
        sa.select(*columns).where(nights.c.realm == realm).order_by(nights.c.as_of, nights.c.started_at),
    )


def realms(engine: sa.Engine) -> list[str]:
    """Every realm in which anything was started, sorted."""
    with engine.connect() as connection:
        return list(connection.scalars(sa.select(nights.c.realm).distinct().order_by(nights.c.realm)))


def done_dates(engine: sa.Engine, realm: str) -> set[dt.date]:
    """As-of dates of `realm` on which all is done: the night, and the retrain where one was begun."""
    wanted = sa.select(nights.c.as_of, nights.c.kind, nights.c.status).where(nights.c.realm == realm)
    with engine.connect() as connection:
        rows = connection.execute(wanted).tuples().all()
    done = {(as_of, kind) for as_of, kind, status in rows if status == DONE}
    begun = {(as_of, kind) for as_of, kind, _ in rows}
    return {as_of for as_of, kind in done if kind == NIGHT and not {(as_of, RETRAIN)} & (begun - done)}
