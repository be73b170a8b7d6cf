"""The real command: killed, run twice at once, offline, and given what it cannot use."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from command_line import CommandLine, command_line, stages_done, wait_until
from logical_state import differences, logical_state
from small_nights import begin_with, choose_home, market_days

from flows import cli
from nightdesk.operations.environment import STARTED_BY

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A home whose first night was killed with SIGKILL after its features, and started again.

    While that ran, a second start of it said so and went.
    """
    line = command_line(tmp_path_factory.mktemp("killed"))
    (day,) = market_days(1)
    night = line.start("nightly")
    wait_until(lambda: "features" in stages_done(line.home), "the stage of features")
    night.send_signal(signal.SIGKILL)
    night.wait()
    assert "report" not in stages_done(line.home)
    orphans = _ephemeral_servers(line)
    holder = line.home / f"locks/live-{day}.holder"
    again = line.start("nightly")
    wait_until(lambda: holder.exists() and str(again.pid) in holder.read_text(), "the lock of the night")
    again.send_signal(signal.SIGSTOP)
    second = line.run("nightly", code=75)
    again.send_signal(signal.SIGCONT)
    assert f"process {again.pid} " in second
    assert f"runs that of {day}" in second
    assert "Traceback" not in second
    assert again.wait(timeout=240) == 0
    assert not [one for one in orphans if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    return line


@pytest.fixture
def asked(
    killed: CommandLine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Ask the command line in this process, in the home of that night."""
    for name, value in killed.environment.items():
        if name.startswith("NIGHTDESK_"):
            monkeypatch.setenv(name, value)

    def ask(*words: str, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["nightdesk", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capsys.readouterr()
        assert (ended.value.code or 0) == code, told
        return told.out + told.err

    return ask


def test_a_night_killed_with_sigkill_ends_in_the_state_of_one_that_was_not(
    killed: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peaceful = choose_home(monkeypatch, tmp_path / "peaceful")
    begin_with(*market_days(1))
    assert differences(logical_state(killed.home), logical_state(peaceful)) == []


def test_prefects_record_of_the_killed_night_is_closed(killed: CommandLine) -> None:
    with sqlite3.connect(killed.home / "prefect/prefect.db") as records:
        states = [state for (state,) in records.execute("SELECT state_type FROM flow_run ORDER BY created")]
    assert states == ["CRASHED", "COMPLETED"]


def test_no_process_of_a_night_talks_to_anything_beyond_this_machine(killed: CommandLine) -> None:
    assert killed.calls == ""


def test_the_guard_itself_notices_a_call(tmp_path: Path) -> None:
    line = command_line(tmp_path)
    reached = "import socket; socket.create_connection(('192.0.2.1', 9), timeout=1)"
    command = [sys.executable, "-c", reached]
    found = subprocess.run(command, env=line.environment, capture_output=True, text=True, check=False)
    assert "no network in this test" in found.stderr
    assert "192.0.2.1" in line.calls


def test_the_summary_tells_what_a_new_user_asks(killed: CommandLine) -> None:
    (day,) = market_days(1)
    text = killed.run("nightly")
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
    assert (killed.home / f"reports/live/{day}.html").exists()


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
def test_commands_after_a_night(asked: Callable[..., str], command: tuple[str, ...], says: str) -> None:
    assert says in asked(*command)


def test_an_unknown_symbol_is_one_line_with_known_ones(asked: Callable[..., str]) -> None:
    text = asked("predict", "SYN001", code=2)
    assert text.startswith("nightdesk: symbol must be one of ")
    assert "got 'SYN001': choose SYN00" in text
    assert text.count("\n") == 1


@pytest.mark.chaos
def test_a_replay_runs_its_nights_in_a_realm_of_its_own(killed: CommandLine) -> None:
    day, _ = market_days(2)
    text = killed.run("replay", "--from", str(day), "--to", str(day))
    assert f"{day}  published" in text
    assert "nightdesk-replay-h5" in logical_state(killed.home)["registry"]["aliases"]


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
