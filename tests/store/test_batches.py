"""What stands beside the bars: quarantine, the record of batches, and the members of an index."""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa
from polars.testing import assert_frame_equal
from store_samples import DAYS, MICROSECOND, NO_BROKEN, arrival, bars, broken, count, everything, known_by_rule, moment

from nightdesk.quality.finding import Finding
from nightdesk.store import schema
from nightdesk.store.inputs import (
    Added,
    Batch,
    bars_as_known,
    batch_ending,
    last_loaded,
    load_bars,
    load_membership,
    members_as_known,
    quarantined,
)
from nightdesk.tables import MEMBERSHIP, OBSERVED, RULE

GOOD = bars({("AAA", DAYS[0]): (10.0, 1.0), ("AAA", DAYS[1]): (11.0, 1.0)})
HELD = broken([("BBB", DAYS[0], -1.0, ["negative_price", "jump"]), ("BBB", DAYS[1], None, ["no_close"])])
MEMBERS = pl.DataFrame(
    [("sp500", DAYS[0], "AAA", "A, Inc.", None), ("sp500", DAYS[0], "BBB", "B", "Energy")],
    schema=MEMBERSHIP,
    orient="row",
)


def test_broken_rows_are_held_with_sorted_reasons(store: sa.Engine) -> None:
    loaded = load_bars(store, GOOD, HELD, [], arrival(moment(9)))
    assert (loaded.rows_in, loaded.rows_new, loaded.rows_quarantined) == (4, 2, 2)
    expected = [("BBB", DAYS[0], "jump,negative_price"), ("BBB", DAYS[1], "no_close")]
    assert quarantined(store, "test", DAYS[4]).rows() == expected
    assert quarantined(store, "test", DAYS[0]).rows() == expected[:1]
    assert quarantined(store, "other", DAYS[4]).is_empty()
    assert bars_as_known(store, "test", moment(20))["symbol"].unique().to_list() == ["AAA"]


def test_the_same_broken_rows_are_held_once(store: sa.Engine) -> None:
    load_bars(store, GOOD, HELD, [], arrival(moment(9)))
    load_bars(store, GOOD, HELD.reverse(), [], arrival(moment(10)))
    assert count(store, schema.quarantine) == 2
    load_bars(store, GOOD, broken([("BBB", DAYS[0], -2.0, ["negative_price"])]), [], arrival(moment(11)))
    assert count(store, schema.quarantine) == 3


def test_a_held_row_keeps_what_came(store: sa.Engine) -> None:
    load_bars(store, GOOD, HELD[:1], [], arrival(moment(9)))
    row = everything(store, schema.quarantine).row(0, named=True)
    assert '"close":-1.0' in row["payload"]
    assert (row["known_at"], row["table_name"], row["source"]) == (moment(9), "bars", "test")


def test_a_row_released_from_quarantine_is_known_from_its_arrival(store: sa.Engine) -> None:
    load_bars(store, GOOD, HELD, [], arrival(moment(9)))
    released = bars({("BBB", DAYS[0]): (5.0, 1.0), ("CCC", DAYS[0]): (7.0, 1.0)})
    assert load_bars(store, released, NO_BROKEN, [], arrival(moment(12))).rows_new == 2
    before = bars_as_known(store, "test", moment(12) - MICROSECOND)["symbol"].unique().sort().to_list()
    after = bars_as_known(store, "test", moment(12))["symbol"].unique().sort().to_list()
    assert (before, after) == (["AAA", "CCC"], ["AAA", "BBB", "CCC"])
    basis = everything(store, schema.bars).select("symbol", "basis").unique().sort("symbol").rows()
    assert basis == [("AAA", RULE), ("BBB", OBSERVED), ("CCC", RULE)]


def test_a_batch_leaves_a_record(store: sa.Engine) -> None:
    assert last_loaded(store, "test") is None
    assert batch_ending(store, "test", DAYS[1]) == Batch("", 0, 0, ())
    findings = [
        Finding("missing_day", "note", "AAA", DAYS[0], "2 days", "a day is missing", 2),
        Finding("missing_day", "note", "BBB", DAYS[0], "1 day", "a day is missing", 1),
        Finding("jump", "row", "BBB", DAYS[0], "'99', \"x\"", "too far", 4),
    ]
    load_bars(store, GOOD, HELD, findings, arrival(moment(9)))
    batch = batch_ending(store, "test", DAYS[1])
    assert (batch.rows_in, batch.rows_new) == (4, 2)
    # Two symbols, however many days each of them lacks.
    assert batch.notes == (("missing_day", 2, "a day is missing"),)
    assert len(batch.content) == 16
    assert last_loaded(store, "test") == DAYS[1]
    row = everything(store, schema.batches).row(0, named=True)
    assert (row["first_date"], row["rows_quarantined"], row["ingested_at"]) == (DAYS[0], 2, moment(9))


def test_the_same_batch_again_keeps_its_first_record(store: sa.Engine) -> None:
    load_bars(store, GOOD, HELD, [], arrival(moment(9)))
    load_bars(store, GOOD, HELD, [], arrival(moment(10)))
    assert count(store, schema.batches) == 1
    assert batch_ending(store, "test", DAYS[1]).rows_new == 2
    load_bars(store, bars({("AAA", DAYS[2]): (12.0, 1.0)}), NO_BROKEN, [], arrival(moment(11)))
    assert (count(store, schema.batches), last_loaded(store, "test")) == (2, DAYS[2])
    assert last_loaded(store, "other") is None


def test_members_are_known_from_the_day_after_their_snapshot(store: sa.Engine) -> None:
    assert load_membership(store, MEMBERS, arrival(moment(9))) == Added(2, 2, 0)
    assert load_membership(store, MEMBERS, arrival(moment(10))) == Added(2, 0, 0)
    assert members_as_known(store, "test", moment(3) - MICROSECOND).is_empty()
    assert_frame_equal(members_as_known(store, "test", moment(3)), MEMBERS)


def test_observed_members_are_known_from_their_arrival(store: sa.Engine) -> None:
    load_membership(store, MEMBERS, arrival(moment(9), OBSERVED))
    assert members_as_known(store, "test", moment(9) - MICROSECOND).is_empty()
    assert_frame_equal(members_as_known(store, "test", moment(9)), MEMBERS)


def test_a_changed_member_is_a_second_version(store: sa.Engine) -> None:
    load_membership(store, MEMBERS, arrival(moment(4)))
    changed = MEMBERS.with_columns(sector=pl.lit("Energy"))
    assert load_membership(store, changed, arrival(moment(9))).restated == 1
    assert_frame_equal(members_as_known(store, "test", moment(9) - MICROSECOND), MEMBERS)
    assert_frame_equal(members_as_known(store, "test", moment(9)), changed)


def test_bars_of_a_half_day_are_known_from_its_own_close(store: sa.Engine) -> None:
    """On 3 July 2024 New York closed at 13:00, which is 17:00 UTC in summer."""
    day = DAYS[0].replace(month=7, day=3)
    load_bars(store, bars({("AAA", day): (1.0, 1.0)}), NO_BROKEN, [], arrival(moment(9)))
    known = known_by_rule(day).replace(hour=18)
    assert bars_as_known(store, "test", known - MICROSECOND).is_empty()
    assert bars_as_known(store, "test", known).height == 1
