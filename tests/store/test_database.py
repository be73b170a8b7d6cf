"""The store opens at the newest schema, whoever else opens it at once and wherever it was killed before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from opened_store import opened
from store_samples import count, start_python

from nightdesk.errors import BadSetting
from nightdesk.store import database, schema
from nightdesk.store.database import connect, open_store, schema_version

OPEN = """
import sys
from nightdesk.store.database import open_store, schema_version
print("ready", flush=True)
sys.stdin.readline()
current, newest = schema_version(open_store(sys.argv[1]))
sys.exit(0 if current == newest else 1)
"""


@pytest.fixture
def killed_in_the_middle() -> Iterator[None]:
    """Fail any migration when it comes to the table of nights."""

    def fail(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "CREATE TABLE nights" in statement:
            raise KeyboardInterrupt

    sa.event.listen(sa.Engine, "before_cursor_execute", fail)
    yield
    sa.event.remove(sa.Engine, "before_cursor_execute", fail)


def test_a_new_database_is_brought_to_the_newest_schema(empty_url: str) -> None:
    before = connect(empty_url)
    current, newest = schema_version(before)
    before.dispose()
    assert (current, newest is None) == (None, False)
    with opened(empty_url) as engine:
        assert schema_version(engine) == (newest, newest)
        assert count(engine, schema.bars) == 0


def test_migrations_lead_to_what_the_code_says(store: sa.Engine) -> None:
    options = {"compare_type": True, "compare_server_default": True}
    with store.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, schema.metadata) == []


def test_columns_stand_in_the_order_of_the_schema(store: sa.Engine) -> None:
    inspector = sa.inspect(store)
    for table in schema.metadata.tables.values():
        assert [column["name"] for column in inspector.get_columns(table.name)] == table.columns.keys()


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)  # SQLite knows no other order
def test_text_is_sorted_by_its_bytes_whatever_the_database_speaks(store: sa.Engine) -> None:
    wanted = sa.text(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' "
        "AND data_type IN ('text', 'character varying') AND table_name <> 'alembic_version' "
        "AND collation_name IS DISTINCT FROM 'C'"
    )
    with store.connect() as connection:
        assert connection.execute(wanted).all() == []


def test_connections_are_set_up_for_nights(store: sa.Engine) -> None:
    with store.connect() as connection:
        if store.dialect.name == "sqlite":
            shown = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "busy_timeout")]
            assert shown == ["wal", database.BUSY_SECONDS * 1000]
        else:
            connection.rollback()
            assert connection.exec_driver_sql("SHOW TIME ZONE").scalar() == "UTC"


def test_processes_may_open_a_new_store_at_once(empty_url: str) -> None:
    processes = [start_python(OPEN, empty_url) for _ in range(2)]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        assert [process.wait(timeout=60) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.mark.usefixtures("killed_in_the_middle")
def test_a_migration_killed_in_the_middle_leaves_nothing(empty_url: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        open_store(empty_url)
    engine = connect(empty_url)
    assert sa.inspect(engine).get_table_names() == []
    engine.dispose()


def test_a_store_is_opened_once_a_process(empty_url: str) -> None:
    with opened(empty_url) as engine:
        assert open_store(empty_url) is engine


def test_the_folder_of_a_new_store_is_made(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "below" / "store.db"
    with opened(f"sqlite:///{file}"):
        assert file.is_file()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://host/name", "got mysql://"),
        ("postgresql://host/name", "got postgresql://"),
        ("postgresql+psycopg2://host/name", r"got postgresql\+psycopg2://"),
        ("nonsense", "got 'nonsense'"),
        ("", "got ''"),
        ("sqlite://", "file of SQLite, got sqlite://"),
        ("sqlite:///:memory:", "file of SQLite, got sqlite:///:memory:"),
    ],
)
def test_a_url_that_cannot_hold_a_store_is_refused(
    url: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadSetting, match=f"store.url must .*{told}: "):
        open_store(url)
    assert list(tmp_path.iterdir()) == []


def test_a_refused_url_does_not_show_its_password() -> None:
    with pytest.raises(BadSetting) as refused:
        open_store("postgresql+psycopg://user:secret@host:port/name")
    assert "secret" not in str(refused.value)
