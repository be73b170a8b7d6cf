"""A deployment of prefect.yaml on a Prefect server that is not ours, run by a worker; and the command line on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from command_line import wait_until
from prefect_server import ROOT, Server, prefect_server
from small_nights import market_days

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.chaos]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with prefect_server(tmp_path_factory.mktemp("server"), NIGHTDESK_ROOT=str(ROOT)) as started:
        started.prefect("work-pool", "create", "nightdesk", "--type", "process")
        started.prefect("--no-prompt", "deploy", "--all")
        yield started


def test_a_worker_runs_the_deployment_to_its_end(server: Server) -> None:
    day, _ = market_days(2)
    server.prefect(
        "deployment", "run", "nightly/nightly", "--params", f'{{"parameters": {{"as_of": "{day}", "train": "auto"}}}}'
    )
    server.prefect("worker", "start", "--pool", "nightdesk", "--run-once")
    name = f"nightly-live-{day}"
    wait_until(lambda: _states(server, name) == ["COMPLETED"], "the end of the deployed run", seconds=180)
    assert (server.line.home / f"reports/live/{day}.html").exists()


def test_the_command_line_runs_on_the_server_that_the_environment_names(server: Server) -> None:
    (day,) = market_days(1)
    text = server.line.run("nightly")
    assert f"Prefect: {server.api}" in text
    assert _states(server, "nightly-live-newest") == ["COMPLETED"]
    assert f"Night of {day} (live): published" in text
    assert server.line.calls == ""


def _states(server: Server, name: str) -> list[str]:
    runs = server.post("/flow_runs/filter", flow_runs={"name": {"any_": [name]}})
    return [run["state_type"] for run in runs]
