"""Exchange trading days and closes, through exchange_calendars; "24/7" for markets that never close."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import lru_cache

import exchange_calendars as xc
import pandas as pd

from nightdesk.errors import BadDate, UnknownName

_FIRST = dt.date(1990, 1, 1)


@lru_cache(maxsize=8)
def _calendar(code: str) -> xc.ExchangeCalendar:
    check_calendar(code)
    try:
        return xc.get_calendar(code, start=str(_FIRST))
    except ValueError:  # a calendar that is known only from later on, like Tokyo's
        return xc.get_calendar(code, start=type(xc.get_calendar(code)).bound_min())


def trading_days(code: str, first: dt.date, last: dt.date) -> list[dt.date]:
    """Trading days of exchange `code` (for example XNYS) from `first` to `last`, both included; empty if none."""
    _within(code, first)
    _within(code, last)
    calendar = _calendar(code)
    return [day.date() for day in calendar.sessions_in_range(pd.Timestamp(first), pd.Timestamp(last))]


def trading_days_before(code: str, day: dt.date, count: int) -> list[dt.date]:
    """The last `count` trading days of exchange `code` before `day`, ascending; fewer where its calendar begins."""
    _within(code, day)
    sessions = _calendar(code).sessions
    end = int(sessions.searchsorted(pd.Timestamp(day)))
    return [one.date() for one in sessions[max(0, end - count) : end]]


def last_trading_day(code: str, moment: dt.datetime) -> dt.date:
    """The newest trading day of exchange `code` whose close is not after `moment` (UTC, aware)."""
    day = moment.astimezone(dt.UTC).date()
    calendar = _calendar(code)
    _within(code, day)
    session = calendar.date_to_session(pd.Timestamp(day), direction="previous")
    if calendar.session_close(session).to_pydatetime() > moment:
        session = calendar.previous_session(session)
    return session.date()  # type: ignore[no-any-return]


def closed_day(code: str, moment: dt.datetime) -> dt.date | None:
    """The date of `moment` (aware) at exchange `code`, where it does not trade on that day; None where it does."""
    calendar = _calendar(code)
    day = moment.astimezone(calendar.tz).date()
    _within(code, day)
    return None if calendar.is_session(pd.Timestamp(day)) else day


def session_close(code: str, day: dt.date) -> dt.datetime:
    """The close of trading day `day` of exchange `code`, UTC, aware (half days included).

    Raises BadDate where `day` is no trading day.
    """
    check_trading_day(code, day)
    return _calendar(code).session_close(pd.Timestamp(day)).to_pydatetime()  # type: ignore[no-any-return]


def session_closes(code: str, days: list[dt.date]) -> dict[dt.date, dt.datetime]:
    """The close (UTC, aware) of each of `days`; days that are no trading day are left out."""
    if not days:
        return {}
    closes = _calendar(code).closes
    window = closes.loc[pd.Timestamp(min(days)) : pd.Timestamp(max(days))]
    wanted = set(days)
    return {day.date(): close.to_pydatetime() for day, close in window.items() if day.date() in wanted}


def session_spans(code: str, first: dt.date, last: dt.date) -> list[tuple[dt.date, dt.datetime, dt.datetime]]:
    """Trading day, open and close (UTC, aware) of each session of exchange `code` from `first` to `last`, ascending."""
    _within(code, first)
    _within(code, last)
    spans = _calendar(code).schedule.loc[pd.Timestamp(first) : pd.Timestamp(last), ["open", "close"]]
    return [(day.date(), opened.to_pydatetime(), closed.to_pydatetime()) for day, opened, closed in spans.itertuples()]


def time_zone(code: str) -> str:
    """The name of the time zone in which exchange `code` lives, such as America/New_York."""
    return str(_calendar(code).tz)


def newest_closed(code: str, moments: Sequence[dt.datetime], lag: dt.timedelta) -> list[dt.date | None]:
    """For each of `moments` (UTC, aware), the newest trading day whose close plus `lag` is not after it.

    None before the calendar begins.
    """
    calendar = _calendar(code)
    found = calendar.closes.searchsorted([pd.Timestamp(moment - lag) for moment in moments], side="right")
    return [calendar.sessions[position - 1].date() if position else None for position in found]


def next_opened(code: str, moments: Sequence[dt.datetime]) -> list[dt.date | None]:
    """For each of `moments` (UTC, aware), the first trading day whose open is not before it.

    None after the calendar ends, about a year ahead.
    """
    calendar = _calendar(code)
    found = calendar.opens.searchsorted([pd.Timestamp(moment) for moment in moments], side="left")
    sessions = calendar.sessions
    return [sessions[position].date() if position < len(sessions) else None for position in found]


def check_calendar(code: str) -> None:
    """Raise UnknownName, with the nearest known ones, unless `code` names an exchange calendar."""
    if code not in xc.get_calendar_names(include_aliases=True):
        raise UnknownName.among("exchange calendar", code, xc.get_calendar_names(include_aliases=False))


def check_trading_day(code: str, day: dt.date) -> None:
    """Raise BadDate, naming the trading day before and after, unless `day` is one of exchange `code`."""
    _within(code, day)
    calendar = _calendar(code)
    stamp = pd.Timestamp(day)
    if calendar.is_session(stamp):
        return
    before = calendar.date_to_session(stamp, direction="previous").date()
    after = calendar.date_to_session(stamp, direction="next").date()
    raise BadDate(f"the as-of date must be a trading day of {code}, got {day} ({day:%A}): choose {before} or {after}")


def _within(code: str, day: dt.date) -> None:
    calendar = _calendar(code)
    first, last = calendar.first_session.date(), calendar.last_session.date()
    if not first <= day <= last:
        raise BadDate(f"dates must lie within the {code} calendar, {first} to {last}, got {day}")
