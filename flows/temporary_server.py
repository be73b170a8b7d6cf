"""Prefect's temporary server, begun before Prefect is loaded: it starts while a command is still importing.

Where no server is named, Prefect starts one of its own as a flow begins, and waits for it. Begun here, with the same
command and environment, it is handed to Prefect as if it had been: a night is some seconds shorter.
"""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import distribution
from typing import Any, Final

import httpx

from flows.command_start import check_server

_ITS_OWN: Final = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
_APP: Final = "prefect.server.api.server:create_app"
_LOOK_S: Final = 0.1
_GRACE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class BegunServer:
    """A server that starts, and its port on loopback."""

    process: subprocess.Popen[bytes]
    port: int

    def stop(self) -> None:
        """End it, where it was not handed over: first asked, then by force, as Prefect ends its own."""
        atexit.unregister(self.stop)
        self.process.terminate()
        try:
            self.process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def answers(self) -> bool:
        """Wait until it answers; False where it ends before, or takes longer than Prefect would allow it."""
        last = time.monotonic() + float(os.environ["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"])
        with httpx.Client(trust_env=False) as client:
            while self.process.poll() is None and time.monotonic() < last:
                try:
                    if client.get(f"http://127.0.0.1:{self.port}/api/health").is_success:
                        return True
                except httpx.HTTPError:
                    pass
                time.sleep(_LOOK_S)
        return False


def begin_server() -> BegunServer | None:
    """Begin the server that a flow of this process will need, after `prepare`; it ends with the process.

    None where one is named already. Raises ServerTrouble where one is named that does not answer.
    """
    if "PREFECT_API_URL" in os.environ:
        check_server()
        return None
    if "prefect" in sys.modules and _named():
        return None
    port = _free_port()
    app = ("--app-dir", str(distribution("prefect").locate_file("")), "--factory", _APP)
    where = ("--host", "127.0.0.1", "--port", str(port), "--log-level", "error", "--lifespan", "on")
    process = subprocess.Popen(  # noqa: S603 (this very Python)
        [sys.executable, "-P", "-m", "uvicorn", *app, *where], env={**os.environ, **_ITS_OWN}
    )
    begun = BegunServer(process, port)
    atexit.register(begun.stop)
    return begun


def hand_over(begun: BegunServer | None) -> None:
    """Wait until it answers, and let this process's flows use it; Prefect stops it when the process ends.

    One that ended by itself (somebody took its port) is let go: Prefect then starts its own.
    """
    if begun is None:
        return
    # A profile of Prefect's may name a server too, which only Prefect reads.
    if _named() or not begun.answers():
        begun.stop()
        return
    from prefect.server.api.server import SubprocessASGIServer

    server: Any = SubprocessASGIServer()
    server.port, server.server_process, server.running = begun.port, begun.process, True
    atexit.unregister(begun.stop)
    atexit.register(server.stop)


def _named() -> bool:
    from prefect.settings import get_current_settings

    return get_current_settings().api.url is not None


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
