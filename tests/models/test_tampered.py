"""A model that is not the one that was registered: refused before anything of it is read, let alone run."""

from __future__ import annotations

import json
import pickle
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pytest
from tracking_samples import HORIZON, fresh_tracking, sample_bundle, sample_run, tonight

from nightdesk.errors import ModelBroken
from nightdesk.models import gradient_boosting, ridge
from nightdesk.models.artifacts import ModelVersion, Tracking, client, load_alias, load_version, log_model, model_name
from nightdesk.models.bundle import save_bundle

NAME = model_name("live", HORIZON)


@pytest.fixture
def tracking(tmp_path: Path) -> Tracking:
    return fresh_tracking(tmp_path)


@pytest.fixture
def registered(tracking: Tracking) -> ModelVersion:
    version = log_model(tracking, sample_run(), sample_bundle(), HORIZON, tonight(5))
    client(tracking).set_registered_model_alias(NAME, "champion", version.version)
    return version


@pytest.fixture
def nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> None:
        raise AssertionError("a file of the model was read before it was known to be ours")

    for family in (ridge.RidgeFamily, gradient_boosting.GradientBoostingFamily):
        monkeypatch.setattr(family, "load", read)


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.mark,)


def artifact(folder: Path) -> Path:
    (found,) = (folder / "artifacts").rglob("MLmodel")
    return found.parent


def swap_the_model(folder: Path, mark: Path) -> None:
    other = folder / "other"
    save_bundle(sample_bundle(seed=2), other)
    shutil.copy(other / "ridge.json", folder / "artifacts/bundle/ridge.json")
    shutil.rmtree(other)


def edit_the_manifest(folder: Path, mark: Path) -> None:
    file = folder / "artifacts/bundle/manifest.json"
    fields = json.loads(file.read_text())
    file.write_text(json.dumps({**fields, "features": fields["features"][::-1]}))


def name_another_family(folder: Path, mark: Path) -> None:
    file = folder / "artifacts/bundle/manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "family": "lightgbm"}))


def smuggle_a_pickle(folder: Path, mark: Path) -> None:
    (folder / "artifacts/bundle/python_model.pkl").write_bytes(pickle.dumps(Bomb(mark)))


def let_mlflow_unpickle(folder: Path, mark: Path) -> None:
    """The files that MLflow's own loader of pickled models looks for, in the place of ours."""
    (folder / "python_model.pkl").write_bytes(pickle.dumps(Bomb(mark)))
    text = (folder / "MLmodel").read_text()
    text = text.replace("loader_module: mlflow.pyfunc.loaders.code_model", "loader_module: mlflow.pyfunc.model")
    (folder / "MLmodel").write_text(text.replace("model_code_path:", "python_model: python_model.pkl\n    ignored:"))


def run_code_of_ones_own(folder: Path, mark: Path) -> None:
    code = f"\nimport pathlib\npathlib.Path({str(mark)!r}).touch()\n"
    (folder / "served.py").write_text((folder / "served.py").read_text() + code)


IN_THE_BUNDLE = (swap_the_model, edit_the_manifest, name_another_family, smuggle_a_pickle)
AROUND_IT = (let_mlflow_unpickle, run_code_of_ones_own)


@pytest.mark.parametrize("tamper", IN_THE_BUNDLE)
def test_changed_files_are_refused_by_every_way_of_loading(
    tracking: Tracking,
    registered: ModelVersion,
    tmp_path: Path,
    nothing_is_read: None,
    tamper: Callable[[Path, Path], None],
) -> None:
    tamper(artifact(tmp_path), tmp_path / "executed")
    for load in (lambda: load_version(tracking, registered), lambda: load_alias(tracking, NAME, "champion")):
        with pytest.raises(ModelBroken, match=r"must be those that were registered, got others for \S+ version 1"):
            load()
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("tamper", AROUND_IT)
def test_code_that_was_not_logged_is_never_run(
    tracking: Tracking, registered: ModelVersion, tmp_path: Path, tamper: Callable[[Path, Path], None]
) -> None:
    tamper(artifact(tmp_path), tmp_path / "executed")
    with pytest.raises(ModelBroken, match="must be those that were registered"):
        load_alias(tracking, NAME, "champion")
    # Nights read the bundle alone, and no code of the artifact.
    assert load_version(tracking, registered).score(tonight()).tobytes() == sample_bundle().score(tonight()).tobytes()
    assert not (tmp_path / "executed").exists()


def test_the_code_would_run_if_nobody_looked(tracking: Tracking, registered: ModelVersion, tmp_path: Path) -> None:
    run_code_of_ones_own(artifact(tmp_path), tmp_path / "executed")
    mlflow.pyfunc.load_model(f"models:/{NAME}@champion")
    assert (tmp_path / "executed").exists()


def test_the_store_remembers_what_was_registered_whatever_the_registry_says(
    tracking: Tracking, registered: ModelVersion, tmp_path: Path, nothing_is_read: None
) -> None:
    """Somebody who may write to MLflow's database changes the files, and every digest there with them."""
    swap_the_model(artifact(tmp_path), tmp_path)
    from nightdesk.models.artifacts import _content

    forged = _content(artifact(tmp_path) / "artifacts/bundle")
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        for table, key in (("tags", "nightdesk.content"), ("model_version_tags", "content")):
            changed = database.execute(f"UPDATE {table} SET value = ? WHERE key = ?", (forged, key))
            assert changed.rowcount == 1
    with pytest.raises(ModelBroken, match="must be one that a night registered"):
        load_version(tracking, registered)


def test_a_strangers_version_is_not_loaded_whatever_it_says_of_itself(
    tracking: Tracking, registered: ModelVersion, tmp_path: Path, nothing_is_read: None
) -> None:
    own, evil = client(tracking), tmp_path / "evil"
    shutil.copytree(artifact(tmp_path), evil)
    run_code_of_ones_own(evil, tmp_path / "executed")
    tags = {"content": registered.content, "skill": "unproven"}
    experiment = own.get_experiment_by_name("nightdesk-live").experiment_id
    stranger = own.create_run(experiment, tags={"nightdesk.content": registered.content}).info.run_id
    for more in ({}, {"tags": tags}, {"tags": tags, "run_id": stranger}, {"tags": tags, "run_id": registered.run_id}):
        made = own.create_model_version(NAME, source=evil.as_uri(), **more)
        own.set_registered_model_alias(NAME, "champion", made.version)
        for load in (
            lambda made=made: load_version(tracking, replace(registered, version=str(made.version))),
            lambda: load_alias(tracking, NAME, "champion"),
        ):
            with pytest.raises(ModelBroken, match="must be one that a night registered"):
                load()
    assert not (tmp_path / "executed").exists()


def test_what_mlflow_may_unpickle_is_nothing_in_a_process_of_ours(
    tracking: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    from nightdesk.models.artifacts import _opened

    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true")
    _opened.cache_clear()
    client(tracking)
    assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"


def test_a_model_that_was_left_alone_is_loaded_by_both_ways(tracking: Tracking, registered: ModelVersion) -> None:
    expected = sample_bundle().score(tonight()).tobytes()
    assert load_version(tracking, registered).score(tonight()).tobytes() == expected
    served = load_alias(tracking, NAME, "champion")
    assert np.asarray(served.predict(tonight().to_pandas())).tobytes() == expected
