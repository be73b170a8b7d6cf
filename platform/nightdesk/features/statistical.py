"""Statistics of a symbol's own past: moments, quantiles and memory of returns, entropy, ranks, lags."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from nightdesk.features.indicator import Indicator, define
from nightdesk.features.primitives import Runs, Values, change, lagged, log_return, ratio
from nightdesk.features.rolling import (
    window_correlation,
    window_deviation,
    window_mean,
    window_moment,
    window_quantile,
    window_rank,
    window_rescaled_range,
)
from nightdesk.tables import CLOSE

_PARTS = (15, 30, 60, 120)


def skewness(runs: Runs, close: Values, window: int) -> Values:
    """Skewness of the window's daily log returns over the population's deviation; 0 where constant."""
    return window_moment(runs, log_return(runs, close), window, 3)


def kurtosis(runs: Runs, close: Values, window: int) -> Values:
    """Kurtosis of the window's daily log returns (3 for a normal distribution); 0 where constant."""
    return window_moment(runs, log_return(runs, close), window, 4)


def autocorrelation(runs: Runs, close: Values, lag: int, window: int) -> Values:
    """Correlation of the window's daily log returns with those `lag` bars before, -1 to 1; 0 where constant."""
    moves = log_return(runs, close)
    return window_correlation(runs, moves, lagged(runs, moves, lag), window)


def return_quantile(runs: Runs, close: Values, window: int, share: float) -> Values:
    """Quantile of the window's daily returns, linear between neighbours, a fraction."""
    return window_quantile(runs, close / lagged(runs, close, 1) - 1.0, window, share)


def return_rank(runs: Runs, close: Values, window: int) -> Values:
    """Rank of the newest daily return among the window's, over the window."""
    return window_rank(runs, close / lagged(runs, close, 1) - 1.0, window)


def close_rank(runs: Runs, close: Values, window: int) -> Values:
    """Rank of the close among the window's, over the window."""
    return window_rank(runs, close, window)


def close_score(runs: Runs, close: Values, window: int) -> Values:
    """Close minus its mean of the window over its sample standard deviation; 0 where constant."""
    return ratio(close - window_mean(runs, close, window), window_deviation(runs, close, window, 1), 0.0)


def variance_ratio(runs: Runs, close: Values, days: int, window: int) -> Values:
    """Variance of returns over `days` bars over `days` times that of daily ones; 1 where constant."""
    daily = log_return(runs, close)
    far = np.log(close / lagged(runs, close, days))
    square, whole = (window_deviation(runs, values, window, 1) ** 2 for values in (daily, far))
    return ratio(whole, days * square + 0.0 * whole, 1.0)


def hurst(runs: Runs, close: Values, window: int) -> Values:
    """Hurst's exponent by rescaled range, 0.5 for independent returns; 0.5 where too little moved."""
    moves = log_return(runs, close)
    logs = [np.log(window_rescaled_range(runs, moves, window, part)) for part in _PARTS]
    places = np.log(np.array(_PARTS, dtype=np.float64))
    weights = (places - places.mean()) / np.sum((places - places.mean()) ** 2)
    slope = sum((weight * log for weight, log in zip(weights.tolist(), logs, strict=True)), np.zeros(close.size))
    # A part without any movement has no rescaled range; a run's first bars have no window.
    return np.where(np.isnan(slope) & ~np.isnan(lagged(runs, close, window)), 0.5, slope)


def permutation_entropy(runs: Runs, close: Values, window: int) -> Values:
    """Entropy of the orders of three successive closes over the window's, 0 to 1; equal closes count as rising."""
    first, second, third = lagged(runs, close, 2), lagged(runs, close, 1), close
    order = 4.0 * (first > second) + 2.0 * (first > third) + 1.0 * (second > third) + 0.0 * first
    # Of the 8 combinations the orders of three values allow 6.
    return _entropy(runs, order, (0.0, 1.0, 3.0, 4.0, 6.0, 7.0), window)


def sign_entropy(runs: Runs, close: Values, window: int) -> Values:
    """Entropy of rising, unchanged and falling closes over the window's, 0 to 1."""
    return _entropy(runs, np.sign(change(runs, close)), (-1.0, 0.0, 1.0), window)


def earlier_return(runs: Runs, close: Values, lag: int) -> Values:
    """Daily return of `lag` bars ago, a fraction."""
    return lagged(runs, close, lag) / lagged(runs, close, lag + 1) - 1.0


def _entropy(runs: Runs, codes: Values, alphabet: tuple[float, ...], window: int) -> Values:
    """Shannon's entropy of the window's codes over that of equally frequent ones."""
    total = np.zeros(codes.size)
    for code in alphabet:
        share = window_mean(runs, np.where(np.isnan(codes), np.nan, codes == code), window)
        total -= share * np.log(np.where(share == 0.0, 1.0, share))
    return np.maximum(total, 0.0) / math.log(len(alphabet))


def _of_closes(
    name: str,
    compute: Callable[..., Values],
    warm_up: int,
    unit: str,
    meaning: str,
    source: str,
    **parameters: float,
) -> Indicator:
    """Record of a feature of closes over a finite window."""
    return define(name, "statistical", (CLOSE,), compute, warm_up, unit, meaning, source, parameters)


_HARVEY = "Harvey & Siddique 2000, Journal of Finance 55(3)"
_CAMPBELL = "Campbell, Lo & MacKinlay 1997, The Econometrics of Financial Markets, chapter 2"
_SMIRNOV = "empirical quantile, type 7 of Hyndman & Fan 1996, The American Statistician 50(4)"

INDICATORS: Final[tuple[Indicator, ...]] = (
    *(
        _of_closes(
            f"skewness_{window}",
            skewness,
            window,
            "ratio",
            f"third central moment of {window} daily log returns over the cube of their population standard deviation;"
            " 0 where constant",
            _HARVEY,
            window=window,
        )
        for window in (20, 60)
    ),
    *(
        _of_closes(
            f"kurtosis_{window}",
            kurtosis,
            window,
            "ratio",
            f"fourth central moment of {window} daily log returns over their squared population variance, 3 for a"
            " normal distribution; 0 where constant",
            "Pearson 1905, Biometrika 4; Campbell, Lo & MacKinlay 1997, section 1.4",
            window=window,
        )
        for window in (20, 60)
    ),
    *(
        _of_closes(
            f"autocorrelation_{lag}_60",
            autocorrelation,
            60 + lag,
            "fraction, -1 to 1",
            f"correlation of the last 60 daily log returns with those {lag} bars before each; 0 where constant",
            _CAMPBELL,
            lag=lag,
            window=60,
        )
        for lag in (1, 5)
    ),
    *(
        _of_closes(
            f"return_quantile_{name}_60",
            return_quantile,
            60,
            "fraction",
            f"quantile at {share} of the last 60 daily returns, linear between neighbours",
            _SMIRNOV,
            window=60,
            share=share,
        )
        for name, share in (("05", 0.05), ("50", 0.5), ("95", 0.95))
    ),
    _of_closes(
        "return_rank_60",
        return_rank,
        60,
        "fraction, 0 to 1",
        "rank of the newest among 60 daily returns over 60, 1 at the highest; equal ones take their mean rank",
        "Kakushadze 2016, 101 Formulaic Alphas, Wilmott 84",
        window=60,
    ),
    _of_closes(
        "close_rank_252",
        close_rank,
        251,
        "fraction, 0 to 1",
        "rank of the close among 252 closes over 252, 1 at the highest; equal ones take their mean rank",
        "Kakushadze 2016, 101 Formulaic Alphas, Wilmott 84",
        window=252,
    ),
    _of_closes(
        "close_score_60",
        close_score,
        59,
        "standard deviations",
        "close minus its mean of 60 bars, over its sample standard deviation; 0 where constant",
        "standard score; Gatev, Goetzmann & Rouwenhorst 2006, Review of Financial Studies 19(3)",
        window=60,
    ),
    _of_closes(
        "variance_ratio_5_60",
        variance_ratio,
        64,
        "ratio",
        "sample variance of 60 overlapping log returns over 5 bars, over 5 times that of 60 daily ones: above 1 in"
        " trends, below in reversals; 1 where constant",
        "Lo & MacKinlay 1988, Review of Financial Studies 1(1)",
        days=5,
        window=60,
    ),
    _of_closes(
        "hurst_120",
        hurst,
        120,
        "exponent",
        "least-squares slope of the logarithm of the mean rescaled range of parts of 15, 30, 60 and 120 daily log"
        " returns on that of their length; 0.5 where too little moved; biased upward in so short a window",
        "Mandelbrot & Wallis 1969, Water Resources Research 5(5)",
        window=120,
    ),
    _of_closes(
        "permutation_entropy_60",
        permutation_entropy,
        61,
        "fraction, 0 to 1",
        "entropy of the orders of three successive closes at the last 60 bars over ln 6; equal closes count as rising",
        "Bandt & Pompe 2002, Physical Review Letters 88(17)",
        window=60,
    ),
    _of_closes(
        "sign_entropy_60",
        sign_entropy,
        60,
        "fraction, 0 to 1",
        "entropy of rising, unchanged and falling closes of 60 bars over ln 3",
        "Shannon 1948, Bell System Technical Journal 27(3)",
        window=60,
    ),
    *(
        _of_closes(
            f"return_1_lag_{lag}",
            earlier_return,
            lag + 1,
            "fraction",
            f"close {lag} bars ago over the close {lag + 1} bars ago, minus 1",
            _CAMPBELL,
            lag=lag,
        )
        for lag in range(1, 6)
    ),
)
"""The whole family."""
