"""A real MLflow server for a test, that can be killed and started again; and one that never answers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from command_line import wait_until
from receivers import free_port


@dataclass
class MlflowServer:
    """A server over the registry of a home: its runs, models and artifacts are that home's own."""

    home: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """Its tracking URI."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        artifacts = ["--no-serve-artifacts", "--default-artifact-root", (self.home / "artifacts").as_uri()]
        own = {
            "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{self.home / 'mlflow.db'}",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        with (self.home.parent / "mlflow.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--workers", "1", *artifacts],
                env={**os.environ, **own},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._answers, "the start of MLflow's server")

    def kill(self) -> None:
        """End it and its workers at once, as a crash of the machine would."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.uri}/health", timeout=2).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False


@contextmanager
def mlflow_server(home: Path) -> Iterator[MlflowServer]:
    """A started server over `home`, killed at the end."""
    server = MlflowServer(home)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@contextmanager
def hanging_server() -> Iterator[str]:
    """URI of a server that takes every connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    taken.append(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    for one in taken:
        one.close()
