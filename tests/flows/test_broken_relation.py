"""Scores that no longer say what they did: told once, a training asked for, and judged anew after it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from small_nights import choose_home, market_days

from nightdesk.operations.monitoring import watch
from nightdesk.operations.night import Night, plan_night
from nightdesk.settings import read_settings
from nightdesk.store.decisions import write_walk_forward
from nightdesk.store.features import FeatureTable
from nightdesk.store.forecasts import log_scores
from nightdesk.store.incidents import all_incidents

DAYS = market_days(90)
UNREAD = FeatureTable("content", "version", DAYS[-1], "nowhere", 0)
"""Nobody is served in these nights, so no feature is looked at."""


def night_of(day: dt.date) -> Night:
    return plan_night(read_settings(), "live", day, "auto", dt.datetime(2026, 1, 5, tzinfo=dt.UTC))


def trained(engine: sa.Engine, day: dt.date) -> None:
    """A walk-forward of 600 days that found a rank IC of .05, with a deviation of about .1."""
    row = {"realm": "live", "as_of": day, "horizon": 5, "model": "ridge", "kind": "model", "days": 600}
    write_walk_forward(engine, pl.DataFrame([{**row, "mean": 0.05, "lower": 0.042, "upper": 0.058}]))


def scored(engine: sa.Engine, days: list[dt.date], rank_ic: float, realm: str = "live") -> None:
    rows = [(realm, day, 5, "ridge", True, day, day, rank_ic, 30) for day in days]
    columns = ["realm", "as_of", "horizon", "model", "served", "exit_date", "scored_on", "rank_ic", "symbols"]
    log_scores(engine, pl.DataFrame(rows, schema=columns, orient="row"))


def told(engine: sa.Engine) -> list[tuple[str, int, bool]]:
    rows = all_incidents(engine)
    return rows.select("key", "occurrence", pl.col("closed_at").is_null()).rows()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return choose_home(monkeypatch, tmp_path / "home")


def test_a_broken_relation_is_told_once_asks_for_a_training_and_is_judged_anew_after_it() -> None:
    before, broken, after = (night_of(DAYS[place]) for place in (40, 80, 81))
    engine = before.engine
    trained(engine, DAYS[0])
    scored(engine, DAYS[1:40], 0.06)
    held = watch(before, UNREAD)
    assert [one.verdict for one in held.outcomes] == ["held"]
    assert held.alarms == ()
    assert told(engine) == []
    scored(engine, DAYS[40:80], -0.05)
    found = watch(broken, UNREAD)
    (outcome,) = found.outcomes
    assert outcome.verdict == "broken"
    assert outcome.since == DAYS[40]
    assert found.alarms == (outcome.reason,)
    assert f"since about {DAYS[40]}" in outcome.reason
    # Killed and judged again, it is the same, and told once.
    assert watch(broken, UNREAD) == found
    assert told(engine) == [("drifting/live/5", 1, True)]
    trained(engine, DAYS[80])
    anew = watch(after, UNREAD)
    assert [(one.verdict, one.nights) for one in anew.outcomes] == [("unjudged", 0)]
    assert told(engine) == [("drifting/live/5", 1, False)]
    # A night of before that is started again, now after the training, still finds what it found.
    assert watch(broken, UNREAD) == found


def test_a_mean_below_the_promise_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    days = market_days(160)
    night = night_of(days[-1])
    trained(night.engine, days[0])
    # Around nought, above the allowance that a broken relation needs: .05 less an error less .04.
    for place, day in enumerate(days[1:-1]):
        scored(night.engine, [day], 0.012 + (0.001 if place % 2 else -0.001))
    (outcome,) = watch(night, UNREAD).outcomes
    assert outcome.verdict == "degraded"
    assert told(night.engine) == [("degraded/live/5", 1, True)]


def test_a_replay_wakes_nobody() -> None:
    night = plan_night(read_settings(), "replay", DAYS[80], "auto", dt.datetime(2026, 1, 5, tzinfo=dt.UTC))
    row = {"realm": "replay", "as_of": DAYS[0], "horizon": 5, "model": "ridge", "kind": "model", "days": 600}
    write_walk_forward(night.engine, pl.DataFrame([{**row, "mean": 0.05, "lower": 0.042, "upper": 0.058}]))
    scored(night.engine, DAYS[1:80], -0.05, "replay")
    assert [one.verdict for one in watch(night, UNREAD).outcomes] == ["broken"]
    assert told(night.engine) == []
