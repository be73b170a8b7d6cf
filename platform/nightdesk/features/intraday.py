"""What the hours or minutes of a day say that its daily bar does not: from the measures of its session.

The measures (`sources.session_measures`) are stored beside the daily bars, known when these are. They are of bars of
the source's own length; those of hours (`hour_...`) are there where its bars are shorter than an hour.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from nightdesk.features.indicator import Indicator, define
from nightdesk.features.primitives import Runs, Values, ratio
from nightdesk.features.rolling import window_mean
from nightdesk.tables import (
    BIPOWER_VARIATION,
    DOWNSIDE_SEMIVARIANCE,
    FIRST_RETURN,
    FIRST_VOLUME_SHARE,
    HOUR_FIRST_RETURN,
    HOUR_LAST_RETURN,
    HOUR_REALIZED_VARIANCE,
    LAST_RETURN,
    LAST_VOLUME_SHARE,
    REALIZED_SKEWNESS,
    REALIZED_VARIANCE,
    VWAP_GAP,
)

GROUP: Final = "intraday"

_YEAR = 252


def as_measured(_runs: Runs, measure: Values) -> Values:
    """The measure of the day's session."""
    return measure


def mean_of_window(runs: Runs, measure: Values, window: int) -> Values:
    """Mean of the measures of the last `window` sessions."""
    return window_mean(runs, measure, window)


def over_its_mean(runs: Runs, measure: Values, window: int) -> Values:
    """The measure over its mean of the last `window` sessions; 1 where that is 0."""
    return ratio(measure, window_mean(runs, measure, window), 1.0)


def realized_volatility(runs: Runs, variance: Values, window: int, days_a_year: int) -> Values:
    """Annualised root of the mean realized variance of the last `window` sessions, a fraction."""
    return np.sqrt(days_a_year * window_mean(runs, variance, window))


def realized_volatility_ratio(runs: Runs, variance: Values, fast: int, slow: int) -> Values:
    """Root of the mean realized variance of the last `fast` sessions over that of the last `slow`."""
    return np.sqrt(ratio(window_mean(runs, variance, fast), window_mean(runs, variance, slow), 1.0))


def share_of_variance(runs: Runs, part: Values, variance: Values, window: int, flat: float) -> Values:
    """Sum of a part of the realized variance of the last `window` sessions over all of it; `flat` where that is 0."""
    return ratio(window_mean(runs, part, window), window_mean(runs, variance, window), flat)


def jump_share(runs: Runs, bipower: Values, variance: Values, window: int) -> Values:
    """Share of the realized variance of the last `window` sessions above bipower variation, 0 to 1; 0 in calm ones."""
    jumps = np.maximum(variance - bipower, 0.0)
    return ratio(window_mean(runs, jumps, window), window_mean(runs, variance, window), 0.0)


_ANNUAL: Final = "annualised fraction"
_FRACTION: Final = "fraction"
_SHARE: Final = "fraction, 0 to 1"

_REALIZED: Final = "Andersen, Bollerslev, Diebold & Labys 2003, Econometrica 71(2)"
_SEMIVARIANCE: Final = "Barndorff-Nielsen, Kinnebrock & Shephard 2010, Measuring downside risk: realised semivariance"
_BIPOWER: Final = "Barndorff-Nielsen & Shephard 2004, Journal of Financial Econometrics 2(1)"
_SKEWNESS: Final = "Amaya, Christoffersen, Jacobs & Vasquez 2015, Journal of Financial Economics 118(1)"
_PERIODICITY: Final = "Heston, Korajczyk & Sadka 2010, Journal of Finance 65(4)"
_MOMENTUM: Final = "market intraday momentum; Gao, Han, Li & Zhou 2018, Journal of Financial Economics 129(2)"
_VWAP: Final = "Berkowitz, Logue & Noser 1988, Journal of Finance 43(1)"
_VOLUME: Final = "Admati & Pfleiderer 1988, Review of Financial Studies 1(1)"
_VARIANCE_RATIO: Final = "variance ratio; Lo & MacKinlay 1988, Review of Financial Studies 1(1)"


def _volatilities(prefix: str, measure: str, bars: str) -> tuple[Indicator, ...]:
    """The realized volatility of sessions, from returns of `bars`."""
    return tuple(
        define(
            f"{prefix}realized_volatility_{window}",
            GROUP,
            (measure,),
            realized_volatility,
            window - 1,
            _ANNUAL,
            f"root of the mean of {window} sessions' sums of squared log returns of {bars}, annualised; without nights",
            _REALIZED,
            {"window": window, "days_a_year": _YEAR},
        )
        for window in (5, 20)
    )


def _returns(name: str, measure: str, meaning: str, source: str, habit: str = _PERIODICITY) -> tuple[Indicator, ...]:
    """A part of the session's return: the day's, and its mean of 20 days, a `habit` of the symbol."""
    return (
        define(name, GROUP, (measure,), as_measured, 0, _FRACTION, meaning, source),
        define(
            f"{name}_mean_20",
            GROUP,
            (measure,),
            mean_of_window,
            19,
            _FRACTION,
            f"mean over 20 sessions of: {meaning}",
            habit,
            {"window": 20},
        ),
    )


def _volume_shares(name: str, measure: str, place: str) -> tuple[Indicator, ...]:
    """How much of the day's volume a bar has, and whether that is more than usual."""
    return (
        define(
            name,
            GROUP,
            (measure,),
            as_measured,
            0,
            _SHARE,
            f"volume of the session's {place} bar over that of all; 0 where nothing was traded",
            _VOLUME,
        ),
        define(
            f"{name}_ratio_20",
            GROUP,
            (measure,),
            over_its_mean,
            19,
            "ratio",
            f"share of the {place} bar in its session's volume over the mean of these shares of 20 sessions; 1 where"
            " that is 0",
            _VOLUME,
            {"window": 20},
        ),
    )


INDICATORS: Final[tuple[Indicator, ...]] = (
    *_volatilities("", REALIZED_VARIANCE, "the source's bars"),
    define(
        "realized_volatility_ratio_5_20",
        GROUP,
        (REALIZED_VARIANCE,),
        realized_volatility_ratio,
        19,
        "ratio",
        "realized volatility of 5 sessions over that of 20; 1 where that is 0",
        "horizons of volatility; Corsi 2009, Journal of Financial Econometrics 7(2)",
        {"fast": 5, "slow": 20},
    ),
    *(
        define(
            f"realized_downside_share_{window}",
            GROUP,
            (DOWNSIDE_SEMIVARIANCE, REALIZED_VARIANCE),
            share_of_variance,
            window - 1,
            _SHARE,
            f"squared negative log returns of bars over all squared ones of {window} sessions; 0.5 where nothing moved",
            _SEMIVARIANCE,
            {"window": window, "flat": 0.5},
        )
        for window in (5, 20)
    ),
    *(
        define(
            f"realized_jump_share_{window}",
            GROUP,
            (BIPOWER_VARIATION, REALIZED_VARIANCE),
            jump_share,
            window - 1,
            _SHARE,
            "what each session's realized variance has above its bipower variation, at least 0, over all realized"
            f" variance of {window} sessions; 0 where nothing moved",
            _BIPOWER,
            {"window": window},
        )
        for window in (5, 20)
    ),
    *(
        define(
            f"realized_skewness_{window}",
            GROUP,
            (REALIZED_SKEWNESS,),
            mean_of_window,
            window - 1,
            "none",
            "root of the number of bars times the sum of their cubed log returns over realized variance to 3/2; mean of"
            f" {window} sessions, 0 for one in which nothing moved",
            _SKEWNESS,
            {"window": window},
        )
        for window in (5, 20)
    ),
    *_returns("first_bar_return", FIRST_RETURN, "close of the session's first bar over its open, minus 1", _MOMENTUM),
    *_returns(
        "last_bar_return",
        LAST_RETURN,
        "close of the session's last bar over that of the bar before, minus 1",
        _MOMENTUM,
    ),
    *_returns(
        "session_vwap_gap",
        VWAP_GAP,
        "close over the mean of the bars' typical prices weighted by volume, minus 1; 0 where nothing was traded",
        _VWAP,
        _VWAP,
    ),
    *_volume_shares("first_bar_volume_share", FIRST_VOLUME_SHARE, "first"),
    *_volume_shares("last_bar_volume_share", LAST_VOLUME_SHARE, "last"),
    *_volatilities("hour_", HOUR_REALIZED_VARIANCE, "hours from the open"),
    define(
        "hour_variance_ratio_20",
        GROUP,
        (HOUR_REALIZED_VARIANCE, REALIZED_VARIANCE),
        share_of_variance,
        19,
        "ratio",
        "sum of squared log returns of hours over that of the source's bars of 20 sessions: below 1 where moves within"
        " the hour turn back; 1 where nothing moved",
        _VARIANCE_RATIO,
        {"window": 20, "flat": 1.0},
    ),
    *_returns(
        "hour_first_return",
        HOUR_FIRST_RETURN,
        "close of the session's first hour over its open, minus 1",
        _MOMENTUM,
    ),
    *_returns(
        "hour_last_return",
        HOUR_LAST_RETURN,
        "close of the session over that of the hour before its last, minus 1",
        _MOMENTUM,
    ),
)
"""The whole family."""
