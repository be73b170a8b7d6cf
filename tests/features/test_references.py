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
    elsewhere = {indicator.name for indicator in INDICATORS.values() if indicator.group in ("candlesticks", "dates")}
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


@pytest.mark.parametrize("reference", REFERENCES)
def test_others_equal_their_definitions(reference: types.ModuleType, panel: pl.DataFrame) -> None:
    """At the newest bars of each symbol, and at every seventh before: over all kinds of stretches."""
    wrong = []
    for (symbol,), own in panel.partition_by(SYMBOL, as_dict=True).items():
        bars = own.tail(420)
        expected = reference.values([Bar(*row) for row in bars.select(*PRICES, VOLUME).iter_rows()])
        fast = feature_matrix(bars, list(expected))
        for name, value in expected.items():
            warm_up = INDICATORS[name].warm_up
            found = fast[name].to_list()
            assert found[:warm_up] == [None] * warm_up
            wrong += [
                (name, symbol, t, found[t], value(t))
                for t in (warm_up, warm_up + 1, *range(warm_up + 2, len(found), 7))
                if not abs(found[t] - value(t)) <= 1e-9 + 2e-7 * abs(value(t))
            ]
    assert wrong == []


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
