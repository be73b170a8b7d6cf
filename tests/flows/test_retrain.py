"""The retrain: fits without a night, serves from the next night on, and survives kills as a night does."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from logical_state import differences, logical_state
from mlflow import MlflowClient
from small_nights import begin_with, choose_home, market_days, run_night, run_retrain, without_prefect
from test_same_state import KillAtEachPoint, Killed

import flows.retrain
from flows.retrain import RetrainParameters
from nightdesk.faults import listening
from nightdesk.models import RECIPES
from nightdesk.models.artifacts import model_name
from nightdesk.operations.night import Night, plan_night
from nightdesk.promotion.champion import alias_version
from nightdesk.publish.publication import PUBLISHED, latest
from nightdesk.settings import read_settings
from nightdesk.store.decisions import serving_on
from nightdesk.store.nights import done_summary, held, history
from nightdesk.store.schema import forecasts

NOW = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return choose_home(monkeypatch, tmp_path / "home")


def planned(day: dt.date):
    return plan_night(read_settings(), "live", day, "auto", NOW)


def test_it_refreshes_the_served_recipe_and_forecasts_nothing(home: Path) -> None:
    first, second, third = market_days(3)
    begin_with(first, second)
    night = planned(second)
    (before,) = serving_on(night.engine, "live", second)
    with night.engine.connect() as connection:
        logged = connection.scalar(sa.select(sa.func.count()).select_from(forecasts))
    summary = run_retrain(second)
    (after,) = summary.serving
    assert (after.model, after.since) == (before.model, second)
    assert after.version != before.version
    assert alias_version(night.tracking, 5) == after.version
    assert {one.model for one in summary.scores} >= {"ridge", "lightgbm", "momentum", "linear"}
    assert summary.searches == ()
    kept = _rounds(night, second)
    wanted = dict(RECIPES["lightgbm"].parameters)["rounds"]
    assert kept["lightgbm h5"] == wanted
    # Fewer where the few rows of a fold leave nothing to split.
    assert 1 <= kept["lightgbm h5 fold 1"] < kept["lightgbm h5 fold 2"] < wanted
    assert len(kept) == 3
    with night.engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(forecasts)) == logged
    assert latest(night.home.published, "live").status == PUBLISHED
    assert latest(night.home.published, "live").as_of == second
    assert not night.scratch.exists()
    # The night of that data forecast with the former one, whoever asks later; the next one is served by the new one.
    assert serving_on(night.engine, "live", second) == [before]
    served = run_night(third)
    assert serving_on(night.engine, "live", third) == [after]
    assert not served.trained
    assert [one.version for one in served.serving] == [after.version]


def test_what_the_night_of_that_date_trained_is_not_trained_again(home: Path) -> None:
    (day,) = market_days(1)
    begin_with(day)
    assert run_retrain(day) is None
    assert history(planned(day).engine, "live")["kind"].to_list() == ["night"]


def test_a_second_retrain_of_the_same_data_is_not_run_again(home: Path) -> None:
    first, second, _ = market_days(3)
    begin_with(first, second)
    once = run_retrain(second)
    assert run_retrain(second) == once
    assert history(planned(second).engine, "live")["kind"].to_list() == ["night", "night", "retrain"]


def test_a_retrain_is_no_night(home: Path) -> None:
    first, second, _ = market_days(3)
    begin_with(first)
    run_retrain(second)
    assert done_summary(planned(second).engine, "live", second) is None
    summary = run_night(second)
    assert summary.status == "published"
    assert summary.training_reason == "the last training is 0 trading days old, the schedule is 6"


def test_one_that_runs_already_is_left_alone(home: Path) -> None:
    (day,) = market_days(1)
    night = planned(day)
    with held(night.engine, night.home.locks, "live", day), without_prefect():
        state = flows.retrain.retrain.fn(RetrainParameters(as_of=day))
    assert state.name == "Skipped"
    assert "only one night of a date may run" in state.message


@pytest.mark.chaos
def test_killed_at_every_point_in_turn_it_ends_in_the_same_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = []
    for disturbed in (False, True):
        home = choose_home(monkeypatch, tmp_path / str(disturbed))
        first, second = market_days(2)
        monkeypatch.setenv("NIGHTDESK_TRAINING__RECIPES", '["ridge"]')
        run_night(first)
        run_night(second)
        points = _killing_at_each_point(second) if disturbed else run_retrain(second) and []
        states.append(logical_state(home))
    assert {"fit-ridge-5:written", "model:logged", "promote:intent", "promote:alias", "promote:entered"} <= set(points)
    assert differences(states[1], states[0]) == []


def test_a_failed_one_is_entered_with_its_reason_and_leaves_the_published_alone(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, _ = market_days(3)
    begin_with(first)

    def refuse(point: str) -> None:
        if point == "promote:begin":
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"), listening(refuse):
        run_retrain(second)
    night = planned(second)
    entered = history(night.engine, "live").filter(pl.col("kind") == "retrain")
    assert entered.select("status", "reason").rows() == [("failed", "RuntimeError: no more")]
    assert latest(night.home.published, "live").status == PUBLISHED
    assert model_name("live", 5) in logical_state(home)["registry"]["aliases"]


def _rounds(night: Night, day: dt.date) -> dict[str, float]:
    """The rounds that MLflow knows of the fits of a day, by name."""
    client = MlflowClient(night.tracking.uri)
    experiment = client.get_experiment_by_name("nightdesk-live").experiment_id
    runs = client.search_runs([experiment], f"tags.`nightdesk.night` = 'live/{day}' and metrics.rounds > 0")
    return {one.info.run_name.replace(f" {day}", ""): one.data.metrics["rounds"] for one in runs}


def _killing_at_each_point(day: dt.date) -> list[str]:
    kill = KillAtEachPoint()
    with listening(kill):
        for _start in range(200):
            try:
                run_retrain(day)
            except Killed:
                continue
            return kill.points
    raise AssertionError(f"the retrain never ended; killed at {kill.points}")
