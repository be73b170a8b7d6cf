"""Momentum: what a symbol's close returned over the past days, and its short-term reversal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from nightdesk.features.indicator import Indicator, define
from nightdesk.features.primitives import Runs, Values, change, lagged, ratio
from nightdesk.features.rolling import window_deviation, window_highest, window_lowest, window_mean, window_spread
from nightdesk.tables import CLOSE, HIGH, LOW, OPEN


def price_return(runs: Runs, close: Values, days: int) -> Values:
    """Return over the last `days` bars, a fraction."""
    return close / lagged(runs, close, days) - 1.0


def reversal(runs: Runs, close: Values, days: int) -> Values:
    """Minus the return over the last `days` bars, a fraction."""
    return -price_return(runs, close, days)


def skipping_momentum(runs: Runs, close: Values, far: int, near: int) -> Values:
    """Return from the close `far` bars ago to the close `near` bars ago, a fraction."""
    return lagged(runs, close, near) / lagged(runs, close, far) - 1.0


def acceleration(runs: Runs, close: Values, days: int) -> Values:
    """Return over the last `days` bars minus that over the `days` bars before, a fraction."""
    recent = price_return(runs, close, days)
    return recent - lagged(runs, recent, days)


def gap_to_highest(runs: Runs, close: Values, window: int) -> Values:
    """Close over the highest close of the window, minus 1, a fraction of at most 0."""
    return close / window_highest(runs, close, window) - 1.0


def gap_to_lowest(runs: Runs, close: Values, window: int) -> Values:
    """Close over the lowest close of the window, minus 1, a fraction of at least 0."""
    return close / window_lowest(runs, close, window) - 1.0


def williams_percent(runs: Runs, high: Values, low: Values, close: Values, window: int) -> Values:
    """Williams' %R, -100 to 0."""
    highest = window_highest(runs, high, window)
    return -100.0 * ratio(highest - close, highest - window_lowest(runs, low, window), 0.5)


def commodity_channel(runs: Runs, high: Values, low: Values, close: Values, window: int) -> Values:
    """Lambert's CCI. Not TA-Lib's: that finds a deviation of rounding in a constant window."""
    typical = (high + low + close) / 3.0
    gap = typical - window_mean(runs, typical, window)
    return ratio(gap, 0.015 * window_spread(runs, typical, window), 0.0)


def efficiency(runs: Runs, close: Values, window: int) -> Values:
    """Kaufman's efficiency ratio: size of the whole move over the sum of the sizes of its steps, 0 to 1."""
    path = window * window_mean(runs, np.abs(change(runs, close)), window)
    return np.minimum(ratio(np.abs(close - lagged(runs, close, window)), path, 0.0), 1.0)


def information_discreteness(runs: Runs, close: Values, window: int) -> Values:
    """Sign of the window's return times (share of falls minus share of rises), -1 to 1."""
    sides = window_mean(runs, np.sign(change(runs, close)), window)
    return -np.sign(close - lagged(runs, close, window)) * sides


def overnight_return(runs: Runs, open_: Values, close: Values, window: int) -> Values:
    """Sum of the window's log returns from close to open, a fraction."""
    return window * window_mean(runs, np.log(open_ / lagged(runs, close, 1)), window)


def daytime_return(runs: Runs, open_: Values, close: Values, window: int) -> Values:
    """Sum of the window's log returns from open to close, a fraction."""
    return window * window_mean(runs, np.log(close / open_), window)


def best_return(runs: Runs, close: Values, window: int) -> Values:
    """Highest daily return of the window, a fraction."""
    return window_highest(runs, price_return(runs, close, 1), window)


def worst_return(runs: Runs, close: Values, window: int) -> Values:
    """Lowest daily return of the window, a fraction."""
    return window_lowest(runs, price_return(runs, close, 1), window)


def return_over_risk(runs: Runs, close: Values, window: int) -> Values:
    """Mean of the window's daily returns over their sample standard deviation."""
    daily = price_return(runs, close, 1)
    return ratio(window_mean(runs, daily, window), window_deviation(runs, daily, window, 1), 0.0)


RETURN_1 = Indicator(
    name="return_1",
    group="momentum",
    inputs=(CLOSE,),
    parameters={"days": 1},
    warm_up=1,
    look_back=2,
    tolerance=0.0,
    unit="fraction",
    meaning="close over the close one bar ago, minus 1",
    source="simple return; Campbell, Lo & MacKinlay 1997, The Econometrics of Financial Markets, section 1.4",
    compute=price_return,
)
RETURN_20 = Indicator(
    name="return_20",
    group="momentum",
    inputs=(CLOSE,),
    parameters={"days": 20},
    warm_up=20,
    look_back=21,
    tolerance=0.0,
    unit="fraction",
    meaning="close over the close 20 bars ago, minus 1",
    source="simple return; Campbell, Lo & MacKinlay 1997, The Econometrics of Financial Markets, section 1.4",
    compute=price_return,
)
RETURN_60 = Indicator(
    name="return_60",
    group="momentum",
    inputs=(CLOSE,),
    parameters={"days": 60},
    warm_up=60,
    look_back=61,
    tolerance=0.0,
    unit="fraction",
    meaning="close over the close 60 bars ago, minus 1",
    source="simple return; Campbell, Lo & MacKinlay 1997, The Econometrics of Financial Markets, section 1.4",
    compute=price_return,
)
MOMENTUM_252_21 = Indicator(
    name="momentum_252_21",
    group="momentum",
    inputs=(CLOSE,),
    parameters={"far": 252, "near": 21},
    warm_up=252,
    look_back=253,
    tolerance=0.0,
    unit="fraction",
    meaning="close 21 bars ago over the close 252 bars ago, minus 1: a year's return without its last month",
    source="Jegadeesh & Titman 1993, Journal of Finance 48(1); the skipped month as in Asness 1994",
    compute=skipping_momentum,
)
REVERSAL_5 = Indicator(
    name="reversal_5",
    group="momentum",
    inputs=(CLOSE,),
    parameters={"days": 5},
    warm_up=5,
    look_back=6,
    tolerance=0.0,
    unit="fraction",
    meaning="minus the return over the last 5 bars: high after a fall",
    source="Lehmann 1990, Quarterly Journal of Economics 105(1)",
    compute=reversal,
)

_CAMPBELL = "simple return; Campbell, Lo & MacKinlay 1997, The Econometrics of Financial Markets, section 1.4"
_LOU = "Lou, Polk & Skouras 2019, Journal of Financial Economics 134(1)"


def _of_closes(
    name: str, compute: Callable[..., Values], warm_up: int, meaning: str, source: str, **parameters: int
) -> Indicator:
    """Record of a feature of closes alone, in fractions."""
    return define(name, "momentum", (CLOSE,), compute, warm_up, "fraction", meaning, source, parameters)


MORE: Final[tuple[Indicator, ...]] = (
    *(
        _of_closes(
            f"return_{days}", price_return, days, f"close over the close {days} bars ago, minus 1", _CAMPBELL, days=days
        )
        for days in (2, 3, 5, 10, 120, 252)
    ),
    _of_closes(
        "momentum_126_21",
        skipping_momentum,
        126,
        "close 21 bars ago over the close 126 bars ago, minus 1: half a year's return without its last month",
        "Jegadeesh & Titman 1993, Journal of Finance 48(1)",
        far=126,
        near=21,
    ),
    _of_closes(
        "momentum_252_126",
        skipping_momentum,
        252,
        "close 126 bars ago over the close 252 bars ago, minus 1: the older half of a year's return",
        "Novy-Marx 2012, Journal of Financial Economics 103(3)",
        far=252,
        near=126,
    ),
    _of_closes(
        "acceleration_20",
        acceleration,
        40,
        "return over the last 20 bars minus that over the 20 bars before",
        "Gettleman & Marks 2006, Acceleration Strategies",
        days=20,
    ),
    _of_closes(
        "high_gap_252",
        gap_to_highest,
        251,
        "close over the highest close of 252 bars, minus 1",
        "George & Hwang 2004, Journal of Finance 59(5)",
        window=252,
    ),
    _of_closes(
        "low_gap_252",
        gap_to_lowest,
        251,
        "close over the lowest close of 252 bars, minus 1",
        "George & Hwang 2004, Journal of Finance 59(5)",
        window=252,
    ),
    define(
        "williams_r_14",
        "momentum",
        (HIGH, LOW, CLOSE),
        williams_percent,
        13,
        "points, -100 to 0",
        "highest high of 14 bars minus close, over highest high minus lowest low, times -100; -50 where they are equal",
        "Williams 1979, How I Made One Million Dollars Last Year Trading Commodities",
        {"window": 14},
    ),
    define(
        "cci_20",
        "momentum",
        (HIGH, LOW, CLOSE),
        commodity_channel,
        19,
        "points",
        "typical price minus its mean of 20 bars, over 0.015 of its mean absolute distance from that; 0 where constant",
        "Lambert 1980, Commodities 9(10)",
        {"window": 20},
    ),
    *(
        _of_closes(
            f"efficiency_ratio_{window}",
            efficiency,
            window,
            f"size of the move over {window} bars, over the sum of the sizes of its daily moves; 0 if none",
            "Kaufman 1995, Smarter Trading",
            window=window,
        )
        for window in (10, 20)
    ),
    _of_closes(
        "information_discreteness_252",
        information_discreteness,
        252,
        "sign of the return over 252 bars times (share of falling minus share of rising days): low where a trend came"
        " in small steps",
        "Da, Gurun & Warachka 2014, Review of Financial Studies 27(7)",
        window=252,
    ),
    define(
        "overnight_return_20",
        "momentum",
        (OPEN, CLOSE),
        overnight_return,
        20,
        "fraction",
        "sum of 20 log returns from the close before to the open",
        _LOU,
        {"window": 20},
    ),
    define(
        "daytime_return_20",
        "momentum",
        (OPEN, CLOSE),
        daytime_return,
        19,
        "fraction",
        "sum of 20 log returns from open to close",
        _LOU,
        {"window": 20},
    ),
    _of_closes(
        "best_return_20",
        best_return,
        20,
        "highest daily return of 20 bars",
        "Bali, Cakici & Whitelaw 2011, Journal of Financial Economics 99(2)",
        window=20,
    ),
    _of_closes(
        "worst_return_20",
        worst_return,
        20,
        "lowest daily return of 20 bars",
        "Bali, Cakici & Whitelaw 2011, Journal of Financial Economics 99(2)",
        window=20,
    ),
    _of_closes(
        "return_over_risk_60",
        return_over_risk,
        60,
        "mean of 60 daily returns over their sample standard deviation, not annualised; 0 where constant",
        "Sharpe 1966, Journal of Business 39(1)",
        window=60,
    ),
)
"""Momentum features beside the default ones."""
