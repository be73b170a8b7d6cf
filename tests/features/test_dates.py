"""What a date alone tells, against the standard library's calendar, day by day over leap years."""

import calendar
import datetime as dt
import math
from collections.abc import Callable

import polars as pl
import pytest

from nightdesk.features import INDICATORS
from nightdesk.features.matrix import feature_matrix
from nightdesk.tables import DATE, SYMBOL

FIRST, DAYS = dt.date(1999, 12, 25), 1600


def month_length(day: dt.date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def season(day: dt.date) -> float:
    return 2 * math.pi * (day.timetuple().tm_yday - 1) / 365.25


EXPECTED: dict[str, Callable[[dt.date], float]] = {
    "weekday": dt.date.weekday,
    "month": lambda day: day.month,
    "day_of_month": lambda day: day.day,
    "days_to_month_end": lambda day: month_length(day) - day.day,
    "days_into_quarter": lambda day: (day - day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)).days,
    "turn_of_month": lambda day: day.day in (1, 2, 3, month_length(day)),
    "season_sine": lambda day: math.sin(season(day)),
    "season_cosine": lambda day: math.cos(season(day)),
}


def bars(days: list[dt.date]) -> pl.DataFrame:
    return pl.DataFrame({SYMBOL: ["A"] * len(days), DATE: days})


@pytest.mark.parametrize("name", EXPECTED)
def test_equals_the_calendar(name: str) -> None:
    days = [FIRST + dt.timedelta(days=number) for number in range(DAYS)]
    found = feature_matrix(bars(days), [name])[name]
    assert found.to_list() == pytest.approx([float(EXPECTED[name](day)) for day in days], abs=1e-6)


def test_days_since_the_bar_before() -> None:
    days = [dt.date(2024, 2, 28), dt.date(2024, 2, 29), dt.date(2024, 3, 4), dt.date(2024, 12, 31)]
    assert feature_matrix(bars(days), ["days_since_bar"])["days_since_bar"].to_list() == [None, 1.0, 4.0, 302.0]


def test_the_calendar_tests_miss_no_feature() -> None:
    ours = {indicator.name for indicator in INDICATORS.values() if indicator.group == "dates"}
    assert ours == {*EXPECTED, "days_since_bar"}
