"""A night of the past, run after later ones: it forecasts as it would have then, and moves nothing."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from small_nights import choose_home, market_days, run_night

from nightdesk.operations.night import plan_night
from nightdesk.promotion.champion import alias_version
from nightdesk.settings import read_settings
from nightdesk.store.decisions import all_decisions, serving_on

NOW = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
FIRST, MISSED, THIRD, NEXT = market_days(4)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTDESK_TRAINING__RECIPES", '["ridge"]')
    choose_home(monkeypatch, tmp_path / "home")


def test_what_it_trains_neither_serves_nor_moves_the_alias() -> None:
    run_night(FIRST)
    third = run_night(THIRD, train="never")
    missed = run_night(MISSED, train="always")
    night = plan_night(read_settings(), "live", THIRD, "auto", NOW)
    assert missed.trained
    assert missed.status == "published"
    assert [one.version for one in missed.serving] == ["1"]
    (made,) = all_decisions(night.engine, "live").filter(as_of=MISSED).select("action", "reasons").rows()
    assert made == ("keep", f"the night of {THIRD} has run: a night of the past moves nothing")
    for day in (MISSED, THIRD, NEXT):
        assert serving_on(night.engine, "live", day) == list(third.serving)
    assert alias_version(night.tracking, 5) == "1"


@pytest.mark.chaos
def test_with_nobody_served_then_it_serves_itself_and_nobody_else() -> None:
    later = run_night(THIRD)
    earlier = run_night(MISSED)
    night = plan_night(read_settings(), "live", THIRD, "auto", NOW)
    assert [one.version for one in earlier.serving] == ["2"]
    assert serving_on(night.engine, "live", THIRD) == list(later.serving)
    assert alias_version(night.tracking, 5) == "1"
