"""Detached processes on a real machine: found again, told from strangers, and stopped with all they started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from receivers import free_port

from nightdesk.errors import ServerTrouble
from nightdesk.operations.processes import (
    MARK,
    Server,
    disk,
    records,
    standing,
    start,
    stop_all,
    wait_until_healthy,
)
from nightdesk.store.files import write_json

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], start_new_session=True)
print(child.pid, flush=True)
time.sleep(300)
"""
HTTP = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1")


def pages(port: int) -> Server:
    url = f"http://127.0.0.1:{port}"
    return Server("pages", (*HTTP, str(port)), {"PLANTED": "yes"}, url, url)


def test_a_server_is_started_detached_found_again_and_stopped(tmp_path: Path) -> None:
    record = start(tmp_path, pages(free_port()), tmp_path)
    wait_until_healthy(record, 30)
    process = psutil.Process(record.pid)
    assert process.environ()[MARK] == str(tmp_path)
    assert process.environ()["PLANTED"] == "yes"
    assert os.getsid(record.pid) != os.getsid(0)
    (found,) = standing(tmp_path)
    assert (found.record, found.alive, found.healthy) == (record, True, True)
    assert found.memory > 0
    (stopped,) = stop_all(tmp_path)
    assert stopped.startswith(f"pages (pid {record.pid})")
    assert not process.is_running()
    assert standing(tmp_path) == []
    assert stop_all(tmp_path) == []


def test_children_of_a_killed_parent_are_stopped_and_those_of_another_desk_are_not(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    parent = start(ours, Server("parent", (sys.executable, "-c", PARENT), {}, None, None), tmp_path)
    other = start(theirs, Server("parent", (sys.executable, "-c", PARENT), {}, None, None), tmp_path)
    child = _first_line(parent.log)
    os.kill(parent.pid, signal.SIGKILL)
    os.waitpid(parent.pid, 0)
    assert not standing(ours)[0].alive
    assert psutil.pid_exists(child)
    assert [line for line in stop_all(ours) if f"(pid {child})" in line]
    assert not psutil.pid_exists(child)
    assert standing(theirs)[0].alive
    assert len(stop_all(theirs)) == 2
    assert not psutil.pid_exists(other.pid)


def test_a_child_that_a_killed_server_left_at_its_port_makes_room(tmp_path: Path) -> None:
    port = free_port()
    child = f"import subprocess; subprocess.run({[*HTTP, str(port)]!r})"
    server = replace(pages(port), command=(sys.executable, "-c", child))
    first = start(tmp_path, server, tmp_path)
    wait_until_healthy(first, 30)
    os.kill(first.pid, signal.SIGKILL)
    os.waitpid(first.pid, 0)
    second = start(tmp_path, server, tmp_path)
    wait_until_healthy(second, 30)
    assert second.pid != first.pid
    assert len(stop_all(tmp_path)) == 2


def test_a_stranger_with_the_pid_of_a_server_that_ended_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    try:
        record = start(tmp_path, Server("short", (sys.executable, "-c", "pass"), {}, None, None), tmp_path)
        os.waitpid(record.pid, 0)
        write_json(tmp_path / "servers.json", [{**vars_of(record), "pid": stranger.pid, "born": record.born - 10}])
        assert not standing(tmp_path)[0].alive
        assert stop_all(tmp_path) == []
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_taken_port_is_told_before_anything_is_started(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServerTrouble, match=f"needs port {port} of 127.0.0.1.*set servers.pages_port"):
            start(tmp_path, pages(port), tmp_path)
    assert records(tmp_path) == []


def test_one_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    dies = Server(
        "dies", (sys.executable, "-c", "raise SystemExit('no such database')"), {}, None, "http://127.0.0.1:9"
    )
    record = start(tmp_path, dies, tmp_path)
    with pytest.raises(ServerTrouble, match="dies must stay up, and it ended: no such database"):
        wait_until_healthy(record, 30)


WORKER = """
import signal, sys, time, urllib.request

def say(*_):
    with open(sys.argv[2], "w") as file:
        file.write(str(urllib.request.urlopen(sys.argv[1], timeout=5).status))
    sys.exit()

signal.signal(signal.SIGTERM, say)
print("ready", flush=True)
time.sleep(300)
"""


def test_what_works_is_stopped_while_its_server_still_answers(tmp_path: Path) -> None:
    serving = pages(free_port())
    wait_until_healthy(start(tmp_path, serving, tmp_path), 30)
    said = tmp_path / "said"
    command = (sys.executable, "-c", WORKER, f"{serving.url}/", str(said))
    record = start(tmp_path, Server("worker", command, {}, None, None), tmp_path)
    while "ready" not in Path(record.log).read_text():
        time.sleep(0.05)
    assert len(stop_all(tmp_path)) == 2
    assert said.read_text() == "200"


def test_one_that_lives_and_does_not_answer_is_never_healthy(tmp_path: Path) -> None:
    deaf = Server("deaf", (sys.executable, "-c", PARENT), {}, None, f"http://127.0.0.1:{free_port()}")
    record = start(tmp_path, deaf, tmp_path)
    try:
        (found,) = standing(tmp_path)
        assert (found.alive, found.healthy) == (True, False)
        with pytest.raises(ServerTrouble, match="must answer within 1 s"):
            wait_until_healthy(replace(record), 1)
    finally:
        stop_all(tmp_path)


def test_disk_counts_all_files_below(tmp_path: Path) -> None:
    (tmp_path / "features/deep").mkdir(parents=True)
    (tmp_path / "features/deep/a").write_bytes(b"x" * 70_000)
    (tmp_path / "store.db").write_bytes(b"x" * 10)
    sizes = disk(tmp_path)
    assert list(sizes) == ["features", "store.db"]
    assert sizes["features"] >= 70_000
    assert disk(tmp_path / "nothing") == {}


def vars_of(record: object) -> dict[str, object]:
    return {name: getattr(record, name) for name in record.__slots__}  # type: ignore[attr-defined]


def _first_line(log: str) -> int:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if (text := Path(log).read_text()).endswith("\n"):
            return int(text)
        time.sleep(0.05)
    raise AssertionError(f"nothing was written to {log}")
