"""Runs and models in a real MLflow: each once, found again after a kill, and loaded as they were fitted."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow.exceptions import MlflowException
from tracking_samples import FEATURES, HORIZON, NIGHT, fresh_tracking, sample_bundle, sample_run, tonight

from nightdesk.errors import ModelBroken
from nightdesk.faults import listening
from nightdesk.models.artifacts import (
    ModelVersion,
    Run,
    Tracking,
    client,
    close_orphan_runs,
    load_alias,
    load_version,
    log_model,
    log_runs,
    model_name,
    night_tag,
)
from nightdesk.models.bundle import Bundle


class Killed(BaseException):
    """As a kill: nothing in the library may catch it."""


@pytest.fixture
def tracking(tmp_path: Path) -> Tracking:
    return fresh_tracking(tmp_path)


def record(tracking: Tracking, run: Run | None = None, bundle: Bundle | None = None) -> ModelVersion:
    return log_model(tracking, run or sample_run(), bundle or sample_bundle(), HORIZON, tonight(5))


def runs(tracking: Tracking, status: str | None = None) -> list[Any]:
    experiment = client(tracking).get_experiment_by_name(f"nightdesk-{tracking.realm}")
    found = client(tracking).search_runs([experiment.experiment_id])
    return [run for run in found if status in (None, run.info.status)]


def versions(tracking: Tracking) -> list[Any]:
    return list(client(tracking).search_model_versions(f"name='{model_name(tracking.realm, HORIZON)}'"))


def test_a_fit_becomes_one_finished_run_with_all_that_made_it(tracking: Tracking) -> None:
    version = record(tracking)
    (run,) = runs(tracking)
    assert run.info.status == "FINISHED"
    assert run.info.run_id == version.run_id
    assert run.data.params == {"alpha": "0.1", "horizon": "5"}
    assert run.data.metrics == {"rank_ic": 0.031, "rows": 400.0}
    wanted = {"data": "data-1", "code": "code-1", "nightdesk.key": "key-1", "nightdesk.night": "live/2017-03-01"}
    assert wanted.items() <= run.data.tags.items()


def test_a_fit_becomes_one_registered_version_that_says_what_it_is(tracking: Tracking) -> None:
    version = record(tracking)
    (registered,) = versions(tracking)
    assert (version.name, version.version) == ("nightdesk-live-h5", str(registered.version)) == (registered.name, "1")
    assert registered.tags == {
        "recipe": "ridge",
        "recipe_content": sample_bundle().manifest.recipe_content,
        "trained_as_of": "2017-03-01",
        "content": version.content,
        "skill": "unproven",
    }
    assert registered.aliases == []


def test_the_same_fit_again_is_the_same_run_and_version(tracking: Tracking) -> None:
    assert record(tracking) == record(tracking)
    assert (len(runs(tracking)), len(versions(tracking))) == (1, 1)


def test_another_fit_is_another_version_with_other_content(tracking: Tracking) -> None:
    first = record(tracking)
    other = record(tracking, sample_run("key-2"), sample_bundle(seed=2))
    assert (first.version, other.version) == ("1", "2")
    assert first.content != other.content
    assert len(runs(tracking, "FINISHED")) == 2


@pytest.mark.parametrize("point", ["model:logged", "model:recorded"])
def test_a_fit_killed_between_record_and_registry_is_recorded_once(tracking: Tracking, point: str) -> None:
    def kill(reached: str) -> None:
        if reached == point:
            raise Killed

    with pytest.raises(Killed), listening(kill):
        record(tracking)
    assert versions(tracking) == []
    close_orphan_runs(tracking, night_tag("live", NIGHT))
    version = record(tracking)
    assert version.version == "1"
    assert len(runs(tracking, "FINISHED")) == len(versions(tracking)) == 1
    assert runs(tracking, "RUNNING") == []


def test_a_run_that_is_found_finished_names_its_model(tracking: Tracking, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed at the very moment after MLflow has finished the run: the next start must find the model it logged."""
    finish = mlflow.tracking.fluent.end_run

    def killed_after_finishing(status: str = "FINISHED") -> None:
        finish(status)
        if status == "FINISHED":
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(mlflow.tracking.fluent, "end_run", killed_after_finishing)
        with pytest.raises(Killed):
            record(tracking)
    assert len(runs(tracking, "FINISHED")) == 1
    version = record(tracking)
    assert len(runs(tracking)) == len(versions(tracking)) == 1
    assert load_version(tracking, version).manifest == sample_bundle().manifest


def test_an_orphan_of_this_night_is_closed_as_killed_and_no_other(tracking: Tracking) -> None:
    record(tracking)
    tonights, other = night_tag("live", NIGHT), night_tag("live", NIGHT + dt.timedelta(days=1))
    experiment = client(tracking).get_experiment_by_name("nightdesk-live").experiment_id
    orphan, running = (
        client(tracking).create_run(experiment, tags={"nightdesk.night": night, "nightdesk.key": "k"}).info.run_id
        for night in (tonights, other)
    )
    assert close_orphan_runs(tracking, tonights) == 1
    assert client(tracking).get_run(orphan).info.status == "KILLED"
    assert client(tracking).get_run(running).info.status == "RUNNING"
    assert len(runs(tracking, "FINISHED")) == 1
    assert close_orphan_runs(tracking, tonights) == 0


def test_a_killed_run_of_the_same_key_is_not_taken_for_a_record(tracking: Tracking) -> None:
    experiment = client(tracking).get_experiment_by_name("nightdesk-live").experiment_id
    tags = {"nightdesk.night": night_tag("live", NIGHT), "nightdesk.key": "key-1"}
    orphan = client(tracking).create_run(experiment, tags=tags).info.run_id
    close_orphan_runs(tracking, night_tag("live", NIGHT))
    assert record(tracking).run_id != orphan


def test_fits_without_a_model_are_recorded_once_below_their_run(tracking: Tracking) -> None:
    version = record(tracking)
    folds = [sample_run(f"key-1-{fold}") for fold in (1, 2, 3)]
    log_runs(tracking, folds[:2], version.run_id)
    log_runs(tracking, folds, version.run_id)
    below = [run for run in runs(tracking, "FINISHED") if run.data.tags.get("mlflow.parentRunId") == version.run_id]
    assert sorted(run.data.tags["nightdesk.key"] for run in below) == ["key-1-1", "key-1-2", "key-1-3"]
    assert len(runs(tracking)) == 4
    log_runs(tracking, [])
    assert len(runs(tracking)) == 4


@pytest.mark.parametrize("name", ["ridge", "lightgbm"])
def test_a_loaded_version_scores_bit_for_bit_as_the_fit(tracking: Tracking, name: str) -> None:
    bundle = sample_bundle(name)
    loaded = load_version(tracking, record(tracking, bundle=bundle))
    assert loaded.manifest == bundle.manifest
    assert loaded.score(tonight()).tobytes() == bundle.score(tonight()).tobytes()


@pytest.mark.parametrize("name", ["ridge", "lightgbm"])
def test_any_program_can_load_the_champion_without_unpickling_anything(
    tracking: Tracking, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    bundle = sample_bundle(name)
    version = record(tracking, bundle=bundle)
    client(tracking).set_registered_model_alias(version.name, "champion", version.version)
    model = load_alias(tracking, version.name, "champion")
    scores = np.asarray(model.predict(tonight().to_pandas()))
    assert scores.tobytes() == bundle.score(tonight()).tobytes()
    logged = [file.name for file in (tmp_path / "artifacts").rglob("*") if file.is_file()]
    assert "manifest.json" in logged
    assert not [file for file in logged if file.endswith((".pkl", ".pickle", ".joblib"))]


def test_the_logged_model_refuses_a_frame_without_one_of_its_features(tracking: Tracking) -> None:
    version = record(tracking)
    client(tracking).set_registered_model_alias(version.name, "champion", version.version)
    model = load_alias(tracking, version.name, "champion")
    with pytest.raises((MlflowException, ModelBroken), match=FEATURES[1]):
        model.predict(tonight().drop(FEATURES[1]).to_pandas())


def test_realms_share_a_server_and_nothing_else(tracking: Tracking) -> None:
    replay = Tracking(tracking.uri, tracking.artifacts, "replay")
    record(tracking)
    record(replay, sample_run(realm="replay"))
    assert [len(runs(one)) for one in (tracking, replay)] == [1, 1]
    assert [one.name for one in versions(replay)] == ["nightdesk-replay-h5"]


def test_a_version_is_loaded_from_its_own_server_whichever_was_opened_last(tracking: Tracking, tmp_path: Path) -> None:
    here = record(tracking)
    other = fresh_tracking(tmp_path / "other")
    record(other, bundle=sample_bundle(seed=2))
    assert load_version(tracking, here).score(tonight()).tobytes() == sample_bundle().score(tonight()).tobytes()
