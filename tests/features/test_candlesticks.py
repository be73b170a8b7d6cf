"""Every candlestick pattern against TA-Lib's own code, on wild bars without ties: 61 patterns, all of which occur.

TA-Lib is the reference here, not the engine: it compares sums that it carries along, and on quoted prices, where equal
sizes are common, rounding decides (a change of price basis then changes patterns).
"""

import numpy as np
import pytest
import talib
from talib import abstract

from nightdesk.features import INDICATORS

PATTERNS = talib.get_function_groups()["Pattern Recognition"]
LENGTH = 60_000


def wild(length: int, seed: int) -> list[np.ndarray]:
    """Open, high, low, close of a walk whose bodies, shadows and gaps come in a few sizes, in runs of one colour."""
    random = np.random.default_rng(seed)
    size = random.choice([0.001, 0.05, 0.3, 1.0, 2.5], length, p=[0.15, 0.2, 0.2, 0.25, 0.2])
    size *= random.uniform(0.8, 1.2, length)
    side, trend = (np.where(random.random(count) < 0.5, 1.0, -1.0) for count in (length, length // 5 + 1))
    body = size * np.where(random.random(length) < 0.6, np.repeat(trend, 5)[:length], side)
    gap = random.choice([0.0, 0.002, 0.3, 1.0, 2.0], length, p=[0.25, 0.2, 0.25, 0.2, 0.1])
    gap *= random.uniform(-1.0, 1.0, length)
    into = np.where(random.random(length) < 0.5, random.uniform(0.0, 1.1, length), 0.0)
    shadow = random.choice([0.002, 0.01, 0.4, 1.5], (2, length), p=[0.35, 0.25, 0.25, 0.15])
    shadow *= random.uniform(0.5, 1.5, (2, length))
    open_, close, level = np.empty(length), np.empty(length), 100.0
    for bar in range(length):
        open_[bar] = level + gap[bar] - (body[bar - 1] * into[bar] if bar else 0.0)
        close[bar] = open_[bar] + body[bar]
        level = close[bar] + 0.02 * (100.0 - close[bar])
    return [open_, np.maximum(open_, close) + shadow[0], np.minimum(open_, close) - shadow[1], close]


def with_mat_hold(prices: list[np.ndarray]) -> list[np.ndarray]:
    """The one pattern too rare to wait for, from the textbook: up, a gap, three small bars back, and on."""
    bars = [(100.0, 103.0), (104.0, 103.8), (103.0, 102.8), (102.5, 102.3), (102.6, 106.0)]
    calm = [(100.0, 100.0 + 0.5 * (-1.0) ** day) for day in range(12)]
    for place, (first, last) in enumerate([*calm, *bars]):
        column = (first, max(first, last) + 0.1, min(first, last) - 0.1, last)
        for price, value in zip(prices, column, strict=True):
            price[1000 + place] = value + 1e-4 * place
    return prices


@pytest.fixture(scope="module")
def prices() -> list[np.ndarray]:
    return with_mat_hold(wild(LENGTH, 2))


def test_all_of_them_are_here() -> None:
    ours = {name for name, indicator in INDICATORS.items() if indicator.group == "candlesticks"}
    assert ours == {f"cdl_{name.removeprefix('CDL').lower()}" for name in PATTERNS}
    assert len(ours) == 61


@pytest.mark.parametrize("name", PATTERNS)
def test_equals_talib(name: str, prices: list[np.ndarray]) -> None:
    indicator = INDICATORS[f"cdl_{name.removeprefix('CDL').lower()}"]
    ours = indicator.compute(np.array([[0, LENGTH]]), *prices)
    theirs = getattr(talib, name)(*prices) / 100.0
    assert np.count_nonzero(theirs)
    assert indicator.warm_up == abstract.Function(name).lookback
    assert np.isnan(ours[: indicator.warm_up]).all()
    assert np.flatnonzero(ours[indicator.warm_up :] != theirs[indicator.warm_up :]).tolist() == []
