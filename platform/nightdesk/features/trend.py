"""Trend: where the close stands to its moving averages, and how directed its movement is."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import talib

from nightdesk.features.indicator import Indicator, define
from nightdesk.features.kernels import compiled, shared
from nightdesk.features.momentum import efficiency
from nightdesk.features.primitives import Runs, Values, adaptive_mean, change, lagged, ratio, wilder
from nightdesk.features.rolling import window_highest, window_linear_mean, window_lowest, window_mean
from nightdesk.features.ta_lib import average_true_range, exponential_mean, per_run, per_run_outputs
from nightdesk.tables import CLOSE, HIGH, LOW

# Moves closer to each other than this share of the close are equal: prices come in ticks, and equal moves of
# up and down are common, yet their float differences depend on the price basis.
_EQUAL_MOVES = 1e-9


def sma_gap(runs: Runs, close: Values, window: int) -> Values:
    """Close over its simple moving average, minus 1, a fraction."""
    return close / window_mean(runs, close, window) - 1.0


def ema_gap(runs: Runs, close: Values, window: int) -> Values:
    """Close over its exponential moving average (TA-Lib), minus 1, a fraction."""
    return close / exponential_mean(runs, close, window) - 1.0


def macd_histogram(runs: Runs, close: Values, fast: int, slow: int, signal: int) -> Values:
    """MACD line minus its signal line (TA-Lib), over the close, a fraction."""
    found: Values = _macd(runs, close, fast, slow, signal)[2] / close
    return found


def average_directional_index(runs: Runs, high: Values, low: Values, close: Values, window: int) -> Values:
    """Wilder's ADX, 0 to 100.

    Not TA-Lib's: that compares up and down moves exactly, so a change of price basis (times 0.37) turns equal
    moves into unequal ones and shifts the ADX of every third symbol of the bundled panel, by up to 5 points.
    """
    # The average true range, by which Wilder divides both, cancels in their ratio.
    plus, minus = (_smoothed_moves(runs, high, low, close, window, up) for up in (True, False))
    return wilder(runs, 100.0 * ratio(np.abs(plus - minus), plus + minus, 0.0), window)


def directional_indicator(runs: Runs, high: Values, low: Values, close: Values, window: int, up: bool) -> Values:
    """Wilder's +DI (`up`) or -DI, 0 to 100: smoothed directed movement over the average true range."""
    moves = _smoothed_moves(runs, high, low, close, window, up)
    return 100.0 * ratio(moves, wilder(runs, _true_range(runs, high, low, close), window), 0.0)


def directional_balance(runs: Runs, high: Values, low: Values, close: Values, window: int) -> Values:
    """+DI minus -DI over their sum, -1 to 1."""
    plus, minus = (_smoothed_moves(runs, high, low, close, window, up) for up in (True, False))
    return ratio(plus - minus, plus + minus, 0.0)


def wma_gap(runs: Runs, close: Values, window: int) -> Values:
    """Close over its linearly weighted moving average, minus 1, a fraction."""
    return close / window_linear_mean(runs, close, window) - 1.0


def hull_gap(runs: Runs, close: Values, window: int) -> Values:
    """Close over Hull's moving average, minus 1, a fraction."""
    raw = 2.0 * window_linear_mean(runs, close, window // 2) - window_linear_mean(runs, close, window)
    return close / window_linear_mean(runs, raw, math.isqrt(window)) - 1.0


def dema_gap(runs: Runs, close: Values, window: int) -> Values:
    """Close over its double exponential moving average (TA-Lib), minus 1, a fraction."""
    return close / per_run(talib.DEMA, runs, close, settings=(window,)) - 1.0


def tema_gap(runs: Runs, close: Values, window: int) -> Values:
    """Close over its triple exponential moving average (TA-Lib), minus 1, a fraction."""
    return close / per_run(talib.TEMA, runs, close, settings=(window,)) - 1.0


def sma_ratio(runs: Runs, close: Values, fast: int, slow: int) -> Values:
    """Fast simple moving average over the slow one, minus 1, a fraction."""
    return window_mean(runs, close, fast) / window_mean(runs, close, slow) - 1.0


def macd_line(runs: Runs, close: Values, fast: int, slow: int, signal: int) -> Values:
    """MACD line (TA-Lib) over the close, a fraction."""
    found: Values = _macd(runs, close, fast, slow, signal)[0] / close
    return found


def macd_signal(runs: Runs, close: Values, fast: int, slow: int, signal: int) -> Values:
    """Signal line of the MACD (TA-Lib) over the close, a fraction."""
    found: Values = _macd(runs, close, fast, slow, signal)[1] / close
    return found


def parabolic_gap(runs: Runs, high: Values, low: Values, close: Values, step: float, most: float) -> Values:
    """Close above Wilder's parabolic stop (TA-Lib), over the close, a fraction."""
    return 1.0 - per_run(talib.SAR, runs, high, low, settings=(step, most)) / close


def kaufman_gap(runs: Runs, close: Values, window: int, fast: int, slow: int) -> Values:
    """Close over Kaufman's adaptive moving average, minus 1, a fraction.

    Not TA-Lib's: that takes any sum of moves below 1e-14 for none, whatever the price.
    """
    quick, calm = 2.0 / (fast + 1.0), 2.0 / (slow + 1.0)
    rates = (efficiency(runs, close, window) * (quick - calm) + calm) ** 2
    return close / adaptive_mean(runs, close, rates) - 1.0


def supertrend_gap(runs: Runs, high: Values, low: Values, close: Values, window: int, width: float) -> Values:
    """Close above the supertrend line, over the close, a fraction: above 0 in a rise, below 0 in a fall."""
    reach = width * average_true_range(runs, high, low, close, window)
    return 1.0 - _supertrend(runs, (high + low) / 2.0, reach, close, _EQUAL_MOVES) / close


def vortex(runs: Runs, high: Values, low: Values, close: Values, window: int, up: bool) -> Values:
    """Vortex indicator: summed distance of high to the last low (`up`) or low to the last high, over true ranges."""
    move = high - lagged(runs, low, 1) if up else low - lagged(runs, high, 1)
    reach = window_mean(runs, _true_range(runs, high, low, close), window)
    return ratio(window_mean(runs, np.abs(move), window), reach, 1.0)


def conversion_gap(runs: Runs, high: Values, low: Values, close: Values, window: int) -> Values:
    """Close over the middle of the window's highest high and lowest low, minus 1, a fraction."""
    return close / _middle(runs, high, low, window) - 1.0


def conversion_over_base(runs: Runs, high: Values, low: Values, close: Values, fast: int, slow: int) -> Values:
    """Ichimoku's conversion line minus its base line, over the close, a fraction."""
    return (_middle(runs, high, low, fast) - _middle(runs, high, low, slow)) / close


def leading_span_a_gap(runs: Runs, high: Values, low: Values, close: Values, fast: int, slow: int) -> Values:
    """Close over Ichimoku's leading span A as drawn under this bar, minus 1, a fraction."""
    span = (_middle(runs, high, low, fast) + _middle(runs, high, low, slow)) / 2.0
    return close / lagged(runs, span, slow) - 1.0


def leading_span_b_gap(runs: Runs, high: Values, low: Values, close: Values, window: int, shift: int) -> Values:
    """Close over Ichimoku's leading span B as drawn under this bar, minus 1, a fraction."""
    return close / lagged(runs, _middle(runs, high, low, window), shift) - 1.0


@compiled
def _supertrend(runs: Runs, middle: Values, reach: Values, close: Values, equal: float) -> Values:
    """The supertrend line: the lower band in a rise, the upper in a fall; a run begins with a rise.

    A band moves towards the price only, until the close before is beyond it. A close within `equal` of itself of a band
    is not beyond it: that would hang on the price basis.
    """
    out = np.full(close.size, np.nan)
    for run in range(runs.shape[0]):
        first, end = runs[run, 0], runs[run, 1]
        while first < end and np.isnan(reach[first]):
            first += 1
        rising, lower, upper = True, -np.inf, np.inf
        for bar in range(first, end):
            near, before = equal * close[bar], close[max(bar - 1, first)]
            bottom, top = middle[bar] - reach[bar], middle[bar] + reach[bar]
            lower = bottom if bottom > lower or before < lower - near else lower
            upper = top if top < upper or before > upper + near else upper
            rising = close[bar] >= lower - near if rising else close[bar] > upper + near
            out[bar] = lower if rising else upper
    return out


@shared
def _macd(runs: Runs, close: Values, fast: int, slow: int, signal: int) -> Values:
    """MACD line, its signal line and their difference (TA-Lib), in the unit of the close: three rows."""
    return per_run_outputs(talib.MACD, runs, close, settings=(fast, slow, signal), outputs=3)


@shared
def _directed_moves(runs: Runs, high: Values, low: Values, close: Values) -> Values:
    """Wilder's up and down movement of each bar (rows): the larger, where above 0; null on a run's first bar."""
    up = change(runs, high)
    down = lagged(runs, low, 1) - low
    lead = (up - down) / close
    plus = np.where((lead <= _EQUAL_MOVES) | (up <= 0.0), 0.0, up)
    minus = np.where((lead >= -_EQUAL_MOVES) | (down <= 0.0), 0.0, down)
    return np.stack((plus, minus))


@shared
def _smoothed_moves(runs: Runs, high: Values, low: Values, close: Values, window: int, up: bool) -> Values:
    return wilder(runs, _directed_moves(runs, high, low, close)[0 if up else 1], window)


@shared
def _true_range(runs: Runs, high: Values, low: Values, close: Values) -> Values:
    before = lagged(runs, close, 1)
    return np.maximum(high, before) - np.minimum(low, before)


def _middle(runs: Runs, high: Values, low: Values, window: int) -> Values:
    return (window_highest(runs, high, window) + window_lowest(runs, low, window)) / 2.0


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

_BROCK = "Brock, Lakonishok & LeBaron 1992, Journal of Finance 47(5)"
_APPEL = "Appel 2005, Technical Analysis: Power Tools for Active Investors"
_MULLOY = "Mulloy 1994, Technical Analysis of Stocks & Commodities 12(1, 2)"
_WILDER = "Wilder 1978, New Concepts in Technical Trading Systems"
_VORTEX = "Botes & Siepman 2010, Technical Analysis of Stocks & Commodities 28(1)"
_ICHIMOKU = "Elliott 2007, Ichimoku Charts"
_BARS = (HIGH, LOW, CLOSE)
_MACD = {"fast": 12, "slow": 26, "signal": 9}


def _gaps_to_mean() -> tuple[Indicator, ...]:
    return tuple(
        define(
            f"sma_gap_{window}",
            "trend",
            (CLOSE,),
            sma_gap,
            window - 1,
            "fraction",
            f"close over the mean of the last {window} closes, minus 1",
            _BROCK,
            {"window": window},
        )
        for window in (5, 10, 50, 100, 200)
    )


def _gaps_to_exponential_mean() -> tuple[Indicator, ...]:
    return tuple(
        define(
            f"ema_gap_{window}",
            "trend",
            (CLOSE,),
            ema_gap,
            window - 1,
            "fraction",
            f"close over its exponential moving average (weight 2/{window + 1}, begun at the mean of a run's first"
            f" {window} closes), minus 1",
            f"{_APPEL}; computed by TA-Lib's EMA",
            {"window": window},
            look_back=12 * window,
            tolerance=1e-6,
        )
        for window in (10, 20)
    )


def _gaps_to_weighted_mean() -> tuple[Indicator, ...]:
    return tuple(
        define(
            f"wma_gap_{window}",
            "trend",
            (CLOSE,),
            wma_gap,
            window - 1,
            "fraction",
            f"close over the mean of the last {window} closes weighted 1 (the oldest) to {window}, minus 1",
            "Kaufman 2013, Trading Systems and Methods, chapter 7",
            {"window": window},
        )
        for window in (10, 20, 50)
    )


def _directions(window: int) -> tuple[Indicator, ...]:
    equal = "moves within 1e-9 of the close of each other are equal, and count for neither; 0 without movement"
    return tuple(
        define(name, "trend", _BARS, compute, window, unit, f"{words}; {equal}", _WILDER, parameters, 300, tolerance)
        for name, compute, unit, words, parameters, tolerance in (
            (
                f"plus_di_{window}",
                directional_indicator,
                "points, 0 to 100",
                "smoothed up movement over the smoothed true range, times 100",
                {"window": window, "up": True},
                1e-4,
            ),
            (
                f"minus_di_{window}",
                directional_indicator,
                "points, 0 to 100",
                "smoothed down movement over the smoothed true range, times 100",
                {"window": window, "up": False},
                1e-4,
            ),
            (
                f"di_balance_{window}",
                directional_balance,
                "fraction, -1 to 1",
                "smoothed up minus down movement, over their sum",
                {"window": window},
                1e-6,
            ),
        )
    )


def _vortices(window: int) -> tuple[Indicator, ...]:
    return tuple(
        define(
            f"vortex_{side}_{window}",
            "trend",
            _BARS,
            vortex,
            window,
            "ratio",
            f"distance of {words}, summed over {window} bars, over the sum of their true ranges; 1 where prices"
            " never moved",
            _VORTEX,
            {"window": window, "up": side == "up"},
        )
        for side, words in (("up", "the high to the low before"), ("down", "the low to the high before"))
    )


def _ichimoku() -> tuple[Indicator, ...]:
    middle = "the middle of highest high and lowest low"
    lines = {"fast": 9, "slow": 26}
    return tuple(
        define(name, "trend", _BARS, compute, warm_up, "fraction", meaning, _ICHIMOKU, parameters)
        for name, compute, warm_up, meaning, parameters in (
            ("tenkan_gap", conversion_gap, 8, f"close over {middle} of 9 bars, minus 1", {"window": 9}),
            ("kijun_gap", conversion_gap, 25, f"close over {middle} of 26 bars, minus 1", {"window": 26}),
            ("tenkan_kijun", conversion_over_base, 25, f"{middle} of 9 bars minus that of 26, over the close", lines),
            (
                "senkou_a_gap",
                leading_span_a_gap,
                51,
                f"close over the mean, 26 bars ago, of {middle} of 9 and of 26 bars, minus 1: the cloud as it lies"
                " under this bar",
                lines,
            ),
            (
                "senkou_b_gap",
                leading_span_b_gap,
                77,
                f"close over {middle} of 52 bars, 26 bars ago, minus 1: the cloud as it lies under this bar",
                {"window": 52, "shift": 26},
            ),
        )
    )


def _ratios_of_means() -> tuple[Indicator, ...]:
    return tuple(
        define(
            f"sma_ratio_{fast}_{slow}",
            "trend",
            (CLOSE,),
            sma_ratio,
            slow - 1,
            "fraction",
            f"mean of the last {fast} closes over that of the last {slow}, minus 1",
            _BROCK,
            {"fast": fast, "slow": slow},
        )
        for fast, slow in ((10, 50), (50, 200))
    )


MORE: Final[tuple[Indicator, ...]] = (
    *_gaps_to_mean(),
    *_gaps_to_exponential_mean(),
    *_gaps_to_weighted_mean(),
    define(
        "hull_gap_20",
        "trend",
        (CLOSE,),
        hull_gap,
        22,
        "fraction",
        "close over Hull's average, minus 1: the weighted mean of 4 values of twice the weighted mean of 10 closes"
        " minus that of 20",
        "Hull 2005, How to reduce lag in a moving average",
        {"window": 20},
    ),
    define(
        "dema_gap_20",
        "trend",
        (CLOSE,),
        dema_gap,
        38,
        "fraction",
        "close over twice its EMA 20 minus the EMA 20 of that, minus 1; each EMA begins at the mean of its first 20",
        f"{_MULLOY}; computed by TA-Lib's DEMA",
        {"window": 20},
        look_back=300,
        tolerance=1e-6,
    ),
    define(
        "tema_gap_20",
        "trend",
        (CLOSE,),
        tema_gap,
        57,
        "fraction",
        "close over 3 EMA - 3 EMA(EMA) + EMA(EMA(EMA)) of 20, minus 1; each EMA begins at the mean of its first 20",
        f"{_MULLOY}; computed by TA-Lib's TEMA",
        {"window": 20},
        look_back=350,
        tolerance=1e-6,
    ),
    *_ratios_of_means(),
    define(
        "macd_line",
        "trend",
        (CLOSE,),
        macd_line,
        33,
        "fraction",
        "EMA 12 minus EMA 26, over the close; both begin at a run's 26th bar, each at the mean of its own last closes;"
        " null as long as its signal line",
        f"{_APPEL}; computed by TA-Lib's MACD",
        _MACD,
        look_back=250,
        tolerance=1e-6,
    ),
    define(
        "macd_signal",
        "trend",
        (CLOSE,),
        macd_signal,
        33,
        "fraction",
        "EMA 9 of EMA 12 minus EMA 26, over the close; begun at the mean of its first 9 values",
        f"{_APPEL}; computed by TA-Lib's MACD",
        _MACD,
        look_back=250,
        tolerance=1e-6,
    ),
    define(
        "parabolic_gap",
        "trend",
        _BARS,
        parabolic_gap,
        1,
        "fraction",
        "close minus the parabolic stop, over the close: above 0 in a rise, below 0 in a fall; acceleration by 0.02"
        " up to 0.2",
        f"{_WILDER}; computed by TA-Lib's SAR",
        {"step": 0.02, "most": 0.2},
        look_back=250,
        tolerance=1e-6,
    ),
    define(
        "kama_gap_10",
        "trend",
        (CLOSE,),
        kaufman_gap,
        10,
        "fraction",
        "close over Kaufman's adaptive average, minus 1: begun at a run's tenth close, it goes the square of"
        " (efficiency ratio of 10 bars times (2/3 - 2/31) + 2/31) of the way to each",
        "Kaufman 1995, Smarter Trading",
        {"window": 10, "fast": 2, "slow": 30},
        look_back=450,
        tolerance=1e-6,
    ),
    define(
        "supertrend_gap_10_3",
        "trend",
        _BARS,
        supertrend_gap,
        10,
        "fraction",
        "close minus the supertrend line, over the close: above 0 in a rise, below 0 in a fall; bands of 3 average true"
        " ranges of 10 bars around the bar's middle, which move towards the price only until the close before is beyond"
        " them; closes within 1e-9 of a band are not; a run begins with a rise",
        "Seban 2008, the supertrend; true range smoothed by TA-Lib's ATR",
        {"window": 10, "width": 3.0},
        look_back=450,
        tolerance=1e-6,
    ),
    *_directions(14),
    *_vortices(14),
    *_ichimoku(),
)
"""Trend features beside the default ones."""
