"""The deployments of prefect.yaml on a real Prefect server: scheduled, shown as a form, run by a worker."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from command_line import wait_until
from prefect_server import ROOT, Server, prefect_server
from small_nights import market_days

pytestmark = [pytest.mark.server, pytest.mark.slow]


@dataclass
class Scheduling(Server):
    """A Prefect server with the deployments of the repository on it."""

    def scheduled(self) -> list[dict[str, Any]]:
        """Scheduled runs of any deployment."""
        return self.post("/flow_runs/filter", flow_runs={"state": {"type": {"any_": ["SCHEDULED"]}}})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scheduling]:
    with prefect_server(tmp_path_factory.mktemp("server"), NIGHTDESK_ROOT=str(ROOT)) as started:
        started.prefect("work-pool", "create", "nightdesk", "--type", "process")
        started.prefect("--no-prompt", "deploy", "--all")
        yield Scheduling(started.api, started.line, started.folder)


def test_nights_are_scheduled_on_the_evenings_of_the_exchange(server: Scheduling) -> None:
    wait_until(lambda: bool(server.scheduled()), "a scheduled run")
    starts = [dt.datetime.fromisoformat(run["expected_start_time"]) for run in server.scheduled()]
    local = [start.astimezone(zoneinfo.ZoneInfo("America/New_York")) for start in starts]
    nightly = [one for one in local if (one.hour, one.minute) == (18, 30)]
    assert nightly
    assert {one.weekday() for one in nightly} <= {0, 1, 2, 3, 4}


def test_upkeep_has_its_own_times_and_queues(server: Scheduling) -> None:
    deployments = {one["name"]: one for one in server.post("/deployments/filter")}
    assert {name: one["work_queue_name"] for name, one in deployments.items()} == {
        "nightly": "nights",
        "backfill": "nights",
        "retrain": "training",
        "replay": "training",
        "cleanup": "maintenance",
        "doctor": "maintenance",
    }
    scheduled = ("nightly", "retrain", "cleanup", "doctor")
    ids = {deployments[name]["id"]: name for name in scheduled}
    wait_until(lambda: {run["deployment_id"] for run in server.scheduled()} >= ids.keys(), "runs of all schedules")
    for run in server.scheduled():
        at = dt.datetime.fromisoformat(run["expected_start_time"]).astimezone(zoneinfo.ZoneInfo("America/New_York"))
        expected = {
            "nightly": (at.weekday() < 5, 18, 30),
            "retrain": (at.weekday() == 6, 2, 0),
            "cleanup": (at.day == 1, 3, 0),
            "doctor": (at.weekday() < 5, 16, 0),
        }[ids[run["deployment_id"]]]
        assert (True, at.hour, at.minute) == expected


def test_the_form_of_a_run_has_typed_and_described_parameters(server: Scheduling) -> None:
    deployments = {one["name"]: one for one in server.post("/deployments/filter")}
    for name in ("nightly", "retrain", "cleanup", "doctor", "backfill", "replay"):
        schema = deployments[name]["parameter_openapi_schema"]
        (form,) = schema["definitions"].values()
        assert form["properties"]
        for field in form["properties"].values():
            assert field["title"]
            assert field["description"]


def test_a_worker_runs_the_deployment_to_its_end(server: Scheduling) -> None:
    day, _ = market_days(2)
    server.prefect(
        "deployment", "run", "nightly/nightly", "--params", f'{{"parameters": {{"as_of": "{day}", "train": "auto"}}}}'
    )
    server.prefect("worker", "start", "--pool", "nightdesk", "--run-once")
    name = f"nightly-live-{day}"
    wait_until(lambda: _states(server, name) == ["COMPLETED"], "the end of the deployed run", seconds=180)
    assert (server.line.home / f"reports/live/{day}.html").exists()


@pytest.mark.chaos
def test_the_command_line_runs_on_the_server_that_the_environment_names(server: Scheduling) -> None:
    (day,) = market_days(1)
    text = server.line.run("nightly")
    assert f"Prefect: {server.api}" in text
    assert _states(server, "nightly-live-newest") == ["COMPLETED"]
    assert f"Night of {day} (live): published" in text
    assert server.line.calls == ""


def _states(server: Scheduling, name: str) -> list[str]:
    runs = server.post("/flow_runs/filter", flow_runs={"name": {"any_": [name]}})
    return [run["state_type"] for run in runs]
