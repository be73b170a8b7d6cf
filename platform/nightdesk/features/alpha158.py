"""Alpha158, the field's reference set: qlib's 158 features of daily bars, under qlib's names.

The names and expressions are qlib 0.9.7's (`qlib.contrib.data.loader.Alpha158DL`). Where the two differ: a window
counts a symbol's own bars and is null until it is full, while qlib counts calendar days and takes what there is; where
a window is flat or untraded, a stated value stands for qlib's null or its division by 1e-12; bars hold no volume
weighted price, so the typical price (high + low + close) / 3 stands for `$vwap`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import numpy as np

from nightdesk.features.indicator import Indicator
from nightdesk.features.kernels import shared
from nightdesk.features.primitives import Runs, Values, change, lagged, ratio
from nightdesk.features.rolling import (
    window_correlation,
    window_deviation,
    window_highest,
    window_highest_age,
    window_lowest,
    window_lowest_age,
    window_mean,
    window_quantile,
    window_rank,
    window_slope,
)
from nightdesk.tables import CLOSE, HIGH, LOW, OPEN, VOLUME

WINDOWS: Final = (5, 10, 20, 30, 60)
_GROUP = "alpha158"
_DAYS = re.compile(r"\bd\b")
_SOURCE = "qlib 0.9.7, Alpha158DL; Yang et al. 2020, Qlib: An AI-oriented Quantitative Investment Platform"


def body_of_open(runs: Runs, open_: Values, close: Values) -> Values:
    """Close minus open, over the open."""
    return (close - open_) / open_


def range_of_open(runs: Runs, open_: Values, high: Values, low: Values) -> Values:
    """High minus low, over the open."""
    return (high - low) / open_


def body_of_range(runs: Runs, open_: Values, high: Values, low: Values, close: Values) -> Values:
    """Close minus open, over the bar's range."""
    return ratio(close - open_, high - low, 0.0)


def upper_shadow_of_open(runs: Runs, open_: Values, high: Values, close: Values) -> Values:
    """High above open and close, over the open."""
    return (high - np.maximum(open_, close)) / open_


def upper_shadow_of_range(runs: Runs, open_: Values, high: Values, low: Values, close: Values) -> Values:
    """High above open and close, over the bar's range."""
    return ratio(high - np.maximum(open_, close), high - low, 0.0)


def lower_shadow_of_open(runs: Runs, open_: Values, low: Values, close: Values) -> Values:
    """Low below open and close, over the open."""
    return (np.minimum(open_, close) - low) / open_


def lower_shadow_of_range(runs: Runs, open_: Values, high: Values, low: Values, close: Values) -> Values:
    """Low below open and close, over the bar's range."""
    return ratio(np.minimum(open_, close) - low, high - low, 0.0)


def shift_of_open(runs: Runs, open_: Values, high: Values, low: Values, close: Values) -> Values:
    """Twice the close minus high and low, over the open."""
    return (2.0 * close - high - low) / open_


def shift_of_range(runs: Runs, high: Values, low: Values, close: Values) -> Values:
    """Twice the close minus high and low, over the bar's range."""
    return ratio(2.0 * close - high - low, high - low, 0.0)


def of_close(runs: Runs, price: Values, close: Values) -> Values:
    """A price over the close."""
    return price / close


def typical_of_close(runs: Runs, high: Values, low: Values, close: Values) -> Values:
    """Typical price over the close."""
    return (high + low + close) / 3.0 / close


def past_close(runs: Runs, close: Values, window: int) -> Values:
    """Close `window` bars ago over the close."""
    return lagged(runs, close, window) / close


def mean_close(runs: Runs, close: Values, window: int) -> Values:
    """Mean close of the window over the close."""
    return window_mean(runs, close, window) / close


def deviation_of_close(runs: Runs, close: Values, window: int) -> Values:
    """Sample standard deviation of the window's closes, over the close."""
    return window_deviation(runs, close, window, 1) / close


def slope_of_close(runs: Runs, close: Values, window: int) -> Values:
    """Least-squares slope a bar of the window's closes, over the close."""
    return window_slope(runs, close, window) / close


def determination(runs: Runs, close: Values, window: int) -> Values:
    """R2 of the least-squares line through the window's closes."""
    slope = window_slope(runs, close, window)
    spread = (window + 1) * window / 12.0
    return np.minimum(ratio(slope * slope * spread, window_deviation(runs, close, window, 1) ** 2, 0.0), 1.0)


def residual(runs: Runs, close: Values, window: int) -> Values:
    """Close minus its least-squares line at the newest bar, over the close."""
    fitted = window_mean(runs, close, window) + window_slope(runs, close, window) * ((window - 1) / 2.0)
    return (close - fitted) / close


def highest_of_close(runs: Runs, high: Values, close: Values, window: int) -> Values:
    """Highest high of the window over the close."""
    return window_highest(runs, high, window) / close


def lowest_of_close(runs: Runs, low: Values, close: Values, window: int) -> Values:
    """Lowest low of the window over the close."""
    return window_lowest(runs, low, window) / close


def quantile_of_close(runs: Runs, close: Values, window: int, share: float) -> Values:
    """Quantile of the window's closes over the close."""
    return window_quantile(runs, close, window, share) / close


def rank_of_close(runs: Runs, close: Values, window: int) -> Values:
    """Rank of the close within its window, over the window."""
    return window_rank(runs, close, window)


def raw_stochastic(runs: Runs, high: Values, low: Values, close: Values, window: int) -> Values:
    """Close above the lowest low, over the highest high above the lowest low."""
    lowest = window_lowest(runs, low, window)
    return ratio(close - lowest, window_highest(runs, high, window) - lowest, 0.0)


def place_of_highest(runs: Runs, high: Values, window: int) -> Values:
    """Place of the highest high in its window, 1 the oldest bar, over the window."""
    return (window - window_highest_age(runs, high, window, True)) / window


def place_of_lowest(runs: Runs, low: Values, window: int) -> Values:
    """Place of the lowest low in its window, 1 the oldest bar, over the window."""
    return (window - window_lowest_age(runs, low, window, True)) / window


def highest_after_lowest(runs: Runs, high: Values, low: Values, window: int) -> Values:
    """Bars from the lowest low to the highest high of the window, over the window."""
    return (window_lowest_age(runs, low, window, True) - window_highest_age(runs, high, window, True)) / window


def close_with_volume(runs: Runs, close: Values, volume: Values, window: int) -> Values:
    """Correlation of the close with the logarithm of volume + 1."""
    return window_correlation(runs, close, _log_volume(runs, volume), window)


def change_with_volume(runs: Runs, close: Values, volume: Values, window: int) -> Values:
    """Correlation of the close's growth with the logarithm of the volume's growth + 1."""
    return window_correlation(runs, _growth(runs, close), _log_growth(runs, volume), window)


def share_of_rises(runs: Runs, close: Values, window: int) -> Values:
    """Share of the window's bars that closed above the bar before."""
    return _rises(runs, close, window) / window


def share_of_falls(runs: Runs, close: Values, window: int) -> Values:
    """Share of the window's bars that closed below the bar before."""
    return _falls(runs, close, window) / window


def rises_less_falls(runs: Runs, close: Values, window: int) -> Values:
    """Share of rises minus share of falls."""
    return (_rises(runs, close, window) - _falls(runs, close, window)) / window


def gains(runs: Runs, values: Values, window: int) -> Values:
    """Sum of the window's increases over the sum of all its changes' sizes."""
    up, down = _moves(runs, values, window)
    return ratio(up, up + down, 0.0)


def losses(runs: Runs, values: Values, window: int) -> Values:
    """Sum of the window's decreases over the sum of all its changes' sizes."""
    up, down = _moves(runs, values, window)
    return ratio(down, up + down, 0.0)


def gains_less_losses(runs: Runs, values: Values, window: int) -> Values:
    """Increases minus decreases over the sum of all changes' sizes."""
    up, down = _moves(runs, values, window)
    return ratio(up - down, up + down, 0.0)


def mean_volume(runs: Runs, volume: Values, window: int) -> Values:
    """Mean volume of the window over the bar's volume."""
    return _over_traded(window_mean(runs, volume, window), volume)


def deviation_of_volume(runs: Runs, volume: Values, window: int) -> Values:
    """Sample standard deviation of the window's volumes over the bar's volume."""
    return _over_traded(window_deviation(runs, volume, window, 1), volume)


def weighted_volatility(runs: Runs, close: Values, volume: Values, window: int) -> Values:
    """Sample standard deviation over mean of the window's absolute returns times volume."""
    flow = _flow(runs, close, volume)
    return ratio(window_deviation(runs, flow, window, 1), window_mean(runs, flow, window), 0.0)


def _over_traded(values: Values, volume: Values) -> Values:
    # A denominator that is null where the value is: else the first bars of a run, untraded, would be known.
    return ratio(values, np.where(np.isnan(values), np.nan, volume), 0.0)


@shared
def _growth(runs: Runs, close: Values) -> Values:
    return close / lagged(runs, close, 1)


@shared
def _log_volume(_runs: Runs, volume: Values) -> Values:
    return np.log(volume + 1.0)


@shared
def _log_growth(runs: Runs, volume: Values) -> Values:
    return np.log(ratio(volume, lagged(runs, volume, 1), 1.0) + 1.0)


@shared
def _flow(runs: Runs, close: Values, volume: Values) -> Values:
    return np.abs(_growth(runs, close) - 1.0) * volume


@shared
def _side(runs: Runs, close: Values) -> Values:
    return np.sign(change(runs, close))


@shared
def _rises(runs: Runs, close: Values, window: int) -> Values:
    """How many of the window's bars closed above the bar before; counted exactly, so that as many falls cancel."""
    return np.rint(window * window_mean(runs, np.maximum(_side(runs, close), 0.0), window))


@shared
def _falls(runs: Runs, close: Values, window: int) -> Values:
    return np.rint(window * window_mean(runs, np.maximum(-_side(runs, close), 0.0), window))


@shared
def _increase(runs: Runs, values: Values) -> Values:
    return np.maximum(change(runs, values), 0.0)


@shared
def _decrease(runs: Runs, values: Values) -> Values:
    return np.maximum(-change(runs, values), 0.0)


def _moves(runs: Runs, values: Values, window: int) -> tuple[Values, Values]:
    """Mean increase and mean decrease of the window; a change that is no increase counts as 0, and so the other way."""
    return (
        window_mean(runs, _increase(runs, values), window),
        window_mean(runs, _decrease(runs, values), window),
    )


def _bar(name: str, compute: Callable[..., Values], inputs: tuple[str, ...], expression: str) -> Indicator:
    """Record of a feature of one bar."""
    flat = "; 0 in a bar without range" if "$high-$low+" in expression else ""
    return Indicator(
        name=name,
        group=_GROUP,
        inputs=inputs,
        parameters={},
        warm_up=0,
        look_back=1,
        tolerance=0.0,
        unit="fraction",
        meaning=f"{expression}{flat}: {_words(compute)}",
        source=_SOURCE,
        compute=compute,
    )


def _windows(
    name: str,
    compute: Callable[..., Values],
    inputs: tuple[str, ...],
    expression: str,
    flat: str = "",
    before: int = 0,
    scale_free: bool = True,
    **parameters: float,
) -> tuple[Indicator, ...]:
    """Records of one rolling feature over each of qlib's windows; `before` counts bars needed ahead of the window."""
    return tuple(
        Indicator(
            name=f"{name}{window}",
            group=_GROUP,
            inputs=inputs,
            parameters={"window": window, **parameters},
            warm_up=window - 1 + before,
            look_back=window + before,
            tolerance=0.0,
            unit="fraction",
            meaning=f"{_DAYS.sub(str(window), expression)}{flat}: {_words(compute)}",
            source=_SOURCE,
            compute=compute,
            scale_free=scale_free,
        )
        for window in WINDOWS
    )


def _words(compute: Callable[..., Values]) -> str:
    text = (compute.__doc__ or "").strip().rstrip(".")
    return text[:1].lower() + text[1:]


_CHANGE = "$close-Ref($close,1)"
_VOLUME_CHANGE = "$volume-Ref($volume,1)"
_CONSTANT = "; 0 where a side is constant"
_STILL = "; 0 where nothing changed"

INDICATORS: Final[tuple[Indicator, ...]] = (
    _bar("KMID", body_of_open, (OPEN, CLOSE), "($close-$open)/$open"),
    _bar("KLEN", range_of_open, (OPEN, HIGH, LOW), "($high-$low)/$open"),
    _bar("KMID2", body_of_range, (OPEN, HIGH, LOW, CLOSE), "($close-$open)/($high-$low+1e-12)"),
    _bar("KUP", upper_shadow_of_open, (OPEN, HIGH, CLOSE), "($high-Greater($open,$close))/$open"),
    _bar("KUP2", upper_shadow_of_range, (OPEN, HIGH, LOW, CLOSE), "($high-Greater($open,$close))/($high-$low+1e-12)"),
    _bar("KLOW", lower_shadow_of_open, (OPEN, LOW, CLOSE), "(Less($open,$close)-$low)/$open"),
    _bar("KLOW2", lower_shadow_of_range, (OPEN, HIGH, LOW, CLOSE), "(Less($open,$close)-$low)/($high-$low+1e-12)"),
    _bar("KSFT", shift_of_open, (OPEN, HIGH, LOW, CLOSE), "(2*$close-$high-$low)/$open"),
    _bar("KSFT2", shift_of_range, (HIGH, LOW, CLOSE), "(2*$close-$high-$low)/($high-$low+1e-12)"),
    _bar("OPEN0", of_close, (OPEN, CLOSE), "$open/$close"),
    _bar("HIGH0", of_close, (HIGH, CLOSE), "$high/$close"),
    _bar("LOW0", of_close, (LOW, CLOSE), "$low/$close"),
    _bar("VWAP0", typical_of_close, (HIGH, LOW, CLOSE), "$vwap/$close"),
    *_windows("ROC", past_close, (CLOSE,), "Ref($close,d)/$close", before=1),
    *_windows("MA", mean_close, (CLOSE,), "Mean($close,d)/$close"),
    *_windows("STD", deviation_of_close, (CLOSE,), "Std($close,d)/$close"),
    *_windows("BETA", slope_of_close, (CLOSE,), "Slope($close,d)/$close"),
    *_windows("RSQR", determination, (CLOSE,), "Rsquare($close,d)", "; 0 where constant"),
    *_windows("RESI", residual, (CLOSE,), "Resi($close,d)/$close"),
    *_windows("MAX", highest_of_close, (HIGH, CLOSE), "Max($high,d)/$close"),
    *_windows("MIN", lowest_of_close, (LOW, CLOSE), "Min($low,d)/$close"),
    *_windows("QTLU", quantile_of_close, (CLOSE,), "Quantile($close,d,0.8)/$close", share=0.8),
    *_windows("QTLD", quantile_of_close, (CLOSE,), "Quantile($close,d,0.2)/$close", share=0.2),
    *_windows("RANK", rank_of_close, (CLOSE,), "Rank($close,d)"),
    *_windows(
        "RSV",
        raw_stochastic,
        (HIGH, LOW, CLOSE),
        "($close-Min($low,d))/(Max($high,d)-Min($low,d)+1e-12)",
        "; 0 where the window has no range",
    ),
    *_windows("IMAX", place_of_highest, (HIGH,), "IdxMax($high,d)/d", ", the oldest of equals"),
    *_windows("IMIN", place_of_lowest, (LOW,), "IdxMin($low,d)/d", ", the oldest of equals"),
    *_windows(
        "IMXD", highest_after_lowest, (HIGH, LOW), "(IdxMax($high,d)-IdxMin($low,d))/d", ", the oldest of equals"
    ),
    # Adding 1 to a number of shares gives it a scale: wherever prices are adjusted later this must stay out.
    *_windows("CORR", close_with_volume, (CLOSE, VOLUME), "Corr($close,Log($volume+1),d)", _CONSTANT, scale_free=False),
    *_windows(
        "CORD",
        change_with_volume,
        (CLOSE, VOLUME),
        "Corr($close/Ref($close,1),Log($volume/Ref($volume,1)+1),d)",
        f"{_CONSTANT}, volume after an untraded bar taken as unchanged",
        before=1,
    ),
    *_windows("CNTP", share_of_rises, (CLOSE,), "Mean($close>Ref($close,1),d)", before=1),
    *_windows("CNTN", share_of_falls, (CLOSE,), "Mean($close<Ref($close,1),d)", before=1),
    *_windows(
        "CNTD",
        rises_less_falls,
        (CLOSE,),
        "Mean($close>Ref($close,1),d)-Mean($close<Ref($close,1),d)",
        before=1,
    ),
    *_windows("SUMP", gains, (CLOSE,), f"Sum(Greater({_CHANGE},0),d)/(Sum(Abs({_CHANGE}),d)+1e-12)", _STILL, 1),
    *_windows("SUMN", losses, (CLOSE,), f"Sum(Less({_CHANGE},0),d)/(-Sum(Abs({_CHANGE}),d)-1e-12)", _STILL, 1),
    *_windows("SUMD", gains_less_losses, (CLOSE,), f"Sum({_CHANGE},d)/(Sum(Abs({_CHANGE}),d)+1e-12)", _STILL, 1),
    *_windows("VMA", mean_volume, (VOLUME,), "Mean($volume,d)/($volume+1e-12)", "; 0 in an untraded bar"),
    *_windows("VSTD", deviation_of_volume, (VOLUME,), "Std($volume,d)/($volume+1e-12)", "; 0 in an untraded bar"),
    *_windows(
        "WVMA",
        weighted_volatility,
        (CLOSE, VOLUME),
        "Std(Abs($close/Ref($close,1)-1)*$volume,d)/(Mean(Abs($close/Ref($close,1)-1)*$volume,d)+1e-12)",
        "; 0 where no traded bar moved",
        before=1,
    ),
    *_windows(
        "VSUMP", gains, (VOLUME,), f"Sum(Greater({_VOLUME_CHANGE},0),d)/(Sum(Abs({_VOLUME_CHANGE}),d)+1e-12)", _STILL, 1
    ),
    *_windows(
        "VSUMN", losses, (VOLUME,), f"Sum(Less({_VOLUME_CHANGE},0),d)/(-Sum(Abs({_VOLUME_CHANGE}),d)-1e-12)", _STILL, 1
    ),
    *_windows(
        "VSUMD",
        gains_less_losses,
        (VOLUME,),
        f"Sum({_VOLUME_CHANGE},d)/(Sum(Abs({_VOLUME_CHANGE}),d)+1e-12)",
        _STILL,
        1,
    ),
)
"""The whole set, in qlib's order."""
