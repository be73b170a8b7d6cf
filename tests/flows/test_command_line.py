"""The real command: killed, run twice at once, offline, and given what it cannot use."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from command_line import CommandLine, command_line, stages_done, wait_until
from logical_state import differences, logical_state
from small_nights import market_days

from nightdesk.operations.environment import STARTED_BY

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A home whose first night was killed with SIGKILL after its features, and started again."""
    line = command_line(tmp_path_factory.mktemp("killed"))
    night = line.start("nightly")
    wait_until(lambda: "features" in stages_done(line.home), "the stage of features")
    night.send_signal(signal.SIGKILL)
    night.wait()
    assert "report" not in stages_done(line.home)
    orphans = _ephemeral_servers(line)
    line.run("nightly")
    assert not [one for one in orphans if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    return line


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A home whose first night ran in peace, while a second start of it said so and went."""
    line = command_line(tmp_path_factory.mktemp("undisturbed"))
    (day,) = market_days(1)
    night = line.start("nightly")
    wait_until(lambda: (line.home / f"locks/live-{day}.holder").exists(), "the lock of the night")
    night.send_signal(signal.SIGSTOP)
    second = line.run("nightly", code=75)
    night.send_signal(signal.SIGCONT)
    assert f"process {night.pid} " in second
    assert f"runs that of {day}" in second
    assert "Traceback" not in second
    assert night.wait(timeout=240) == 0
    return line


def test_a_night_killed_with_sigkill_ends_in_the_state_of_one_that_was_not(
    killed: CommandLine, undisturbed: CommandLine
) -> None:
    assert differences(logical_state(killed.home), logical_state(undisturbed.home)) == []


def test_prefects_record_of_the_killed_night_is_closed(killed: CommandLine) -> None:
    with sqlite3.connect(killed.home / "prefect/prefect.db") as records:
        states = [state for (state,) in records.execute("SELECT state_type FROM flow_run ORDER BY created")]
    assert states == ["CRASHED", "COMPLETED"]


def test_no_process_of_a_night_talks_to_anything_beyond_this_machine(
    killed: CommandLine, undisturbed: CommandLine
) -> None:
    assert killed.calls == ""
    assert undisturbed.calls == ""


def test_the_guard_itself_notices_a_call(tmp_path: Path) -> None:
    line = command_line(tmp_path)
    reached = "import socket; socket.create_connection(('192.0.2.1', 9), timeout=1)"
    command = [sys.executable, "-c", reached]
    found = subprocess.run(command, env=line.environment, capture_output=True, text=True, check=False)
    assert "no network in this test" in found.stderr
    assert "192.0.2.1" in line.calls


def test_the_summary_tells_what_a_new_user_asks(undisturbed: CommandLine) -> None:
    (day,) = market_days(1)
    text = undisturbed.run("nightly")
    for said in (
        f"Night of {day} (live): published",
        "rows in",
        "in quarantine so far: ",
        "Training: yes, no model is served at horizon 5",
        "Rank IC in the walk-forward",
        "undefined",
        "unproven",
        "Top at 5 days: SYN",
        "Report:  ",
        "MLflow:  sqlite:///",
        "Prefect: ",
        "done before, so nothing was run again",
    ):
        assert said in text
    assert (undisturbed.home / f"reports/live/{day}.html").exists()


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("models",), "unproven"),
        (("history",), "nobody was served"),
        (("predict", "syn0001"), "rank"),
        (("doctor",), "ok    served models"),
        (("settings",), "NIGHTDESK_TRAINING__RETRAIN_AFTER"),
    ],
)
def test_commands_after_a_night(undisturbed: CommandLine, command: tuple[str, ...], says: str) -> None:
    assert says in undisturbed.run(*command)


def test_an_unknown_symbol_is_one_line_with_known_ones(undisturbed: CommandLine) -> None:
    text = undisturbed.run("predict", "SYN001", code=2)
    assert text.startswith("nightdesk: symbol must be one of ")
    assert "got 'SYN001': choose SYN00" in text
    assert text.count("\n") == 1


@pytest.mark.chaos
def test_a_replay_runs_its_nights_in_a_realm_of_its_own(undisturbed: CommandLine) -> None:
    day, _ = market_days(2)
    text = undisturbed.run("replay", "--from", str(day), "--to", str(day))
    assert f"{day}  published" in text
    assert "nightdesk-replay-h5" in logical_state(undisturbed.home)["registry"]["aliases"]


def _ephemeral_servers(line: CommandLine) -> list[psutil.Process]:
    """Prefect's own servers of a home: what a killed night leaves behind."""
    found = []
    for process in psutil.process_iter():
        try:
            own = process.environ()
        except psutil.Error:
            continue
        if own.get("NIGHTDESK_HOME") == str(line.home) and STARTED_BY in own and process.pid != psutil.Process().pid:
            found.append(process)
    return found
