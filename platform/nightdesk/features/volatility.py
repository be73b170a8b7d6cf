"""Volatility: how widely prices move, from closes, true ranges, or whole bars."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from nightdesk.features.indicator import Indicator, define
from nightdesk.features.primitives import Runs, Values, lagged, log_return, ratio
from nightdesk.features.rolling import window_deviation, window_drawdown, window_highest, window_lowest, window_mean
from nightdesk.features.ta_lib import average_true_range, exponential_mean
from nightdesk.tables import CLOSE, HIGH, LOW, OPEN

_YEAR = 252


def close_volatility(runs: Runs, close: Values, window: int, days_a_year: int) -> Values:
    """Annualised standard deviation of the last `window` daily log returns, a fraction."""
    return math.sqrt(days_a_year) * window_deviation(runs, log_return(runs, close), window, 1)


def relative_true_range(runs: Runs, high: Values, low: Values, close: Values, window: int) -> Values:
    """Wilder's average true range (TA-Lib) over the close, a fraction."""
    return average_true_range(runs, high, low, close, window) / close


def yang_zhang(
    runs: Runs, open_: Values, high: Values, low: Values, close: Values, window: int, days_a_year: int
) -> Values:
    """Annualised volatility of Yang and Zhang, a fraction: overnight, open to close, and within the bar."""
    overnight = np.log(open_ / lagged(runs, close, 1))
    day = np.log(close / open_)
    top, bottom = np.log(high / open_), np.log(low / open_)
    rogers_satchell = top * (top - day) + bottom * (bottom - day)
    weight = 0.34 / (1.34 + (window + 1) / (window - 1))
    variance = (
        window_deviation(runs, overnight, window, 1) ** 2
        + weight * window_deviation(runs, day, window, 1) ** 2
        + (1.0 - weight) * window_mean(runs, rogers_satchell, window)
    )
    # Only bars whose high or low does not hold the open and close can make it negative.
    return math.sqrt(days_a_year) * np.sqrt(np.maximum(variance, 0.0))


def parkinson(runs: Runs, high: Values, low: Values, window: int, days_a_year: int) -> Values:
    """Annualised volatility of Parkinson, a fraction: from the ranges of bars, without drift."""
    square = np.log(high / low) ** 2 / (4.0 * math.log(2.0))
    return np.sqrt(days_a_year * window_mean(runs, square, window))


def garman_klass(
    runs: Runs, open_: Values, high: Values, low: Values, close: Values, window: int, days_a_year: int
) -> Values:
    """Annualised volatility of Garman and Klass, a fraction: from ranges and bodies, without drift."""
    square = 0.5 * np.log(high / low) ** 2 - (2.0 * math.log(2.0) - 1.0) * np.log(close / open_) ** 2
    return math.sqrt(days_a_year) * np.sqrt(np.maximum(window_mean(runs, square, window), 0.0))


def rogers_satchell(
    runs: Runs, open_: Values, high: Values, low: Values, close: Values, window: int, days_a_year: int
) -> Values:
    """Annualised volatility of Rogers and Satchell, a fraction: within the bars, whatever the drift."""
    day, top, bottom = np.log(close / open_), np.log(high / open_), np.log(low / open_)
    square = top * (top - day) + bottom * (bottom - day)
    return math.sqrt(days_a_year) * np.sqrt(np.maximum(window_mean(runs, square, window), 0.0))


def true_range(runs: Runs, high: Values, low: Values, close: Values) -> Values:
    """True range of the bar over the close, a fraction."""
    before = lagged(runs, close, 1)
    return (np.maximum(high, before) - np.minimum(low, before)) / close


def bollinger_width(runs: Runs, close: Values, window: int, width: float) -> Values:
    """Distance between Bollinger's bands over their middle, a fraction."""
    return 2.0 * width * window_deviation(runs, close, window, 0) / window_mean(runs, close, window)


def keltner_position(
    runs: Runs, high: Values, low: Values, close: Values, window: int, range_window: int, width: float
) -> Values:
    """Where the close lies in Keltner's channel (TA-Lib's EMA and ATR): 0 on the lower line, 1 on the upper."""
    middle = exponential_mean(runs, close, window)
    reach = average_true_range(runs, high, low, close, range_window)
    return 0.5 + ratio(close - middle, 2.0 * width * reach + 0.0 * middle, 0.0)


def keltner_width(
    runs: Runs, high: Values, low: Values, close: Values, window: int, range_window: int, width: float
) -> Values:
    """Distance between the lines of Keltner's channel (TA-Lib's EMA and ATR) over its middle, a fraction."""
    middle = exponential_mean(runs, close, window)
    return 2.0 * width * average_true_range(runs, high, low, close, range_window) / middle


def volatility_ratio(runs: Runs, close: Values, fast: int, slow: int) -> Values:
    """Standard deviation of the last `fast` daily log returns over that of the last `slow`."""
    moves = log_return(runs, close)
    return ratio(window_deviation(runs, moves, fast, 1), window_deviation(runs, moves, slow, 1), 1.0)


def downside_volatility(runs: Runs, close: Values, window: int, days_a_year: int) -> Values:
    """Annualised root mean square of the window's negative daily log returns, others as 0, a fraction."""
    fall = np.minimum(log_return(runs, close), 0.0)
    return np.sqrt(days_a_year * window_mean(runs, fall * fall, window))


def downside_share(runs: Runs, close: Values, window: int) -> Values:
    """Sum of squared negative daily log returns over that of all, 0 to 1."""
    move = log_return(runs, close)
    fall = np.minimum(move, 0.0)
    return ratio(window_mean(runs, fall * fall, window), window_mean(runs, move * move, window), 0.5)


def deepest_drawdown(runs: Runs, close: Values, window: int) -> Values:
    """Deepest fall of the close within the window from its highest before, a fraction of at most 0."""
    return window_drawdown(runs, close, window)


def ulcer(runs: Runs, close: Values, window: int) -> Values:
    """Root mean square of the window's distances from the highest close of the window before each, a fraction."""
    fall = close / window_highest(runs, close, window) - 1.0
    return np.sqrt(window_mean(runs, fall * fall, window))


def chaikin_volatility(runs: Runs, high: Values, low: Values, window: int) -> Values:
    """Growth over `window` bars of the exponential mean (TA-Lib) of the bars' ranges, a fraction."""
    reach = exponential_mean(runs, high - low, window)
    before = lagged(runs, reach, window)
    return ratio(reach - before, before, 0.0)


def relative_reach(runs: Runs, high: Values, low: Values, close: Values, window: int) -> Values:
    """Highest high minus lowest low of the window, over the close, a fraction."""
    return (window_highest(runs, high, window) - window_lowest(runs, low, window)) / close


def volatility_of_volatility(runs: Runs, close: Values, inner: int, window: int) -> Values:
    """Sample standard deviation over mean of the window's volatilities, each of `inner` daily log returns."""
    volatility = window_deviation(runs, log_return(runs, close), inner, 1)
    return ratio(window_deviation(runs, volatility, window, 1), window_mean(runs, volatility, window), 0.0)


def overnight_share(runs: Runs, open_: Values, close: Values, window: int) -> Values:
    """Sum of squared log returns from close to open, over that and the squares from open to close, 0 to 1."""
    night, day = np.log(open_ / lagged(runs, close, 1)) ** 2, np.log(close / open_) ** 2
    return ratio(window_mean(runs, night, window), window_mean(runs, night + day, window), 0.5)


def mass_index(runs: Runs, high: Values, low: Values, smoothing: int, window: int) -> Values:
    """Dorsey's mass index: exponential mean of ranges over its own exponential mean, summed over the window."""
    smoothed = exponential_mean(runs, high - low, smoothing)
    twice = exponential_mean(runs, smoothed, smoothing)
    return window * window_mean(runs, ratio(smoothed, twice, 1.0), window)


VOLATILITY_60 = Indicator(
    name="volatility_60",
    group="volatility",
    inputs=(CLOSE,),
    parameters={"window": 60, "days_a_year": _YEAR},
    warm_up=60,
    look_back=61,
    tolerance=0.0,
    unit="fraction a year of 252 days",
    meaning="sample standard deviation of the last 60 daily log returns of the close, annualised; 0 where constant",
    source="Hull 2018, Options, Futures, and Other Derivatives, section 15.4",
    compute=close_volatility,
)
NATR_14 = Indicator(
    name="natr_14",
    group="volatility",
    inputs=(HIGH, LOW, CLOSE),
    parameters={"window": 14},
    warm_up=14,
    look_back=250,
    tolerance=1e-6,
    unit="fraction of the close a day",
    meaning="Wilder's average true range (begun at the mean of a run's first 14 true ranges) over the close;"
    " 0 where prices never moved",
    source="Wilder 1978, New Concepts in Technical Trading Systems; computed by TA-Lib's ATR",
    compute=relative_true_range,
)
YANG_ZHANG_20 = Indicator(
    name="yang_zhang_20",
    group="volatility",
    inputs=(OPEN, HIGH, LOW, CLOSE),
    parameters={"window": 20, "days_a_year": _YEAR},
    warm_up=20,
    look_back=21,
    tolerance=0.0,
    unit="fraction a year of 252 days",
    meaning="volatility over 20 days from opening gaps, open-to-close moves and the range within the bars,"
    " free of drift, annualised; 0 where prices are constant, or where bars that break the order of open,"
    " high, low and close make the variance negative",
    source="Yang & Zhang 2000, Journal of Business 73(3)",
    compute=yang_zhang,
)

_BARS = (OPEN, HIGH, LOW, CLOSE)
_ANNUAL = "fraction a year of 252 days"
_BROKEN = "or where bars that break the order of their prices make the variance negative"
_KELTNER = "Keltner 1960, How to Make Money in Commodities, as Raschke uses it; computed by TA-Lib's EMA and ATR"


def _of_windows(
    name: str,
    compute: Callable[..., Values],
    inputs: tuple[str, ...],
    before: int,
    meaning: str,
    source: str,
    windows: tuple[int, ...],
) -> tuple[Indicator, ...]:
    """Records of one annualised volatility over several windows; `before` counts bars needed ahead of the window."""
    return tuple(
        define(
            f"{name}_{window}",
            "volatility",
            inputs,
            compute,
            window - 1 + before,
            _ANNUAL,
            meaning.format(window=window),
            source,
            {"window": window, "days_a_year": _YEAR},
        )
        for window in windows
    )


MORE: Final[tuple[Indicator, ...]] = (
    *_of_windows(
        "volatility",
        close_volatility,
        (CLOSE,),
        1,
        "sample standard deviation of the last {window} daily log returns of the close, annualised; 0 where constant",
        "Hull 2018, Options, Futures, and Other Derivatives, section 15.4",
        (5, 10, 20, 120, 252),
    ),
    *_of_windows(
        "parkinson",
        parkinson,
        (HIGH, LOW),
        0,
        "root of the mean of {window} squared log ranges over 4 ln 2, annualised; misses what moves overnight",
        "Parkinson 1980, Journal of Business 53(1)",
        (10, 20, 60),
    ),
    *_of_windows(
        "garman_klass",
        garman_klass,
        _BARS,
        0,
        "root of the mean over {window} bars of half the squared log range minus (2 ln 2 - 1) times the squared log"
        f" body, annualised; misses what moves overnight; 0 where prices are constant, {_BROKEN}",
        "Garman & Klass 1980, Journal of Business 53(1)",
        (10, 20, 60),
    ),
    *_of_windows(
        "rogers_satchell",
        rogers_satchell,
        _BARS,
        0,
        "root of the mean over {window} bars of ln(h/o) ln(h/c) + ln(l/o) ln(l/c), annualised; free of drift, misses"
        f" what moves overnight; 0 where prices are constant, {_BROKEN}",
        "Rogers & Satchell 1991, Annals of Applied Probability 1(4)",
        (10, 20, 60),
    ),
    *_of_windows(
        "yang_zhang",
        yang_zhang,
        _BARS,
        1,
        "volatility over {window} days from opening gaps, open-to-close moves and the range within the bars, free of"
        f" drift, annualised; 0 where prices are constant, {_BROKEN}",
        "Yang & Zhang 2000, Journal of Business 73(3)",
        (10, 60),
    ),
    *(
        define(
            f"natr_{window}",
            "volatility",
            (HIGH, LOW, CLOSE),
            relative_true_range,
            window,
            "fraction of the close a day",
            f"Wilder's average true range (begun at the mean of a run's first {window} true ranges) over the close; 0"
            " where prices never moved",
            "Wilder 1978, New Concepts in Technical Trading Systems; computed by TA-Lib's ATR",
            {"window": window},
            look_back=look_back,
            tolerance=1e-6,
        )
        for window, look_back in ((7, 150), (28, 400))
    ),
    define(
        "true_range",
        "volatility",
        (HIGH, LOW, CLOSE),
        true_range,
        1,
        "fraction of the close",
        "larger of high and the close before, minus the smaller of low and the close before, over the close",
        "Wilder 1978, New Concepts in Technical Trading Systems",
    ),
    define(
        "bollinger_width_20",
        "volatility",
        (CLOSE,),
        bollinger_width,
        19,
        "fraction",
        "distance between the bands, 4 population standard deviations of 20 closes, over their mean",
        "Bollinger 2001, Bollinger on Bollinger Bands",
        {"window": 20, "width": 2.0},
    ),
    define(
        "keltner_position_20",
        "volatility",
        (HIGH, LOW, CLOSE),
        keltner_position,
        19,
        "fraction of the channel",
        "0.5 + (close - EMA 20) over 4 average true ranges of 10 bars; 0.5 where prices never moved",
        _KELTNER,
        {"window": 20, "range_window": 10, "width": 2.0},
        look_back=300,
        tolerance=1e-5,
    ),
    define(
        "keltner_width_20",
        "volatility",
        (HIGH, LOW, CLOSE),
        keltner_width,
        19,
        "fraction",
        "4 average true ranges of 10 bars over the EMA 20 of the close",
        _KELTNER,
        {"window": 20, "range_window": 10, "width": 2.0},
        look_back=300,
        tolerance=1e-6,
    ),
    define(
        "volatility_ratio_5_60",
        "volatility",
        (CLOSE,),
        volatility_ratio,
        60,
        "ratio",
        "sample standard deviation of the last 5 daily log returns over that of the last 60; 1 where that is 0",
        "ratio of realised volatilities; Natenberg 1994, Option Volatility and Pricing",
        {"fast": 5, "slow": 60},
    ),
    define(
        "downside_volatility_60",
        "volatility",
        (CLOSE,),
        downside_volatility,
        60,
        _ANNUAL,
        "root of the mean of 60 squared daily log returns, those above 0 taken as 0, annualised",
        "Sortino & van der Meer 1991, Journal of Portfolio Management 17(4)",
        {"window": 60, "days_a_year": _YEAR},
    ),
    define(
        "downside_share_60",
        "volatility",
        (CLOSE,),
        downside_share,
        60,
        "fraction, 0 to 1",
        "squared negative daily log returns over all squared ones of 60 bars; 0.5 where nothing moved",
        "Barndorff-Nielsen, Kinnebrock & Shephard 2010, Measuring downside risk: realised semivariance",
        {"window": 60},
    ),
    *(
        define(
            f"max_drawdown_{window}",
            "volatility",
            (CLOSE,),
            deepest_drawdown,
            window - 1,
            "fraction, at most 0",
            f"deepest fall of the close within {window} bars from its highest before, in these bars",
            "Magdon-Ismail & Atiya 2004, Risk 17(10)",
            {"window": window},
        )
        for window in (60, 252)
    ),
    define(
        "ulcer_14",
        "volatility",
        (CLOSE,),
        ulcer,
        26,
        "fraction",
        "root mean square over 14 bars of the close's distance below its highest of 14 bars",
        "Martin & McCann 1989, The Investor's Guide to Fidelity Funds",
        {"window": 14},
    ),
    define(
        "chaikin_volatility_10",
        "volatility",
        (HIGH, LOW),
        chaikin_volatility,
        19,
        "fraction",
        "EMA 10 of high minus low (begun at the mean of its first 10) over its value 10 bars ago, minus 1; 0 where"
        " that is 0",
        "Chaikin's volatility; Achelis 2001, Technical Analysis from A to Z; smoothed by TA-Lib's EMA",
        {"window": 10},
        look_back=150,
        tolerance=1e-5,
    ),
    define(
        "reach_20",
        "volatility",
        (HIGH, LOW, CLOSE),
        relative_reach,
        19,
        "fraction",
        "highest high minus lowest low of 20 bars (Donchian's channel), over the close",
        "Donchian 1960, High finance in copper, Financial Analysts Journal 16(6)",
        {"window": 20},
    ),
    define(
        "volatility_of_volatility_60",
        "volatility",
        (CLOSE,),
        volatility_of_volatility,
        79,
        "ratio",
        "sample standard deviation over mean of the last 60 volatilities, each of 20 daily log returns; 0 where all"
        " are 0",
        "Baltussen, van Bekkum & van der Grient 2018, Journal of Financial and Quantitative Analysis 53(4)",
        {"inner": 20, "window": 60},
    ),
    define(
        "overnight_share_20",
        "volatility",
        (OPEN, CLOSE),
        overnight_share,
        20,
        "fraction, 0 to 1",
        "squared log returns from close to open over those and the squares from open to close, of 20 bars; 0.5 where"
        " nothing moved",
        "Lockwood & Linn 1990, Journal of Finance 45(2)",
        {"window": 20},
    ),
    define(
        "mass_index_25",
        "volatility",
        (HIGH, LOW),
        mass_index,
        40,
        "ratio, summed",
        "EMA 9 of high minus low over the EMA 9 of that, summed over 25 bars; each begins at the mean of its first 9; 1"
        " a bar where prices never moved",
        "Dorsey 1992, Technical Analysis of Stocks & Commodities 10(6); smoothed by TA-Lib's EMA",
        {"smoothing": 9, "window": 25},
        look_back=250,
        tolerance=1e-5,
    ),
)
"""Volatility features beside the default ones."""
