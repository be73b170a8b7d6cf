"""Volume: how much is traded relative to usual, and on which side of the price."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import talib

from nightdesk.features.indicator import Indicator, define
from nightdesk.features.primitives import Runs, Values, change, lagged, log_return, ratio
from nightdesk.features.rolling import window_deviation, window_mean, window_slope
from nightdesk.features.ta_lib import exponential_mean, per_run
from nightdesk.tables import CLOSE, HIGH, LOW, VOLUME

# Typical prices closer than this share are equal: thirds of sums of ticks differ by rounding that the price
# basis decides, and the whole day's flow would change sides with it.
_EQUAL_PRICES = 1e-12


def volume_ratio(runs: Runs, volume: Values, window: int) -> Values:
    """Volume over its mean of the last `window` bars; 1 where nothing was traded in the window."""
    return ratio(volume, window_mean(runs, volume, window), 1.0)


def money_flow(runs: Runs, high: Values, low: Values, close: Values, volume: Values, window: int) -> Values:
    """Money flow index, 0 to 100; 50 where no money flowed.

    Not TA-Lib's: its running sums keep a residue of flows long gone, and it takes any sum below 1 for none.
    """
    typical = (high + low + close) / 3.0
    growth = typical / lagged(runs, typical, 1) - 1.0
    side = np.where(np.abs(growth) < _EQUAL_PRICES, 0.0, np.sign(growth))
    flow = typical * volume * np.abs(side)
    inflow = np.where(side < 0.0, 0.0, flow)
    return 100.0 * ratio(window_mean(runs, inflow, window), window_mean(runs, flow, window), 0.5)


def chaikin_money_flow(runs: Runs, high: Values, low: Values, close: Values, volume: Values, window: int) -> Values:
    """Chaikin's money flow, -1 to 1; 0 where nothing was traded."""
    side = ratio((close - low) - (high - close), high - low, 0.0)
    return ratio(window_mean(runs, side * volume, window), window_mean(runs, volume, window), 0.0)


def on_balance(runs: Runs, close: Values, volume: Values, window: int) -> Values:
    """Change of Granville's on-balance volume over the window, over all volume of the window, -1 to 1."""
    side = np.sign(change(runs, close))
    return _share(runs, side * volume, volume, window)


def price_volume_trend(runs: Runs, close: Values, volume: Values, window: int) -> Values:
    """Change of the price and volume trend over the window, over all its volume: a volume-weighted return."""
    return _share(runs, (close / lagged(runs, close, 1) - 1.0) * volume, volume, window)


def volume_weighted_gap(runs: Runs, high: Values, low: Values, close: Values, volume: Values, window: int) -> Values:
    """Close over the volume-weighted mean of the window's typical prices, minus 1; 0 where nothing was traded."""
    typical = (high + low + close) / 3.0
    traded = window_mean(runs, volume, window)
    average = ratio(window_mean(runs, typical * volume, window), traded, 1.0)
    return np.where(traded == 0.0, 0.0, close / average - 1.0)


def chaikin_oscillator(
    runs: Runs, high: Values, low: Values, close: Values, volume: Values, fast: int, slow: int, window: int
) -> Values:
    """Chaikin's oscillator (TA-Lib's ADOSC) over the mean volume of the window; 0 where nothing was traded."""
    swing = per_run(talib.ADOSC, runs, high, low, close, volume, settings=(fast, slow))
    return ratio(swing, window_mean(runs, volume, window), 0.0)


def force(runs: Runs, close: Values, volume: Values, smoothing: int, window: int) -> Values:
    """Elder's force index over the close and the window's mean volume; 0 where nothing was traded.

    The exponential mean of the close's change times volume, by TA-Lib.
    """
    push = exponential_mean(runs, change(runs, close) * volume, smoothing)
    return ratio(push, close * window_mean(runs, volume, window), 0.0)


def volume_score(runs: Runs, volume: Values, window: int) -> Values:
    """Volume minus its mean of the window over its sample standard deviation; 0 where that is 0."""
    gap = volume - window_mean(runs, volume, window)
    return ratio(gap, window_deviation(runs, volume, window, 1), 0.0)


def volume_trend(runs: Runs, volume: Values, window: int) -> Values:
    """Least-squares slope a bar of the window's volumes over their mean; 0 where nothing was traded."""
    return ratio(window_slope(runs, volume, window), window_mean(runs, volume, window), 0.0)


def turnover_ratio(runs: Runs, close: Values, volume: Values, fast: int, slow: int) -> Values:
    """Mean of close times volume over `fast` bars, over that of `slow`; 1 where nothing was traded."""
    turnover = close * volume
    return ratio(window_mean(runs, turnover, fast), window_mean(runs, turnover, slow), 1.0)


def return_on_volume(runs: Runs, close: Values, volume: Values, window: int, rising: bool) -> Values:
    """Sum of the window's log returns on bars whose volume rose (or fell) against the bar before, a fraction."""
    more = change(runs, volume)
    counted = more > 0.0 if rising else more < 0.0
    move = log_return(runs, close)
    return window * window_mean(runs, np.where(counted, move, 0.0 * move), window)


def volume_oscillator(runs: Runs, volume: Values, fast: int, slow: int) -> Values:
    """Fast exponential mean of volume over the slow one (TA-Lib's EMA), minus 1; 0 where the slow one is 0."""
    quick, calm = exponential_mean(runs, volume, fast), exponential_mean(runs, volume, slow)
    return ratio(quick - calm, calm, 0.0)


def relative_deviation(runs: Runs, volume: Values, window: int) -> Values:
    """Sample standard deviation of the window's volumes over their mean; 0 where nothing was traded."""
    return ratio(window_deviation(runs, volume, window, 1), window_mean(runs, volume, window), 0.0)


def _share(runs: Runs, part: Values, volume: Values, window: int) -> Values:
    """Mean of `part` over that of volume; 0 where nothing was traded. `part` may be null on a run's first bar."""
    shares = window_mean(runs, part, window)
    return ratio(shares, window_mean(runs, volume, window) + 0.0 * shares, 0.0)


VOLUME_RATIO_20 = Indicator(
    name="volume_ratio_20",
    group="volume",
    inputs=(VOLUME,),
    parameters={"window": 20},
    warm_up=19,
    look_back=20,
    tolerance=0.0,
    unit="ratio",
    meaning="volume over the mean volume of the last 20 bars, this one included; 1 where nothing was traded in them",
    source="Gervais, Kaniel & Mingelgrin 2001, Journal of Finance 56(3)",
    compute=volume_ratio,
)
MFI_14 = Indicator(
    name="mfi_14",
    group="volume",
    inputs=(HIGH, LOW, CLOSE, VOLUME),
    parameters={"window": 14},
    warm_up=14,
    look_back=15,
    tolerance=0.0,
    unit="points, 0 to 100",
    meaning="money flow index: typical price times volume on days when the typical price rose, over the same"
    " on days when it rose or fell, times 100; typical prices within 1e-12 are equal; 50 where there was no"
    " flow",
    source="Quong & Soudack 1989, Technical Analysis of Stocks & Commodities 7(3)",
    compute=money_flow,
)
CHAIKIN_MONEY_FLOW_20 = Indicator(
    name="chaikin_money_flow_20",
    group="volume",
    inputs=(HIGH, LOW, CLOSE, VOLUME),
    parameters={"window": 20},
    warm_up=19,
    look_back=20,
    tolerance=0.0,
    unit="fraction, -1 to 1",
    meaning="volume weighted by where the close lies in its bar (-1 at the low, 1 at the high, 0 in a bar"
    " without range), over all volume of 20 bars; 0 where nothing was traded",
    source="Chaikin's money flow; Murphy 1999, Technical Analysis of the Financial Markets, chapter 7",
    compute=chaikin_money_flow,
)

_UNTRADED = "0 where nothing was traded"
_BARS = (HIGH, LOW, CLOSE, VOLUME)
_GRANVILLE = "Granville 1963, Granville's New Key to Stock Market Profits"
_FOSBACK = "Fosback 1976, Stock Market Logic"


def _of_volume(
    name: str,
    compute: Callable[..., Values],
    inputs: tuple[str, ...],
    warm_up: int,
    unit: str,
    meaning: str,
    source: str,
    **parameters: float,
) -> Indicator:
    """Record of a feature of a finite window."""
    return define(name, "volume", inputs, compute, warm_up, unit, meaning, source, parameters)


MORE: Final[tuple[Indicator, ...]] = (
    *(
        _of_volume(
            f"volume_ratio_{window}",
            volume_ratio,
            (VOLUME,),
            window - 1,
            "ratio",
            f"volume over the mean volume of the last {window} bars, this one included; 1 where nothing was traded",
            "Gervais, Kaniel & Mingelgrin 2001, Journal of Finance 56(3)",
            window=window,
        )
        for window in (5, 60)
    ),
    *(
        _of_volume(
            f"on_balance_{window}",
            on_balance,
            (CLOSE, VOLUME),
            window,
            "fraction, -1 to 1",
            f"volume of rising minus that of falling days over all volume of {window} bars: the change of on-balance"
            f" volume without its unit; {_UNTRADED}",
            _GRANVILLE,
            window=window,
        )
        for window in (20, 60)
    ),
    _of_volume(
        "chaikin_money_flow_60",
        chaikin_money_flow,
        _BARS,
        59,
        "fraction, -1 to 1",
        "volume weighted by where the close lies in its bar (-1 at the low, 1 at the high, 0 in a bar without range),"
        f" over all volume of 60 bars: the change of accumulation and distribution without its unit; {_UNTRADED}",
        "Chaikin's money flow; Murphy 1999, Technical Analysis of the Financial Markets, chapter 7",
        window=60,
    ),
    _of_volume(
        "price_volume_trend_20",
        price_volume_trend,
        (CLOSE, VOLUME),
        20,
        "fraction",
        f"daily returns times volume over all volume, of 20 bars; {_UNTRADED}",
        "Pring 2002, Technical Analysis Explained; the volume price trend",
        window=20,
    ),
    *(
        _of_volume(
            f"vwap_gap_{window}",
            volume_weighted_gap,
            _BARS,
            window - 1,
            "fraction",
            f"close over the volume-weighted mean of {window} typical prices, minus 1; {_UNTRADED}",
            "Berkowitz, Logue & Noser 1988, Journal of Finance 43(1)",
            window=window,
        )
        for window in (5, 20, 60)
    ),
    _of_volume(
        "mfi_28",
        money_flow,
        _BARS,
        28,
        "points, 0 to 100",
        "money flow index of 28 bars: typical price times volume on days when the typical price rose, over the same on"
        " days when it rose or fell, times 100; typical prices within 1e-12 are equal; 50 where there was no flow",
        "Quong & Soudack 1989, Technical Analysis of Stocks & Commodities 7(3)",
        window=28,
    ),
    define(
        "chaikin_oscillator_3_10",
        "volume",
        _BARS,
        chaikin_oscillator,
        19,
        "days of volume",
        "EMA 3 minus EMA 10 of the accumulation and distribution line, both begun at a run's first bar, over the mean"
        f" volume of 20 bars; {_UNTRADED}",
        "Chaikin's oscillator; Achelis 2001, Technical Analysis from A to Z; computed by TA-Lib's ADOSC",
        {"fast": 3, "slow": 10, "window": 20},
        look_back=150,
        tolerance=1e-5,
    ),
    define(
        "force_13",
        "volume",
        (CLOSE, VOLUME),
        force,
        19,
        "fraction",
        "EMA 13 of the close's change times volume (begun at the mean of its first 13), over close times the mean"
        f" volume of 20 bars; {_UNTRADED}",
        "Elder 1993, Trading for a Living; smoothed by TA-Lib's EMA",
        {"smoothing": 13, "window": 20},
        look_back=250,
        tolerance=1e-6,
    ),
    _of_volume(
        "volume_score_20",
        volume_score,
        (VOLUME,),
        19,
        "standard deviations",
        "volume minus its mean of 20 bars, over its sample standard deviation; 0 where that is 0",
        "standardised volume; Ajinkya & Jain 1989, Journal of Accounting and Economics 11(4)",
        window=20,
    ),
    _of_volume(
        "volume_trend_20",
        volume_trend,
        (VOLUME,),
        19,
        "fraction a day",
        f"least-squares slope of 20 volumes over their mean; {_UNTRADED}",
        "Murphy 1999, Technical Analysis of the Financial Markets, chapter 7",
        window=20,
    ),
    _of_volume(
        "turnover_ratio_5_60",
        turnover_ratio,
        (CLOSE, VOLUME),
        59,
        "ratio",
        "mean of close times volume of 5 bars over that of 60; 1 where nothing was traded",
        "Lee & Swaminathan 2000, Journal of Finance 55(5)",
        fast=5,
        slow=60,
    ),
    *(
        _of_volume(
            f"{name}_volume_return_60",
            return_on_volume,
            (CLOSE, VOLUME),
            60,
            "fraction",
            f"sum of the log returns of the last 60 bars on those whose volume {side} against the bar before: the"
            f" change of the {name} volume index",
            _FOSBACK,
            window=60,
            rising=name == "positive",
        )
        for name, side in (("positive", "rose"), ("negative", "fell"))
    ),
    define(
        "volume_oscillator_12_26",
        "volume",
        (VOLUME,),
        volume_oscillator,
        25,
        "fraction",
        "EMA 12 of volume over its EMA 26, minus 1, each begun at the mean of its first volumes; 0 where the slow one"
        " is 0",
        "Achelis 2001, Technical Analysis from A to Z; smoothed by TA-Lib's EMA",
        {"fast": 12, "slow": 26},
        look_back=350,
        tolerance=1e-5,
    ),
    _of_volume(
        "volume_deviation_20",
        relative_deviation,
        (VOLUME,),
        19,
        "ratio",
        f"sample standard deviation of 20 volumes over their mean; {_UNTRADED}",
        "Chordia, Subrahmanyam & Anshuman 2001, Journal of Financial Economics 59(1)",
        window=20,
    ),
)
"""Volume features beside the default ones."""
