"""Oscillators: where the close stands within its recent moves, range or band."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import talib

from nightdesk.features.indicator import Indicator, define
from nightdesk.features.kernels import shared
from nightdesk.features.momentum import price_return
from nightdesk.features.primitives import Runs, Values, change, lagged, ratio
from nightdesk.features.rolling import (
    window_deviation,
    window_highest,
    window_highest_age,
    window_linear_mean,
    window_lowest,
    window_lowest_age,
    window_mean,
)
from nightdesk.features.ta_lib import exponential_mean, per_run
from nightdesk.tables import CLOSE, HIGH, LOW, OPEN

# An RSI that moved less than this many points did not move: rounding alone moves it where prices stand still.
_STILL_POINTS = 1e-6


@shared
def relative_strength(runs: Runs, close: Values, window: int) -> Values:
    """Wilder's RSI, 0 to 100.

    Through TA-Lib's CMO, which smooths as Wilder does: 50 + CMO / 2 is the RSI, and 50 where nothing moved
    (TA-Lib's own RSI says 0 there, the most oversold).
    """
    return 50.0 + per_run(talib.CMO, runs, close, settings=(window,)) / 2.0


@shared
def stochastic(runs: Runs, high: Values, low: Values, close: Values, window: int) -> Values:
    """Lane's fast %K, 0 to 100; 50 where the window has no range."""
    highest, lowest = window_highest(runs, high, window), window_lowest(runs, low, window)
    return 100.0 * ratio(close - lowest, highest - lowest, 0.5)


def bollinger_position(runs: Runs, close: Values, window: int, width: float) -> Values:
    """Bollinger's %b: 0 on the lower band, 1 on the upper; 0.5 where the window is constant."""
    gap = close - window_mean(runs, close, window)
    return 0.5 + ratio(gap, 2.0 * width * window_deviation(runs, close, window, 0), 0.0)


def smoothed_stochastic(runs: Runs, high: Values, low: Values, close: Values, window: int, means: int) -> Values:
    """Mean of 3 fast %K (`means` 1: %D), or of 3 such (`means` 2: slow %D), 0 to 100."""
    smoothed = stochastic(runs, high, low, close, window)
    for _ in range(means):
        smoothed = window_mean(runs, smoothed, 3)
    return smoothed


def stochastic_strength(runs: Runs, close: Values, window: int) -> Values:
    """Where the RSI lies between its lowest and highest of the window, 0 to 1."""
    strength = relative_strength(runs, close, window)
    lowest = window_lowest(runs, strength, window)
    reach = window_highest(runs, strength, window) - lowest
    return ratio(strength - lowest, np.where(reach < _STILL_POINTS, 0.0, reach), 0.5)


def ultimate(runs: Runs, high: Values, low: Values, close: Values, fast: int, middle: int, slow: int) -> Values:
    """Williams' ultimate oscillator, 0 to 100. Not TA-Lib's: its running sums keep a residue of moves long gone."""
    before = lagged(runs, close, 1)
    bottom = np.minimum(low, before)
    pressure, reach = close - bottom, np.maximum(high, before) - bottom
    shares = [
        ratio(window_mean(runs, pressure, window), window_mean(runs, reach, window), 0.5)
        for window in (fast, middle, slow)
    ]
    return 100.0 * (4.0 * shares[0] + 2.0 * shares[1] + shares[2]) / 7.0


def trix(runs: Runs, close: Values, window: int) -> Values:
    """Daily return of the triply smoothed close (TA-Lib), a fraction."""
    return per_run(talib.TRIX, runs, close, settings=(window,)) / 100.0


def aroon_up(runs: Runs, high: Values, window: int) -> Values:
    """100 at the highest high of `window` + 1 bars, 0 `window` bars after it; the newest of equal ones."""
    return 100.0 * (window - window_highest_age(runs, high, window + 1, False)) / window


def aroon_down(runs: Runs, low: Values, window: int) -> Values:
    """100 at the lowest low of `window` + 1 bars, 0 `window` bars after it; the newest of equal ones."""
    return 100.0 * (window - window_lowest_age(runs, low, window + 1, False)) / window


def aroon_oscillator(runs: Runs, high: Values, low: Values, window: int) -> Values:
    """Aroon up minus Aroon down, -100 to 100."""
    return aroon_up(runs, high, window) - aroon_down(runs, low, window)


def awesome(runs: Runs, high: Values, low: Values, close: Values, fast: int, slow: int) -> Values:
    """Fast minus slow mean of the bars' middles, over the close, a fraction."""
    middle = (high + low) / 2.0
    return (window_mean(runs, middle, fast) - window_mean(runs, middle, slow)) / close


def intraday_momentum(runs: Runs, open_: Values, close: Values, window: int) -> Values:
    """Chande's intraday momentum index, 0 to 100: rises from open to close over all moves from open to close."""
    body = close - open_
    rises = window_mean(runs, np.maximum(body, 0.0), window)
    return 100.0 * ratio(rises, window_mean(runs, np.abs(body), window), 0.5)


def horizontal_filter(runs: Runs, close: Values, window: int) -> Values:
    """White's vertical horizontal filter: reach of the closes over the sum of their daily moves."""
    reach = window_highest(runs, close, window) - window_lowest(runs, close, window)
    path = window * window_mean(runs, np.abs(change(runs, close)), window)
    return ratio(reach, path, 0.0)


def choppiness(runs: Runs, high: Values, low: Values, close: Values, window: int) -> Values:
    """Dreiss' choppiness index: logarithm of summed true ranges over the window's reach; 100 where that is none."""
    before = lagged(runs, close, 1)
    path = window * window_mean(runs, np.maximum(high, before) - np.minimum(low, before), window)
    reach = window_highest(runs, high, window) - window_lowest(runs, low, window)
    return 100.0 / math.log(window) * np.log(ratio(path, reach + 0.0 * path, float(window)))


def true_strength(runs: Runs, close: Values, slow: int, fast: int) -> Values:
    """Blau's true strength index, -100 to 100: doubly smoothed moves over the doubly smoothed sizes of moves."""

    def smoothed(values: Values) -> Values:
        return exponential_mean(runs, exponential_mean(runs, values, slow), fast)

    move = change(runs, close)
    return 100.0 * ratio(smoothed(move), smoothed(np.abs(move)), 0.0)


def balance_of_power(runs: Runs, open_: Values, high: Values, low: Values, close: Values, window: int) -> Values:
    """Mean of the window's bodies over their ranges, -1 to 1."""
    return window_mean(runs, ratio(close - open_, high - low, 0.0), window)


def body_mean(runs: Runs, open_: Values, close: Values, window: int) -> Values:
    """Mean of the window's bodies (close minus open), over the close, a fraction."""
    return window_mean(runs, close - open_, window) / close


def power(runs: Runs, extreme: Values, close: Values, window: int) -> Values:
    """Elder's bull power (of highs) or bear power (of lows): above the closes' exponential mean, over the close."""
    return (extreme - exponential_mean(runs, close, window)) / close


def know_sure_thing(runs: Runs, close: Values, first: int, second: int, third: int, fourth: int) -> Values:
    """Pring's KST, a fraction: means of four returns, weighted 1 to 4, of 10, 10, 10 and 15 bars."""
    parts = zip((1.0, 2.0, 3.0, 4.0), (first, second, third, fourth), (10, 10, 10, 15), strict=True)
    return sum(
        (weight * window_mean(runs, price_return(runs, close, days), window) for weight, days, window in parts),
        np.zeros(close.size),
    )


def coppock(runs: Runs, close: Values, fast: int, slow: int, window: int) -> Values:
    """Coppock's curve, a fraction: linearly weighted mean of the sum of two returns."""
    return window_linear_mean(runs, price_return(runs, close, fast) + price_return(runs, close, slow), window)


def detrended(runs: Runs, close: Values, window: int) -> Values:
    """Close half a window and a bar ago over the mean of the window, minus 1, a fraction."""
    return lagged(runs, close, window // 2 + 1) / window_mean(runs, close, window) - 1.0


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

_BARS = (HIGH, LOW, CLOSE)
_LANE = "Lane 1984, Technical Analysis of Stocks & Commodities 2(3)"
_AROON = "Chande 1995, Technical Analysis of Stocks & Commodities 13(9)"


def _strengths() -> tuple[Indicator, ...]:
    return tuple(
        define(
            f"rsi_{window}",
            "oscillators",
            (CLOSE,),
            relative_strength,
            window,
            "points, 0 to 100",
            f"Wilder's relative strength index of {window} bars; 50 where nothing moved",
            "Wilder 1978, New Concepts in Technical Trading Systems; computed by TA-Lib's CMO",
            {"window": window},
            look_back=look_back,
            tolerance=1e-4,
        )
        for window, look_back in ((7, 150), (28, 450))
    )


def _smoothed_stochastics() -> tuple[Indicator, ...]:
    return tuple(
        define(
            name,
            "oscillators",
            _BARS,
            smoothed_stochastic,
            13 + 2 * means,
            "points, 0 to 100",
            meaning,
            _LANE,
            {"window": 14, "means": means},
        )
        for name, means, meaning in (
            ("stochastic_d_14", 1, "mean of the last 3 fast %K of 14 bars"),
            ("stochastic_slow_d_14", 2, "mean of 3 means of the last 3 fast %K of 14 bars"),
        )
    )


def _aroons() -> tuple[Indicator, ...]:
    equals = "; the newest of equal ones counts"
    return tuple(
        define(name, "oscillators", inputs, compute, 25, unit, f"{meaning}{equals}", _AROON, {"window": 25})
        for name, inputs, compute, unit, meaning in (
            (
                "aroon_up_25",
                (HIGH,),
                aroon_up,
                "points, 0 to 100",
                "25 minus the bars since the highest high of 26 bars, over 25, times 100",
            ),
            (
                "aroon_down_25",
                (LOW,),
                aroon_down,
                "points, 0 to 100",
                "25 minus the bars since the lowest low of 26 bars, over 25, times 100",
            ),
            (
                "aroon_oscillator_25",
                (HIGH, LOW),
                aroon_oscillator,
                "points, -100 to 100",
                "Aroon up minus Aroon down of 25 bars",
            ),
        )
    )


MORE: Final[tuple[Indicator, ...]] = (
    *_strengths(),
    *_smoothed_stochastics(),
    define(
        "stochastic_rsi_14",
        "oscillators",
        (CLOSE,),
        stochastic_strength,
        27,
        "fraction, 0 to 1",
        "RSI 14 above its lowest of 14 bars, over its highest minus lowest; 0.5 where it moved less than 1e-6 points",
        "Chande & Kroll 1994, The New Technical Trader",
        {"window": 14},
        look_back=400,
        tolerance=1e-6,
    ),
    define(
        "ultimate_7_14_28",
        "oscillators",
        _BARS,
        ultimate,
        28,
        "points, 0 to 100",
        "buying pressure (close above the true low) over true range, summed over 7, 14 and 28 bars, weighted 4 : 2 : 1;"
        " 50 where prices never moved",
        "Williams 1985, Technical Analysis of Stocks & Commodities 3(4)",
        {"fast": 7, "middle": 14, "slow": 28},
    ),
    define(
        "trix_15",
        "oscillators",
        (CLOSE,),
        trix,
        43,
        "fraction",
        "daily return of the EMA 15 of the EMA 15 of the EMA 15 of the close; each begins at the mean of its first 15",
        "Hutson 1983, Technical Analysis of Stocks & Commodities 1(5); computed by TA-Lib's TRIX",
        {"window": 15},
        look_back=300,
        tolerance=1e-6,
    ),
    *_aroons(),
    define(
        "awesome_5_34",
        "oscillators",
        _BARS,
        awesome,
        33,
        "fraction",
        "mean of the middles of 5 bars minus that of 34, over the close",
        "Williams 1998, New Trading Dimensions",
        {"fast": 5, "slow": 34},
    ),
    define(
        "intraday_momentum_14",
        "oscillators",
        (OPEN, CLOSE),
        intraday_momentum,
        13,
        "points, 0 to 100",
        "rises from open to close over all moves from open to close of 14 bars, times 100; 50 where there were none",
        "Chande & Kroll 1994, The New Technical Trader",
        {"window": 14},
    ),
    define(
        "vertical_horizontal_28",
        "oscillators",
        (CLOSE,),
        horizontal_filter,
        28,
        "fraction",
        "highest minus lowest close of 28 bars, over the sum of the sizes of 28 daily moves; 0 where there were none",
        "White 1991, Futures 20(8)",
        {"window": 28},
    ),
    define(
        "choppiness_14",
        "oscillators",
        _BARS,
        choppiness,
        14,
        "points",
        "logarithm of the sum of 14 true ranges over highest high minus lowest low, over the logarithm of 14, times"
        " 100; 100 where the window has no range",
        "Dreiss' choppiness index; Kaufman 2013, Trading Systems and Methods",
        {"window": 14},
    ),
    define(
        "true_strength_25_13",
        "oscillators",
        (CLOSE,),
        true_strength,
        37,
        "points, -100 to 100",
        "EMA 13 of the EMA 25 of daily moves, over the same of their sizes, times 100; each begins at the mean of its"
        " first values; 0 where nothing moved",
        "Blau 1991, Technical Analysis of Stocks & Commodities 9(11); smoothed by TA-Lib's EMA",
        {"slow": 25, "fast": 13},
        look_back=350,
        tolerance=1e-4,
    ),
    define(
        "balance_of_power_14",
        "oscillators",
        (OPEN, HIGH, LOW, CLOSE),
        balance_of_power,
        13,
        "fraction, -1 to 1",
        "mean over 14 bars of close minus open over high minus low; 0 in a bar without range",
        "Livshin 2001, Technical Analysis of Stocks & Commodities 19(8)",
        {"window": 14},
    ),
    define(
        "qstick_8",
        "oscillators",
        (OPEN, CLOSE),
        body_mean,
        7,
        "fraction",
        "mean of close minus open of 8 bars, over the close",
        "Chande & Kroll 1994, The New Technical Trader",
        {"window": 8},
    ),
    *(
        define(
            f"{side}_power_13",
            "oscillators",
            (extreme, CLOSE),
            power,
            12,
            "fraction",
            f"{extreme} minus the EMA 13 of the close (begun at the mean of its first 13), over the close",
            "Elder 1993, Trading for a Living; smoothed by TA-Lib's EMA",
            {"window": 13},
            look_back=160,
            tolerance=1e-6,
        )
        for side, extreme in (("bull", HIGH), ("bear", LOW))
    ),
    define(
        "know_sure_thing",
        "oscillators",
        (CLOSE,),
        know_sure_thing,
        44,
        "fraction",
        "mean of 10 returns over 10 bars, twice that of 10 over 15, three times that of 10 over 20 and four times that"
        " of 15 over 30",
        "Pring 1992, Technical Analysis of Stocks & Commodities 10(10)",
        {"first": 10, "second": 15, "third": 20, "fourth": 30},
    ),
    define(
        "coppock_14_11_10",
        "oscillators",
        (CLOSE,),
        coppock,
        23,
        "fraction",
        "mean of 10 sums of the returns over 11 and 14 bars, weighted 1 (the oldest) to 10; of days where Coppock took"
        " months",
        "Coppock 1962, Barron's, 15 October",
        {"fast": 11, "slow": 14, "window": 10},
    ),
    define(
        "detrended_20",
        "oscillators",
        (CLOSE,),
        detrended,
        19,
        "fraction",
        "close 11 bars ago over the mean of the last 20 closes, minus 1",
        "Achelis 2001, Technical Analysis from A to Z; detrended price oscillator",
        {"window": 20},
    ),
)
"""Oscillators beside the default ones."""
