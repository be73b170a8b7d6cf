"""What MLflow raises where its server, its files or a disk do not hold, as errors of ours; and what stays MLflow's."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import sqlalchemy as sa
from mlflow.exceptions import MlflowException
from receivers import free_port
from tracking_samples import HORIZON, fresh_tracking, sample_bundle, sample_run, tonight

from nightdesk.errors import ModelBroken, RegistryUnavailable
from nightdesk.models import reaching
from nightdesk.models.artifacts import (
    ModelVersion,
    Tracking,
    client,
    load_version,
    log_model,
    log_runs,
    registered_models,
)
from nightdesk.models.reaching import ask_server
from nightdesk.promotion.champion import alias_version


@pytest.fixture
def tracking(tmp_path: Path) -> Tracking:
    return fresh_tracking(tmp_path)


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def record(tracking: Tracking, family: str = "ridge") -> ModelVersion:
    return log_model(tracking, sample_run(), sample_bundle(family), HORIZON, tonight(5))


LISTED = json.dumps({"files": [{"path": "bundle", "is_dir": False, "file_size": 3}]}).encode()


@contextmanager
def answering(status: int, listed: bytes = b"") -> Iterator[Tracking]:
    """A server that answers every request with one status; but to the question what there is, `listed` if given."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = listed if "?path=" in self.path else b""
            self.send_response(200 if known else status)
            self.send_header("Content-Length", str(len(known)))
            self.end_headers()
            self.wfile.write(known)

        do_POST = do_GET

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Tracking(f"http://127.0.0.1:{server.server_address[1]}", None, "live")
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("ask", [registered_models, lambda tracking: alias_version(tracking, HORIZON), ask_server])
def test_a_server_that_is_not_there_is_unavailable_and_its_password_is_not_shown(ask) -> None:
    port = free_port()
    with pytest.raises(RegistryUnavailable) as caught:
        ask(Tracking(f"http://desk:hunter2@127.0.0.1:{port}", None, "live"))
    assert str(caught.value) == (
        f"the registry must answer, got 'Connection refused' from http://desk:***@127.0.0.1:{port}: "
        "start MLflow's server or what keeps its artifacts, or mend tracking.uri"
    )


@pytest.mark.usefixtures("_impatient")
def test_a_server_that_cannot_serve_is_unavailable_and_one_that_refuses_is_not() -> None:
    with answering(503) as broken:
        for ask in (registered_models, ask_server):
            with pytest.raises(RegistryUnavailable, match="503"):
                ask(broken)
    with answering(403) as closed:
        ask_server(closed)
        with pytest.raises(MlflowException, match="403"):
            registered_models(closed)


def test_a_database_is_not_asked_over_http(tracking: Tracking) -> None:
    ask_server(tracking)
    ask_server(Tracking("postgresql+psycopg://nobody@127.0.0.1:1/nothing", None, "live"))


def test_a_database_that_another_holds_is_unavailable(tracking: Tracking) -> None:
    holder = sqlite3.connect(tracking.uri.removeprefix("sqlite:///"), isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    engine = sa.create_engine(tracking.uri, connect_args={"timeout": 0}, poolclass=sa.NullPool)
    try:
        with pytest.raises(RegistryUnavailable, match="got 'database is locked' from"), reaching.reaching(tracking):
            engine.connect().exec_driver_sql("SELECT * FROM runs")
    finally:
        holder.rollback()
        holder.close()


def test_what_is_the_callers_own_fault_stays_as_it_is(tracking: Tracking) -> None:
    engine = sa.create_engine(tracking.uri, poolclass=sa.NullPool)
    with pytest.raises(sa.exc.OperationalError, match="no such table"), reaching.reaching(tracking):
        engine.connect().exec_driver_sql("SELECT * FROM no_such")
    with pytest.raises(FileNotFoundError), reaching.reaching(tracking):
        Path("nowhere").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("family", "file"), [("ridge", "ridge.json"), ("lightgbm", "lightgbm.txt"), ("ridge", "manifest.json")]
)
def test_a_model_without_one_of_its_files_is_broken(tracking: Tracking, tmp_path: Path, family: str, file: str) -> None:
    version = record(tracking, family)
    (stored,) = (tmp_path / "artifacts").rglob(file)
    stored.unlink()
    with pytest.raises(ModelBroken, match="must be those that were registered, got others for nightdesk-live-h5"):
        load_version(tracking, version)


def test_a_version_whose_files_are_out_of_reach_is_broken(tracking: Tracking, tmp_path: Path) -> None:
    version = record(tracking)
    shutil.move(tmp_path / "artifacts", tmp_path / "elsewhere")
    with pytest.raises(ModelBroken, match="version 1 of nightdesk-live-h5 must have its files in MLflow, got "):
        load_version(tracking, version)
    shutil.move(tmp_path / "elsewhere", tmp_path / "artifacts")
    assert load_version(tracking, version).manifest == sample_bundle().manifest


def test_a_version_that_no_registry_has_is_broken(tracking: Tracking) -> None:
    version = record(tracking)
    with pytest.raises(ModelBroken, match="version 7 of nightdesk-live-h5 must have its files"):
        load_version(tracking, ModelVersion(version.name, "7", "", version.content))


@pytest.mark.usefixtures("_impatient")
def test_artifacts_on_a_server_that_is_away_or_fails_are_waited_for_and_those_it_lacks_are_broken(
    tracking: Tracking,
) -> None:
    def load(artifacts: str) -> None:
        name, own = f"nightdesk-live-h{HORIZON}", client(tracking)
        source = f"{artifacts}/api/2.0/mlflow-artifacts/artifacts/model"
        tags = {"nightdesk.key": "k", "nightdesk.content": "c", "nightdesk.model_uri": source}
        run = own.create_run(experiment, tags=tags).info.run_id
        version = own.create_model_version(name, source=source, run_id=run, tags={"content": "c"}).version
        load_version(tracking, ModelVersion(name, str(version), run, "c"))

    experiment = client(tracking).get_experiment_by_name("nightdesk-live").experiment_id
    client(tracking).create_registered_model(f"nightdesk-live-h{HORIZON}")
    with pytest.raises(RegistryUnavailable, match=r"got 'Connection refused' from .* or what keeps its artifacts"):
        load(f"http://127.0.0.1:{free_port()}")
    with answering(500, LISTED) as failing, pytest.raises(RegistryUnavailable, match="too many 500 error responses"):
        load(failing.uri)
    with answering(404) as lacking, pytest.raises(ModelBroken, match="must have its files in MLflow, got 404"):
        load(lacking.uri)


def test_what_an_attempt_left_open_that_lost_its_server_is_closed_when_the_fit_is_recorded_again(
    tracking: Tracking,
) -> None:
    experiment = client(tracking).get_experiment_by_name("nightdesk-live").experiment_id
    run = sample_run()
    left = [
        client(tracking).create_run(experiment, tags={"nightdesk.night": run.night, "nightdesk.key": key}).info.run_id
        for key in ("key-1", "key-2", "key-3")
    ]
    version = record(tracking)
    log_runs(tracking, [sample_run("key-2")], version.run_id)
    status = [client(tracking).get_run(one).info.status for one in left]
    assert status == ["KILLED", "KILLED", "RUNNING"]
    assert client(tracking).get_run(version.run_id).info.status == "FINISHED"


def test_mlflows_patience_is_bounded_unless_the_environment_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in reaching.PATIENCE:
        monkeypatch.setenv(name, "")  # so that it is put back as it was
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RegistryUnavailable):
        registered_models(Tracking(f"http://127.0.0.1:{free_port()}", None, "live"))
    assert {name: os.environ[name] for name in reaching.PATIENCE} == {
        **reaching.PATIENCE,
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    }
