"""A real Prefect server for a test, and a command line that runs its nights on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
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


@dataclass
class Server:
    """A Prefect server's API, and a home whose commands use it."""

    api: str
    line: CommandLine
    folder: Path
    process: subprocess.Popen[bytes] | None = field(init=False, default=None)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        port = self.line.environment["PREFECT_SERVER_API_PORT"]
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", port]
        # Nothing of this process's own Prefect: a command run in it earlier may have set what suits no server.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        ours = {name: value for name, value in self.line.environment.items() if name.startswith("PREFECT_")}
        environment = {**kept, **ours, "DO_NOT_TRACK": "true"}
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        wait_until(lambda: healthy(self.api), "the start of the server")

    def stop(self, *, kill: bool = False) -> None:
        """Stop it, or kill it at once, as a crash would."""
        if self.process is not None:
            (self.process.kill if kill else self.process.terminate)()
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

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
    server = Server(api, command_line(folder / "line", bare, **own), folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
