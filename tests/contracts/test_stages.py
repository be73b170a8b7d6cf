"""What weeks, months and cross-sections must keep, as every indicator: no look-ahead, no bleed, exact nulls."""

import datetime as dt
import math
from collections.abc import Sequence
from statistics import fmean, pstdev

import numpy as np
import polars as pl
import pytest
from test_indicators import FIRST_DAY, following_price_basis, leaking, same_bits, walk

from nightdesk.features import INDICATORS
from nightdesk.features.cross_section import METHODS, CrossSection, Method
from nightdesk.features.matrix import matrix_of
from nightdesk.features.periods import PERIOD_FEATURES, PeriodFeature
from nightdesk.features.stages import Feature
from nightdesk.tables import CLOSE, DATE, PRICES, SYMBOL, VOLUME

EVERY = pytest.mark.parametrize("period", list(PERIOD_FEATURES.values()), ids=list(PERIOD_FEATURES))
METHOD = pytest.mark.parametrize("method", list(METHODS))


def daily(symbol: str, length: int, seed: int, offset: int = 0) -> pl.DataFrame:
    """The same walk with a bar on every day of the calendar."""
    day = pl.lit(FIRST_DAY) + pl.duration(days=pl.int_range(pl.len()) + offset)
    return walk(symbol, length, seed).with_columns(day.cast(pl.Date).alias(DATE))


def feature(bars: pl.DataFrame, one: Feature) -> pl.Series:
    return matrix_of(bars, [one])[one.name]


def on_weekdays(bars: pl.DataFrame) -> pl.DataFrame:
    """Without weekends and a few odd days, one whole week among them."""
    odd = [dt.date(2015, 4, 3), dt.date(2015, 7, 20), *(dt.date(2015, 9, 7) + dt.timedelta(days=d) for d in range(7))]
    return bars.filter(pl.col(DATE).dt.weekday() <= 5, ~pl.col(DATE).is_in(odd))


@pytest.fixture(scope="module")
def bars() -> pl.DataFrame:
    return on_weekdays(
        pl.concat([daily("AAA", 620, 1), daily("BBB", 90, 2, 100), daily("CCC", 460, 3, 40), daily("DDD", 620, 4)])
    )


@EVERY
def test_no_look_ahead_on_any_day_of_a_week(period: PeriodFeature, bars: pl.DataFrame) -> None:
    assert leaking(bars, [period], every=27) == []  # 27 trading days: another weekday and day of the month each


def test_a_finished_week_is_caught() -> None:
    days = on_weekdays(daily("AAA", 100, 1))
    week = days.with_columns(pl.col(CLOSE).last().over(pl.col(DATE).dt.truncate("1w")))
    leaks = [
        cut
        for cut in days[DATE]
        if not days.filter(pl.col(DATE) <= cut)
        .with_columns(pl.col(CLOSE).last().over(pl.col(DATE).dt.truncate("1w")))[CLOSE]
        .equals(week.filter(pl.col(DATE) <= cut)[CLOSE])
    ]
    assert {cut.isoweekday() for cut in leaks} == {1, 2, 3, 4}


@EVERY
def test_the_look_back_gives_the_same_bits(period: PeriodFeature, bars: pl.DataFrame) -> None:
    whole, checked = matrix_of(bars, [period]), 0
    for symbol in ("AAA", "CCC"):
        own, values = bars.filter(pl.col(SYMBOL) == symbol), whole.filter(pl.col(SYMBOL) == symbol)
        for end in range(min(period.look_back, 300), own.height + 1, 37):
            tail = feature(own.slice(max(0, end - period.look_back), min(end, period.look_back)), period)[-1]
            assert tail == values[period.name][end - 1]
            checked += tail is not None
    assert checked > 3


@EVERY
@pytest.mark.parametrize("factor", [0.37, 1e-15])
def test_price_basis_changes_nothing(period: PeriodFeature, factor: float, bars: pl.DataFrame) -> None:
    assert following_price_basis(bars, [period], factor) == []


@EVERY
def test_symbols_do_not_touch_each_other(period: PeriodFeature, bars: pl.DataFrame) -> None:
    together = matrix_of(bars, [period])
    for symbol in ("AAA", "BBB", "CCC", "DDD"):
        own = together.filter(pl.col(SYMBOL) == symbol)[period.name]
        assert same_bits(own, feature(bars.filter(pl.col(SYMBOL) == symbol), period))


def slow_periods(rows: Sequence[dict[str, object]], period: PeriodFeature) -> list[list[dict[str, float | None]]]:
    """For each day the bars of its symbol's periods, oldest first, the last one as far as it has gone: plain loops."""
    found, periods, symbol, begun = [], [], None, None
    for row in rows:
        day = row[DATE]
        start = day - dt.timedelta(days=day.weekday()) if period.period == "week" else day.replace(day=1)
        if row[SYMBOL] != symbol:
            periods, symbol, begun = [], row[SYMBOL], None
        if start != begun:
            periods, begun = [*periods, []], start
        periods = [*periods[:-1], [*periods[-1], row]]
        found.append([_bar(days) for days in periods])
    return found


def _bar(days: list[dict[str, object]]) -> dict[str, float | None]:
    how = {"open": lambda v: v[0], "high": max, "low": min, CLOSE: lambda v: v[-1], VOLUME: math.fsum}
    values = {name: [day[name] for day in days] for name in how}
    return {name: None if None in values[name] else how[name](values[name]) for name in how}


def slow_value(window: list[dict[str, float | None]], name: str) -> float:
    """What a feature's name says, of a window of whole periods and the current one."""
    now, kind = window[-1], name.split("_", 1)[1]
    closes = [one[CLOSE] for one in window]
    if kind.startswith("return"):
        return closes[-1] / closes[0] - 1
    if kind.startswith("sma_gap"):
        return closes[-1] / fmean(closes) - 1
    if kind == "gap_open":
        return now["open"] / closes[0] - 1
    if kind == "range_position":
        return (now[CLOSE] - now["low"]) / (now["high"] - now["low"]) if now["high"] > now["low"] else 0.5
    if kind.startswith("bollinger"):
        deviation = pstdev(closes)
        return 0.5 + (closes[-1] - fmean(closes)) / (4 * deviation) if deviation else 0.5
    assert kind.startswith("chaikin")
    traded = math.fsum(one[VOLUME] for one in window)
    flow = math.fsum(
        one[VOLUME] * ((one[CLOSE] - one["low"]) - (one["high"] - one[CLOSE])) / (one["high"] - one["low"])
        for one in window
        if one["high"] > one["low"]
    )
    return flow / traded if traded else 0.0


@EVERY
def test_each_value_and_each_null_is_that_of_a_plain_loop(period: PeriodFeature) -> None:
    length = 31 * 16 if period.period == "month" else 7 * (period.warm_up + 14)
    table = on_weekdays(
        pl.concat([daily("AAA", length, 5), daily("BBB", 1, 6), daily("CCC", 12, 7), daily("DDD", 2, 8)])
    )
    holes = pl.int_range(pl.len()).is_in([9, table.filter(pl.col(SYMBOL) == "AAA").height - 20])
    flat = pl.int_range(pl.len()).is_between(20, 40)
    table = table.with_columns(
        *(pl.when(flat).then(0.1).otherwise(pl.col(price)).alias(price) for price in PRICES),
        pl.when(flat).then(0.0).otherwise(pl.col(VOLUME)).alias(VOLUME),
    ).with_columns(pl.when(holes).then(None).otherwise(pl.col(name)).alias(name) for name in period.inputs)
    found, known = feature(table, period).to_list(), 0
    for value, periods in zip(found, slow_periods(table.to_dicts(), period), strict=True):
        window = periods[-period.warm_up - 1 :]
        whole = len(window) == period.warm_up + 1 and None not in [
            one[name] for one in window for name in period.inputs
        ]
        assert (value is not None) == whole
        if whole:
            assert value == pytest.approx(slow_value(window, period.name), rel=1e-5, abs=1e-6)
            known += 1
    assert known > 10


BASES = [INDICATORS["rsi_14"], PERIOD_FEATURES["week_return_4"]]


def market(symbols: int = 7) -> pl.DataFrame:
    return on_weekdays(pl.concat([daily(f"S{number}", 110, number, 9 * (number % 3)) for number in range(symbols)]))


def members_of(bars: pl.DataFrame) -> pl.DataFrame:
    """All but S3, from the seventieth day on all but S4; two sectors, one unknown; no list on the first twenty days."""
    days = bars[DATE].unique().sort()
    late = pl.col(DATE) >= days[70]
    sector = pl.col(SYMBOL).replace_strict({"S0": None, "S1": "Energy", "S2": "Energy", "S5": "Energy"}, default="Tech")
    listed = pl.when(late).then(pl.col(SYMBOL) != "S4").otherwise(pl.col(SYMBOL) != "S3")
    return bars.filter(pl.col(DATE) >= days[20], listed).select(DATE, SYMBOL, sector=sector)


def relative(value: float, peers: Sequence[float], method: Method) -> float:
    """A value among its peers (itself one of them), from the definition."""
    if method == "rank":
        below, equal = sum(one < value for one in peers), sum(one == value for one in peers)
        return (below + (equal + 1) / 2 - 0.5) / len(peers)
    if method == "z_score":
        return (value - fmean(peers)) / pstdev(peers) if max(peers) > min(peers) else 0.0
    return value - fmean(peers)


@METHOD
@pytest.mark.parametrize("base", BASES, ids=[base.name for base in BASES])
@pytest.mark.parametrize("listed", [True, False])
def test_cross_sections_are_those_of_a_plain_loop(base: object, method: Method, listed: bool) -> None:
    bars = market()
    members = members_of(bars) if listed else None
    one = CrossSection(base, method)
    rows = matrix_of(bars, [base, one], members).to_dicts()
    sectors = {} if members is None else {(row[DATE], row[SYMBOL]): row["sector"] for row in members.to_dicts()}
    lists = {day for day, _ in sectors}
    known = 0
    for row in rows:

        def is_peer(other: dict[str, object], day: dt.date = row[DATE], symbol: str = row[SYMBOL]) -> bool:
            member = day not in lists or (day, other[SYMBOL]) in sectors
            same = method != "sector_neutral" or (
                sectors.get((day, other[SYMBOL])) is not None
                and sectors.get((day, other[SYMBOL])) == sectors.get((day, symbol))
            )
            return other[DATE] == day and member and same and other[base.name] is not None

        if row[base.name] is None or not is_peer(row):
            assert row[one.name] is None
            continue
        expected = relative(row[base.name], [other[base.name] for other in rows if is_peer(other)], method)
        assert row[one.name] == pytest.approx(expected, rel=1e-4, abs=1e-5)
        known += 1
    assert (known > 100) == (listed or method != "sector_neutral")


@METHOD
def test_cross_sections_do_not_look_ahead(method: Method) -> None:
    bars = market()
    members = members_of(bars)
    wanted = [CrossSection(base, method) for base in BASES]
    whole = matrix_of(bars, wanted, members)
    for cut in bars[DATE].unique().sort().gather_every(11, 30):
        before = matrix_of(bars.filter(pl.col(DATE) <= cut), wanted, members.filter(pl.col(DATE) <= cut))
        for one in wanted:
            assert same_bits(before[one.name], whole.filter(pl.col(DATE) <= cut)[one.name])
            assert before[one.name].null_count() < before.height


def test_nothing_but_the_members_of_a_date_is_looked_at() -> None:
    bars = market()
    members, one = members_of(bars), CrossSection(INDICATORS["return_1"], "z_score")
    clean = matrix_of(bars, [one], members)
    day = bars[DATE].unique().sort()[60]
    outside = bars.with_columns(
        pl.when((pl.col(SYMBOL) == "S3") & (pl.col(DATE) == day)).then(pl.col(CLOSE) * 9).otherwise(CLOSE).alias(CLOSE)
    )
    inside = bars.with_columns(
        pl.when((pl.col(SYMBOL) == "S1") & (pl.col(DATE) == day)).then(pl.col(CLOSE) * 9).otherwise(CLOSE).alias(CLOSE)
    )
    assert matrix_of(outside, [one], members).equals(clean)
    changed = matrix_of(inside, [one], members)
    differs = ~changed[one.name].eq_missing(clean[one.name])
    assert set(clean.filter(differs)[DATE]) == {day, bars[DATE].unique().sort()[61]}
    assert not matrix_of(outside, [one]).equals(matrix_of(bars, [one]))


@METHOD
def test_equal_values_and_a_symbol_alone_are_told_apart_from_missing(method: Method) -> None:
    still = pl.concat([daily(f"S{n}", 40, n) for n in range(3)]).with_columns(pl.lit(0.1).alias(p) for p in PRICES)
    members = still.select(DATE, SYMBOL, sector=pl.lit("Tech"))
    one = CrossSection(INDICATORS["return_1"], method)
    values = matrix_of(still, [one], members).filter(pl.col(DATE) > dt.date(2015, 1, 1))[one.name]
    assert values.unique().to_list() == [0.5 if method == "rank" else 0.0]
    alone = matrix_of(daily("S1", 40, 1), [one], members)[one.name]
    assert alone.drop_nulls().unique().to_list() == [0.5 if method == "rank" else 0.0]
    assert alone.null_count() == 1
    assert np.isfinite(values.to_numpy()).all()
