"""Volatility: how widely prices move, from closes, true ranges, or whole bars."""

from __future__ import annotations

import math

import numpy as np
import talib

from nightdesk.features.indicator import Indicator
from nightdesk.features.primitives import Runs, Values, lagged, per_run, window_deviation, window_mean
from nightdesk.tables import CLOSE, HIGH, LOW, OPEN

_YEAR = 252


def close_volatility(runs: Runs, close: Values, window: int, days_a_year: int) -> Values:
    """Annualised standard deviation of the last `window` daily log returns, a fraction."""
    log_return = np.log(close / lagged(runs, close, 1))
    return math.sqrt(days_a_year) * window_deviation(runs, log_return, window, 1)


def relative_true_range(runs: Runs, high: Values, low: Values, close: Values, window: int) -> Values:
    """Wilder's average true range (TA-Lib) over the close, a fraction."""
    return per_run(lambda *prices: talib.ATR(*prices, window) / prices[2], runs, high, low, close)


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
