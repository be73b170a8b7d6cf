"""The desk of one machine: up, a run by hand and its approval in Prefect's UI in a real browser, a crash, and down."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import socket
import zoneinfo
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from browser import started_browser
from command_line import CommandLine, command_line, wait_until
from prefect_server import ask
from receivers import free_port
from secret_hunt import Planted
from small_nights import market_days

from nightdesk.operations.processes import MARK
from nightdesk.store.approvals import all_approvals
from nightdesk.store.database import connect

pytestmark = [pytest.mark.server, pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    ports = {f"NIGHTDESK_SERVERS__{name}_PORT": str(free_port()) for name in ("PREFECT", "MLFLOW")}
    secrets = {name: PLANTED.new(name) for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PGPASSWORD")}
    channel = f"json://desk:{PLANTED.new('channel')}@127.0.0.1:{free_port()}/{PLANTED.new('path')}"
    own = {
        **ports,
        **secrets,
        "NIGHTDESK_ALERTS__URLS": json.dumps([channel]),
        "NIGHTDESK_PROMOTION__APPROVAL": "manual",
    }
    line = command_line(tmp_path_factory.mktemp("desk"), **own)
    try:
        line.run("up", seconds=400)
        yield line
    finally:
        line.run("down")


@pytest.mark.chaos
def test_up_again_starts_nothing_twice(desk: CommandLine) -> None:
    text = desk.run("up", seconds=400)
    assert text.count("runs already") == 3
    assert f"export PREFECT_API_URL={prefect(desk)}/api" in text


def test_everything_is_up_and_queues_keep_their_limits(desk: CommandLine) -> None:
    status = desk.run("status")
    assert status.count(" up ") == 3
    for name in ("prefect", "mlflow", "worker", "mlflow.db", "Free: "):
        assert name in status
    queues = ask("POST", f"{prefect(desk)}/api/work_pools/nightdesk/queues/filter", json={}).json()
    limits = {one["name"]: one["concurrency_limit"] for one in queues}
    assert (limits["nights"], limits["training"], limits["maintenance"]) == (None, 1, 1)


def test_every_server_listens_on_loopback_alone(desk: CommandLine) -> None:
    heard = {
        (connection.laddr.ip, connection.laddr.port)
        for process in desk_processes(desk.home)
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {port for _, port in heard} >= {httpx.URL(url).port for url in (prefect(desk), mlflow(desk))}
    assert {address for address, _ in heard} == {"127.0.0.1"}


def test_nights_are_scheduled_on_the_evenings_of_the_exchange(desk: CommandLine) -> None:
    wait_until(lambda: bool(scheduled(desk)), "a scheduled run")
    starts = [dt.datetime.fromisoformat(run["expected_start_time"]) for run in scheduled(desk)]
    local = [start.astimezone(zoneinfo.ZoneInfo("America/New_York")) for start in starts]
    nightly = [one for one in local if (one.hour, one.minute) == (18, 30)]
    assert nightly
    assert {one.weekday() for one in nightly} <= {0, 1, 2, 3, 4}


def test_upkeep_has_its_own_times_and_queues(desk: CommandLine) -> None:
    deployments = {one["name"]: one for one in post(desk, "/deployments/filter")}
    assert {name: one["work_queue_name"] for name, one in deployments.items()} == {
        "nightly": "nights",
        "backfill": "nights",
        "retrain": "training",
        "replay": "training",
        "cleanup": "maintenance",
        "doctor": "maintenance",
    }
    ids = {deployments[name]["id"]: name for name in ("nightly", "retrain", "cleanup", "doctor")}
    wait_until(lambda: {run["deployment_id"] for run in scheduled(desk)} >= ids.keys(), "runs of all schedules")
    for run in scheduled(desk):
        at = dt.datetime.fromisoformat(run["expected_start_time"]).astimezone(zoneinfo.ZoneInfo("America/New_York"))
        expected = {
            "nightly": (at.weekday() < 5, 18, 30),
            "retrain": (at.weekday() == 6, 2, 0),
            "cleanup": (at.day == 1, 3, 0),
            "doctor": (at.weekday() < 5, 16, 0),
        }[ids[run["deployment_id"]]]
        assert (True, at.hour, at.minute) == expected


def test_the_form_of_a_run_has_typed_and_described_parameters(desk: CommandLine) -> None:
    deployments = {one["name"]: one for one in post(desk, "/deployments/filter")}
    for name in ("nightly", "retrain", "cleanup", "doctor", "backfill", "replay"):
        schema = deployments[name]["parameter_openapi_schema"]
        (form,) = schema["definitions"].values()
        assert form["properties"]
        for field in form["properties"].values():
            assert field["title"]
            assert field["description"]


def test_no_process_of_the_desk_shows_a_secret_to_who_lists_processes(desk: CommandLine) -> None:
    commands = [process.cmdline() for process in desk_processes(desk.home)]
    assert len(commands) >= 3
    assert PLANTED.seen_in(str(commands)) == set()


def test_a_person_starts_a_night_in_the_ui_approves_its_model_there_and_sees_it_complete(desk: CommandLine) -> None:
    (day,) = market_days(1)
    with started_browser() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 1100})
        page.set_default_timeout(60_000)
        page.goto(f"{prefect(desk)}/v2/deployments")
        page.get_by_role("link", name="nightly").first.click()
        page.get_by_role("button", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Custom run").click()
        page.get_by_text("Trading day whose close the night decides on").wait_for()
        page.get_by_role("button", name="Select Training").click()
        page.get_by_role("option", name="always").click()
        page.get_by_role("button", name="Submit").click()
        # A run takes the name of its realm and date once it begins.
        wait_until(lambda: states(desk, NAME)[:1] in (["PAUSED"], ["FAILED"]), "the question", seconds=300)
        assert answers(desk) == [(None, None, None)]
        page.goto(f"{prefect(desk)}/v2/runs/flow-run/{runs(desk, NAME)[0]['id']}")
        answer_in_the_form(page, desk)
        wait_until(lambda: states(desk, NAME)[:1] in (["COMPLETED"], ["FAILED"]), "the end of the run", seconds=300)
        (run,) = runs(desk, NAME)
        assert run["state_type"] == "COMPLETED", run["state"]
        assert run["parameters"]["parameters"]["train"] == "always"
        page.goto(f"{prefect(desk)}/v2/runs/flow-run/{run['id']}?tab=Artifacts")
        page.get_by_text("Completed").first.wait_for()
        for key in ("night-live", "drift-live", "decision-live", "report-live", "models-live"):
            page.get_by_text(key).first.wait_for()
        # The report comes to whoever clicks, on whatever machine the browser is.
        left = ask("POST", f"{prefect(desk)}/api/artifacts/filter", json={}).json()
        (report,) = [one["id"] for one in left if one["key"] == "report-live"]
        page.goto(f"{prefect(desk)}/v2/artifacts/artifact/{report}")
        with page.expect_download() as fetched:
            page.get_by_role("link", name="Fetch it").click()
        assert f"<title>nightdesk, {day}: published</title>" in Path(fetched.value.path()).read_text(encoding="utf-8")
        page.goto(f"{mlflow(desk)}/#/models/nightdesk-live-h5")
        page.get_by_text("champion").first.wait_for()
    assert (desk.home / f"reports/live/{day}.html").exists()
    assert answers(desk) == [("approved", "Ada", "looks sound")]
    assert "approved by Ada: looks sound" in (desk.home / f"reports/live/{day}.html").read_text()
    # The same registry without the servers: what one wrote, the other loads.
    assert "ridge" in desk.run("models")


@pytest.mark.chaos
def test_after_a_crash_of_everything_down_leaves_nothing(desk: CommandLine) -> None:
    known = json.loads((desk.home / "servers.json").read_text())
    for record in known:
        os.kill(record["pid"], signal.SIGKILL)
    assert "DOWN" in desk.run("status", code=3)
    stopped = desk.run("down")
    assert marked(desk.home) == []
    for url in (prefect(desk), mlflow(desk)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", httpx.URL(url).port))
    assert "stopped" in stopped
    # Servers, worker, a night and its messages have come and gone: none of them wrote a secret down.
    assert PLANTED.seen_below(desk.home, desk.logs) == {}
    assert "nothing was running" in desk.run("down")
    assert desk.run("status", code=3).count("never started") == 3


@pytest.mark.chaos
def test_a_taken_port_is_one_line_and_leaves_nothing_running(desk: CommandLine) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", httpx.URL(mlflow(desk)).port))
        taken.listen()
        text = desk.run("up", code=75, seconds=400)
    assert text.splitlines()[-1].startswith("nightdesk: mlflow needs port ")
    assert marked(desk.home) == []


NAME = "nightly-live-newest"

PLANTED = Planted()


def answer_in_the_form(page: Any, desk: CommandLine) -> None:
    """Press Resume, forget the answer, be refused, and give it."""
    page.get_by_role("button", name="Open menu").click()
    page.get_by_role("menuitem", name="Resume").click()
    form = page.get_by_role("dialog")
    form.get_by_text("from nobody to ").wait_for()
    form.get_by_label("Your name").fill("Ada")
    form.get_by_label("Note").fill("looks sound")
    form.get_by_role("button", name="Resume").click()
    page.get_by_text("'answer' is a required property").wait_for()
    assert form.is_visible()
    assert states(desk, NAME)[:1] == ["PAUSED"]
    form.get_by_role("button", name="Select Answer").click()
    page.get_by_role("option", name="approve").click()
    form.get_by_role("button", name="Resume").click()
    form.wait_for(state="hidden")


def answers(desk: CommandLine) -> list[tuple[Any, ...]]:
    rows = all_approvals(connect(f"sqlite:///{desk.home / 'store.db'}"), "live")
    return rows.select("answer", "by", "note").rows()


def prefect(desk: CommandLine) -> str:
    return f"http://127.0.0.1:{desk.environment['NIGHTDESK_SERVERS__PREFECT_PORT']}"


def mlflow(desk: CommandLine) -> str:
    return f"http://127.0.0.1:{desk.environment['NIGHTDESK_SERVERS__MLFLOW_PORT']}"


def post(desk: CommandLine, path: str, **body: Any) -> Any:
    return ask("POST", f"{prefect(desk)}/api{path}", json=body).json()


def scheduled(desk: CommandLine) -> list[dict[str, Any]]:
    """Scheduled runs of any deployment."""
    return post(desk, "/flow_runs/filter", flow_runs={"state": {"type": {"any_": ["SCHEDULED"]}}})


def runs(desk: CommandLine, name: str) -> list[dict[str, object]]:
    return ask("POST", f"{prefect(desk)}/api/flow_runs/filter", json={"flow_runs": {"name": {"any_": [name]}}}).json()


def states(desk: CommandLine, name: str) -> list[object]:
    return [run["state_type"] for run in runs(desk, name)]


def marked(home: Path) -> list[list[str]]:
    return [process.cmdline() for process in desk_processes(home)]


def desk_processes(home: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(home):
                found.append(process)
        except psutil.Error:
            continue
    return found
