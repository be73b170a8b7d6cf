"""A real Prefect server for a test, and a command line that runs its nights on it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from command_line import CommandLine, command_line, wait_until


@dataclass
class Server:
    """A Prefect server's API, and a home whose commands use it."""

    api: str
    line: CommandLine
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        port = self.line.environment["PREFECT_SERVER_API_PORT"]
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", port]
        ours = {name: value for name, value in self.line.environment.items() if name.startswith("PREFECT_")}
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env={**os.environ, **ours, "DO_NOT_TRACK": "true"}, stdout=log, stderr=log
            )
        wait_until(lambda: _healthy(self.api), "the start of the server")

    def stop(self, *, kill: bool = False) -> None:
        """Stop it, or kill it at once, as a crash would."""
        if self.process is not None:
            (self.process.kill if kill else self.process.terminate)()
            self.process.wait(timeout=30)
            self.process = None

    def post(self, path: str, **body: Any) -> Any:
        """Ask the server's API; one whose SQLite is busy says 503, and is asked again, as Prefect's client does."""
        for _try in range(20):
            answer = httpx.post(f"{self.api}{path}", json=body, timeout=30)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            time.sleep(0.2)
        answer.raise_for_status()
        return answer.json()

    def runs(self, name: str) -> list[dict[str, Any]]:
        """Runs of a name, oldest first."""
        found = self.post("/flow_runs/filter", flow_runs={"name": {"any_": [name]}})
        return sorted(found, key=lambda run: run["created"])


@contextmanager
def prefect_server(folder: Path, **environment: str) -> Iterator[Server]:
    """A server of its own below `folder`; `environment` is that of the commands on it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    api = f"http://127.0.0.1:{port}/api"
    own = {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": api,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "true",
    }
    (folder / "prefect").mkdir(parents=True)
    server = Server(api, command_line(folder / "line", **own, **environment), folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _healthy(api: str) -> bool:
    try:
        return httpx.get(f"{api}/health", timeout=2).status_code == 200
    except httpx.TransportError:
        return False
