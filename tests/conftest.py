"""Fixtures for all tests: a PostgreSQL server, and a fresh store on either engine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import postgresql_server
import pytest
import sqlalchemy as sa
from opened_store import opened
from prepared import put_on

from nightdesk.store.database import open_store

ENGINES = ("sqlite", "postgresql")


# No deadline: a busy machine is no fault of the code.
hypothesis.settings.register_profile("nightdesk", deadline=None)
hypothesis.settings.load_profile("nightdesk")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what is slow begin first: begun last, one worker would end it while the others wait."""
    items.sort(key=lambda one: (one.get_closest_marker("slow") is None, "flows" not in one.path.parts))


@pytest.fixture(scope="session", autouse=True)
def _shelf(tmp_path_factory: pytest.TempPathFactory) -> None:
    own = tmp_path_factory.getbasetemp()
    # Each worker's folder lies in the one of the whole run.
    put_on(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own)


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """SQLAlchemy URL of a real PostgreSQL server (its database is for making others); skips where there is none."""
    with postgresql_server.server() as url:
        yield url


@pytest.fixture(scope="session")
def migrated_template(postgresql_url: str) -> Iterator[str]:
    """Name of a database at the newest schema, to be copied."""
    with postgresql_server.database(postgresql_url) as url:
        open_store.__wrapped__(url).dispose()
        yield str(sa.make_url(url).database)


@pytest.fixture(params=ENGINES)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a database that holds nothing yet, on each engine."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'store.db'}"
        return
    with postgresql_server.database(request.getfixturevalue("postgresql_url")) as url:
        yield url


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    """A fresh, opened store on each engine."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path / 'store.db'}"
        else:
            server, template = (request.getfixturevalue(name) for name in ("postgresql_url", "migrated_template"))
            url = stack.enter_context(postgresql_server.database(server, template))
        yield stack.enter_context(opened(url))
