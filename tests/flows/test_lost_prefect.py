"""A night whose Prefect server is killed under it: it goes on, and ends in the same state, whether that comes back."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import stages_done, wait_until
from logical_state import differences, logical_state
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect_server import Server, prefect_server
from receivers import free_port
from small_nights import choose_home, market_days, run_night

from flows.approval import _ask_in_prefect
from nightdesk.errors import ServerTrouble

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
BEFORE, DAY = market_days(2)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server, and a home on it in which no night has run."""
    with prefect_server(tmp_path) as made:
        choose_home(monkeypatch, made.line.home)
        yield made


def begun(server: Server, day: dt.date) -> subprocess.Popen[str]:
    """A night of a process of its own, which has built the panel and goes on."""
    night = server.line.start("nightly", "--as-of", str(day), "--train", "always")
    wait_until(lambda: "panel" in stages_done(server.line.home, day), "the first stages of the night", seconds=240)
    return night


def states(server: Server, day: dt.date) -> list[str]:
    return [run["state_type"] for run in server.runs(f"nightly-live-{day}")]


@pytest.mark.chaos
def test_a_night_goes_on_without_its_server_and_says_so_where_that_stays_away(
    server: Server, two_undisturbed_nights: dict[str, Any]
) -> None:
    night = begun(server, BEFORE)
    server.stop(kill=True)
    server.start()
    assert night.wait(timeout=240) == 0, night.err.read_text()  # type: ignore[attr-defined]
    assert states(server, BEFORE) == ["COMPLETED"]

    server.line.environment["PREFECT_CLIENT_MAX_RETRIES"] = "1"
    night = begun(server, DAY)
    server.stop(kill=True)
    assert night.wait(timeout=240) == 75
    *_, last = night.err.read_text().splitlines()  # type: ignore[attr-defined]
    assert "the Prefect server must answer until a run has ended, got ConnectError: what was done stands" in last
    assert differences(logical_state(server.line.home), two_undisturbed_nights) == []
    assert "This night was done before" in server.line.run("nightly", "--as-of", str(DAY))


def test_a_question_to_a_server_that_went_away_is_trouble_with_that_server() -> None:
    api = f"http://127.0.0.1:{free_port()}/api"
    with temporary_settings({PREFECT_API_URL: api}), pytest.raises(ServerTrouble, match="while a person is asked"):
        _ask_in_prefect(uuid.uuid4(), "May these models serve?", 1, lambda: False)


@pytest.mark.chaos
def test_a_night_under_a_worker_ends_in_the_same_state_when_its_server_is_killed_and_comes_back(
    server: Server, two_undisturbed_nights: dict[str, Any]
) -> None:
    run_night(BEFORE, train="always")
    server.line.environment["NIGHTDESK_ROOT"] = str(ROOT)
    prefect(server, "work-pool", "create", "nightdesk", "--type", "process")
    prefect(server, "--no-prompt", "deploy", "--name", "nightly")
    asked = f'{{"parameters": {{"as_of": "{DAY}", "train": "always"}}}}'
    prefect(server, "deployment", "run", "nightly/nightly", "--params", asked)
    worker = started(server, "worker", "start", "--pool", "nightdesk")
    try:
        wait_until(lambda: "panel" in stages_done(server.line.home, DAY), "the first stages of the night")
        server.stop(kill=True)
        server.start()
        wait_until(lambda: states(server, DAY) == ["COMPLETED"], "the end of the deployed night", seconds=240)
    finally:
        worker.kill()
        worker.wait()
    assert differences(logical_state(server.line.home), two_undisturbed_nights) == []


def prefect(server: Server, *arguments: str) -> None:
    assert started(server, *arguments).wait(timeout=120) == 0, (server.folder / "prefect.log").read_text()


def started(server: Server, *arguments: str) -> subprocess.Popen[bytes]:
    with (server.folder / "prefect.log").open("ab") as log:
        command = [sys.executable, "-m", "prefect", *arguments]
        return subprocess.Popen(command, env=server.line.environment, cwd=ROOT, stdout=log, stderr=log)
