"""Moves a home from SQLite to PostgreSQL: store and, where wanted, MLflow's database; all of it, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from nightdesk.concealment import without_password
from nightdesk.errors import BadInput, NothingThere, StoreBusy
from nightdesk.home import Home
from nightdesk.operations.move_tracking import copy_tracking
from nightdesk.settings import Settings
from nightdesk.store.bulk import append_all, read
from nightdesk.store.database import connect, migrate, schema_version
from nightdesk.store.nights import no_night
from nightdesk.store.schema import metadata


@dataclass(frozen=True, slots=True)
class Moved:
    """Rows moved by table, of the store and of MLflow's database, and what to set from now on, without passwords."""

    store: dict[str, int]
    tracking: dict[str, int]
    settings: tuple[tuple[str, str], ...]


def move(settings: Settings, to: str, tracking_to: str | None = None) -> Moved:
    """Copy the store, and with `tracking_to` MLflow's database, to empty databases of PostgreSQL; files stay.

    Each copy is one transaction, read back and compared before any is committed: a move that fails leaves its targets
    empty. The sources stay as they are. Raises BadInput for a source that is no SQLite or a target that is not empty,
    NothingThere where there is nothing to move, NightLocked where a night runs, StoreBusy where a server is silent.
    """
    _check_targets([url for url in (to, tracking_to) if url is not None])
    home = Home(settings.home)
    store_from = _source(settings.store.url or home.store_url, "store")
    tracking_from = None
    if tracking_to is not None:
        tracking_from = _source(settings.tracking.uri or home.tracking_uri, "tracking database")
    tracked: dict[str, int] = {}
    with ExitStack() as stack:
        source = stack.enter_context(_engine(store_from))
        stack.enter_context(no_night(source, home.locks))
        # Both stay open until all is compared, and are committed only then, one right after the other.
        target = stack.enter_context(_empty(to))
        stored = _copy_store(source, target)
        if tracking_from is not None and tracking_to is not None:
            with _engine(tracking_from) as tracking_source:
                tracked = copy_tracking(tracking_source, stack.enter_context(_empty(tracking_to)))
    variables = [("NIGHTDESK_STORE__URL", without_password(to))]
    if tracking_to is not None:
        variables.append(("NIGHTDESK_TRACKING__URI", without_password(tracking_to)))
    return Moved(stored, tracked, tuple(variables))


def _check_targets(urls: list[str]) -> None:
    for url in urls:
        if not url.startswith("postgresql+psycopg://"):
            raise BadInput(f"a move goes to postgresql+psycopg://, got {url.partition(':')[0]!r}: name such a database")
        connect(url)  # refuses what is no URL; nothing is touched yet
    databases = {(url.host, url.port, url.database) for url in map(sa.make_url, urls)}
    if len(databases) < len(urls):
        raise BadInput("store and tracking need a database each, got one for both: make a second one")


def _source(url: str, what: str) -> str:
    """`url`, where it names a file of SQLite that is there."""
    scheme, _, rest = url.partition(":")
    if scheme != "sqlite":
        raise BadInput(f"a move starts from SQLite, got a {what} at {scheme}: there is nothing to move")
    file = Path(rest.removeprefix("///"))
    if not file.is_file():
        raise NothingThere(f"a move needs a {what}, got none at {file}: run a night first")
    return url


@contextmanager
def _engine(url: str) -> Iterator[sa.Engine]:
    engine = connect(url)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _empty(url: str) -> Iterator[sa.Connection]:
    """A transaction in the empty database of PostgreSQL at `url`, alone in it until its end."""
    with _engine(url) as engine:
        try:
            with engine.begin() as connection:
                tables = sa.inspect(connection).get_table_names()
                if tables:
                    raise BadInput(
                        f"a move needs an empty database, got one with {len(tables)} tables "
                        f"at {without_password(url)}: make a new one (createdb)"
                    )
                yield connection
        except sa.exc.OperationalError as error:
            reason = str(error.orig).splitlines()[0]
            raise StoreBusy(f"the target must answer, got {reason} from {without_password(url)}: start it") from error


def _copy_store(source: sa.Engine, target: sa.Connection) -> dict[str, int]:
    current, newest = schema_version(source)
    if current != newest:
        raise BadInput(
            f"a store is moved at schema {newest}, got {current}: run nightdesk doctor, which brings it there"
        )
    migrate(target)
    rows = {}
    for table in metadata.sorted_tables:
        wanted = sa.select(table).order_by(*table.primary_key.columns)
        frame = read(source, wanted)
        append_all(target, [(table, frame)])
        if not read(target, wanted).equals(frame):
            raise BadInput(f"table {table.name} must arrive as it left, got other rows: report this, nothing was moved")
        rows[table.name] = frame.height
    return rows
