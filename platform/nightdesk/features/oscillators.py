"""Oscillators: where the close stands within its recent moves, range or band."""

from __future__ import annotations

import talib

from nightdesk.features.indicator import Indicator
from nightdesk.features.primitives import Runs, Values, per_run, ratio, window_deviation, window_mean
from nightdesk.tables import CLOSE, HIGH, LOW


def relative_strength(runs: Runs, close: Values, window: int) -> Values:
    """Wilder's RSI, 0 to 100.

    Through TA-Lib's CMO, which smooths as Wilder does: 50 + CMO / 2 is the RSI, and 50 where nothing moved
    (TA-Lib's own RSI says 0 there, the most oversold).
    """
    return per_run(lambda price: 50.0 + talib.CMO(price, window) / 2.0, runs, close)


def stochastic(runs: Runs, high: Values, low: Values, close: Values, window: int) -> Values:
    """Lane's fast %K, 0 to 100; 50 where the window has no range."""
    highest = per_run(lambda price: talib.MAX(price, window), runs, high)
    lowest = per_run(lambda price: talib.MIN(price, window), runs, low)
    return 100.0 * ratio(close - lowest, highest - lowest, 0.5)


def bollinger_position(runs: Runs, close: Values, window: int, width: float) -> Values:
    """Bollinger's %b: 0 on the lower band, 1 on the upper; 0.5 where the window is constant."""
    gap = close - window_mean(runs, close, window)
    return 0.5 + ratio(gap, 2.0 * width * window_deviation(runs, close, window, 0), 0.0)


RSI_14 = Indicator(
    name="rsi_14",
    group="oscillators",
    inputs=(CLOSE,),
    parameters={"window": 14},
    warm_up=14,
    look_back=300,
    tolerance=1e-4,
    unit="points, 0 to 100",
    meaning="Wilder's relative strength index: smoothed rises over smoothed rises and falls of the close,"
    " times 100; 50 while the close has never moved in its run",
    source="Wilder 1978, New Concepts in Technical Trading Systems; computed by TA-Lib's CMO",
    compute=relative_strength,
)
STOCHASTIC_K_14 = Indicator(
    name="stochastic_k_14",
    group="oscillators",
    inputs=(HIGH, LOW, CLOSE),
    parameters={"window": 14},
    warm_up=13,
    look_back=14,
    tolerance=0.0,
    unit="points, 0 to 100",
    meaning="fast %K: close above the lowest low of 14 bars, over the distance from there to the highest"
    " high, times 100; 50 where they are equal",
    source="Lane 1984, Technical Analysis of Stocks & Commodities 2(3); extremes by TA-Lib",
    compute=stochastic,
)
BOLLINGER_POSITION_20 = Indicator(
    name="bollinger_position_20",
    group="oscillators",
    inputs=(CLOSE,),
    parameters={"window": 20, "width": 2.0},
    warm_up=19,
    look_back=20,
    tolerance=0.0,
    unit="fraction of the band",
    meaning="%b: close above the lower band over the width between the bands, which lie 2 population standard"
    " deviations of 20 closes around their mean; 0.5 where these are constant",
    source="Bollinger 2001, Bollinger on Bollinger Bands",
    compute=bollinger_position,
)
