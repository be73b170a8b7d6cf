"""What every registered source must keep, whoever wrote it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl
import pytest
from bar_samples import (
    SYNTHETIC,
    a_file_a_day,
    a_file_a_field,
    a_file_a_symbol,
    csv_of,
    evening_of,
    parquet_of,
    put,
    synthetic_bars,
)
from bar_server import bar_server

from nightdesk.sessions import trading_days
from nightdesk.sources import SOURCES, Source, open_source
from nightdesk.tables import BARS, CORPORATE_ACTIONS, DATE, MEMBERSHIP, SYMBOL

WAYS = [name for name in sorted(SOURCES) if name not in ("files", "http")] + [
    *("files long", "files wide", "files symbol"),
    *("http whole", "http by day", "http history and day"),
]
"""Every registered source, those that read what a user has in each of their ways."""


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Any]]]:
    """Options of each way, over the same synthetic market where they need a folder or a server."""
    bars = synthetic_bars()
    folders = {
        "long": {"all.parquet": parquet_of(bars)},
        "wide": a_file_a_field(bars),
        "symbol": a_file_a_symbol(bars),
    }
    bars = bars.filter(pl.col(DATE) <= bars.get_column(DATE).unique().sort()[69])
    days = bars.get_column(DATE).unique().sort()
    with bar_server() as server:
        server.today = evening_of(days[-1])
        server.files = {"/all.csv": csv_of(bars), "/old.parquet": parquet_of(bars.filter(pl.col(DATE) <= days[40]))}
        server.files |= a_file_a_day(bars)  # of which each test asks for all: so few as the tests need
        quick = {"requests_per_second": 1000}
        by_day = {"url": server.url("/bars/{date}.csv"), **quick}
        yield {
            "synthetic": SYNTHETIC,
            **{
                f"files {layout}": {"folder": put(tmp_path_factory.mktemp(layout), files), "layout": layout}
                for layout, files in folders.items()
            },
            "http whole": {"url": server.url("/all.csv"), **quick},
            "http by day": {**by_day, "first_day": "2016-01-01"},
            "http history and day": {**by_day, "history_url": server.url("/old.parquet")},
        }


@pytest.fixture(params=WAYS)
def again(request: pytest.FixtureRequest, options: dict[str, dict[str, Any]]) -> Callable[[], Source]:
    return lambda: open_source(request.param.split()[0], **options.get(request.param, {}))


@pytest.fixture
def source(again: Callable[[], Source]) -> Source:
    return again()


def test_every_registered_source_is_tried() -> None:
    assert {way.split()[0] for way in WAYS} == set(SOURCES)


def test_facts_name_the_source_and_a_lag_after_the_close(source: Source) -> None:
    assert source.facts.name in SOURCES
    assert source.facts.publication_lag >= dt.timedelta(0)


def test_bars_have_schema_order_and_only_trading_days(source: Source) -> None:
    bars = source.bars(None, source.last_day())
    assert dict(bars.schema) == dict(BARS)
    assert bars.equals(bars.sort(SYMBOL, DATE))
    days = trading_days(source.facts.calendar, source.first_day(), source.last_day())
    assert set(bars.get_column(DATE)) <= set(days)
    assert bars.get_column(DATE).min() == source.first_day() == days[0]
    assert bars.get_column(DATE).max() == source.last_day() == days[-1]


def test_missing_values_are_null_and_never_nan(source: Source) -> None:
    bars = source.bars(None, source.last_day())
    assert bars.select(pl.col(pl.Float64).is_nan().any()).row(0) == (False,) * 5


def test_both_ends_of_a_range_are_included_and_nothing_else(source: Source) -> None:
    days = trading_days(source.facts.calendar, source.first_day(), source.last_day())
    first, last = days[50], days[60]
    bars = source.bars(first, last)
    assert set(bars.get_column(DATE)) == set(days[50:61])
    whole = source.bars(None, source.last_day())
    assert bars.equals(whole.filter(pl.col(DATE).is_between(first, last)))


def test_an_empty_range_has_the_schema_and_no_rows(source: Source) -> None:
    after = source.last_day() + dt.timedelta(days=1)
    for bars in (source.bars(after, after), source.bars(after, source.last_day())):
        assert bars.is_empty()
        assert dict(bars.schema) == dict(BARS)


def test_a_days_bars_do_not_depend_on_the_days_after(source: Source) -> None:
    days = trading_days(source.facts.calendar, source.first_day(), source.last_day())
    whole = source.bars(None, source.last_day())
    for cut in (days[0], days[len(days) // 2], days[-2]):
        assert source.bars(None, cut).equals(whole.filter(pl.col(DATE) <= cut))


def test_membership_and_actions_are_dated_tables(source: Source) -> None:
    membership, actions = source.membership(source.last_day()), source.actions(source.last_day())
    assert dict(membership.schema) == dict(MEMBERSHIP)
    assert dict(actions.schema) == dict(CORPORATE_ACTIONS)
    assert (source.facts.index_name is None) == membership.is_empty()
    assert set(membership.get_column("index_name")) <= {source.facts.index_name}
    assert all(day <= source.last_day() for day in membership.get_column("snapshot_date"))
    assert source.membership(dt.date(1990, 1, 2)).is_empty()


def test_the_fingerprint_is_stable(source: Source, again: Callable[[], Source]) -> None:
    assert source.fingerprint() == again().fingerprint()
    assert len(source.fingerprint()) == 64
