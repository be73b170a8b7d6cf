"""Rows in quarantine: released rows are known from their release, dropped ones never come in, and nothing is lost."""

from __future__ import annotations

import datetime as dt
import threading

import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from store_samples import DAYS, MICROSECOND, arrival, bars, broken, count, everything, known_by_rule, moment

from nightdesk.errors import BadInput, NothingThere, UnknownName
from nightdesk.store import schema
from nightdesk.store.inputs import bars_as_known, load_bars, quarantined
from nightdesk.store.quarantine import DROPPED, HELD, RELEASED, HeldRow, Ruling, drop, held_row, held_rows, release
from nightdesk.tables import DATE, OBSERVED, SYMBOL

GOOD = bars({("AAA", DAYS[0]): (10.0, 1.0), ("AAA", DAYS[1]): (11.0, 1.0)})
HELD_ROWS = broken([("BBB", DAYS[0], 5.0, ["ohlc_order"]), ("BBB", DAYS[1], None, ["missing_price"])])
ALWAYS = moment(31)


@pytest.fixture
def loaded(store: sa.Engine) -> sa.Engine:
    load_bars(store, GOOD, HELD_ROWS, [], arrival(moment(9)))
    return store


def key_of(store: sa.Engine, day: dt.date) -> str:
    return next(one.key for one in held_rows(store, "test") if one.values[DATE] == day)


def let_in(
    store: sa.Engine, day: dt.date, at: dt.datetime, close: float | None = None, *, replace: bool = False
) -> Ruling:
    row = held_row(store, "test", key_of(store, day))
    values = dict(row.values) | ({} if close is None else dict.fromkeys(("open", "high", "low", "close"), close))
    return release(store, arrival(at), row.key, values, "Ada", "looked it up", replace=replace)


def closes(store: sa.Engine, cutoff: dt.datetime, symbol: str = "BBB") -> list[float | None]:
    return bars_as_known(store, "test", cutoff).filter(pl.col(SYMBOL) == symbol)["close"].to_list()


def test_held_rows_are_listed_as_they_came(loaded: sa.Engine) -> None:
    rows = held_rows(loaded, "test")
    assert [(one.values[SYMBOL], one.values[DATE], one.reasons, one.state) for one in rows] == [
        ("BBB", DAYS[0], ("ohlc_order",), HELD),
        ("BBB", DAYS[1], ("missing_price",), HELD),
    ]
    assert (rows[0].values["close"], rows[1].values["close"], rows[0].since) == (5.0, None, moment(9))
    assert held_rows(loaded, "other") == []


def test_a_released_row_is_known_from_its_release_and_not_a_microsecond_before(loaded: sa.Engine) -> None:
    at = moment(12, 6)
    assert let_in(loaded, DAYS[0], at).known_at == at
    assert closes(loaded, at - MICROSECOND) == []
    assert closes(loaded, at) == [5.0]
    kept = everything(loaded, schema.bars).filter(pl.col(SYMBOL) == "BBB").row(0, named=True)
    assert (kept["known_at"], kept["ingested_at"], kept["basis"]) == (at, at, OBSERVED)
    assert closes(loaded, ALWAYS, "AAA") == [10.0, 11.0]


def test_a_row_released_before_its_rule_is_known_by_the_rule(loaded: sa.Engine) -> None:
    assert let_in(loaded, DAYS[1], moment(3, 1), 6.0).known_at == known_by_rule(DAYS[1])


def test_a_correction_comes_in_and_what_came_stays(loaded: sa.Engine) -> None:
    let_in(loaded, DAYS[1], moment(12), 6.5)
    assert closes(loaded, ALWAYS) == [6.5]
    row = held_row(loaded, "test", key_of(loaded, DAYS[1]))
    (ruling,) = row.rulings
    assert (row.state, row.values["close"]) == (RELEASED, None)
    assert ruling.released is not None
    assert ruling.released["close"] == 6.5
    assert (ruling.by, ruling.reason, ruling.at) == ("Ada", "looked it up", moment(12))


def test_a_decided_row_is_in_quarantine_before_the_decision_and_not_after(loaded: sa.Engine) -> None:
    let_in(loaded, DAYS[0], moment(12))
    drop(loaded, "test", key_of(loaded, DAYS[1]), moment(13), "Ben", "the vendor took it back")
    in_quarantine = {
        day: quarantined(loaded, "test", DAYS[4], moment(day)).select(DATE).to_series().to_list()
        for day in (11, 12, 13)
    }
    assert in_quarantine == {11: [DAYS[0], DAYS[1]], 12: [DAYS[1]], 13: []}
    assert quarantined(loaded, "test", DAYS[4]).height == 2
    assert count(loaded, schema.quarantine) == 2


def test_a_dropped_row_stays_readable_and_may_be_released_after_all(loaded: sa.Engine) -> None:
    drop(loaded, "test", key_of(loaded, DAYS[0]), moment(12), "Ben", "wrong")
    drop(loaded, "test", key_of(loaded, DAYS[0]), moment(13), "Ben", "still wrong")
    assert held_row(loaded, "test", key_of(loaded, DAYS[0])).state == DROPPED
    assert closes(loaded, ALWAYS) == []
    let_in(loaded, DAYS[0], moment(14))
    row = held_row(loaded, "test", key_of(loaded, DAYS[0]))
    assert [one.action for one in row.rulings] == [DROPPED, DROPPED, RELEASED]
    assert (closes(loaded, moment(13)), closes(loaded, moment(14))) == ([], [5.0])


def test_a_row_is_released_once_and_not_dropped_afterwards(loaded: sa.Engine) -> None:
    let_in(loaded, DAYS[0], moment(12))
    with pytest.raises(BadInput, match=r"a row is released once, got \w+, which Ada released on 2024-01-12 00:00"):
        let_in(loaded, DAYS[0], moment(13))
    with pytest.raises(BadInput, match="a row is released once"):
        drop(loaded, "test", key_of(loaded, DAYS[0]), moment(13), "Ben", "no")
    assert (count(loaded, schema.bars), count(loaded, schema.quarantine_log)) == (3, 1)


def test_a_bar_that_is_there_is_followed_only_where_that_is_wanted(loaded: sa.Engine) -> None:
    mended = bars({("BBB", DAYS[0]): (7.0, 1.0)})
    load_bars(loaded, mended, HELD_ROWS[:0], [], arrival(moment(20)))
    with pytest.raises(BadInput, match=r"got one of BBB 2024-01-02 known since 2024-01-20 00:00: drop the row, or add"):
        let_in(loaded, DAYS[0], moment(15))
    assert count(loaded, schema.quarantine_log) == 0
    assert let_in(loaded, DAYS[0], moment(15), replace=True).known_at == moment(20) + MICROSECOND
    assert closes(loaded, moment(20)) == [7.0]
    assert closes(loaded, moment(20) + MICROSECOND) == [5.0]


def test_the_same_broken_row_again_is_held_no_second_time(loaded: sa.Engine) -> None:
    let_in(loaded, DAYS[0], moment(12))
    load_bars(loaded, GOOD, HELD_ROWS, [], arrival(moment(14)))
    assert [one.state for one in held_rows(loaded, "test")] == [RELEASED, HELD]
    assert closes(loaded, ALWAYS) == [5.0]


def test_keys_that_name_no_row_or_several_are_one_clear_line(loaded: sa.Engine) -> None:
    key = key_of(loaded, DAYS[0])
    assert held_row(loaded, "test", key[:4].upper()).key == key
    with pytest.raises(BadInput, match="a key needs at least 4 letters, got 'ab'"):
        held_row(loaded, "test", "ab")
    with pytest.raises(UnknownName, match="key of a row in quarantine must be one of 2 known ones, got 'nonsense'"):
        held_row(loaded, "test", "nonsense")
    with pytest.raises(NothingThere, match="no row of 'other' was ever held"):
        held_row(loaded, "other", key)


def test_two_people_at_once_release_a_row_once(loaded: sa.Engine) -> None:
    start, outcomes = threading.Barrier(3), []

    def attempt() -> None:
        start.wait()
        try:
            let_in(loaded, DAYS[0], moment(12))
            outcomes.append(RELEASED)
        except BadInput:
            outcomes.append("refused")

    people = [threading.Thread(target=attempt) for _ in range(3)]
    for person in people:
        person.start()
    for person in people:
        person.join(timeout=60)
    assert sorted(outcomes) == ["refused", "refused", RELEASED]
    assert closes(loaded, ALWAYS) == [5.0]


deeds = st.lists(st.tuples(st.sampled_from(["release", "drop", "load"]), st.sampled_from(DAYS[:3])), max_size=8)


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(sequence=deeds)
def test_whatever_people_do_no_row_and_no_decision_is_lost(
    store: sa.Engine, sequence: list[tuple[str, dt.date]]
) -> None:
    for table in (schema.bars, schema.quarantine, schema.quarantine_log, schema.batches):
        with store.begin() as connection:
            connection.execute(sa.delete(table))
    held = broken([("BBB", day, 5.0 + number, ["ohlc_order"]) for number, day in enumerate(DAYS[:3])])
    load_bars(store, GOOD, held, [], arrival(moment(9)))
    before, released, rulings = everything(store, schema.quarantine), {}, 0
    for number, (deed, day) in enumerate(sequence):
        at = moment(10 + number)
        if deed == "load":
            load_bars(store, GOOD, held, [], arrival(at))
            continue
        try:
            if deed == "drop":
                drop(store, "test", key_of(store, day), at, "Ben", "no")
            else:
                let_in(store, day, at)
                released[day] = at
            rulings += 1
        except BadInput:
            assert day in released
    assert_frame_equal(everything(store, schema.quarantine), before)
    assert count(store, schema.quarantine_log) == rulings
    rows: list[HeldRow] = held_rows(store, "test")
    assert {one.values[DATE] for one in rows if one.state == RELEASED} == released.keys()
    known = bars_as_known(store, "test", ALWAYS).filter(pl.col(SYMBOL) == "BBB")
    assert known[DATE].to_list() == sorted(released)
    for day, at in released.items():
        assert day not in bars_as_known(store, "test", at - MICROSECOND).filter(pl.col(SYMBOL) == "BBB")[DATE].to_list()
