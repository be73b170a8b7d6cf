"""Opens the store: SQLAlchemy on SQLite (WAL) or PostgreSQL, brought to the newest schema by Alembic."""

from __future__ import annotations

import logging
import re
from functools import lru_cache
from pathlib import Path

import psycopg
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from filelock import FileLock

from nightdesk.concealment import without_password
from nightdesk.disk import on_disk
from nightdesk.errors import BadSetting, StoreBusy
from nightdesk.store.refusals import of_postgresql, of_sqlite

BUSY_SECONDS = 60
_MIGRATING = "SELECT pg_advisory_xact_lock(hashtextextended('nightdesk.migrating', 0))"


@lru_cache(maxsize=8)
def open_store(url: str) -> sa.Engine:
    """Open the store at SQLAlchemy URL `url`, creating or migrating it first; one engine a URL and process.

    Raises BadSetting for a database that is neither a file of SQLite nor PostgreSQL through psycopg, StoreBusy for one
    that does not answer, DiskTrouble for a file that the disk refuses.
    """
    engine = connect(url)
    try:
        _bring_up(engine)
    except sa.exc.OperationalError as error:
        where = without_password(engine.url.render_as_string(hide_password=True))
        reason = str(error.orig).splitlines()[0]
        raise StoreBusy(f"the store must answer, got {reason} from {where}: start it, or mend store.url") from error
    return engine


def _bring_up(engine: sa.Engine) -> None:
    if engine.dialect.name == "sqlite":
        # Two processes that open a new file at once would both run the first migration.
        file = Path(_file(engine))
        with on_disk(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{file}.migrating"):
                _migrate(engine)
    else:
        _migrate(engine)


def connect(url: str) -> sa.Engine:
    """An engine for `url` that has touched nothing yet; connections are in WAL mode on SQLite, in UTC on PostgreSQL.

    On PostgreSQL a connection that was lost since its last use is replaced, and one lost in use raises StoreBusy.
    """
    parsed = _checked(url)
    if parsed.drivername == "sqlite":
        engine = sa.create_engine(parsed)
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "handle_error", _say_refused)
        return engine
    # A server restarted between two stages is none of their business: a dead connection is replaced unseen.
    engine = sa.create_engine(parsed, pool_pre_ping=True)
    sa.event.listen(engine, "connect", _prepare_postgresql)
    sa.event.listen(engine, "handle_error", _say_lost)
    return engine


def _say_refused(context: sa.engine.ExceptionContext) -> None:
    """Make an error of ours of a file that is busy, or that the disk refuses."""
    error, engine = context.original_exception, context.engine
    told = None if engine is None else of_sqlite(error, _file(engine))
    if told is not None:
        raise told from error


def _say_lost(context: sa.engine.ExceptionContext) -> None:
    """Make an error of ours of a connection that broke or could not be made, and of a server's disk that is full."""
    error = context.original_exception
    unmade = context.connection is None and isinstance(error, psycopg.OperationalError)
    full = isinstance(error, psycopg.errors.DiskFull)
    if not context.is_pre_ping and (context.is_disconnect or unmade or full):
        raise of_postgresql(error) from error


def _checked(url: str) -> sa.URL:
    rule = "store.url must start with sqlite:/// or postgresql+psycopg://"
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):  # the latter: a port that is no number
        # Never the whole text: it may hold a password.
        raise BadSetting(f"{rule}, got {re.split('[:/@]', url)[0]!r}: see SQLAlchemy's database URLs") from None
    if parsed.drivername not in ("sqlite", "postgresql+psycopg"):
        raise BadSetting(f"{rule}, got {parsed.drivername}://: install and name one of these")
    if parsed.drivername == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise BadSetting(
            f"store.url must name a file of SQLite, got {without_password(url)}: "
            "a night in memory cannot be started again"
        )
    return parsed


def migrations_folder() -> Path:
    """The folder of migrations: inside an installed wheel, or `infra/migrations` of a checkout."""
    packaged = Path(__file__).with_name("migrations")
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "infra" / "migrations"


def schema_version(engine: sa.Engine) -> tuple[str | None, str | None]:
    """The revision of the database, none when empty, and the newest one known to this code."""
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return current, ScriptDirectory.from_config(_alembic()).get_current_head()


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    return config


def _migrate(engine: sa.Engine) -> None:
    current, newest = schema_version(engine)
    if current == newest:
        return
    with engine.begin() as connection:
        migrate(connection)


def migrate(connection: sa.Connection) -> None:
    """Bring the database to the newest schema, inside the transaction of `connection`."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = _alembic()
    # All or nothing, and one process at a time: SQLite would commit each table by itself.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.dialect.name == "sqlite" else _MIGRATING)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _file(engine: sa.Engine) -> str:
    return str(engine.url.database)


def _prepare_sqlite(connection: object, _record: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for pragma in (
        f"busy_timeout={BUSY_SECONDS * 1000}",
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        # A batch of half a million rows outgrows the 2 MB that SQLite keeps in memory by itself, and spills row by row.
        "cache_size=-262144",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _prepare_postgresql(connection: object, _record: object) -> None:
    """Instants go to COPY as UTC without saying so: the server's own time zone must not read them otherwise."""
    connection.execute("SET TIME ZONE 'UTC'")  # type: ignore[attr-defined]
    connection.commit()  # type: ignore[attr-defined]
