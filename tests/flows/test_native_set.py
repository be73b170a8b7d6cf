"""The set of docker-compose.yml, started from the file itself as native programs: a night on it, a crash, its end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import mlflow
import native
import psutil
import pytest
import sqlalchemy as sa
from loopback_only import GUARD
from small_nights import market_days, settings_of

from nightdesk.operations.processes import MARK
from nightdesk.store.database import connect

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.chaos]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[native.Native]:
    """The set for a folder, not started; what of it still runs at the end is stopped."""
    pytest.importorskip("moto", reason="no object store: install moto[server]")
    try:
        native._postgresql()
    except native.Broken as error:
        pytest.skip(str(error))
    for name in [name for name in os.environ if name.startswith(native.FOREIGN)]:
        monkeypatch.delenv(name)
    (tmp_path / "sitecustomize.py").write_text(GUARD)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")])))
    monkeypatch.setenv("NIGHTDESK_TEST_CALLS", str(tmp_path / "calls.txt"))
    small = {name: value for name, value in settings_of(tmp_path).items() if name != "NIGHTDESK_HOME"}
    settings = tmp_path / "nightdesk.env"
    settings.write_text("".join(f"{name}='{value}'\n" for name, value in small.items()))
    made = native.native(tmp_path / "set", settings)
    try:
        yield made
    finally:
        native.down(made)


def test_a_night_runs_on_the_whole_set_and_a_crash_leaves_nothing(
    here: native.Native, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (day,) = market_days(1)
    native.up(here)
    assert native.run_night(here, str(day)).startswith(f"nightly-live-{day}: COMPLETED")

    worker = here.named("worker").environment
    for name in ("PGPASSWORD", *(name for name in worker if name.startswith("AWS_"))):
        monkeypatch.setenv(name, worker[name])
    store, home = worker["NIGHTDESK_STORE__URL"], Path(worker["NIGHTDESK_HOME"])
    assert rows(store, "SELECT as_of::text, status FROM nights") == [(str(day), "done")]
    assert rows(store, "SELECT count(*) > 1000 FROM bars") == [(True,)]
    (dates,) = rows(store, "SELECT count(DISTINCT date) FROM bars")[0]
    found = rows(
        database(store, "prefect"), "SELECT name, state_type::text FROM flow_run WHERE state_type <> 'SCHEDULED'"
    )
    assert found == [(f"nightly-live-{day}", "COMPLETED")]

    # Every date and the index of the night, in the bucket and nowhere else.
    features = keys("features")
    days = [key.split("/date=")[1].split("/")[0] for key in features if "/date=" in key]
    assert len(days) == len(set(days)) == dates
    assert str(day) in days
    assert len([key for key in features if "/index/" in key]) == 1
    assert (home / f"reports/live/{day}.html").exists()
    assert not (home / "features").exists()

    client = mlflow.MlflowClient(worker["NIGHTDESK_TRACKING__URI"], worker["NIGHTDESK_TRACKING__URI"])
    champion = client.get_model_version_by_alias("nightdesk-live-h5", "champion")
    assert client.get_run(champion.run_id).info.artifact_uri.startswith("mlflow-artifacts:/")
    assert rows(database(store, "mlflow"), "SELECT count(*) > 0 FROM model_versions") == [(True,)]
    models = {key.split("/models/")[1].split("/")[0] for key in keys("artifacts") if key.endswith("/manifest.json")}
    assert champion.source.rsplit("/", 1)[-1] in models
    # Whoever loads a model needs MLflow's server alone: no link into the bucket was asked for.
    assert "presigned" not in (here.folder / "logs" / "mlflow.log").read_text()

    logs = {file.stem: file.read_text() for file in (here.folder / "logs").glob("*.log")}
    assert set(logs) == {one.name for one in here.services}
    secrets = {worker["PGPASSWORD"], worker["AWS_SECRET_ACCESS_KEY"]}
    assert [(name, secret) for name, text in logs.items() for secret in secrets if secret in text] == []
    calls = tmp_path / "calls.txt"
    assert not calls.exists(), calls.read_text()

    for record in json.loads((here.folder / "servers.json").read_text()):
        if record["name"] in ("prefect", "worker", "postgres"):
            os.kill(record["pid"], signal.SIGKILL)
    # Told by nothing but the folder, as after the script itself was killed.
    command = [sys.executable, str(ROOT / "infra" / "native.py"), "down", "--folder", str(here.folder)]
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert "stopped mlflow" in told
    assert marked(here.folder) == []
    assert not here.cluster.exists()
    for port in here.ports.values():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))


@pytest.mark.parametrize(
    ("service", "command", "told"),
    [
        ("buckets", ("python", "-c", "raise SystemExit('no room')"), "buckets ended with exit code 1: no room"),
        (
            "worker",
            ("prefect", "worker", "start", "--no-such-option"),
            "worker ended instead of serving: .*no-such-option",
        ),
    ],
)
def test_what_does_not_come_up_is_told_with_its_last_words(
    here: native.Native, service: str, command: tuple[str, ...], told: str
) -> None:
    alone = replace(here, services=(replace(here.named(service), command=command, needs=()),))
    with pytest.raises(native.Broken, match=f"(?s){told}"):
        native.up(alone)


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    engine = connect(url)
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(sa.text(query))]
    engine.dispose()
    return found


def database(url: str, name: str) -> str:
    return sa.make_url(url).set(database=name).render_as_string(hide_password=False)


def keys(bucket: str) -> list[str]:
    return [one.key for one in boto3.Session().resource("s3").Bucket(bucket).objects.all()]


def marked(folder: Path) -> list[list[str]]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(folder):
                found.append(process.cmdline())
        except psutil.Error:
            continue
    return found
