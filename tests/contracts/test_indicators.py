"""What every registered indicator must keep: no look-ahead, exact warm-up, no scale, no bleed of symbols.

A check builds all indicators at once and names those that fail: hundreds of them cost seconds, not minutes.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence

import numba
import numpy as np
import polars as pl
import pytest

from nightdesk.evaluation.audit_sessions import with_sessions
from nightdesk.features import DEFAULT, registered
from nightdesk.features.indicator import Indicator
from nightdesk.features.matrix import matrix_of
from nightdesk.features.primitives import Runs, Values, lagged
from nightdesk.tables import BARS, CLOSE, DATE, MEASURES, PRICES, SYMBOL, VOLUME

FIRST_DAY = dt.date(2015, 1, 1)
EVERY = list(registered().values())


def walk(symbol: str, length: int, seed: int, offset: int = 0) -> pl.DataFrame:
    """A random walk in ticks of a cent at a low price, five days of seven: equal moves and flat bars are common.

    With measures of sessions of half-hours.
    """
    random = np.random.default_rng(seed)
    close = np.round(12.0 * np.exp(np.cumsum(random.normal(0.0, 0.006, length))), 2)
    open_ = np.round(close * np.exp(random.normal(0.0, 0.004, length)), 2)
    ticks = random.integers(0, 6, (2, length)) / 100.0
    daily = pl.DataFrame(
        {
            SYMBOL: [symbol] * length,
            DATE: [FIRST_DAY + dt.timedelta(days=offset + day + day // 5 * 2) for day in range(length)],
            "open": open_,
            "high": np.round(np.maximum(open_, close) + ticks[0], 2),
            "low": np.round(np.minimum(open_, close) - ticks[1], 2),
            CLOSE: close,
            VOLUME: random.integers(1, 10_000, length) * 100.0,
        },
        schema=BARS,
    )
    return with_sessions(daily, seed)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Frames are small here: starting threads would cost more than all the work."""
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(threads)


@pytest.fixture(scope="module")
def bars() -> pl.DataFrame:
    return pl.concat([walk("AAA", 640, 1), walk("BBB", 90, 2, 100), walk("CCC", 560, 3, 40), walk("DDD", 640, 4)])


@pytest.fixture(scope="module")
def whole(bars: pl.DataFrame) -> pl.DataFrame:
    return matrix_of(bars, EVERY)


def same_bits(left: pl.Series, right: pl.Series) -> bool:
    ours, theirs = (np.asarray(series.to_numpy(), dtype=np.float32) for series in (left, right))
    return left.is_null().equals(right.is_null()) and bool(
        np.array_equal(ours.view(np.int32)[~np.isnan(ours)], theirs.view(np.int32)[~np.isnan(theirs)])
    )


def differing(left: pl.DataFrame, right: pl.DataFrame, indicators: Sequence[Indicator]) -> list[str]:
    return [one.name for one in indicators if not same_bits(left[one.name], right[one.name])]


def leaking(bars: pl.DataFrame, indicators: Sequence[Indicator], every: int = 37) -> list[str]:
    """Those whose value on history up to some day differs, in any bit, from the one on all history.

    Every truncated history goes in as symbols of its own, all in one build.
    """
    cuts = bars[DATE].unique().sort().gather_every(every, 1)
    cut = pl.concat([bars.filter(pl.col(DATE) <= day).with_columns(_tagged(f"{day}")) for day in cuts])
    expected = pl.concat([matrix_of(bars, indicators).filter(pl.col(DATE) <= day) for day in cuts])
    tags = cut.select(SYMBOL, DATE)
    found = tags.join(
        matrix_of(cut.sort(SYMBOL, DATE), indicators), on=[SYMBOL, DATE], how="left", maintain_order="left"
    )
    return differing(found, expected, indicators)


def _tagged(tag: str) -> pl.Expr:
    return pl.concat_str(pl.lit(tag), pl.col(SYMBOL), separator=" ").alias(SYMBOL)


def bars_known(bars: pl.DataFrame, inputs: Sequence[str]) -> np.ndarray:
    """How many bars of its symbol in a row, up to each bar, know all `inputs`."""
    seen, before, counts = 0, None, []
    for symbol, *values in bars.select(SYMBOL, *inputs).iter_rows():
        seen = 0 if symbol != before or None in values else seen
        seen += None not in values
        before = symbol
        counts.append(seen)
    return np.array(counts)


def wrongly_null(bars: pl.DataFrame, indicators: Sequence[Indicator]) -> list[str]:
    """Those not null for exactly the warm-up after a symbol's start and after a null input, or not finite."""
    matrix = matrix_of(bars, indicators)
    known = {inputs: bars_known(bars, inputs) for inputs in {one.inputs for one in indicators}}
    return [
        one.name
        for one in indicators
        if not np.array_equal(matrix[one.name].is_null().to_numpy(), known[one.inputs] <= one.warm_up)
        or not matrix[one.name].drop_nulls().is_finite().all()
    ]


@pytest.mark.parametrize("indicator", EVERY, ids=list(registered()))
def test_record_is_complete(indicator: Indicator) -> None:
    assert registered()[indicator.name] is indicator
    assert set(indicator.inputs) <= {*BARS, *MEASURES}
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


def test_no_look_ahead(bars: pl.DataFrame) -> None:
    assert leaking(bars, EVERY) == []


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
    planted = Indicator("planted", "test", (CLOSE,), {}, 0, 1, 0.0, "fraction", "looks ahead", "a bug", compute)
    assert leaking(bars.head(280), [planted], every) == ["planted"]


@pytest.mark.parametrize("look_back", sorted({one.look_back for one in EVERY}))
def test_look_back_suffices(look_back: int, bars: pl.DataFrame, whole: pl.DataFrame) -> None:
    tails, expected = [], []
    for symbol in ("AAA", "CCC", "DDD"):
        own, values = bars.filter(pl.col(SYMBOL) == symbol), whole.filter(pl.col(SYMBOL) == symbol)
        for end in range(look_back, own.height + 1, 41):
            tails.append(own.slice(end - look_back, look_back).with_columns(_tagged(f"{end:04}")))
            expected.append(values.slice(end - 1, 1))
    assert len(tails) > 10
    ours = [one for one in EVERY if one.look_back == look_back]
    built = matrix_of(pl.concat(tails).sort(SYMBOL, DATE), ours).group_by(SYMBOL).last()
    order = pl.DataFrame({SYMBOL: [tail[SYMBOL][0] for tail in tails]})
    found, full = order.join(built, on=SYMBOL, how="left", maintain_order="left"), pl.concat(expected)
    for one in ours:
        near, far = found[one.name].to_numpy(), full[one.name].to_numpy()
        if one.tolerance == 0.0:
            assert (near == far).all(), one.name
        else:
            assert (np.abs(near - far) <= one.tolerance + np.spacing(np.abs(far))).all(), one.name


def test_null_for_exactly_the_warm_up() -> None:
    lengths = {1, 2, 400} | {max(one.warm_up, 1) + more for one in EVERY for more in (0, 1, 2)}
    assert wrongly_null(pl.concat([walk(f"S{length:03}", length, length) for length in sorted(lengths)]), EVERY) == []


def test_never_null_or_infinite_where_nothing_moves_or_trades() -> None:
    still = walk("AAA", 330, 5).with_columns([pl.lit(0.1).alias(price) for price in PRICES])
    untraded = walk("BBB", 330, 6).with_columns(pl.lit(0.0).alias(VOLUME))
    calm = pl.concat([still.with_columns(pl.lit(0.0).alias(VOLUME)), untraded]).select(*BARS)
    assert wrongly_null(with_sessions(calm, 7), EVERY) == []


def following_price_basis(bars: pl.DataFrame, indicators: Sequence[Indicator], factor: float) -> list[str]:
    """Those that change with prices times `factor` and volume over it: they may not stand on adjusted prices."""
    rebased = bars.with_columns(pl.col(*PRICES) * factor, pl.col(VOLUME) / factor)
    matrix, other = matrix_of(bars, indicators), matrix_of(rebased, indicators)
    follow = []
    for one in indicators:
        before, after = matrix[one.name], other[one.name]
        same = ((before - after).abs() <= 1e-9 + 2e-7 * before.abs()).drop_nulls().all()
        if not (same and before.is_null().equals(after.is_null())):
            follow.append(one.name)
    return follow


@pytest.mark.parametrize("factor", [0.37, 7.0, 1e-15])
def test_price_basis_changes_nothing_but_what_says_so(factor: float, bars: pl.DataFrame) -> None:
    assert following_price_basis(bars, EVERY, factor) == [one.name for one in EVERY if not one.scale_free]


def test_a_night_computes_only_what_has_no_scale() -> None:
    assert all(one.scale_free for one in DEFAULT)


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
    assert following_price_basis(bars, [scaled], 7.0) == ["scaled"]


def test_symbols_do_not_touch_each_other(bars: pl.DataFrame, whole: pl.DataFrame) -> None:
    names = {"AAA": "Z", "BBB": "Y", "CCC": "X", "DDD": "W"}
    turned = matrix_of(bars.with_columns(pl.col(SYMBOL).replace(names)).sort(SYMBOL, DATE), EVERY)
    for symbol in names:
        own = whole.filter(pl.col(SYMBOL) == symbol)
        assert differing(own, matrix_of(bars.filter(pl.col(SYMBOL) == symbol), EVERY), EVERY) == []
        assert differing(own, turned.filter(pl.col(SYMBOL) == names[symbol]), EVERY) == []


@pytest.mark.parametrize("column", [*PRICES, VOLUME, *MEASURES])
def test_null_input_nulls_only_what_holds_it(column: str, bars: pl.DataFrame, whole: pl.DataFrame) -> None:
    """Nulls on two neighbours amid AAA, its first bar, and CCC's last bar."""
    rows = pl.int_range(pl.len())
    last = (pl.col(SYMBOL) == "CCC") & (pl.col(SYMBOL).shift(-1) != "CCC")
    gone = pl.when(rows.is_in([0, 310, 311]) | last).then(None).otherwise(pl.col(column)).alias(column)
    holed = bars.with_columns(gone)
    readers = [one for one in EVERY if column in one.inputs]
    assert wrongly_null(holed, readers) == []
    matrix = matrix_of(holed, EVERY)
    assert differing(matrix, whole, [one for one in EVERY if one not in readers]) == []
    finite = [one for one in readers if one.tolerance == 0.0]
    kept = [
        pl.when(matrix[one.name].is_null()).then(None).otherwise(pl.col(one.name)).alias(one.name) for one in finite
    ]
    assert differing(matrix, whole.with_columns(kept), finite) == []


def test_same_bits_whatever_the_threads(bars: pl.DataFrame, whole: pl.DataFrame) -> None:
    numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
    try:
        assert differing(matrix_of(bars, EVERY), whole, EVERY) == []
    finally:
        numba.set_num_threads(1)


def test_every_indicator_tells_bars_apart(whole: pl.DataFrame) -> None:
    """All but candlesticks, some of which are seen once in 100,000 bars: tests/features shows that each occurs."""
    common = [one for one in EVERY if one.group != "candlesticks"]
    assert [one.name for one in common if whole[one.name].drop_nulls().n_unique() < 2] == []
