"""What every registered indicator must keep: no look-ahead, exact warm-up, no scale, no bleed of symbols."""

import datetime as dt
import math
from collections.abc import Callable, Sequence

import numba
import numpy as np
import polars as pl
import pytest

from nightdesk.features import registered
from nightdesk.features.indicator import Indicator
from nightdesk.features.matrix import matrix_of
from nightdesk.features.primitives import Runs, Values, lagged
from nightdesk.tables import BARS, CLOSE, DATE, PRICES, SYMBOL, VOLUME

FIRST_DAY = dt.date(2015, 1, 1)
EVERY = pytest.mark.parametrize("indicator", list(registered().values()), ids=list(registered()))


def walk(symbol: str, length: int, seed: int, offset: int = 0) -> pl.DataFrame:
    """A random walk in ticks of a cent at a low price: equal moves and bars without range are common."""
    random = np.random.default_rng(seed)
    close = np.round(12.0 * np.exp(np.cumsum(random.normal(0.0, 0.006, length))), 2)
    open_ = np.round(close * np.exp(random.normal(0.0, 0.004, length)), 2)
    ticks = random.integers(0, 6, (2, length)) / 100.0
    return pl.DataFrame(
        {
            SYMBOL: [symbol] * length,
            DATE: [FIRST_DAY + dt.timedelta(days=offset + day) for day in range(length)],
            "open": open_,
            "high": np.round(np.maximum(open_, close) + ticks[0], 2),
            "low": np.round(np.minimum(open_, close) - ticks[1], 2),
            CLOSE: close,
            VOLUME: random.integers(1, 10_000, length) * 100.0,
        },
        schema=BARS,
    )


@pytest.fixture(scope="module")
def bars() -> pl.DataFrame:
    return pl.concat([walk("AAA", 640, 1), walk("BBB", 90, 2, 100), walk("CCC", 560, 3, 40), walk("DDD", 640, 4)])


def feature(bars: pl.DataFrame, indicator: Indicator) -> pl.Series:
    return matrix_of(bars, [indicator])[indicator.name]


def same_bits(left: pl.Series, right: pl.Series) -> bool:
    ours, theirs = (np.asarray(series.to_numpy(), dtype=np.float32) for series in (left, right))
    return left.is_null().equals(right.is_null()) and bool(
        np.array_equal(ours.view(np.int32)[~np.isnan(ours)], theirs.view(np.int32)[~np.isnan(theirs)])
    )


def dates_of_leaks(bars: pl.DataFrame, indicator: Indicator, every: int = 37) -> list[dt.date]:
    """Cut dates at which a feature on history up to then differs, in any bit, from the one on all history."""
    whole = matrix_of(bars, [indicator])
    cuts = bars[DATE].unique().sort().gather_every(every, 1)
    return [
        cut
        for cut in cuts
        if not same_bits(
            feature(bars.filter(pl.col(DATE) <= cut), indicator),
            whole.filter(pl.col(DATE) <= cut)[indicator.name],
        )
    ]


def expected_nulls(bars: pl.DataFrame, indicator: Indicator) -> list[bool]:
    """Null where an input is, and on the first `warm_up` bars of a symbol and after each such bar."""
    nulls: list[bool] = []
    seen, before = 0, None
    for row in bars.iter_rows(named=True):
        seen = 0 if row[SYMBOL] != before else seen
        before = row[SYMBOL]
        seen = 0 if any(row[column] is None for column in indicator.inputs) else seen + 1
        nulls.append(seen <= indicator.warm_up)
    return nulls


def check_nulls(bars: pl.DataFrame, indicator: Indicator) -> None:
    values = feature(bars, indicator)
    assert values.is_null().to_list() == expected_nulls(bars, indicator)
    assert values.drop_nulls().is_finite().all()


@EVERY
def test_record_is_complete(indicator: Indicator) -> None:
    assert registered()[indicator.name] is indicator
    assert set(indicator.inputs) <= set(BARS)
    assert indicator.look_back > indicator.warm_up >= 0
    assert (indicator.tolerance == 0.0) == (indicator.look_back == indicator.warm_up + 1)
    for words in (
        indicator.group,
        indicator.unit,
        indicator.meaning,
        indicator.source,
        indicator.compute.__doc__,
    ):
        assert words
        assert words.strip()


@EVERY
def test_no_look_ahead(indicator: Indicator, bars: pl.DataFrame) -> None:
    assert dates_of_leaks(bars, indicator) == []


def _tomorrow(runs: Runs, close: Values) -> Values:
    out = np.full(close.size, np.nan)
    for first, end in runs.tolist():
        out[first : end - 1] = close[first + 1 : end] / close[first : end - 1] - 1.0
        out[end - 1] = 0.0
    return out


def _tomorrow_on_one_day(runs: Runs, close: Values) -> Values:
    out = close / lagged(runs, close, 1) - 1.0
    for first, end in runs.tolist():
        if end - first > 251:
            out[first + 250] = close[first + 251] / close[first + 250] - 1.0
    return out


def _centred_on_all_history(runs: Runs, close: Values) -> Values:
    out = np.full(close.size, np.nan)
    for first, end in runs.tolist():
        out[first:end] = close[first:end] / close[first:end].mean()
    return out


@pytest.mark.parametrize(
    ("compute", "every"), [(_tomorrow, 37), (_tomorrow_on_one_day, 1), (_centred_on_all_history, 37)]
)
def test_one_days_leak_is_caught(compute: Callable[..., Values], every: int, bars: pl.DataFrame) -> None:
    leaking = Indicator("leaking", "test", (CLOSE,), {}, 0, 1, 0.0, "fraction", "looks ahead", "a bug", compute)
    assert dates_of_leaks(bars.head(280), leaking, every)


@EVERY
def test_look_back_suffices(indicator: Indicator, bars: pl.DataFrame) -> None:
    whole = matrix_of(bars, [indicator])
    checked = 0
    for symbol in ("AAA", "CCC", "DDD"):
        own, values = bars.filter(pl.col(SYMBOL) == symbol), whole.filter(pl.col(SYMBOL) == symbol)
        for end in range(indicator.look_back, own.height + 1, 41):
            tail = feature(own.slice(end - indicator.look_back, indicator.look_back), indicator)[-1]
            full = values[indicator.name][end - 1]
            if indicator.tolerance == 0.0:
                assert tail == full
            else:
                assert abs(tail - full) <= indicator.tolerance + np.spacing(np.float32(abs(full)))
            checked += 1
    assert checked > 10


@EVERY
def test_null_for_exactly_the_warm_up(indicator: Indicator) -> None:
    lengths = sorted({1, 2, max(indicator.warm_up, 1), indicator.warm_up + 1, indicator.warm_up + 2, 400})
    check_nulls(pl.concat([walk(f"S{length:03}", length, length) for length in lengths]), indicator)


@EVERY
def test_never_null_or_infinite_where_nothing_moves_or_trades(indicator: Indicator) -> None:
    still = walk("AAA", 330, 5).with_columns([pl.lit(0.1).alias(price) for price in PRICES])
    untraded = walk("BBB", 330, 6).with_columns(pl.lit(0.0).alias(VOLUME))
    check_nulls(pl.concat([still.with_columns(pl.lit(0.0).alias(VOLUME)), untraded]), indicator)


def follows_price_basis(bars: pl.DataFrame, indicator: Indicator, factor: float) -> bool:
    """Whether prices times `factor` and volume over it change the feature: then it may not stand on adjusted prices."""
    rebased = bars.with_columns(pl.col(*PRICES) * factor, pl.col(VOLUME) / factor)
    before, after = feature(bars, indicator), feature(rebased, indicator)
    same = ((before - after).abs() <= 1e-9 + 2e-7 * before.abs()).drop_nulls().all()
    return not (same and before.is_null().equals(after.is_null()))


@EVERY
@pytest.mark.parametrize("factor", [0.37, 7.0, 1e-15])
def test_price_basis_changes_nothing(indicator: Indicator, factor: float, bars: pl.DataFrame) -> None:
    assert not follows_price_basis(bars, indicator, factor)


def _in_dollars(runs: Runs, close: Values) -> Values:
    return close - lagged(runs, close, 1)


def _log_price(_runs: Runs, close: Values) -> Values:
    return np.log(close)


def _shares(_runs: Runs, volume: Values) -> Values:
    return volume


@pytest.mark.parametrize(("compute", "column"), [(_in_dollars, CLOSE), (_log_price, CLOSE), (_shares, VOLUME)])
def test_a_feature_that_follows_the_price_basis_is_caught(
    compute: Callable[..., Values], column: str, bars: pl.DataFrame
) -> None:
    scaled = Indicator("scaled", "test", (column,), {}, 0, 1, 0.0, "dollars", "has a scale", "a bug", compute)
    assert follows_price_basis(bars, scaled, 7.0)


@EVERY
def test_symbols_do_not_touch_each_other(indicator: Indicator, bars: pl.DataFrame) -> None:
    together = matrix_of(bars, [indicator])
    names = {"AAA": "Z", "BBB": "Y", "CCC": "X", "DDD": "W"}
    turned = matrix_of(bars.with_columns(pl.col(SYMBOL).replace(names)).sort(SYMBOL, DATE), [indicator])
    for symbol in names:
        own = together.filter(pl.col(SYMBOL) == symbol)[indicator.name]
        assert same_bits(own, feature(bars.filter(pl.col(SYMBOL) == symbol), indicator))
        assert same_bits(own, turned.filter(pl.col(SYMBOL) == names[symbol])[indicator.name])


def punctured(bars: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Null `columns` on two neighbours amid AAA, its first bar, and CCC's last bar."""
    rows = pl.int_range(pl.len())
    last = (pl.col(SYMBOL) == "CCC") & (pl.col(SYMBOL).shift(-1) != "CCC")
    return bars.with_columns(
        pl.when(rows.is_in([0, 310, 311]) | last).then(None).otherwise(pl.col(column)).alias(column)
        for column in columns
    )


@EVERY
def test_null_input_nulls_only_what_holds_it(indicator: Indicator, bars: pl.DataFrame) -> None:
    clean = feature(bars, indicator)
    for column in indicator.inputs:
        holed = punctured(bars, [column])
        check_nulls(holed, indicator)
        known = feature(holed, indicator)
        both = ~known.is_null()
        if indicator.tolerance == 0.0:
            assert same_bits(known.filter(both), clean.filter(both))
    others = [column for column in (*PRICES, VOLUME) if column not in indicator.inputs]
    assert same_bits(feature(punctured(bars, others), indicator), clean)


@EVERY
def test_same_bits_whatever_the_threads(indicator: Indicator, bars: pl.DataFrame) -> None:
    usual = feature(bars, indicator)
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        alone = feature(bars, indicator)
    finally:
        numba.set_num_threads(threads)
    assert same_bits(usual, alone)
    assert not math.isclose(usual.drop_nulls().std() or 0.0, 0.0)
