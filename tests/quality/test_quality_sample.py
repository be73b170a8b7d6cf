"""The checks find exactly the faults that the real sample's README lists, and those planted elsewhere."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from functools import lru_cache

import polars as pl
import pytest

from nightdesk.quality.bars import Verdict, check_bars
from nightdesk.sessions import trading_days
from nightdesk.sources import open_source
from nightdesk.sources.synthetic import synthetic
from nightdesk.tables import DATE, SYMBOL

ORDER = """AOS 2014-05-19, CHD 2014-05-19, BBY 2016-03-14, CHK 2014-06-30, DHR 2014-11-06, IP 2014-07-01,
LNT 2016-05-19, O 2014-08-27, O 2014-11-06, SPG 2014-05-28, UA 2016-06-10, WRK 2016-05-13"""
NO_PRICE = """DHR 2015-07-17, DHR 2016-01-12, ES 2015-07-17, FTV 2016-07-01, O 2015-07-17, O 2016-01-12,
REGN 2015-06-09, UA 2016-04-07, VRTX 2015-05-12, WRK 2015-06-26"""
NO_VOLUME = "DHR 2016-01-12, FTV 2016-07-01, O 2016-01-12, UA 2016-04-07"
LARGE = """AMD 2016-04-22, VRTX 2013-04-19, VRTX 2014-06-24, STZ 2013-02-14, DISCA 2014-08-07,
DISCK 2014-08-07, BAX 2015-07-01, NI 2015-07-02, EBAY 2015-07-20"""


def keys(text: str) -> set[tuple[str, dt.date]]:
    return {(pair.split()[0], dt.date.fromisoformat(pair.split()[1])) for pair in text.split(",")}


def found(verdict: Verdict, rule: str) -> set[tuple[str | None, dt.date | None]]:
    return {(one.symbol, one.date) for one in verdict.findings if one.rule == rule}


@lru_cache
def sample_panel() -> tuple[pl.DataFrame, list[dt.date]]:
    source = open_source("sample")
    return source.bars(None, source.last_day()), trading_days("XNYS", source.first_day(), source.last_day())


@pytest.fixture(scope="module")
def verdict() -> Verdict:
    return check_bars(*sample_panel())


def test_exactly_the_22_rows_of_the_readme_go_to_quarantine(verdict: Verdict) -> None:
    assert verdict.broken.height == 22
    reasons = {
        (symbol, day): codes for symbol, day, codes in verdict.broken.select(SYMBOL, DATE, "reasons").iter_rows()
    }
    assert reasons == {key: ["ohlc_order"] for key in keys(ORDER)} | {key: ["missing_price"] for key in keys(NO_PRICE)}
    assert found(verdict, "ohlc_order") == keys(ORDER)
    assert found(verdict, "missing_price") == keys(NO_PRICE)


def test_nothing_is_lost_and_the_batch_goes_on(verdict: Verdict) -> None:
    bars, _ = sample_panel()
    assert verdict.accepted
    assert verdict.collapsed == 0
    assert pl.concat([verdict.good, verdict.broken.select(bars.columns)]).sort(SYMBOL, DATE).equals(bars)


def test_rows_without_volume_are_noted(verdict: Verdict) -> None:
    assert found(verdict, "zero_volume") == keys(NO_VOLUME)


def test_the_thin_day_is_noted_with_its_numbers(verdict: Verdict) -> None:
    (thin,) = [one for one in verdict.findings if one.date == dt.date(2013, 4, 26) and one.rule == "thin_day"]
    assert (thin.severity, thin.value, thin.count) == ("note", "472 symbols, 476 the day before", 4)
    lacking = {one.symbol for one in verdict.findings if one.date == thin.date and one.rule == "missing_row"}
    assert lacking == {"BMY", "DHR", "ICE", "O"}


def test_large_moves_are_news_or_actions_but_for_the_close_in_quarantine(verdict: Verdict) -> None:
    actions = keys("DISCA 2014-08-07, DISCK 2014-08-07, BAX 2015-07-01, NI 2015-07-02, EBAY 2015-07-20")
    assert found(verdict, "large_move") | actions == keys(LARGE)
    assert actions <= found(verdict, "suspected_action")
    assert ("LNT", dt.date(2016, 5, 19)) in found(verdict, "price_error")


def test_31_symbols_have_a_shorter_history(verdict: Verdict) -> None:
    rules = ("late_listing", "delisting", "missing_row")
    assert len({one.symbol for one in verdict.findings if one.rule in rules}) == 31


@pytest.mark.parametrize("seed", [1, 2])
def test_every_planted_fault_is_found_by_name_and_nothing_else(seed: int) -> None:
    source = synthetic(seed=seed, symbols=200, days=500, faults=True)
    days = trading_days("XNYS", source.first_day(), source.last_day())
    verdict = check_bars(source.bars(None, source.last_day()), days)
    planted = {(symbol, day, fault) for symbol, day, fault in source.planted_faults().iter_rows()}
    assert planted
    assert verdict.accepted
    seen = Counter()
    for one in verdict.findings:
        if one.rule == "thin_day":  # of the whole market: what the missing rows and delistings add up to
            continue
        assert one.date is not None
        at = days.index(one.date)
        spread = days[at : at + one.count] if one.rule == "missing_row" else [one.date]
        seen.update((one.symbol, day, one.rule) for day in spread)
    assert set(seen) == planted
    assert set(seen.values()) == {1}
    held = {(symbol, day) for symbol, day, fault in planted if fault in ("ohlc_order", "missing_price")}
    assert set(verdict.broken.select(SYMBOL, DATE).iter_rows()) == held


def test_a_market_without_faults_has_no_findings() -> None:
    source = synthetic(symbols=100, days=300)
    verdict = check_bars(
        source.bars(None, source.last_day()), trading_days("XNYS", source.first_day(), source.last_day())
    )
    assert (verdict.findings, verdict.refusals, verdict.broken.height) == ((), (), 0)
