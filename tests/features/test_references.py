"""Every indicator against a plain loop written from its definition, on hostile walks and on real symbols."""

import datetime as dt
import types
from importlib.resources import files

import numpy as np
import polars as pl
import pytest
import reference_alpha158
import reference_prices
import reference_risks
from slow_indicators import SLOW, Bar

from nightdesk.features import DEFAULT, INDICATORS
from nightdesk.features.matrix import feature_matrix
from nightdesk.tables import BARS, DATE, PRICES, SYMBOL, VOLUME

# A calm giant, a penny stock that jumps, a wrong close, an unadjusted share dividend, bars without prices.
REFERENCES = (reference_alpha158, reference_prices, reference_risks)
REAL = ("AAPL", "AMD", "LNT", "DISCA", "DHR")


def hostile(symbol: str, seed: int, flat: slice, untraded: slice) -> pl.DataFrame:
    """A walk in cents with jumps, missing days, a stretch of one constant price, and one without volume."""
    length = 420
    random = np.random.default_rng(seed)
    steps = random.normal(0.0, 0.015, length)
    steps[[150, 260]] = (-0.4, 0.3)
    steps[flat] = 0.0
    close = np.round(25.0 * np.exp(np.cumsum(steps)), 2)
    spread = np.abs(random.normal(0.0, 0.01, (3, length))) * close
    spread[:, flat] = 0.0
    open_ = np.round(close + spread[0] - spread[0].mean() * (spread[0] > 0), 2)
    volume = random.integers(1, 50_000, length).astype(np.float64)
    volume[untraded] = 0.0
    days = np.sort(random.choice(2 * length, length, replace=False))
    return pl.DataFrame(
        {
            SYMBOL: [symbol] * length,
            DATE: [dt.date(2014, 1, 1) + dt.timedelta(days=int(day)) for day in days],
            "open": open_,
            "high": np.round(np.maximum(open_, close) + spread[1], 2),
            "low": np.round(np.minimum(open_, close) - spread[2], 2),
            "close": close,
            VOLUME: volume,
        },
        schema=BARS,
    )


@pytest.fixture(scope="module")
def panel() -> pl.DataFrame:
    walks = [
        hostile("W1", 11, slice(200, 290), slice(240, 300)),
        hostile("W2", 12, slice(0, 90), slice(0, 40)),
        hostile("W3", 13, slice(0, 420), slice(0, 420)),
    ]
    sample = pl.read_parquet(str(files("nightdesk.sources") / "data/sp500_daily_2013_2017.parquet"))
    real = sample.filter(pl.col(SYMBOL).is_in(REAL)).drop_nulls().select(*BARS).cast(dict(BARS))
    return pl.concat([*walks, real]).sort(SYMBOL, DATE)


@pytest.fixture(scope="module")
def matrix(panel: pl.DataFrame) -> pl.DataFrame:
    return feature_matrix(panel, list(SLOW))


def test_every_indicator_has_a_slow_reference() -> None:
    assert set(SLOW) == {indicator.name for indicator in DEFAULT}
    bars = [Bar(1.0, 1.0, 1.0, 1.0, 1.0)] * 300
    others = {name for reference in REFERENCES for name in reference.values(bars)}
    apart = ("candlesticks", "dates", "intraday")
    elsewhere = {indicator.name for indicator in INDICATORS.values() if indicator.group in apart}
    assert set(SLOW) | others | elsewhere == set(INDICATORS)


@pytest.mark.parametrize("name", SLOW)
def test_equals_its_definition(name: str, panel: pl.DataFrame, matrix: pl.DataFrame) -> None:
    for (symbol,), own in panel.partition_by(SYMBOL, as_dict=True).items():
        slow = SLOW[name]([Bar(*row) for row in own.select(*PRICES, VOLUME).iter_rows()])
        fast = matrix.filter(pl.col(SYMBOL) == symbol)[name]
        assert fast.is_null().to_list() == [value is None for value in slow], symbol
        pairs = [(a, b) for a, b in zip(fast, slow, strict=True) if b is not None]
        worst = max(abs(a - b) / (1e-9 + 2e-7 * abs(b)) for a, b in pairs)
        assert worst <= 1.0, f"{symbol}: {worst}"


def known_runs(bars: pl.DataFrame) -> list[tuple[int, list[Bar]]]:
    """First bar and bars of each stretch without a null."""
    runs: list[tuple[int, list[Bar]]] = []
    before = None
    for place, row in enumerate(bars.select(*PRICES, VOLUME).iter_rows()):
        if None not in row:
            if before != place - 1:
                runs.append((place, []))
            runs[-1][1].append(Bar(*row))
            before = place
    return runs


def apart(reference: types.ModuleType, bars: pl.DataFrame) -> list[tuple[object, ...]]:
    """Where a feature differs from its definition: at each run's first two values and every thirteenth after."""
    runs = known_runs(bars)
    names = list(reference.values(runs[0][1]))
    fast = feature_matrix(bars, names)
    columns = {name: fast[name].to_list() for name in names}
    wrong: list[tuple[object, ...]] = []
    for start, own in runs:
        for name, value in reference.values(own).items():
            warm_up, found = INDICATORS[name].warm_up, columns[name][start : start + len(own)]
            if found[:warm_up] != [None] * min(warm_up, len(own)):
                wrong.append((name, start, "known too soon"))
            for t in (warm_up, warm_up + 1, *range(warm_up + 2, len(own), 13)):
                if t < len(own) and not abs(found[t] - value(t)) <= 1e-9 + 2e-7 * abs(value(t)):
                    wrong.append((name, start + t, found[t], value(t)))
    return wrong


@pytest.mark.parametrize("reference", REFERENCES)
def test_others_equal_their_definitions(reference: types.ModuleType, panel: pl.DataFrame) -> None:
    """Over jumps, missing days, stretches without movement or volume, and real bars."""
    wrong = {
        symbol: apart(reference, own.tail(420)) for (symbol,), own in panel.partition_by(SYMBOL, as_dict=True).items()
    }
    assert {symbol: found for symbol, found in wrong.items() if found} == {}


@pytest.mark.parametrize("reference", REFERENCES)
def test_others_begin_again_after_a_null(reference: types.ModuleType, panel: pl.DataFrame) -> None:
    holes = pl.int_range(pl.len()).is_in([0, 70, 71, 73, 76])
    own = panel.filter(pl.col(SYMBOL) == "W1").with_columns(
        pl.when(holes).then(None).otherwise(pl.col(column)).alias(column) for column in (*PRICES, VOLUME)
    )
    assert [len(bars) for _, bars in known_runs(own)] == [69, 1, 2, 343]
    assert apart(reference, own) == []


def test_a_wrong_reference_is_found(panel: pl.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    right = reference_risks.values
    shifted = lambda bars: right(bars) | {"ulcer_14": lambda t: right(bars)["ulcer_14"](t) * 1.000001}  # noqa: E731
    monkeypatch.setattr(reference_risks, "values", shifted)
    own = panel.filter(pl.col(SYMBOL) == "W1").tail(60)
    assert {found[0] for found in apart(reference_risks, own)} == {"ulcer_14"}


@pytest.mark.parametrize(
    ("name", "neutral"),
    [
        ("rsi_14", 50.0),
        ("stochastic_k_14", 50.0),
        ("bollinger_position_20", 0.5),
        ("adx_14", 0.0),
        ("volume_ratio_20", 1.0),
        ("mfi_14", 50.0),
        ("chaikin_money_flow_20", 0.0),
        ("range_position", 0.5),
        ("volatility_60", 0.0),
        ("yang_zhang_20", 0.0),
        ("natr_14", 0.0),
    ],
)
def test_flat_and_untraded_market_is_neutral(name: str, neutral: float, matrix: pl.DataFrame) -> None:
    assert matrix.filter(pl.col(SYMBOL) == "W3")[name].drop_nulls().unique().to_list() == [neutral]
