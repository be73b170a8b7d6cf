"""Replays: a night depends on the state before it and on what was known then, and on nothing else."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from logical_state import differences, logical_state
from small_nights import begin_with, choose_home, market_days, run_night

from flows.replay import ReplayParameters, nights_to_replay
from nightdesk.errors import BadDate, BadInput
from nightdesk.labels.forward import forward_returns
from nightdesk.operations.night import plan_night
from nightdesk.settings import read_settings
from nightdesk.store.features import FeatureTable, read_features
from nightdesk.store.inputs import bars_as_known
from nightdesk.store.schema import stages
from nightdesk.tables import DATE

NOW = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)


@pytest.mark.proof
def test_data_features_and_labels_of_a_day_are_equal_whatever_ran_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    *_, day, later, newest = market_days(8)
    choose_home(monkeypatch, tmp_path / "alone")
    run_night(day)
    alone = _day_frames(day)
    choose_home(monkeypatch, tmp_path / "after others")
    for other in (newest, later, day):
        run_night(other)
    after = _day_frames(day)
    for name, frame in alone.items():
        assert frame.height > 0, name
        assert after[name].equals(frame), name


def test_a_night_run_again_from_the_state_before_it_is_identical(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    *before, day = market_days(3)
    home = choose_home(monkeypatch, tmp_path / "home")
    begin_with(*before)
    shutil.copytree(home, tmp_path / "kept")
    run_night(day)
    first = logical_state(home)
    again = tmp_path / "again"
    shutil.copytree(tmp_path / "kept", again)
    choose_home(monkeypatch, again)
    run_night(day)
    assert differences(logical_state(again, home), first) == []


@pytest.mark.chaos
def test_a_replay_from_a_to_c_equals_one_from_a_to_b_and_then_from_b_to_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = market_days(7)
    whole = choose_home(monkeypatch, tmp_path / "whole")
    for day in days:
        run_night(day, realm="replay")
    parts = choose_home(monkeypatch, tmp_path / "parts")
    for day in (*days[:4], *days[3:]):
        run_night(day, realm="replay")
    assert differences(logical_state(parts), logical_state(whole)) == []


def test_a_replay_leaves_the_live_realm_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, live = market_days(3)
    home = choose_home(monkeypatch, tmp_path / "home")
    begin_with(live)
    before = logical_state(home)
    for day in (first, second):
        run_night(day, realm="replay")
    after = logical_state(home)
    assert after["registry"]["aliases"]["nightdesk-live-h5"] == before["registry"]["aliases"]["nightdesk-live-h5"]
    for table in ("forecasts", "decisions", "matured", "walk_forward"):
        assert [row for row in after["rows"][table] if '"realm": "live"' in row] == before["rows"][table]
    live_files = {name: digest for name, digest in after["files"].items() if "/live/" in name}
    assert live_files == {name: digest for name, digest in before["files"].items() if "/live/" in name}


def test_a_past_night_says_who_would_have_been_served_and_leaves_the_alias(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    past, *_, newest = market_days(6)
    home = choose_home(monkeypatch, tmp_path / "home")
    begin_with(newest)
    alias = logical_state(home)["registry"]["aliases"]
    latest = (home / "published/live/latest.json").read_text()
    summary = run_night(past)
    assert summary.serving[0].since == past
    assert logical_state(home)["registry"]["aliases"] == alias
    assert (home / "published/live/latest.json").read_text() == latest


@pytest.mark.parametrize(
    ("first", "last", "realm", "error", "says"),
    [
        ("2017-06-02", "2017-06-01", "replay", BadDate, "from must not be after to"),
        ("2017-06-03", "2017-06-04", "replay", BadDate, "need a trading day"),
        ("2017-06-01", "2999-01-01", "replay", BadDate, "must not lie in the future"),
        ("2017-06-01", "2017-06-02", "live", BadInput, "must not touch realm 'live'"),
        ("2017-06-01", "2017-06-02", "what-if-corrected", BadInput, "for a replay as was: add --corrected"),
        ("2010-06-01", "2010-06-03", "replay", BadDate, "has bars from"),
    ],
)
def test_a_replay_that_cannot_be_is_refused_before_any_night(
    first: str,
    last: str,
    realm: str,
    error: type[Exception],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    choose_home(monkeypatch, tmp_path / "home")
    parameters = ReplayParameters(first=first, last=last, realm=realm)
    with pytest.raises(error, match=says):
        nights_to_replay(read_settings(), parameters, NOW)


def _day_frames(day: dt.date) -> dict[str, pl.DataFrame]:
    """Bars known on the night of `day`, the features it stored for that day, and the labels it knew."""
    night = plan_night(read_settings(), "live", day, "auto", NOW)
    bars = bars_as_known(night.engine, "synthetic", night.cutoff, last=day)
    table = next(FeatureTable(**row) for row in _tables(night.engine, day))
    first = min(bars[DATE].to_list())
    return {
        "bars": bars,
        "features": read_features(table, [day]),
        "labels": forward_returns(bars, night.days(first), [5]),
    }


def _tables(engine: sa.Engine, day: dt.date) -> list[dict]:
    wanted = sa.select(stages.c.result).where(stages.c.stage == "features", stages.c.as_of == day)
    with engine.connect() as connection:
        return [json.loads(result) for result in connection.scalars(wanted)]
