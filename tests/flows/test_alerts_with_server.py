"""What people are told with a Prefect server: by its automations, and by us where it could not."""

from __future__ import annotations

import datetime as dt
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from command_line import wait_until
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect_server import ROOT, Server, ask, prefect_server
from receivers import Receiver, mail_server, web_server
from small_nights import choose_home, market_days

from flows.alerts import PATIENCE, send, tell
from flows.automations import FAILED_NIGHTS, register_automations
from nightdesk.alerts import Incident
from nightdesk.settings import read_settings
from nightdesk.store.database import open_store
from nightdesk.store.incidents import all_incidents

pytestmark = [pytest.mark.server, pytest.mark.slow]

SECRET = "hunter2-should-never-be-seen"


@dataclass
class Desk(Server):
    """A Prefect server with our automations on it, and the people's web and mail server."""

    web: Receiver
    mail: Receiver

    def events(self, name: str) -> list[Any]:
        """Events of one name, newest first."""
        return self.post("/events/filter", filter={"event": {"name": [name]}})["events"]

    def nightly_run(self, **body: Any) -> str:
        """Create a run of the nightly deployment; returns its identifier."""
        (deployment,) = self.post("/deployments/filter", deployments={"name": {"any_": ["nightly"]}})
        return self.post(f"/deployments/{deployment['id']}/create_flow_run", **body)["id"]

    def state_of(self, run: str) -> str:
        """The name of a run's state."""
        return ask("GET", f"{self.api}/flow_runs/{run}").json()["state"]["name"]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with web_server() as web, mail_server() as mail:
        channels = [web.webhook.replace("//", f"//desk:{SECRET}@"), mail.mail]
        own = {
            "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "1",
            "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "1",
            "NIGHTDESK_ROOT": str(ROOT),
            "NIGHTDESK_ALERTS__URLS": json.dumps(channels),
        }
        with prefect_server(tmp_path_factory.mktemp("server"), **own) as server:
            server.post("/work_pools/", name="nightdesk", type="process")
            server.prefect("--no-prompt", "deploy", "--name", "nightly")
            server.line.run("alerts", "--register")
            yield Desk(server.api, server.line, server.folder, web, mail)


@pytest.fixture
def here(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fresh home in this process, which knows the server and its channels."""
    home = choose_home(monkeypatch, tmp_path / "home")
    monkeypatch.setenv("NIGHTDESK_ALERTS__URLS", desk.line.environment["NIGHTDESK_ALERTS__URLS"])
    with temporary_settings({PREFECT_API_URL: desk.api}):
        yield home


@contextmanager
def refusing(web: Receiver) -> Iterator[None]:
    web.answer = 500
    try:
        yield
    finally:
        web.answer = 200


def arrives(receiver: Receiver, text: str) -> str:
    """Wait for the one message about `text`."""
    wait_until(lambda: bool(receiver.about(text)), f"a message about {text}")
    (message,) = receiver.about(text)
    return message


def sent_by_us(receiver: Receiver, text: str) -> str:
    """Look at the server's records, as a night and the doctor do, until the one message about `text` is there."""

    def there() -> bool:
        send(read_settings(), dt.datetime.now(dt.UTC))
        return bool(receiver.about(text))

    wait_until(there, f"a message of ours about {text}")
    return arrives(receiver, text)


@contextmanager
def all_recorded(desk: Desk) -> Iterator[None]:
    """Let what the block makes Prefect do, one message and one refusal, come into its records, seconds late as it is.

    A message that no record tells of is sent once more by us when its time is over: rather twice than never.
    """
    names = ("prefect.automation.action.executed", "prefect.automation.action.failed")
    before = [len(desk.events(name)) for name in names]
    yield
    for name, count in zip(names, before, strict=True):
        wait_until(lambda name=name, count=count: len(desk.events(name)) > count, f"the record of {name}")


def incident(key: str) -> Incident:
    return Incident(key, key.partition("/")[0], f"About {key}", "it is so", "look at it", "http://127.0.0.1/page")


def later(seconds: float = 0) -> dt.datetime:
    return dt.datetime.now(dt.UTC) + PATIENCE + dt.timedelta(seconds=seconds)


def test_a_night_that_fails_is_told_by_prefect_alone(desk: Desk) -> None:
    desk.line.run("nightly", "--train", "never", code=1)
    (run,) = desk.post("/flow_runs/filter", flow_runs={"name": {"any_": ["nightly-live-newest"]}})
    for receiver in (desk.web, desk.mail):
        message = arrives(receiver, f"Key: night-failed/{run['id']}")
        assert "nightdesk: nightly run nightly-live-newest: Failed" in message
        assert "a night needs a model at each of its horizons" in message
        assert f"Link: {desk.api.removesuffix('/api')}/runs/flow-run/{run['id']}" in message
        assert "\nWhat to do: see the run's page" in message
    # The night itself said nothing, and the doctor, who looks at Prefect's records, finds nothing that was not told.
    assert "No incident so far" in desk.line.run("alerts")
    assert [len(one.about("Failed")) for one in (desk.web, desk.mail)] == [1, 1]


@pytest.mark.chaos
def test_a_night_whose_process_is_killed_under_a_worker_is_told(desk: Desk) -> None:
    (day,) = market_days(1)
    run = desk.nightly_run(parameters={"parameters": {"as_of": str(day), "train": "auto"}})
    worker = subprocess.Popen(
        [sys.executable, "-m", "prefect", "worker", "start", "--pool", "nightdesk", "--run-once"],
        env=desk.line.environment,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: desk.state_of(run) == "Running", "the start of the run")
        for child in psutil.Process(worker.pid).children(recursive=True):
            if child.environ().get("PREFECT__FLOW_RUN_ID") == run:
                child.send_signal(signal.SIGKILL)
        message = arrives(desk.web, f"Key: night-crashed/{run}")
        assert ": Crashed" in message
        arrives(desk.mail, f"Key: night-crashed/{run}")
        worker.wait(timeout=120)
    finally:
        worker.kill()
        worker.wait()


def test_a_run_that_no_worker_takes_is_told_as_late(desk: Desk) -> None:
    past = (dt.datetime.now(dt.UTC) - dt.timedelta(minutes=10)).isoformat()
    scheduled = {"type": "SCHEDULED", "state_details": {"scheduled_time": past}}
    run = desk.nightly_run(state=scheduled)
    message = arrives(desk.web, f"Key: night-late/{run}")
    assert "no worker has taken it" in message
    arrives(desk.mail, f"Key: night-late/{run}")


def test_an_incident_leaves_as_an_event_and_counts_as_delivered_once_prefect_has_sent_it(
    desk: Desk, here: Path
) -> None:
    told = incident("feed-stopped/wire/2017-06-30")
    tell(read_settings(), told, dt.datetime.now(dt.UTC))
    tell(read_settings(), told, dt.datetime.now(dt.UTC))
    for receiver in (desk.web, desk.mail):
        message = arrives(receiver, told.key)
        assert "Sent by Prefect" in message
        for part in (told.title, told.reason, told.cure, told.link):
            assert part in message
    # A server keeps its events a few seconds late.
    wait_until(lambda: bool(desk.events("nightdesk.incident.feed-stopped")), "the record of the event")
    (event,) = desk.events("nightdesk.incident.feed-stopped")
    assert event["resource"]["prefect.resource.id"] == f"nightdesk.feed-stopped.{told.key}"
    engine = open_store(f"sqlite:///{here / 'store.db'}")
    assert all_incidents(engine)["delivered_at"].to_list() == [None]

    def learned() -> bool:
        send(read_settings(), dt.datetime.now(dt.UTC))
        return all_incidents(engine)["delivered_at"].null_count() == 0

    wait_until(learned, "the server's word that it was sent")
    send(read_settings(), later())
    assert [len(one.about(told.key)) for one in (desk.web, desk.mail)] == [1, 1]


def test_what_an_action_could_not_send_is_sent_again_by_us_to_that_channel_alone(desk: Desk, here: Path) -> None:
    told = incident("drift/live/2017-06-30")
    with refusing(desk.web), all_recorded(desk):
        tell(read_settings(), told, dt.datetime.now(dt.UTC))
        arrives(desk.mail, told.key)
    (failed, *_) = desk.events("prefect.automation.action.failed")
    assert failed["payload"]["reason"] == "Notification failed"
    assert "Sent by nightdesk" in sent_by_us(desk.web, told.key)
    send(read_settings(), later())
    assert [len(one.about(told.key)) for one in (desk.web, desk.mail)] == [1, 1]


def test_a_run_that_prefect_could_not_tell_of_is_told_by_us(desk: Desk, here: Path) -> None:
    with refusing(desk.web), all_recorded(desk):
        in_an_hour = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)).isoformat()
        # Not due yet: it would be told as late, too.
        run = desk.nightly_run(state={"type": "SCHEDULED", "state_details": {"scheduled_time": in_an_hour}})
        failed = {"type": "FAILED", "message": "the disk is full"}
        desk.post(f"/flow_runs/{run}/set_state", state=failed, force=True)
        arrives(desk.mail, run)
    message = sent_by_us(desk.web, f"Key: night-failed/{run}")
    assert "Reason: the disk is full" in message
    send(read_settings(), later())
    assert [len(one.about(f"Key: night-failed/{run}")) for one in (desk.web, desk.mail)] == [1, 1]


def test_a_server_without_our_automations_leaves_it_to_us(desk: Desk, here: Path) -> None:
    (standing,) = desk.post("/automations/filter", automations={"name": {"any_": [FAILED_NIGHTS]}})
    told = incident("drift/live/2017-07-03")
    ask("PATCH", f"{desk.api}/automations/{standing['id']}", json={"enabled": False})
    try:
        tell(read_settings(), told, dt.datetime.now(dt.UTC))
    finally:
        ask("PATCH", f"{desk.api}/automations/{standing['id']}", json={"enabled": True})
    assert "Sent by nightdesk" in arrives(desk.web, told.key)


def test_a_channels_secret_is_nowhere_to_be_read(desk: Desk) -> None:
    """After all these messages, taken and refused: not in the server's log, database or events, nor in the home."""
    folder = desk.line.home.parents[1]
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert {"server.log", "prefect.db", "store.db"} <= {file.name for file in files}
    assert [file for file in files if SECRET.encode() in file.read_bytes()] == []


def test_registered_again_nothing_is_there_twice_and_a_wish_for_training_starts_its_deployment(
    desk: Desk, here: Path
) -> None:
    lines = register_automations(read_settings())
    assert "nightdesk: failed nights: updated" in lines
    wish = "nightdesk: retrain when wanted"
    assert f"{wish}: left out, for the server has no deployment retrain/retrain" in lines
    flow = desk.post("/flows/", name="retrain")
    deployment = desk.post("/deployments/", name="retrain", flow_id=flow["id"])
    assert f"{wish}: created" in register_automations(read_settings())
    assert f"{wish}: updated" in register_automations(read_settings())
    names = [one["name"] for one in desk.post("/automations/filter")]
    assert sorted(names) == sorted({name for name in names if name.startswith("nightdesk: ")})
    assert len(names) == 4

    def runs() -> list[Any]:
        return desk.post("/flow_runs/filter", flow_runs={"deployment_id": {"any_": [deployment["id"]]}})

    assert runs() == []
    event = {
        "event": "nightdesk.retrain.wanted",
        "resource": {"prefect.resource.id": "nightdesk.test"},
        "occurred": dt.datetime.now(dt.UTC).isoformat(),
        "id": "0197a1b2-0000-7000-8000-000000000001",
    }
    ask("POST", f"{desk.api}/events", json=[event])
    wait_until(lambda: len(runs()) == 1, "the run of the deployment")
    reason = "event nightdesk.retrain.wanted of nightdesk.test"
    assert runs()[0]["parameters"] == {"parameters": {"reason": reason}}


def test_with_no_channel_set_messages_and_their_secrets_leave_the_server(
    desk: Desk, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_automations(read_settings())
    assert len(_blocks(desk)) == 2
    monkeypatch.setenv("NIGHTDESK_ALERTS__URLS", "[]")
    lines = register_automations(read_settings())
    assert f"{FAILED_NIGHTS}: removed, for no channel is set in alerts.urls" in lines
    assert _blocks(desk) == []
    left = [one["name"] for one in desk.post("/automations/filter")]
    assert [name for name in left if name != "nightdesk: retrain when wanted"] == []
    assert f"{FAILED_NIGHTS}: left out, for no channel is set in alerts.urls" in register_automations(read_settings())


def _blocks(desk: Desk) -> list[str]:
    return [one["name"] for one in desk.post("/block_documents/filter") if one["name"].startswith("nightdesk-")]
