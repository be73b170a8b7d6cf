"""What the date alone tells: weekday, month, season, and how long the symbol has not traded.

All of it is known in advance: a bar's date, never which days will be traded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nightdesk.features.indicator import Indicator, define
from nightdesk.features.primitives import Flags, Runs, Values, lagged
from nightdesk.tables import DATE

_YEAR = 365.25
# 1970-01-01 was a Thursday.
_THURSDAY = 3
_FIRST_DAYS = 3


def weekday(_runs: Runs, date: Values) -> Values:
    """Day of the week, 0 on Monday to 6 on Sunday."""
    return np.mod(date + _THURSDAY, 7.0)


def month(_runs: Runs, date: Values) -> Values:
    """Month of the year, 1 to 12."""
    return np.mod(_months(date).astype(np.float64), 12.0) + 1.0


def day_of_month(_runs: Runs, date: Values) -> Values:
    """Day of the month, 1 to 31."""
    return date - _first_day(_months(date)) + 1.0


def days_to_month_end(_runs: Runs, date: Values) -> Values:
    """Calendar days left in the month, 0 on its last."""
    return _first_day(_months(date) + 1) - date - 1.0


def days_into_quarter(_runs: Runs, date: Values) -> Values:
    """Calendar days since the quarter's first, 0 to 91."""
    months = _months(date)
    return date - _first_day(months - np.mod(months.astype(np.int64), 3))


def turn_of_month(runs: Runs, date: Values) -> Values:
    """1 on the last calendar day of a month and its first three, else 0."""
    near: Flags = (days_to_month_end(runs, date) == 0.0) | (day_of_month(runs, date) <= _FIRST_DAYS)
    return near.astype(np.float64)


def season_sine(_runs: Runs, date: Values) -> Values:
    """Sine of the time of the year, a circle from one January to the next."""
    return np.sin(2.0 * np.pi * _day_of_year(date) / _YEAR)


def season_cosine(_runs: Runs, date: Values) -> Values:
    """Cosine of the time of the year, a circle from one January to the next."""
    return np.cos(2.0 * np.pi * _day_of_year(date) / _YEAR)


def days_since_bar(runs: Runs, date: Values) -> Values:
    """Calendar days since the symbol's bar before."""
    return date - lagged(runs, date, 1)


def _months(date: Values) -> NDArray[np.datetime64]:
    return date.astype(np.int64).astype("datetime64[D]").astype("datetime64[M]")


def _first_day(months: NDArray[np.datetime64]) -> Values:
    return months.astype("datetime64[D]").astype(np.int64).astype(np.float64)


def _day_of_year(date: Values) -> Values:
    return date - _first_day(_months(date).astype("datetime64[Y]").astype("datetime64[M]"))


def _of_date(
    name: str, compute: Callable[..., Values], unit: str, meaning: str, source: str, warm_up: int = 0
) -> Indicator:
    return define(name, "dates", (DATE,), compute, warm_up, unit, meaning, source)


_FRENCH = "French 1980, Journal of Financial Economics 8(1)"
_ARIEL = "Ariel 1987, Journal of Financial Economics 18(1)"
_ROZEFF = "Rozeff & Kinney 1976, Journal of Financial Economics 3(4)"

INDICATORS: Final[tuple[Indicator, ...]] = (
    _of_date("weekday", weekday, "day, 0 to 6", "day of the week, 0 on Monday", _FRENCH),
    _of_date("month", month, "month, 1 to 12", "month of the year", _ROZEFF),
    _of_date("day_of_month", day_of_month, "day, 1 to 31", "day of the month", _ARIEL),
    _of_date("days_to_month_end", days_to_month_end, "days", "calendar days left in the month, 0 on its last", _ARIEL),
    _of_date(
        "days_into_quarter",
        days_into_quarter,
        "days",
        "calendar days since the first of the quarter, 0 to 91",
        "Penman 1987, Journal of Financial Economics 18(2)",
    ),
    _of_date(
        "turn_of_month",
        turn_of_month,
        "flag",
        "1 on the last calendar day of a month and the first three, else 0",
        "Lakonishok & Smidt 1988, Review of Financial Studies 1(4)",
    ),
    _of_date(
        "season_sine", season_sine, "ratio, -1 to 1", "sine of days since 1 January over 365.25 of a turn", _ROZEFF
    ),
    _of_date(
        "season_cosine",
        season_cosine,
        "ratio, -1 to 1",
        "cosine of days since 1 January over 365.25 of a turn",
        _ROZEFF,
    ),
    _of_date(
        "days_since_bar",
        days_since_bar,
        "days",
        "calendar days since the symbol's bar before: 3 after a weekend, more after a holiday or a halt",
        "Fields 1934, Journal of the American Statistical Association 29(188)",
        warm_up=1,
    ),
)
"""The whole family."""
