"""The server that a command begins for itself is the one that its flows use, and it ends with the command."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from command_line import empty_records

from flows import temporary_server
from flows.temporary_server import begin_server, hand_over

pytestmark = pytest.mark.slow

USED = """
import signal
from pathlib import Path

from nightdesk.home import Home
from nightdesk.operations.environment import prepare_environment

prepare_environment(Home(Path({home!r})))
from flows.temporary_server import begin_server, hand_over

begun = begin_server()
if {dies}:
    begun.process.send_signal(signal.SIGKILL)
    begun.process.wait()
hand_over(begun)
import prefect
from prefect.client.orchestration import get_client
from prefect.server.api.server import SubprocessASGIServer


@prefect.flow
def one():
    return 1


assert one() == 1
with get_client(sync_client=True) as client:
    assert len(client.read_flow_runs()) == 1
print(begun.process.pid, SubprocessASGIServer().server_process.pid)
"""


@pytest.mark.parametrize("dies", [False, True])
def test_its_flows_use_the_server_that_it_began_or_one_of_prefects_own(
    dies: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PREFECT_API_URL", "PREFECT_HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "prefect").mkdir()
    shutil.copy(empty_records(), tmp_path / "prefect/prefect.db")
    script = USED.format(home=str(tmp_path), dies=dies)
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=240, check=False)
    assert said.returncode == 0, said.stderr
    begun, used = map(int, said.stdout.split())
    assert (begun == used) is not dies
    assert not psutil.pid_exists(used)


def test_one_that_no_flow_came_to_use_ends_with_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    script = "from flows.temporary_server import begin_server; print(begin_server().process.pid); raise SystemExit(2)"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode == 2, said.stderr
    assert not psutil.pid_exists(int(said.stdout))


def test_where_a_server_is_named_none_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setattr(temporary_server, "check_server", lambda: asked.append(True))
    assert begin_server() is None
    assert asked
    hand_over(None)
