"""A scheduled start on a day without trading ends at once and says so, and catches up on a night that was missed."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from small_nights import choose_home, market_days, run_night, without_prefect
from test_retrain import planned

import flows.backfill
import flows.nightly
from flows.backfill import BackfillParameters, nights_to_fill
from flows.nightly import HOLIDAY, REPEATED, NightParameters
from flows.replay import ReplayParameters, replay
from nightdesk.errors import BadDate, NightLocked
from nightdesk.sessions import closed_day
from nightdesk.settings import read_settings
from nightdesk.store.nights import history

THANKSGIVING = dt.datetime(2026, 11, 26, 23, 30, tzinfo=dt.UTC)
FRIDAY = dt.datetime(2026, 11, 27, 23, 30, tzinfo=dt.UTC)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return choose_home(monkeypatch, tmp_path / "home")


def start(monkeypatch: pytest.MonkeyPatch, moment: dt.datetime, as_of: dt.date | None = None):
    monkeypatch.setattr(flows.nightly, "now", lambda: moment)
    with without_prefect():
        return flows.nightly.nightly.fn(NightParameters(as_of=as_of))


def test_the_exchanges_own_date_decides() -> None:
    assert closed_day("XNYS", THANKSGIVING) == dt.date(2026, 11, 26)
    assert closed_day("XNYS", FRIDAY) is None
    # Saturday in London is still Friday evening in New York.
    assert closed_day("XNYS", dt.datetime(2026, 11, 28, 2, tzinfo=dt.UTC)) is None
    assert closed_day("24/7", dt.datetime(2026, 12, 25, tzinfo=dt.UTC)) is None


def test_a_night_missed_before_a_holiday_is_caught_up_and_then_the_holiday_is_said(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (day,) = market_days(1)
    said = f"XNYS is closed on Thursday, 2026-11-26; the newest night is that of {day}"
    state = start(monkeypatch, THANKSGIVING)
    assert (state.name, state.message) == ("Completed", f"night of {day} done ({said}, and it had not been run)")
    state = start(monkeypatch, THANKSGIVING)
    assert (state.name, state.message) == (HOLIDAY, f"{said}, which is done")
    assert state.data.as_of == day
    assert start(monkeypatch, FRIDAY).name == REPEATED
    assert start(monkeypatch, THANKSGIVING, day).name == REPEATED
    assert history(planned(day).engine, "live").height == 1


def test_a_backfill_finds_the_missed_nights_alone(home: Path) -> None:
    first, second, third = market_days(3)
    run_night(second)
    missed, done = nights_to_fill(read_settings(), BackfillParameters(first=first, last=third))
    assert (missed, done) == ([first, third], [second])
    with pytest.raises(BadDate, match="swap them"):
        nights_to_fill(read_settings(), BackfillParameters(first=third, last=first))


def test_a_replay_and_a_backfill_stop_where_another_process_runs_a_night(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.states import Completed

    (day,) = market_days(1)
    skipped = Completed(name="Skipped", message="only one night of a date may run")
    monkeypatch.setattr(flows.replay, "nightly", lambda *_args, **_kwargs: skipped)
    monkeypatch.setattr(flows.backfill, "nightly", lambda *_args, **_kwargs: skipped)
    with pytest.raises(NightLocked, match="only one night of a date may run"):
        replay.fn(ReplayParameters(first=day, last=day))
    with pytest.raises(NightLocked, match="only one night of a date may run"):
        flows.backfill.backfill.fn(BackfillParameters(first=day, last=day))
    filled = flows.backfill.backfill.fn(BackfillParameters(first=day, last=day, keep_going=True))
    assert filled.failed == ((day, "only one night of a date may run"),)
