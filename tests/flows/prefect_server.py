"""A real Prefect server for a test, and a command line that runs its nights on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from command_line import CommandLine, command_line, empty_records, wait_until
from receivers import free_port

ROOT = Path(__file__).parents[2]


def ask(method: str, url: str, **more: Any) -> httpx.Response:
    """Ask a server's API; one whose SQLite is busy says 503, and is asked again, as Prefect's own client does."""
    for _try in range(50):
        answer = httpx.request(method, url, timeout=60, **more)
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            break
        time.sleep(0.2)
    return answer.raise_for_status()


@dataclass(frozen=True)
class Server:
    """A Prefect server's API, and a home whose commands use it."""

    api: str
    line: CommandLine

    def post(self, path: str, **body: Any) -> Any:
        """Ask the server's API."""
        return ask("POST", f"{self.api}{path}", json=body).json()

    def runs(self, name: str) -> list[dict[str, Any]]:
        """Runs of a name, oldest first."""
        found = self.post("/flow_runs/filter", flow_runs={"name": {"any_": [name]}})
        return sorted(found, key=lambda run: run["created"])

    def prefect(self, *arguments: str) -> str:
        """Run a command of Prefect's own against this server."""
        command = [sys.executable, "-m", "prefect", *arguments]
        done = subprocess.run(
            command, env=self.line.environment, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def healthy(api: str) -> bool:
    """Whether a server answers there."""
    try:
        return httpx.get(f"{api}/health", timeout=2).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@contextmanager
def prefect_server(folder: Path, bare: bool = False, **environment: str) -> Iterator[Server]:
    """A server of its own below `folder`; `environment` is its own and that of its commands, whose home may be bare."""
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    own = {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": api,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_UI_URL": f"http://127.0.0.1:{port}",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "true",
        **environment,
    }
    (folder / "prefect").mkdir(parents=True)
    shutil.copy(empty_records(), folder / "prefect/prefect.db")
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(command, env={**os.environ, **own}, stdout=log, stderr=log)
    try:
        wait_until(lambda: healthy(api), "the start of the server")
        yield Server(api, command_line(folder / "line", bare, **own))
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
