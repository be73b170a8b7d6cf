"""A feed that stopped: one incident for one stop, keyed by the first missing day; what was recorded never stops."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import sqlalchemy as sa
from bar_samples import csv_of, put, synthetic_bars

from nightdesk.alerts.feed import GRACE, look_at_feed
from nightdesk.sources import SOURCES, SourceFacts, open_source
from nightdesk.store.incidents import all_incidents

LIVE = SourceFacts("wire", "XNYS", "USD", "raw", dt.timedelta(hours=2), "observed", live=True)
THURSDAY, FRIDAY, MONDAY = dt.date(2017, 6, 29), dt.date(2017, 6, 30), dt.date(2017, 7, 3)
FRIDAYS_CLOSE = dt.datetime(2017, 6, 30, 20, tzinfo=dt.UTC)
DUE = FRIDAYS_CLOSE + LIVE.publication_lag + GRACE
WEEK_LATER = DUE + dt.timedelta(days=7)


def look(store: sa.Engine, newest: dt.date, now: dt.datetime, facts: SourceFacts = LIVE) -> bool:
    return look_at_feed(store, facts, newest, now, "http://127.0.0.1/")


def keys(store: sa.Engine) -> list[str]:
    return all_incidents(store)["key"].to_list()


def test_a_day_is_missed_once_its_close_lag_and_grace_have_passed(store: sa.Engine) -> None:
    assert not look(store, THURSDAY, DUE - dt.timedelta(seconds=1))
    assert keys(store) == []
    assert look(store, THURSDAY, DUE)
    assert keys(store) == ["feed-stopped/wire/2017-06-30"]


def test_one_stop_is_one_incident_and_the_next_stop_another(store: sa.Engine) -> None:
    look(store, THURSDAY, DUE)
    assert look(store, THURSDAY, WEEK_LATER)
    # It gives a day late and is still behind: the same stop.
    assert look(store, FRIDAY, WEEK_LATER)
    assert len(keys(store)) == 1
    assert not look(store, dt.date(2017, 7, 7), WEEK_LATER)
    assert all_incidents(store)["closed_at"].to_list() == [WEEK_LATER]
    assert look(store, dt.date(2017, 7, 7), WEEK_LATER + dt.timedelta(days=14))
    assert keys(store) == ["feed-stopped/wire/2017-06-30", "feed-stopped/wire/2017-07-10"]


def test_no_weekend_and_no_holiday_is_missed(store: sa.Engine) -> None:
    assert not look(store, FRIDAY, DUE + dt.timedelta(days=2))
    independence_day = dt.datetime(2017, 7, 5, 12, tzinfo=dt.UTC)
    assert not look(store, MONDAY, independence_day)


@pytest.mark.parametrize("name", sorted(set(SOURCES) - {"http"}))  # which is always live
def test_what_was_recorded_once_never_stops(store: sa.Engine, name: str, tmp_path: Path) -> None:
    folder = put(tmp_path / "bars", {"all.csv": csv_of(synthetic_bars(symbols=2, days=30))})
    source = open_source(name, **({"folder": folder} if name == "files" else {}))
    assert not look(store, source.last_day(), dt.datetime(2026, 11, 20, tzinfo=dt.UTC), source.facts)
    assert keys(store) == []
