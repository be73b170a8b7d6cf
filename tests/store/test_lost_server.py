"""A PostgreSQL server that goes away: unnoticed between uses, StoreBusy in use; and a night's lock is taken again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import postgresql_server
import pytest
import sqlalchemy as sa
from opened_store import opened
from store_samples import DAYS, NO_BROKEN, arrival, bars, count, everything, moment

from nightdesk.errors import NightLocked, StoreBusy
from nightdesk.store import inputs, schema
from nightdesk.store.copying import copy_out
from nightdesk.store.database import connect
from nightdesk.store.inputs import bars_as_known, load_bars
from nightdesk.store.ledger import StageKey, finished, record
from nightdesk.store.nights import confirm_held, held

pytestmark = pytest.mark.server

ROWS = bars({("AAA", DAYS[0]): (1.0, 1.0), ("AAA", DAYS[1]): (2.0, None)})
STAGE = StageKey("live", DAYS[0], "load", "c")


@pytest.fixture(scope="module")
def cluster() -> Iterator[postgresql_server.Cluster]:
    with postgresql_server.cluster() as made:
        yield made


@pytest.fixture
def store(cluster: postgresql_server.Cluster) -> Iterator[sa.Engine]:
    with postgresql_server.database(cluster.url) as url, opened(url) as engine:
        yield engine


def restart(cluster: postgresql_server.Cluster) -> None:
    cluster.stop()
    cluster.start()


def test_a_restart_between_two_uses_is_not_noticed(store: sa.Engine, cluster: postgresql_server.Cluster) -> None:
    load_bars(store, ROWS[:1], NO_BROKEN, [], arrival(moment(9)))
    restart(cluster)
    assert load_bars(store, ROWS, NO_BROKEN, [], arrival(moment(10))).rows_new == 1
    restart(cluster)
    assert bars_as_known(store, "test", moment(20)).equals(ROWS)


def test_a_server_that_is_down_is_busy_and_serves_again(store: sa.Engine, cluster: postgresql_server.Cluster) -> None:
    cluster.stop()
    try:
        with pytest.raises(StoreBusy, match=r"the store must answer, got .*: start it, or try again"):
            load_bars(store, ROWS, NO_BROKEN, [], arrival(moment(9)))
    finally:
        cluster.start()
    assert load_bars(store, ROWS, NO_BROKEN, [], arrival(moment(9))).rows_new == 2


def test_a_server_lost_in_the_middle_of_a_batch_is_busy_and_leaves_none_of_it(
    store: sa.Engine, cluster: postgresql_server.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_bars(store, ROWS[:1], NO_BROKEN, [], arrival(moment(9)))
    real = inputs.append_all

    def append_all(place: sa.Connection, batches: list[tuple[sa.Table, pl.DataFrame]]) -> int:
        added = real(place, batches)
        restart(cluster)
        return added

    monkeypatch.setattr(inputs, "append_all", append_all)
    with pytest.raises(StoreBusy):
        load_bars(store, ROWS, NO_BROKEN, [], arrival(moment(10)))
    monkeypatch.undo()
    assert [count(store, table) for table in (schema.bars, schema.batches)] == [1, 1]
    assert load_bars(store, ROWS, NO_BROKEN, [], arrival(moment(10))).rows_new == 1


def test_a_connection_lost_under_copy_is_busy(store: sa.Engine) -> None:
    with store.connect() as connection:
        pid = connection.scalar(sa.func.pg_backend_pid())
        with store.connect() as other:
            other.execute(sa.select(sa.func.pg_terminate_backend(pid)))
        with pytest.raises(StoreBusy):
            copy_out(connection, "SELECT 1", {}, {"one": pl.Int64()})
        connection.invalidate()


def test_a_lock_lost_with_its_session_is_taken_again(
    store: sa.Engine, cluster: postgresql_server.Cluster, tmp_path: Path
) -> None:
    other = connect(store.url.render_as_string(hide_password=False))
    with held(store, tmp_path, "live", DAYS[0]):
        restart(cluster)
        record(store, STAGE, "{}", 1.0, moment(9))
        with pytest.raises(NightLocked), held(other, tmp_path, "live", DAYS[0]):
            pass
    with held(other, tmp_path, "live", DAYS[0]):
        assert everything(store, schema.stages).height == 1
    other.dispose()


def test_a_night_whose_lock_another_took_goes_no_further(
    store: sa.Engine, cluster: postgresql_server.Cluster, tmp_path: Path
) -> None:
    other = connect(store.url.render_as_string(hide_password=False))
    with held(store, tmp_path, "live", DAYS[0]):
        restart(cluster)
        with held(other, tmp_path, "live", DAYS[0]):
            for step in (lambda: finished(store, STAGE), lambda: record(store, STAGE, "{}", 1.0, moment(9))):
                with pytest.raises(NightLocked, match="only one night of a date may run"):
                    step()
        confirm_held(store, "live", DAYS[0])
    other.dispose()


def test_a_night_waits_for_its_lock_while_the_server_is_down(
    store: sa.Engine, cluster: postgresql_server.Cluster, tmp_path: Path
) -> None:
    with held(store, tmp_path, "live", DAYS[0]):
        cluster.stop()
        try:
            for _ in range(2):
                with pytest.raises(StoreBusy):
                    confirm_held(store, "live", DAYS[0])
        finally:
            cluster.start()
        assert finished(store, STAGE) is None
