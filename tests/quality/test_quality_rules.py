"""Each rule of bars on small batches: rows to quarantine, batches refused, and no row ever lost."""

from __future__ import annotations

import datetime as dt
import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightdesk.errors import BadSetting, DataRefused
from nightdesk.quality.bars import BROKEN, check_bars
from nightdesk.quality.expectations import failed_rows
from nightdesk.quality.gate import refuse_unless_accepted
from nightdesk.quality.suite import Rule, measured, row_rules
from nightdesk.quality.thresholds import Thresholds
from nightdesk.sessions import trading_days
from nightdesk.tables import BARS, CLOSE, DATE, HIGH, LOW, OPEN, PRICES, SYMBOL, VOLUME

DAYS = trading_days("XNYS", dt.date(2016, 1, 4), dt.date(2016, 1, 15))
DAY = DAYS[3]


def batch(symbols: int = 30) -> pl.DataFrame:
    names = pl.DataFrame({SYMBOL: [f"S{n:02d}" for n in range(symbols)]})
    days = pl.DataFrame({DATE: DAYS}).with_row_index("n")
    close = 20 + pl.col("n") * 0.1
    return names.join(days, how="cross").select(
        SYMBOL,
        DATE,
        *((close + step).alias(name) for name, step in zip(PRICES, (0, 1, -1, 0.5), strict=True)),
        pl.lit(1000.0).alias(VOLUME),
    )


def change(bars: pl.DataFrame, **values: object) -> pl.DataFrame:
    """Set columns of the row of S05 on DAY."""
    here = (pl.col(SYMBOL) == "S05") & (pl.col(DATE) == DAY)
    return bars.with_columns(
        pl.when(here).then(pl.lit(value, dtype=BARS[name])).otherwise(pl.col(name)).alias(name)
        for name, value in values.items()
    )


@pytest.mark.parametrize(
    ("values", "reasons"),
    [
        ({OPEN: None}, ["missing_price"]),
        ({HIGH: math.nan}, ["missing_price"]),
        ({LOW: None}, ["missing_price"]),
        ({CLOSE: math.inf}, ["missing_price"]),
        ({HIGH: 20.0}, ["ohlc_order"]),
        ({LOW: 20.4}, ["ohlc_order"]),
        ({OPEN: 30.0}, ["ohlc_order"]),
        ({CLOSE: 10.0}, ["ohlc_order"]),
        ({OPEN: None, CLOSE: 50.0}, ["missing_price", "ohlc_order"]),
        ({LOW: 0.0}, ["non_positive_price"]),
        ({LOW: -1.0, OPEN: None}, ["missing_price", "non_positive_price"]),
        ({VOLUME: None}, ["missing_volume"]),
        ({VOLUME: math.inf}, ["missing_volume"]),
        ({VOLUME: -5.0}, ["negative_volume"]),
        ({DATE: dt.date(2016, 1, 9)}, ["not_a_trading_day"]),
        ({DATE: None}, ["missing_key"]),
        ({SYMBOL: None}, ["missing_key"]),
    ],
)
def test_a_broken_row_goes_to_quarantine_with_its_reasons(values: dict[str, object], reasons: list[str]) -> None:
    verdict = check_bars(change(batch(), **values), DAYS)
    assert verdict.accepted
    assert dict(verdict.broken.schema) == BROKEN
    assert verdict.broken.get_column("reasons").to_list() == [reasons]
    assert verdict.good.height == batch().height - 1
    assert [one.rule for one in verdict.findings if one.severity == "row"] == reasons


@pytest.mark.parametrize(("excess", "broken"), [(0.9e-4, 0), (1.2e-4, 1)])
def test_the_order_of_prices_has_a_tolerance(excess: float, broken: int) -> None:
    top = 20.3 + 0.5
    assert check_bars(change(batch(), high=top / (1 + excess)), DAYS).broken.height == broken
    assert check_bars(change(batch(), low=20.3 * (1 + excess)), DAYS).broken.height == broken


def test_zero_volume_is_noted_and_kept() -> None:
    verdict = check_bars(change(batch(), volume=0.0), DAYS)
    assert [(one.rule, one.symbol, one.date) for one in verdict.findings] == [("zero_volume", "S05", DAY)]
    assert verdict.good.height == batch().height


def test_equal_rows_collapse_and_differing_ones_all_go() -> None:
    bars = batch()
    row = bars.filter((pl.col(SYMBOL) == "S05") & (pl.col(DATE) == DAY))
    equal = check_bars(pl.concat([bars, row, row]), DAYS)
    assert (equal.good.equals(bars), equal.broken.height, equal.collapsed) == (True, 0, 2)
    assert [(one.rule, one.value, one.count) for one in equal.findings] == [("identical_rows", "3 equal rows", 2)]
    differing = check_bars(pl.concat([bars, row.with_columns(volume=pl.lit(7.0))]), DAYS)
    assert differing.broken.get_column("reasons").to_list() == [["duplicate_key"]] * 2
    assert differing.good.height == bars.height - 1
    assert {one.rule for one in differing.findings} == {"duplicate_key"}  # two bars are still one symbol


def test_order_of_the_rows_does_not_matter() -> None:
    bars = change(batch(), close=None)
    shuffled, straight = (
        check_bars(bars.sample(fraction=1, shuffle=True, seed=1), DAYS),
        check_bars(bars, DAYS),
    )
    assert shuffled.good.equals(straight.good)
    assert shuffled.broken.equals(straight.broken)
    assert shuffled.findings == straight.findings


@pytest.mark.parametrize(
    ("bars", "rule", "text"),
    [
        (batch().drop(CLOSE, LOW), "missing_column", "close, low"),
        (batch().with_columns(adjusted=pl.lit(1.0)), "unexpected_column", "adjusted"),
        (
            batch().with_columns(pl.col(VOLUME).cast(pl.Int64)),
            "wrong_type",
            "volume Int64 instead of Float64",
        ),
        (batch().clear(), "empty_batch", "no bars at all for 10 trading days"),
        (batch().filter(pl.col(DATE) != DAY), "missing_day", "1 of 10 trading days have no bars: 2016-01-07"),
        (
            batch().filter((pl.col(DATE) != DAY) | (pl.col(SYMBOL) < "S23")),
            "thin_day",
            "23 symbols, 30 the day before",
        ),
        (
            batch().with_columns(pl.when(pl.col(SYMBOL) >= "S29").then(None).otherwise(CLOSE).alias(CLOSE)),
            "broken_share",
            "10 of 300 rows, 3.3%: missing_price 10",
        ),
    ],
)
def test_every_batch_rule_refuses(bars: pl.DataFrame, rule: str, text: str) -> None:
    verdict = check_bars(bars, DAYS)
    assert [(one.rule, one.severity, one.value) for one in verdict.refusals] == [(rule, "batch", text)]
    with pytest.raises(DataRefused, match=rule):
        refuse_unless_accepted(verdict)


def test_an_accepted_batch_passes_the_gate() -> None:
    refuse_unless_accepted(check_bars(batch(), DAYS))
    refuse_unless_accepted(check_bars(batch().clear(), []))


def test_every_reason_is_told_at_once() -> None:
    bars = batch().filter((pl.col(DATE) != DAYS[1]) & ((pl.col(DATE) != DAYS[5]) | (pl.col(SYMBOL) < "S10")))
    verdict = check_bars(bars.with_columns(pl.when(pl.col(SYMBOL) < "S05").then(LOW).alias(LOW)), DAYS)
    with pytest.raises(DataRefused) as caught:
        refuse_unless_accepted(verdict)
    lines = str(caught.value).splitlines()
    assert lines[0] == "a batch must hold every batch rule, this one breaks 3:"
    assert [line.split()[1].rstrip(":") for line in lines[1:4]] == ["broken_share", "missing_day", "thin_day"]
    wrong = check_bars(batch().drop(OPEN).with_columns(pl.col(CLOSE).cast(pl.Float32), x=pl.lit(1)), DAYS)
    assert [one.rule for one in wrong.refusals] == ["missing_column", "unexpected_column", "wrong_type"]


def test_a_handful_refuses_nothing_unless_it_is_half() -> None:
    assert check_bars(batch(3).filter((pl.col(DATE) != DAY) | (pl.col(SYMBOL) != "S01")), DAYS).accepted
    thin = check_bars(batch(3).filter((pl.col(DATE) != DAY) | (pl.col(SYMBOL) == "S01")), DAYS)
    assert [one.rule for one in thin.refusals] == ["thin_day"]


def test_the_first_day_is_thin_against_the_day_before_the_batch() -> None:
    assert check_bars(batch(), DAYS, symbols_before=30).findings == ()
    assert [one.rule for one in check_bars(batch(), DAYS, symbols_before=31).findings] == ["thin_day"]
    assert [one.rule for one in check_bars(batch(), DAYS, symbols_before=60).refusals] == ["thin_day"]


def test_bars_on_a_holiday_are_all_held_back() -> None:
    verdict = check_bars(batch().filter(pl.col(DATE) == DAY), [])
    assert verdict.good.is_empty()
    assert [one.value for one in verdict.refusals] == ["30 of 30 rows, 100.0%: not_a_trading_day 30"]


def test_stale_prices_are_noted_from_the_set_length_on() -> None:
    stale = batch().with_columns(
        pl.when((pl.col(SYMBOL) == "S05") & (pl.col(DATE) <= DAYS[4])).then(20.5).otherwise(CLOSE).alias(CLOSE)
    )
    (note,) = check_bars(stale, DAYS).findings
    assert (note.rule, note.symbol, note.date, note.count) == ("stale_price", "S05", DAYS[0], 5)
    assert check_bars(stale, DAYS, Thresholds(stale_days=6)).findings == ()


def test_many_failures_of_one_rule_are_told_together() -> None:
    verdict = check_bars(batch(200).with_columns(pl.lit(None, dtype=pl.Float64).alias(OPEN)), DAYS)
    assert sum(one.count for one in verdict.findings if one.rule == "missing_price") == 2000 == verdict.broken.height
    assert len(verdict.findings) == 1001


def test_a_check_that_cannot_run_is_an_error_and_no_pass() -> None:
    with pytest.raises(DataRefused, match=r'rule missing_volume must run to let a batch through, got .*"volume"'):
        failed_rows(measured(batch(), 1e-4).drop(VOLUME), row_rules(DAYS))
    wrong = Rule(
        "nonsense",
        "cannot run",
        "ExpectColumnPairValuesAToBeGreaterThanB",
        {"column_A": OPEN, "column_B": "no"},
    )
    with pytest.raises(DataRefused, match="rule nonsense must run"):
        failed_rows(measured(batch(), 1e-4), [wrong])


def test_thresholds_are_shares() -> None:
    with pytest.raises(BadSetting, match=r"quality broken_share must be a share from 0 to 1, got 5: 0\.01 is 1 %"):
        Thresholds(broken_share=5)
    with pytest.raises(BadSetting, match="stale_days 2 or more, got 5 and 1"):
        Thresholds(stale_days=1)


VALUES = st.sampled_from([None, math.nan, math.inf, -1.0, 0.0, 1.0, 20.0, 21.0])
MUTATION = st.tuples(st.integers(0, 29), st.sampled_from((*PRICES, VOLUME, SYMBOL, DATE, "copy")), VALUES)


@settings(max_examples=12, deadline=None)
@given(st.lists(MUTATION, max_size=12))
def test_no_row_is_lost_whatever_is_wrong_with_it(mutations: list[tuple[int, str, float | None]]) -> None:
    rows = batch(3).rows()
    for at, column, value in mutations:
        row = dict(zip(BARS, rows[at], strict=True))
        if column == "copy":
            rows.append(rows[at])
            continue
        keyed = {
            SYMBOL: None if value is None else "S01",
            DATE: None if value is None else dt.date(2016, 1, 9),
        }
        rows[at] = tuple((row | {column: keyed.get(column, value)}).values())
    bars = pl.DataFrame(rows, schema=BARS, orient="row")
    verdict = check_bars(bars, DAYS)
    assert verdict.good.height + verdict.broken.height + verdict.collapsed == bars.height
    kept = pl.concat([verdict.good, verdict.broken.select(*BARS)])
    assert kept.sort(pl.all()).equals(bars.unique().sort(pl.all()), null_equal=True)
    good = verdict.good
    assert not good.select(SYMBOL, DATE).is_duplicated().any()
    assert good.filter(~pl.all_horizontal(pl.col(*PRICES, VOLUME).is_finite())).is_empty()
    assert good.filter(pl.min_horizontal(*PRICES) <= 0).is_empty()
    assert verdict.broken.get_column("reasons").list.len().min() != 0
