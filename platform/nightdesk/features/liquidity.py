"""Liquidity as daily bars show it: what a trade moves the price, and how wide the spread must have been."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from nightdesk.features.indicator import Indicator, define
from nightdesk.features.kernels import shared
from nightdesk.features.primitives import Runs, Values, change, lagged, log_return, ratio
from nightdesk.features.rolling import window_correlation, window_deviation, window_mean
from nightdesk.tables import CLOSE, HIGH, LOW, VOLUME

_MILLION = 1e6
_TWO_DAYS = 3.0 - 2.0 * math.sqrt(2.0)


def illiquidity(runs: Runs, close: Values, volume: Values, window: int) -> Values:
    """Amihud's illiquidity: mean size of the return a million traded, of the window's traded bars; 0 without one."""
    size = np.abs(close / lagged(runs, close, 1) - 1.0)
    traded = np.where(np.isnan(size), np.nan, volume > 0.0)
    impact = ratio(size, _turnover(runs, close, volume), 0.0)
    return ratio(window_mean(runs, impact + 0.0 * size, window), window_mean(runs, traded, window), 0.0)


def roll_spread(runs: Runs, close: Values, window: int) -> Values:
    """Roll's spread: twice the root of minus the covariance of successive log returns; 0 where that is above 0."""
    now = log_return(runs, close)
    before = lagged(runs, now, 1)
    spread = window_deviation(runs, now, window, 1) * window_deviation(runs, before, window, 1)
    covariance = window_correlation(runs, now, before, window) * spread
    return 2.0 * np.sqrt(np.maximum(-covariance, 0.0))


def high_low_spread(runs: Runs, high: Values, low: Values, close: Values, window: int) -> Values:
    """Mean of Corwin and Schultz's spreads of the window's pairs of successive bars, those below 0 taken as 0.

    As they do, a bar that lies wholly above or below the close before is moved back to it: what was made overnight.
    """
    closed = lagged(runs, close, 1)
    shift = np.maximum(low - closed, 0.0) - np.maximum(closed - high, 0.0)
    top, bottom = high - shift, low - shift
    above, below = lagged(runs, high, 1), lagged(runs, low, 1)
    ranges = np.log(top / bottom) ** 2 + np.log(above / below) ** 2
    both = np.log(np.maximum(top, above) / np.minimum(bottom, below)) ** 2
    alpha = (math.sqrt(2.0) - 1.0) * np.sqrt(ranges) / _TWO_DAYS - np.sqrt(both / _TWO_DAYS)
    return window_mean(runs, np.maximum(2.0 * np.tanh(alpha / 2.0), 0.0), window)


def price_impact(runs: Runs, close: Values, volume: Values, window: int) -> Values:
    """Kyle's lambda: least-squares slope of the window's log returns on turnover with the sign of the close's change.

    A fraction a million traded; 0 where nothing was traded on a bar that moved.
    """
    move = log_return(runs, close)
    signed = np.sign(change(runs, close)) * _turnover(runs, close, volume)
    moved = window_correlation(runs, move, signed, window) * window_deviation(runs, move, window, 1)
    return ratio(moved, window_deviation(runs, signed, window, 1), 0.0)


def ease_of_movement(runs: Runs, high: Values, low: Values, volume: Values, smoothing: int, window: int) -> Values:
    """Arms' ease of movement without its unit: relative move of the bar's middle times its range, over volume.

    Range over the middle, volume over its mean of the window; averaged over `smoothing` bars; 0 in an untraded bar.
    """
    middle = (high + low) / 2.0
    move = change(runs, middle) / middle * ((high - low) / middle)
    usual = window_mean(runs, volume, window)
    eased = ratio(move * usual, np.where(np.isnan(usual), np.nan, volume), 0.0)
    return window_mean(runs, eased + 0.0 * move, smoothing)


@shared
def _turnover(_runs: Runs, close: Values, volume: Values) -> Values:
    """Close times volume, in millions of the currency."""
    return close * volume / _MILLION


_AMIHUD: Final = "Amihud 2002, Journal of Financial Markets 5(1)"
_SPREAD: Final = "fraction of the price"

INDICATORS: Final[tuple[Indicator, ...]] = (
    *(
        define(
            f"amihud_{window}",
            "liquidity",
            (CLOSE, VOLUME),
            illiquidity,
            window,
            "fraction a million of the currency",
            f"mean of the size of the daily return over close times volume, of the traded bars of {window}; 0 where"
            " nothing was traded",
            _AMIHUD,
            {"window": window},
        )
        for window in (20, 60)
    ),
    define(
        "roll_spread_60",
        "liquidity",
        (CLOSE,),
        roll_spread,
        61,
        _SPREAD,
        "twice the root of minus the sample covariance of 60 daily log returns with those of the bar before each; 0"
        " where the covariance is above 0",
        "Roll 1984, Journal of Finance 39(4)",
        {"window": 60},
    ),
    define(
        "corwin_schultz_20",
        "liquidity",
        (HIGH, LOW, CLOSE),
        high_low_spread,
        20,
        _SPREAD,
        "spread that would make two bars' ranges so much wider than the range of both together, mean of 20 pairs of"
        " successive bars; a bar off the close before is moved back to it; spreads below 0 are 0",
        "Corwin & Schultz 2012, Journal of Finance 67(2)",
        {"window": 20},
    ),
    define(
        "kyle_lambda_60",
        "liquidity",
        (CLOSE, VOLUME),
        price_impact,
        60,
        "fraction a million of the currency",
        "least-squares slope of 60 daily log returns on close times volume with the sign of the close's change; 0 where"
        " that is constant",
        "Kyle 1985, Econometrica 53(6); signed by bars as in Hasbrouck 2009, Journal of Finance 64(3)",
        {"window": 60},
    ),
    define(
        "ease_of_movement_14",
        "liquidity",
        (HIGH, LOW, VOLUME),
        ease_of_movement,
        32,
        "fraction",
        "relative move of the middle of the bar times its relative range, over volume relative to its mean of 20 bars;"
        " mean of 14; 0 for an untraded bar",
        "Arms 1989, The Arms Index; without the unit of volume",
        {"smoothing": 14, "window": 20},
    ),
)
"""The whole family."""
