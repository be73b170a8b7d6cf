"""Trend: where the close stands to its moving averages, and how directed its movement is."""

from __future__ import annotations

import numpy as np
import talib

from nightdesk.features.indicator import Indicator
from nightdesk.features.primitives import Runs, Values, lagged, per_run, ratio, wilder, window_mean
from nightdesk.tables import CLOSE, HIGH, LOW

# Moves closer to each other than this share of the close are equal: prices come in ticks, and equal moves of
# up and down are common, yet their float differences depend on the price basis.
_EQUAL_MOVES = 1e-9


def sma_gap(runs: Runs, close: Values, window: int) -> Values:
    """Close over its simple moving average, minus 1, a fraction."""
    return close / window_mean(runs, close, window) - 1.0


def ema_gap(runs: Runs, close: Values, window: int) -> Values:
    """Close over its exponential moving average (TA-Lib), minus 1, a fraction."""
    return per_run(lambda price: price / talib.EMA(price, window) - 1.0, runs, close)


def macd_histogram(runs: Runs, close: Values, fast: int, slow: int, signal: int) -> Values:
    """MACD line minus its signal line (TA-Lib), over the close, a fraction."""
    return per_run(lambda price: talib.MACD(price, fast, slow, signal)[2] / price, runs, close)


def average_directional_index(runs: Runs, high: Values, low: Values, close: Values, window: int) -> Values:
    """Wilder's ADX, 0 to 100.

    Not TA-Lib's: that compares up and down moves exactly, so a change of price basis (times 0.37) turns equal
    moves into unequal ones and shifts the ADX of every third symbol of the bundled panel, by up to 5 points.
    """
    up = high - lagged(runs, high, 1)
    down = lagged(runs, low, 1) - low
    lead = (up - down) / close
    plus = np.where((lead <= _EQUAL_MOVES) | (up <= 0.0), 0.0, up)
    minus = np.where((lead >= -_EQUAL_MOVES) | (down <= 0.0), 0.0, down)
    # The average true range, by which Wilder divides both, cancels in their ratio.
    plus, minus = wilder(runs, plus, window), wilder(runs, minus, window)
    return wilder(runs, 100.0 * ratio(np.abs(plus - minus), plus + minus, 0.0), window)


SMA_GAP_20 = Indicator(
    name="sma_gap_20",
    group="trend",
    inputs=(CLOSE,),
    parameters={"window": 20},
    warm_up=19,
    look_back=20,
    tolerance=0.0,
    unit="fraction",
    meaning="close over the mean of the last 20 closes, minus 1",
    source="Brock, Lakonishok & LeBaron 1992, Journal of Finance 47(5)",
    compute=sma_gap,
)
EMA_GAP_50 = Indicator(
    name="ema_gap_50",
    group="trend",
    inputs=(CLOSE,),
    parameters={"window": 50},
    warm_up=49,
    look_back=400,
    tolerance=1e-6,
    unit="fraction",
    meaning="close over its exponential moving average (weight 2/51, begun at the mean of a run's first 50"
    " closes), minus 1",
    source="Appel 2005, Technical Analysis: Power Tools for Active Investors; computed by TA-Lib's EMA",
    compute=ema_gap,
)
MACD_HISTOGRAM = Indicator(
    name="macd_histogram",
    group="trend",
    inputs=(CLOSE,),
    parameters={"fast": 12, "slow": 26, "signal": 9},
    warm_up=33,
    look_back=250,
    tolerance=1e-6,
    unit="fraction",
    meaning="(EMA 12 - EMA 26, minus its own EMA 9) over the close; both price averages begin at a run's"
    " 26th bar, each at the mean of its own last closes, the signal at the mean of its first 9 values",
    source="Appel 2005, Technical Analysis: Power Tools for Active Investors; computed by TA-Lib's MACD",
    compute=macd_histogram,
)
ADX_14 = Indicator(
    name="adx_14",
    group="trend",
    inputs=(HIGH, LOW, CLOSE),
    parameters={"window": 14},
    warm_up=27,
    look_back=300,
    tolerance=1e-4,
    unit="points, 0 to 100",
    meaning="Wilder's average directional index: the smoothed difference of up and down movement over their"
    " sum; up and down moves within 1e-9 of the close of each other are equal, and count for neither; a DX"
    " without any movement is 0",
    source="Wilder 1978, New Concepts in Technical Trading Systems",
    compute=average_directional_index,
)
