"""Trading days before a day: what a source that restates is asked for again."""

from __future__ import annotations

import datetime as dt

import pytest

from nightdesk.errors import BadDate, UnknownName
from nightdesk.sessions import check_calendar, trading_days_before

CHRISTMAS = dt.date(2023, 12, 25)


@pytest.mark.parametrize(
    ("code", "day", "count", "expected"),
    [
        ("XNYS", CHRISTMAS, 2, [dt.date(2023, 12, 21), dt.date(2023, 12, 22)]),
        ("XNYS", dt.date(2023, 12, 26), 2, [dt.date(2023, 12, 21), dt.date(2023, 12, 22)]),
        ("XNYS", dt.date(2023, 12, 27), 1, [dt.date(2023, 12, 26)]),
        ("24/7", CHRISTMAS, 2, [dt.date(2023, 12, 23), dt.date(2023, 12, 24)]),
        ("XNYS", dt.date(1990, 1, 4), 5, [dt.date(1990, 1, 2), dt.date(1990, 1, 3)]),
        ("XNYS", CHRISTMAS, 0, []),
    ],
)
def test_the_last_days_before_a_day(code: str, day: dt.date, count: int, expected: list[dt.date]) -> None:
    assert trading_days_before(code, day, count) == expected


def test_what_no_calendar_knows_is_named() -> None:
    with pytest.raises(BadDate, match="dates must lie within the XNYS calendar"):
        trading_days_before("XNYS", dt.date(1962, 1, 3), 1)
    with pytest.raises(UnknownName, match="exchange calendar must be one of"):
        check_calendar("XNYX")
