"""The store: the panel in and out, and a day in, on SQLite and PostgreSQL, beside named peers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from nightdesk.store.database import open_store
from nightdesk.store.inputs import bars_as_known, load_bars
from nightdesk.tables import DATE
from tests import postgresql_server
from tests.benchmarks import store_peers as peers
from tests.benchmarks.page import Section, Target, seconds, times
from tests.benchmarks.sample import LATER, Sample, sample
from tests.benchmarks.timing import ROUNDS, Case, Timing, interleaved

IN, AGAIN, DAY, OUT = "panel in", "panel in again, unchanged", "one trading day in", "panel out"
HEAD = ("what", "median s", "best s", "rows a second", "times nightdesk")

Fresh = Callable[[], AbstractContextManager[sa.Engine]]


def measure(symbols: int | None) -> list[Section]:
    """Both engines; a line says so where no PostgreSQL is there."""
    panel = sample(symbols)
    return [_sqlite(panel), _postgresql(panel)]


def _sqlite(panel: Sample) -> Section:
    timings = _timings(panel, new_file, _by_rows)
    rows = panel.verdict.good.height
    targets = (
        Target("bars into SQLite", 250_000, rows / timings[IN].median, "rows a second", most=False),
        Target("panel out of SQLite", 2.5, timings[OUT].median, "s", most=True),
        Target("a day into SQLite", 0.05, timings[DAY].median, "s", most=True),
    )
    sentence = (
        f"{rows:,} checked bars through `load_bars` and `bars_as_known` (polars), a file a run; the peers write ready "
        "Python rows into the same table with the same settings, read the same rows, and check nothing."
    )
    return Section("Store, SQLite", sentence, HEAD, _rows(timings, panel), targets)


def _postgresql(panel: Sample) -> Section:
    title = "Store, PostgreSQL"
    try:
        with postgresql_server.server() as server:
            timings = _timings(panel, partial(new_database, server), _by_copy)
    except pytest.skip.Exception as none:
        return Section(title, f"Not measured: {none}.")
    rows = panel.verdict.good.height
    targets = (
        Target("bars into PostgreSQL", 200_000, rows / timings[IN].median, "rows a second", most=False),
        Target("unchanged bars into PostgreSQL", 200_000, rows / timings[AGAIN].median, "rows a second", most=False),
        Target("panel out of PostgreSQL", 2.5, timings[OUT].median, "s", most=True),
        Target("a day into PostgreSQL", 0.05, timings[DAY].median, "s", most=True),
    )
    sentence = (
        "The same on a server of the tests' own, which does not wait for the disk (fsync off); plain COPY writes the "
        "same rows, ready as CSV, into the same table."
    )
    return Section(title, sentence, HEAD, _rows(timings, panel), targets)


def _by_rows(full: sa.Engine, fresh: Fresh) -> Case:
    return Case(peers.EXECUTEMANY, partial(peers.stored_rows, full, fresh), peers.executemany)


def _by_copy(full: sa.Engine, fresh: Fresh) -> Case:
    return Case(peers.COPY, partial(peers.csv_rows, full, fresh), peers.plain_copy)


@contextmanager
def new_file() -> Iterator[sa.Engine]:
    """An empty store in a file of its own."""
    with tempfile.TemporaryDirectory(prefix="nightdesk-bench-") as folder:
        engine = open_store.__wrapped__(f"sqlite:///{Path(folder) / 'store.db'}")
        yield engine
        engine.dispose()


@contextmanager
def new_database(server: str) -> Iterator[sa.Engine]:
    """An empty store in a database of its own."""
    with postgresql_server.database(server) as url:
        engine = open_store.__wrapped__(url)
        yield engine
        engine.dispose()


def _timings(panel: Sample, fresh: Fresh, floor: Callable[[sa.Engine, Fresh], Case]) -> dict[str, Timing]:
    with fresh() as full, fresh() as lacking:
        _load(panel, full)
        newest = panel.verdict.good[DATE].unique().sort().tail(ROUNDS).to_list()
        _load(panel, lacking, pl.col(DATE) < newest[0])
        days = iter(newest)
        cases = [
            Case(IN, fresh, partial(_load, panel)),
            floor(full, fresh),
            Case(peers.CORE_INSERT, partial(peers.typed_rows, full, fresh), peers.core_insert),
            Case(AGAIN, lambda: nullcontext(full), partial(_load, panel)),
            Case(DAY, lambda: nullcontext(next(days)), lambda day: _load(panel, lacking, pl.col(DATE) == day)),
            Case(OUT, lambda: nullcontext(full), lambda engine: bars_as_known(engine, panel.arrival.source, LATER)),
            Case(peers.READ_SQL, lambda: nullcontext(full), partial(peers.read_sql, panel.arrival.source)),
        ]
        return interleaved(cases)


def _load(panel: Sample, engine: sa.Engine, which: pl.Expr | None = None) -> None:
    verdict = panel.verdict
    keep = pl.lit(value=True) if which is None else which
    load_bars(engine, verdict.good.filter(keep), verdict.broken.filter(keep), (), panel.arrival)


def _rows(timings: dict[str, Timing], panel: Sample) -> tuple[tuple[str, ...], ...]:
    good = panel.verdict.good
    a_day = good.filter(pl.col(DATE) == good[DATE].max()).height
    against = {peers.EXECUTEMANY: IN, peers.COPY: IN, peers.CORE_INSERT: IN, peers.READ_SQL: OUT}
    return tuple(
        (
            name,
            seconds(one.median),
            seconds(one.best),
            f"{(a_day if name == DAY else good.height) / one.median:,.0f}",
            times(one, timings[against[name]]) if name in against else "",
        )
        for name, one in timings.items()
    )
