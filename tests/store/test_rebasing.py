"""A vendor's rebased history is one row: before its arrival the old basis is read, after it the new one, no mix."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from store_samples import MICROSECOND, NO_BROKEN, Values, arrival, bars, broken, count, everything, known_by_rule

from nightdesk.sessions import trading_days
from nightdesk.sources import SourceFacts
from nightdesk.store import schema
from nightdesk.store.adjusted import panel_as_known
from nightdesk.store.inputs import Loaded, bars_as_known, load_bars
from nightdesk.store.quarantine import held_rows, release
from nightdesk.store.rebasing import ENOUGH
from nightdesk.tables import BARS, DATE, OBSERVED, PRICES, RULE, SYMBOL, VOLUME

DAYS = trading_days("XNYS", dt.date(2024, 1, 2), dt.date(2024, 3, 28))
KNOWN, NEXT = DAYS[:40], DAYS[40]
FIRST = dt.datetime(2024, 6, 3, 12, tzinfo=dt.UTC)
SECOND, THIRD = (FIRST + dt.timedelta(days=n) for n in (1, 2))
SYMBOLS = ("AAA", "BBB", "CCC")
fresh_source = (f"source {number}" for number in itertools.count())


def market(days: list[dt.date], digits: int | None = None) -> pl.DataFrame:
    """Bars of three symbols that move about; `digits` rounds prices as a vendor writes them."""
    rows = []
    for number, symbol in enumerate(SYMBOLS):
        for day in days:
            at = DAYS.index(day)
            close = (40 + 30 * number) * (1 + 0.1 * math.sin(at + number)) + 0.01 * at
            rows.append((symbol, day, close * 0.99, close * 1.02, close * 0.98, close, 1000.0 + 7 * at))
    made = pl.DataFrame(rows, schema=BARS, orient="row")
    return made if digits is None else made.with_columns(pl.col(PRICES).round(digits))


def rebased(
    bars: pl.DataFrame, price: float, volume: float = 1.0, symbol: str = "AAA", *, until: dt.date = DAYS[-1]
) -> pl.DataFrame:
    """As a vendor states `bars` after an action of one symbol: all of its history, or up to a day."""
    these = (pl.col(SYMBOL) == symbol) & (pl.col(DATE) <= until)
    return bars.with_columns(
        *(pl.when(these).then(pl.col(name) / price).otherwise(name).alias(name) for name in PRICES),
        pl.when(these).then(pl.col(VOLUME) * volume).otherwise(VOLUME).alias(VOLUME),
    )


def load(store: sa.Engine, bars: pl.DataFrame, at: dt.datetime, basis: str = OBSERVED) -> Loaded:
    return load_bars(store, bars, NO_BROKEN, [], arrival(at, basis))


def read(store: sa.Engine, cutoff: dt.datetime, **bounds: Any) -> pl.DataFrame:
    return bars_as_known(store, "test", cutoff, **bounds)


def assert_close(found: pl.DataFrame, expected: pl.DataFrame, tolerance: float = 1e-12) -> None:
    assert_frame_equal(found, expected, rel_tol=tolerance, abs_tol=0.0)


@pytest.mark.parametrize(
    ("price", "volume"),
    [(2.0, 2.0), (0.1, 0.1), (1.5, 1.5), (1.0031, 1.0)],
    ids=["split", "reverse", "3:2", "dividend"],
)
@pytest.mark.parametrize("basis", [RULE, OBSERVED])
def test_a_rebased_history_is_one_row_known_from_its_arrival(
    store: sa.Engine, price: float, volume: float, basis: str
) -> None:
    old, all_old = market(KNOWN), market([*KNOWN, NEXT])
    new = rebased(all_old, price, volume)
    load(store, old, FIRST, RULE)
    assert load(store, new, SECOND, basis) == Loaded(new.height, len(SYMBOLS), 0, 1)
    assert count(store, schema.bars) == all_old.height
    row = everything(store, schema.rebases).row(0, named=True)
    assert (row["symbol"], row["ex_date"], row["late"], row["known_at"]) == ("AAA", NEXT, False, SECOND)
    assert (row["price_factor"], row["volume_factor"]) == (pytest.approx(price), pytest.approx(volume))
    assert_close(read(store, SECOND), new)
    before = read(store, SECOND - MICROSECOND)
    # By the rule the new day could have been had before the new basis was: it is read in the old one.
    assert_close(before, all_old if basis == RULE else old)
    assert before.filter(pl.col(DATE) < NEXT).equals(old)
    others = pl.col(SYMBOL) != "AAA"
    assert read(store, SECOND).filter(others).equals(new.filter(others))
    assert load(store, new, THIRD, basis) == Loaded(new.height, 0, 0, 0)


def test_a_read_in_an_earlier_basis_is_that_of_the_days_before(store: sa.Engine) -> None:
    load(store, market(KNOWN), FIRST, RULE)
    load(store, rebased(market([*KNOWN, NEXT]), 2.0, 2.0), SECOND)
    assert read(store, THIRD, rebased_until=KNOWN[-1]).filter(pl.col(DATE) < NEXT).equals(market(KNOWN))
    facts = SourceFacts("test", "XNYS", "USD", "adjusted_later", dt.timedelta(0), RULE)
    assert panel_as_known(store, facts, THIRD, KNOWN[-1]).equals(market(KNOWN))
    assert_close(panel_as_known(store, facts, THIRD, NEXT), rebased(market([*KNOWN, NEXT]), 2.0, 2.0))


def test_a_few_days_read_are_in_the_basis_of_all(store: sa.Engine) -> None:
    new = rebased(market([*KNOWN, NEXT]), 2.0, 2.0)
    load(store, market(KNOWN), FIRST, RULE)
    load(store, new, SECOND)
    bounds = {"first": KNOWN[-3], "last": NEXT, "symbols": ["AAA", "CCC"]}
    near = pl.col(DATE).is_between(KNOWN[-3], NEXT) & pl.col(SYMBOL).is_in(["AAA", "CCC"])
    assert_close(read(store, SECOND, **bounds), new.filter(near))


def test_a_rebase_with_restated_rows_is_the_row_and_only_those(store: sa.Engine) -> None:
    old = market(KNOWN)
    load(store, old, FIRST, RULE)
    wrong = (pl.col(SYMBOL) == "AAA") & pl.col(DATE).is_in([KNOWN[3], KNOWN[17], KNOWN[-1]])
    beside = (pl.col(SYMBOL) == "BBB") & (pl.col(DATE) == KNOWN[5])
    new = rebased(old, 4.0, 4.0).with_columns(
        pl.when(wrong).then(pl.col("close") * 1.01).when(beside).then(1.0).otherwise("close").alias("close")
    )
    assert load(store, new, SECOND) == Loaded(new.height, 4, 0, 1)
    assert_close(read(store, SECOND), new)
    assert read(store, SECOND - MICROSECOND).equals(old)
    assert load(store, new, THIRD).rows_new == 0
    # One that the vendor forgot to rebase is a restated row too, though its stored values are those stated.
    forgotten = (pl.col(SYMBOL) == "AAA") & (pl.col(DATE) == KNOWN[9])
    left = pl.concat([new.filter(~forgotten), old.filter(forgotten)]).sort(SYMBOL, DATE)
    assert load(store, left, THIRD) == Loaded(left.height, 1, 0, 0)
    assert_close(read(store, THIRD), left)


def test_a_vendor_that_comes_late_leaves_the_days_since_the_split_alone(store: sa.Engine) -> None:
    split = KNOWN[-4]
    late = market([*KNOWN, NEXT])
    before = pl.concat([late.filter(pl.col(DATE) < split), rebased(late, 2.0, 2.0).filter(pl.col(DATE) >= split)])
    before = before.sort(SYMBOL, DATE)
    load(store, before.filter(pl.col(DATE) < NEXT), FIRST, RULE)
    new = rebased(late, 2.0, 2.0)
    assert load(store, new, SECOND, RULE) == Loaded(new.height, len(SYMBOLS), 0, 1)
    row = everything(store, schema.rebases).row(0, named=True)
    assert (row["ex_date"], row["late"]) == (split, True)
    assert_close(read(store, SECOND), new)
    assert_close(read(store, SECOND - MICROSECOND), before)
    assert load(store, new, THIRD).rows_new == 0


def test_rebases_follow_each_other_and_each_is_known_by_itself(store: sa.Engine) -> None:
    steps = [(2.0, 2.0), (1.004, 1.0), (0.2, 0.2), (3.0, 3.0)]
    stated = market(KNOWN)
    load(store, stated, FIRST, RULE)
    told = [(FIRST, stated)]
    for number, (price, volume) in enumerate(steps):
        days = [*KNOWN, *DAYS[40 : 41 + number]]
        stated = pl.concat([stated, market(days[-1:])]).sort(SYMBOL, DATE)
        factors = [math.prod(step[kind] for step in steps[:number]) for kind in (0, 1)]
        fresh = rebased(market(days[-1:]), *factors)
        stated = rebased(pl.concat([told[-1][1], fresh]).sort(SYMBOL, DATE), price, volume)
        at = FIRST  # all in one instant: each must still be known after the one before it
        assert load(store, stated, at).rebased == 1
        told.append((FIRST + number * MICROSECOND, stated))
        assert load(store, stated, at) == Loaded(stated.height, 0, 0, 0)
    assert everything(store, schema.rebases)["known_at"].to_list() == [at for at, _ in told[1:]]
    for at, expected in told[2:]:
        assert_close(read(store, at).filter(pl.col(DATE) < NEXT), expected.filter(pl.col(DATE) < NEXT))
    assert_close(read(store, THIRD), told[-1][1])
    assert count(store, schema.bars) == stated.height


@pytest.mark.parametrize("digits", [2, 4])
def test_a_vendor_that_rounds_is_understood_within_its_rounding(store: sa.Engine, digits: int) -> None:
    old, step = market(KNOWN, digits), 10.0**-digits
    new = rebased(market([*KNOWN, NEXT]), 3.0, 3.0).with_columns(pl.col(PRICES).round(digits))
    load(store, old, FIRST, RULE)
    assert load(store, new, SECOND) == Loaded(new.height, len(SYMBOLS), 0, 1)
    apart = read(store, SECOND).select(pl.max_horizontal((pl.col(name) - new[name]).abs().max() for name in PRICES))
    assert 0 < apart.item() <= step * (0.5 + 0.5 / 3) + 1e-6
    assert load(store, new, THIRD).rows_new == 0
    beyond = new.with_columns(
        pl.when(pl.col(DATE) == KNOWN[7]).then(pl.col("high") + 2 * step).otherwise("high").alias("high")
    )
    assert load(store, beyond, THIRD).rows_new == len(SYMBOLS)


def test_the_last_days_alone_tell_a_rebase_of_all_before_them(store: sa.Engine) -> None:
    """A vendor asked for its last days: what it says of them is true of the history it was not asked for."""
    all_new = rebased(market([*KNOWN, NEXT]), 1.02)
    load(store, market(KNOWN), FIRST, RULE)
    offered = all_new.filter(pl.col(DATE) >= KNOWN[-ENOUGH])
    assert load(store, offered, SECOND) == Loaded(offered.height, len(SYMBOLS), 0, 1)
    assert_close(read(store, SECOND), all_new)


def test_a_wrong_unit_that_is_mended_for_some_days_is_restated_rows(store: sa.Engine) -> None:
    right = market(KNOWN)
    days = KNOWN[-ENOUGH:]
    cents = rebased(right, 1.0).with_columns(
        pl.when((pl.col(SYMBOL) == "AAA") & pl.col(DATE).is_in(days))
        .then(pl.col(name) * 100)
        .otherwise(name)
        .alias(name)
        for name in PRICES
    )
    load(store, cents, FIRST, RULE)
    offered = right.filter(pl.col(DATE) >= days[0])
    assert load(store, offered, SECOND) == Loaded(offered.height, ENOUGH, 0, 0)
    assert read(store, SECOND).equals(right)


def test_fewer_days_or_many_factors_are_restated_rows(store: sa.Engine) -> None:
    old = market(KNOWN)
    load(store, old, FIRST, RULE)
    few = rebased(old, 2.0, 2.0).filter(pl.col(DATE) > KNOWN[-ENOUGH])
    assert load(store, few, SECOND) == Loaded(few.height, ENOUGH - 1, 0, 0)
    many = old.with_columns(
        pl.when(pl.col(SYMBOL) == "CCC").then(pl.col("close") + 1).otherwise("close").alias("close")
    )
    assert load(store, many, SECOND).rebased == 0
    assert_close(read(store, SECOND).filter(pl.col(SYMBOL) == "CCC"), many.filter(pl.col(SYMBOL) == "CCC"))


def test_nothing_and_null_stay_what_they_are(store: sa.Engine) -> None:
    bare = pl.when(pl.col(DATE) == KNOWN[2])
    old = market(KNOWN).with_columns(
        bare.then(None).otherwise("open").alias("open"),
        pl.when(pl.col(DATE) == KNOWN[4]).then(0.0).otherwise(VOLUME).alias(VOLUME),
    )
    load(store, old, FIRST, RULE)
    new = rebased(old, 2.0, 2.0)
    assert load(store, new, SECOND) == Loaded(new.height, 0, 0, 1)
    assert_close(read(store, SECOND), new)
    # A price that comes where there was none is a row of its own.
    filled = new.with_columns(pl.col("open").fill_null(pl.col("low")))
    assert load(store, filled, THIRD).rows_new == len(SYMBOLS)
    assert_close(read(store, THIRD), filled)


def test_a_row_released_after_a_rebase_is_of_the_basis_on_which_it_came(store: sa.Engine) -> None:
    old = market(KNOWN)
    gap = (pl.col(SYMBOL) == "AAA") & (pl.col(DATE) == KNOWN[6])
    refused = broken([("AAA", KNOWN[6], 50.0, ["ohlc_order"])])
    load_bars(store, old.filter(~gap), refused, [], arrival(FIRST))
    load(store, rebased(old.filter(~gap), 2.0, 2.0), SECOND)
    (row,) = held_rows(store, "test")
    release(store, arrival(THIRD), row.key, row.values, "Ada", "it was right", replace=False)
    assert read(store, THIRD).filter(gap)["close"].to_list() == [25.0]
    assert read(store, THIRD).filter(gap)["volume"].to_list() == [2.0]


def test_sources_are_rebased_by_themselves(store: sa.Engine) -> None:
    old = market(KNOWN)
    load(store, old, FIRST, RULE)
    load_bars(store, old, NO_BROKEN, [], arrival(FIRST, source="other"))
    load(store, rebased(old, 2.0, 2.0), SECOND)
    assert bars_as_known(store, "other", THIRD).equals(old)
    assert load_bars(store, old, NO_BROKEN, [], arrival(SECOND, source="other")).rows_new == 0


close = st.sampled_from([8.0, 10.0, 12.0, 96.0])
split = st.sampled_from([0.5, 2.0, 4.0])
where = st.tuples(st.sampled_from(SYMBOLS[:2]), st.integers(0, 9))
told = st.one_of(
    st.tuples(st.just("rebase"), where, split, st.booleans()),
    st.tuples(st.just("all of it"), where, split, st.booleans()),
    st.tuples(st.just("restate"), where, close, st.booleans()),
    st.tuples(st.just("day"), where, close, st.booleans()),
)
QUICK = settings(
    max_examples=8,
    phases=[Phase.generate],
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@QUICK
@given(life=st.lists(st.lists(told, min_size=1, max_size=3), min_size=1, max_size=6))
def test_whatever_a_vendor_states_is_read_as_it_stated_it_then(store: sa.Engine, life: list[list[Any]]) -> None:
    """The slow model keeps each whole statement of the vendor: a read at any instant is the last one by then."""
    source, stated = next(fresh_source), {(s, day): (10.0, 64.0) for s in SYMBOLS[:2] for day in DAYS[:6]}
    stated |= {("BBB", day): (8.0 + n % 3, None) for n, day in enumerate(DAYS[:6])}
    statements = []
    for number, changes in enumerate([[], *life]):
        for change in changes:
            vendor_does(stated, *change)
        at = FIRST + number * MICROSECOND
        load_bars(store, bars(stated), NO_BROKEN, [], arrival(at, OBSERVED, source))
        assert load_bars(store, bars(stated), NO_BROKEN, [], arrival(at, OBSERVED, source)) == Loaded(len(stated), 0, 0)
        statements.append((at, bars(stated)))
    for at, expected in statements:
        assert bars_as_known(store, source, at).equals(expected)  # powers of two: every bit


def vendor_does(
    stated: dict[tuple[str, dt.date], Values], what: str, place: tuple[str, int], by: float, late: bool
) -> None:
    """One change of what a vendor states: a new day, a restated row, or a rebase up to some day or of everything."""
    symbol, number = place
    own = sorted(day for other, day in stated if other == symbol)
    if what == "day":
        stated[(symbol, DAYS[len(own)])] = (by, None if late else 32.0)
    elif what == "restate":
        stated[(symbol, own[number % len(own)])] = (by, 16.0)
    else:
        for day in own if what == "all of it" else own[: number + 1]:
            before, volume = stated[(symbol, day)]
            stated[(symbol, day)] = (before / by, volume if late or volume is None else volume * by)


@QUICK
@given(
    life=st.lists(st.tuples(split, st.booleans(), st.integers(0, 2)), min_size=1, max_size=5),
    basis=st.sampled_from([RULE, OBSERVED]),
)
def test_no_read_at_any_cutoff_ever_mixes_two_bases(
    store: sa.Engine, life: list[tuple[float, bool, int]], basis: str
) -> None:
    """A vendor that only rebases and adds days: whatever the cut-off, each change from day to day is the true one."""
    source, factor, traded, days = next(fresh_source), 1.0, 1.0, KNOWN[:8]
    for number, (by, adjusts_volume, more) in enumerate([(1.0, True, 0), *life]):
        days, factor = DAYS[: len(days) + more], factor * by
        traded *= by if adjusts_volume else 1.0
        at = known_by_rule(days[-1]) + number * MICROSECOND
        load_bars(store, rebased(market(days), factor, traded), NO_BROKEN, [], arrival(at, basis, source))
    known = everything(store, schema.rebases).filter(source=source)["known_at"].to_list()
    for cutoff in {
        one + apart for one in [*known, *map(known_by_rule, days)] for apart in (-MICROSECOND, dt.timedelta(0))
    }:
        panel = bars_as_known(store, source, cutoff).filter(pl.col(SYMBOL) == "AAA")
        truth = market(DAYS[: panel.height]).filter(pl.col(SYMBOL) == "AAA")
        assert_close(panel.select(pl.col("close").pct_change()), truth.select(pl.col("close").pct_change()), 1e-9)


def test_a_cutoff_before_everything_reads_nothing(store: sa.Engine) -> None:
    load(store, market(KNOWN), FIRST, RULE)
    load(store, rebased(market(KNOWN), 2.0, 2.0), SECOND)
    assert read(store, known_by_rule(KNOWN[0]) - MICROSECOND).is_empty()
    assert read(store, known_by_rule(KNOWN[0])).equals(market(KNOWN[:1]))
