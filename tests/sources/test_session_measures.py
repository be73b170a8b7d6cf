"""Measures of sessions against plain Python: walks, half days, gaps, faults, days without move or trade, of one bar."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from bar_samples import put, synthetic_bars
from polars.testing import assert_frame_equal
from session_samples import as_csv, of_new_york, slow_measures

from nightdesk.sources import open_source
from nightdesk.sources.files import FilesSource
from nightdesk.sources.renamed import Renamed
from nightdesk.sources.session_measures import session_measures
from nightdesk.sources.source import IntradaySource
from nightdesk.tables import DATE, HOUR_MEASURES, INTRADAY_BARS, MEASURES, PRICES, SESSION_MEASURES, SYMBOL, VOLUME

DAILY = synthetic_bars(faults=False, symbols=3, days=250)  # with the day after Thanksgiving, which ends at 13:00
WHOLE = of_new_york(DAILY)
FIRST, SECOND, THIRD, *_ = DAYS = WHOLE[DATE].unique().sort().to_list()
ONE, OTHER, _ = WHOLE[SYMBOL].unique().sort().to_list()
PLACE = pl.int_range(pl.len()).over(SYMBOL, DATE)


def hostile() -> pl.DataFrame:
    """Of one symbol a day without movement, one without trade and one with a fault; of the other days with few bars."""
    day = pl.col(DATE)
    one, other = pl.col(SYMBOL) == ONE, pl.col(SYMBOL) == OTHER
    fault = one & (day == THIRD) & (PLACE == 4)
    kept = ~other | (
        pl.when(day == FIRST)
        .then(PLACE == 6)
        .when(day == SECOND)
        .then(PLACE.is_in([2, 7]))
        .otherwise((PLACE > 0) | (day > THIRD))
    )
    return (
        WHOLE.filter(kept)
        .with_columns(pl.when(one & (day == FIRST)).then(50.0).otherwise(pl.col(name)).alias(name) for name in PRICES)
        .with_columns(
            pl.when(one & (day == SECOND)).then(0.0).otherwise(VOLUME).alias(VOLUME),
            pl.when(fault).then(pl.lit("prices out of order")).otherwise("fault").alias("fault"),
        )
    )


def assert_as_slow(bars: pl.DataFrame, minutes: int = 30) -> pl.DataFrame:
    found, slow = session_measures(bars, "XNYS", minutes), slow_measures(bars, minutes=minutes)
    rows = [(*key, *(values[name] for name in MEASURES)) for key, values in sorted(slow.items())]
    expected = pl.DataFrame(rows, schema=SESSION_MEASURES, orient="row")
    assert_frame_equal(found, expected, rel_tol=1e-9, abs_tol=1e-15)
    return found


def test_measures_equal_their_definitions() -> None:
    found = assert_as_slow(WHOLE)
    assert found.height == DAILY.height
    assert found.null_count().row(0) == (0,) * len(SESSION_MEASURES)
    half_day = WHOLE.group_by(SYMBOL, DATE).len().filter(pl.col("len") == 7)
    assert half_day.height == 3


def test_days_with_gaps_faults_and_without_movement_or_trade() -> None:
    found = {row[:2]: dict(zip(MEASURES, row[2:], strict=True)) for row in assert_as_slow(hostile()).iter_rows()}
    still, untraded, faulty, single = (
        found[key] for key in ((ONE, FIRST), (ONE, SECOND), (ONE, THIRD), (OTHER, FIRST))
    )
    assert [still[name] for name in MEASURES[:6]] == [0.0] * 6
    assert [untraded[name] for name in ("vwap_gap", "first_volume_share", "last_volume_share")] == [0.0] * 3
    assert untraded["realized_variance"] > 0
    assert set(faulty.values()) == {None}
    assert {name for name, value in single.items() if value is None} == {
        *("bipower_variation", "last_return", "hour_last_return")
    }


def test_of_bars_of_an_hour_or_more_there_are_no_hours() -> None:
    found = assert_as_slow(WHOLE.filter(PLACE % 2 == 0), 60)
    assert found.select(*HOUR_MEASURES).null_count().row(0) == (found.height,) * len(HOUR_MEASURES)
    assert found["realized_variance"].null_count() == 0


def test_a_bar_that_overlaps_the_open_belongs_to_the_first_hour() -> None:
    early = WHOLE.with_columns(pl.col("start") - pl.duration(minutes=10))
    found = assert_as_slow(early)
    assert not found["hour_first_return"].equals(session_measures(WHOLE, "XNYS", 30)["hour_first_return"])


def test_a_session_has_the_same_bits_whatever_stands_beside_it() -> None:
    whole = session_measures(WHOLE, "XNYS", 30)
    some = WHOLE.filter(pl.col(SYMBOL) != ONE, pl.col(DATE).is_between(DAYS[7], DAYS[90]))
    expected = whole.filter(pl.col(SYMBOL) != ONE, pl.col(DATE).is_between(DAYS[7], DAYS[90]))
    assert session_measures(some, "XNYS", 30).equals(expected)


@pytest.mark.parametrize("factor", [4.0, 0.37])
def test_a_split_changes_no_measure(factor: float) -> None:
    rebased = WHOLE.with_columns(pl.col(*PRICES) * factor, pl.col(VOLUME) / factor)
    assert_frame_equal(
        session_measures(rebased, "XNYS", 30), session_measures(WHOLE, "XNYS", 30), rel_tol=1e-9, abs_tol=1e-12
    )


def test_what_cannot_be_placed_or_counted_is_no_measure() -> None:
    assert session_measures(WHOLE.clear(), "XNYS", 30).equals(pl.DataFrame(schema=SESSION_MEASURES))
    saturday = pl.lit(dt.date(2016, 1, 9))
    odd = pl.concat([WHOLE.head(1).with_columns(saturday.alias(DATE)), WHOLE.tail(13)])
    assert session_measures(odd, "XNYS", 30)[DATE].to_list() == [DAYS[-1]]
    nameless = WHOLE.tail(26).with_columns(
        pl.when(PLACE >= 0, pl.col(DATE) == DAYS[-1]).then(None).otherwise(SYMBOL).alias(SYMBOL)
    )
    assert session_measures(nameless, "XNYS", 30)[DATE].to_list() == [DAYS[-2]]
    huge = WHOLE.tail(13).with_columns(pl.lit(1e308).alias(name) for name in PRICES)
    assert session_measures(huge, "XNYS", 30)["vwap_gap"].to_list() == [None]


def test_a_source_of_another_name_gives_its_hours_too(tmp_path: Path) -> None:
    folder = put(tmp_path / "bars", {"all.csv": as_csv(WHOLE)})
    opened = open_source("files", folder=folder, bar_minutes=30)
    assert isinstance(opened, FilesSource)
    assert opened.intraday(None, DAYS[-1]).equals(WHOLE)
    named = Renamed(opened, "floor")
    assert isinstance(named, IntradaySource)
    assert named.intraday(DAYS[3], DAYS[5]).equals(opened.intraday(DAYS[3], DAYS[5]))
    daily = Renamed(open_source("synthetic"), "plain")
    assert daily.intraday(None, DAYS[-1]).equals(pl.DataFrame(schema=INTRADAY_BARS))
