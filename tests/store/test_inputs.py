"""Input tables: rows are versions, each known from its own instant, and a read sees what was known at its cut-off."""

from __future__ import annotations

import datetime as dt
import math
import sqlite3
import threading

import polars as pl
import psycopg
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal
from store_samples import (
    DAYS,
    MICROSECOND,
    NO_BROKEN,
    arrival,
    bars,
    broken,
    count,
    everything,
    known_by_rule,
    moment,
)

from nightdesk.store import schema
from nightdesk.store.inputs import Loaded, bars_as_known, load_bars
from nightdesk.tables import OBSERVED, RULE, SYMBOL

LATE = moment(20)
TWO = bars({("AAA", DAYS[0]): (10.0, 100.0), ("AAA", DAYS[1]): (11.0, None), ("BBB", DAYS[1]): (20.0, 5.0)})


def load(store: sa.Engine, good: pl.DataFrame, at: dt.datetime = LATE, basis: str = RULE) -> Loaded:
    return load_bars(store, good, NO_BROKEN, [], arrival(at, basis))


def close_at(store: sa.Engine, cutoff: dt.datetime) -> list[float | None]:
    return bars_as_known(store, "test", cutoff)["close"].to_list()


def test_what_was_loaded_is_read_back(store: sa.Engine) -> None:
    assert load(store, TWO) == Loaded(3, 3, 0)
    assert_frame_equal(bars_as_known(store, "test", LATE), TWO)
    assert bars_as_known(store, "other", LATE).is_empty()
    assert bars_as_known(store, "other", LATE).schema == TWO.schema


def test_an_unchanged_batch_adds_nothing(store: sa.Engine) -> None:
    load(store, TWO)
    assert load(store, TWO, moment(21)) == Loaded(3, 0, 0)
    assert load(store, TWO.reverse(), moment(22), OBSERVED) == Loaded(3, 0, 0)
    assert count(store, schema.bars) == 3


def test_the_read_is_bounded_by_both_dates(store: sa.Engine) -> None:
    load(store, TWO)
    assert_frame_equal(bars_as_known(store, "test", LATE, first=DAYS[1]), TWO[1:])
    assert_frame_equal(bars_as_known(store, "test", LATE, last=DAYS[0]), TWO[:1])
    assert_frame_equal(bars_as_known(store, "test", LATE, first=DAYS[1], symbols=["BBB", "CCC"]), TWO[2:])


def test_a_changed_row_is_known_from_its_arrival_and_not_before(store: sa.Engine) -> None:
    load(store, bars({("AAA", DAYS[0]): (10.0, 1.0), ("BBB", DAYS[0]): (20.0, 1.0)}), moment(3))
    changed = bars({("AAA", DAYS[0]): (10.5, 1.0), ("BBB", DAYS[0]): (20.0, 1.0)})
    assert load(store, changed, moment(9, 3)).rows_new == 1
    assert close_at(store, moment(9, 3) - MICROSECOND) == [10.0, 20.0]
    assert close_at(store, moment(9, 3)) == [10.5, 20.0]
    assert everything(store, schema.bars)["basis"].to_list() == [RULE, OBSERVED, RULE]


def test_a_value_that_changes_back_is_a_third_version(store: sa.Engine) -> None:
    for close, day in ((1.0, 10), (2.0, 11), (1.0, 12)):
        assert load(store, bars({("AAA", DAYS[0]): (close, 1.0)}), moment(day)).rows_new == 1
    assert [close_at(store, moment(day)) for day in (10, 11, 12)] == [[1.0], [2.0], [1.0]]


def test_two_restatements_of_one_instant_are_kept_in_order(store: sa.Engine) -> None:
    for close in (1.0, 2.0, 3.0):
        load(store, bars({("AAA", DAYS[0]): (close, 1.0)}), moment(10))
    assert close_at(store, moment(10)) == [2.0]
    assert close_at(store, moment(10) + MICROSECOND) == [3.0]


@pytest.mark.parametrize(
    ("basis", "at", "known"),
    [
        (RULE, LATE, known_by_rule(DAYS[0])),
        (OBSERVED, LATE, LATE),
        (OBSERVED, moment(2, 3), known_by_rule(DAYS[0])),
    ],
    ids=["rule", "observed", "observed before the rule's instant"],
)
def test_a_row_is_known_at_its_instant_and_a_microsecond_earlier_not(
    store: sa.Engine, basis: str, at: dt.datetime, known: dt.datetime
) -> None:
    load(store, TWO[:1], at, basis)
    assert close_at(store, known - MICROSECOND) == []
    assert close_at(store, known) == [10.0]
    kept = everything(store, schema.bars).row(0, named=True)
    assert (kept["known_at"], kept["ingested_at"], kept["basis"]) == (known, at, basis)


def test_a_cutoff_in_another_time_zone_is_the_same_instant(store: sa.Engine) -> None:
    load(store, TWO[:1])
    tokyo = dt.timezone(dt.timedelta(hours=9))
    assert close_at(store, known_by_rule(DAYS[0]).astimezone(tokyo)) == [10.0]
    assert close_at(store, (known_by_rule(DAYS[0]) - MICROSECOND).astimezone(tokyo)) == []


def test_null_is_a_value_that_can_come_and_go(store: sa.Engine) -> None:
    for volume, day in ((None, 10), (5.0, 11), (None, 12)):
        assert load(store, bars({("AAA", DAYS[0]): (1.0, volume)}), moment(day)).rows_new == 1
    volumes = [bars_as_known(store, "test", moment(day))["volume"].to_list() for day in (10, 11, 12)]
    assert volumes == [[None], [5.0], [None]]


def test_nan_counts_as_null(store: sa.Engine) -> None:
    assert load(store, bars({("AAA", DAYS[0]): (1.0, math.nan)})).rows_new == 1
    assert load(store, bars({("AAA", DAYS[0]): (1.0, math.nan)}), moment(21)).rows_new == 0
    assert load(store, bars({("AAA", DAYS[0]): (1.0, None)}), moment(22)).rows_new == 0
    assert bars_as_known(store, "test", moment(22))["volume"].to_list() == [None]


def test_symbols_are_sorted_by_their_bytes(store: sa.Engine) -> None:
    symbols = ["b", "^X", "B", "a", "BRK.B", "BRK-A", "BRKA", "É", "_"]
    load(store, bars({(symbol, DAYS[0]): (1.0, 1.0) for symbol in symbols}))
    assert bars_as_known(store, "test", LATE)[SYMBOL].to_list() == sorted(symbols)


def test_sources_are_kept_apart(store: sa.Engine) -> None:
    load(store, TWO)
    other = TWO.with_columns(close=pl.col("close") * 2)
    assert load_bars(store, other, NO_BROKEN, [], arrival(LATE, source="other")).rows_new == 3
    assert_frame_equal(bars_as_known(store, "test", LATE), TWO)
    assert_frame_equal(bars_as_known(store, "other", LATE), other)


def test_nothing_is_half_written_where_a_later_table_fails(store: sa.Engine) -> None:
    held = broken([("ZZZ", DAYS[0], 1.0, None)])  # without reasons it may not be held
    with pytest.raises((sqlite3.IntegrityError, psycopg.IntegrityError)):
        load_bars(store, TWO, held, [], arrival(LATE))
    assert [count(store, table) for table in (schema.bars, schema.quarantine, schema.batches)] == [0, 0, 0]
    assert load(store, TWO).rows_new == 3


def test_loaders_at_once_add_each_row_once_and_leave_no_lock(store: sa.Engine) -> None:
    start = threading.Barrier(4)
    new: list[int] = []

    def offer() -> None:
        start.wait()
        new.append(load(store, TWO).rows_new)

    loaders = [threading.Thread(target=offer) for _ in range(4)]
    for loader in loaders:
        loader.start()
    for loader in loaders:
        loader.join(timeout=60)
    assert sorted(new) == [0, 0, 0, 3]
    assert count(store, schema.bars) == 3
