"""A database without room, or that may not be written, is a disk in trouble; what it wrote in part is not there."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from opened_store import opened
from store_samples import DAYS, NO_BROKEN, arrival, bars, count, moment

from nightdesk.errors import DiskTrouble
from nightdesk.store import schema
from nightdesk.store.database import connect
from nightdesk.store.inputs import load_bars
from nightdesk.store.ledger import StageKey, record

MANY = bars({(f"S{number:05}", day): (1.0, 1.0) for number in range(4000) for day in DAYS[:2]})
STAGE = StageKey("live", DAYS[0], "load", "c")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def test_a_full_store_is_told_of_a_batch_and_of_a_row_and_holds_nothing_of_either(file: Path) -> None:
    with opened(f"sqlite:///{file}") as store:
        with store.connect() as connection:  # the one that the pool gives to everybody here
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 8}")
        for write in (
            lambda: load_bars(store, MANY, NO_BROKEN, [], arrival(moment(9))),
            lambda: record(store, STAGE, "x" * 1_000_000, 1.0, moment(9)),
        ):
            with pytest.raises(DiskTrouble, match=rf"got 'database or disk is full' at {file}: free space there"):
                write()
        assert [count(store, table) for table in (schema.bars, schema.batches, schema.stages)] == [0, 0, 0]


def test_a_store_that_may_not_be_written_is_told(file: Path) -> None:
    with opened(f"sqlite:///{file}") as store:
        with store.connect() as connection:
            connection.exec_driver_sql("PRAGMA query_only=ON")
        with pytest.raises(
            DiskTrouble, match=r"got 'attempt to write a readonly database' at .*: mount it for writing"
        ):
            record(store, STAGE, "{}", 1.0, moment(9))


def test_a_store_in_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path / 'nowhere' / 'store.db'}")
    with pytest.raises(DiskTrouble, match=r"got 'unable to open database file' at .*nowhere/store.db"):
        engine.connect()


@pytest.mark.server
def test_a_server_whose_disk_is_full_is_a_disk_in_trouble_and_not_a_server_that_is_away(postgresql_url: str) -> None:
    engine = connect(postgresql_url)
    full = "DO $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$"
    with (
        pytest.raises(DiskTrouble, match="got 'could not extend file' at the PostgreSQL server"),
        engine.connect() as connection,
    ):
        connection.execute(sa.text(full))
    engine.dispose()
