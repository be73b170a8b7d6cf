"""Servers of one machine as detached processes: started, found again after a crash, stopped with all they started."""

from __future__ import annotations

import datetime as dt
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import psutil

from nightdesk.concealment import concealed
from nightdesk.errors import ServerTrouble
from nightdesk.operations.environment import same_birth
from nightdesk.store.files import write_json

MARK = "NIGHTDESK_DESK"
"""Every process of a desk inherits this variable, naming its home: so children are found whose parent was killed."""

_SERVER = "NIGHTDESK_DESK_SERVER"
"""Beside it, of which server they are."""

GRACE = 20.0
"""Seconds between the request to end and the kill: a flow run tells its server that it was stopped."""

# A shell without a terminal starts background processes with SIGINT ignored, and Prefect then ignores SIGTERM too.
_WITH_SIGNALS = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


@dataclass(frozen=True, slots=True)
class Server:
    """What to start: name, command, environment on top of ours, where people find it, and what tells its health."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    url: str | None
    health: str | None


@dataclass(frozen=True, slots=True)
class Record:
    """A started server as the home remembers it; a pid alone may be somebody else's by now, so its birth is kept."""

    name: str
    pid: int
    born: float
    url: str | None
    health: str | None
    log: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How a server stands: its record, whether it lives and answers, since when (UTC), and memory with its children."""

    record: Record
    alive: bool
    healthy: bool
    since: dt.datetime
    memory: int


def start(root: Path, server: Server, folder: Path) -> Record:
    """Start `server` for the home at `root`, in `folder`, detached; what it says goes to a log below `logs`.

    Children that a killed one left at its port are stopped. Raises ServerTrouble where its port is taken.
    """
    if server.url is not None:
        _stop([one for one in _of_desk(root, {}) if _marked(one, _SERVER) == server.name])
        _check_port_free(server)
    log = root / "logs" / f"{server.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **server.environment, MARK: str(root), _SERVER: server.name}
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603  our own commands, no shell
            [sys.executable, "-c", _WITH_SIGNALS, *server.command],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    born = psutil.Process(process.pid).create_time()
    record = Record(server.name, process.pid, born, server.url, server.health, str(log))
    _write(root, [*(one for one in records(root) if one.name != server.name), record])
    return record


def wait_until_healthy(record: Record, seconds: float) -> None:
    """Wait for a started server to answer; raises ServerTrouble, with the end of its log, where it does not."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        process = _process(record)
        if process is None:
            raise ServerTrouble(f"{record.name} must stay up, and it ended: {_tail(record)} (all of it: {record.log})")
        if _answers(record):
            return
        time.sleep(0.2)
    raise ServerTrouble(f"{record.name} must answer within {seconds:.0f} s, got nothing: see {record.log}")


def standing(root: Path) -> list[Standing]:
    """How every server that this home remembers stands now."""
    return [_standing(record) for record in records(root)]


def stop_all(root: Path) -> list[str]:
    """End every process of the home's desk, first asking, then by force; returns what was stopped, a line each.

    What works goes before what it works with: a run that is stopped can still tell its server so.
    """
    recorded = {record.pid: record.name for record in records(root) if _process(record) is not None}
    processes = _of_desk(root, recorded)
    named = [(process, recorded.get(process.pid) or _title(process)) for process in processes]
    serving = _with_children(record.pid for record in records(root) if record.url and record.pid in recorded)
    forced: set[int] = set()
    for group in (
        [one for one in processes if one.pid not in serving],
        [one for one in processes if one.pid in serving],
    ):
        forced |= _stop(group)
    # What the stopped ones started in the meantime.
    for process in _of_desk(root, {}):
        _send(process, "kill")
    (root / "servers.json").unlink(missing_ok=True)
    return [f"{name} (pid {one.pid}){', by force' if one.pid in forced else ''}" for one, name in named]


def _stop(processes: list[psutil.Process]) -> set[int]:
    """End them; returns the pids of those that had to be forced."""
    for process in processes:
        _send(process, "terminate")
    _, alive = psutil.wait_procs(processes, timeout=GRACE)
    for process in alive:
        _send(process, "kill")
    psutil.wait_procs(alive, timeout=GRACE)
    return {process.pid for process in alive}


def _with_children(pids: Iterable[int]) -> set[int]:
    found: set[int] = set()
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            found |= {pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))}
    return found


def records(root: Path) -> list[Record]:
    """The servers that this home remembers having started."""
    file = root / "servers.json"
    if not file.exists():
        return []
    return [Record(**one) for one in json.loads(file.read_text(encoding="utf-8"))]


def disk(root: Path) -> dict[str, int]:
    """Bytes that each file and folder right below `root` takes, largest first."""
    sizes = {entry.name: _size(entry) for entry in root.iterdir()} if root.is_dir() else {}
    return dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0])))


def _standing(record: Record) -> Standing:
    process = _process(record)
    since = dt.datetime.fromtimestamp(record.born, dt.UTC)
    if process is None:
        return Standing(record, False, False, since, 0)
    return Standing(record, True, _answers(record), since, _memory(process))


def _check_port_free(server: Server) -> None:
    url = httpx.URL(server.url or "")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((url.host, url.port or 80))
        except OSError as error:
            raise ServerTrouble(
                f"{server.name} needs port {url.port} of {url.host}, got {error.strerror}: "
                f"stop what uses it, or set servers.{server.name}_port"
            ) from None


def _process(record: Record) -> psutil.Process | None:
    try:
        process = psutil.Process(record.pid)
        same = same_birth(process, record.born) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if same else None


def _answers(record: Record) -> bool:
    """Whether it answers; one without an address (a worker) is well as long as it lives."""
    if record.health is None:
        return _process(record) is not None
    try:
        return httpx.get(record.health, timeout=5).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _of_desk(root: Path, recorded: Iterable[int]) -> list[psutil.Process]:
    """Processes that bear the mark of this home or are recorded, except ourselves and those that started us."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found, wanted = [], set(recorded)
    for process in psutil.process_iter():
        marked = process.pid in wanted or _marked(process, MARK) == str(root)
        if marked and process.pid not in own:
            found.append(process)
    return found


def _marked(process: psutil.Process, mark: str) -> str | None:
    try:
        found: str | None = process.environ().get(mark)
    except psutil.Error:  # it ended while we looked, or belongs to another user
        return None
    return found


def _send(process: psutil.Process, how: str) -> None:
    try:
        getattr(process, how)()
    except psutil.NoSuchProcess:
        return


def _title(process: psutil.Process) -> str:
    try:
        words = process.cmdline()
    except psutil.Error:
        return "a process that has ended"
    return " ".join(Path(word).name if "/" in word else word for word in words[:6]) or "a process that has ended"


def _memory(process: psutil.Process) -> int:
    total = 0
    for one in (process, *process.children(recursive=True)):
        try:
            total += one.memory_info().rss
        except psutil.Error:
            continue
    return total


def _size(entry: Path) -> int:
    files = entry.rglob("*") if entry.is_dir() else [entry]
    total = 0
    for file in files:
        try:
            total += file.lstat().st_size
        except FileNotFoundError:  # another process removed it meanwhile
            continue
    return total


def _tail(record: Record) -> str:
    lines = Path(record.log).read_text(encoding="utf-8", errors="replace").splitlines()
    return concealed(" | ".join(line.strip() for line in lines[-3:] if line.strip()))


def _write(root: Path, found: Iterable[Record]) -> None:
    write_json(root / "servers.json", [asdict(record) for record in found])
