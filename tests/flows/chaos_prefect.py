"""Nights of a deployment under a worker, while the night, the worker or Prefect's server is killed."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import psutil
from chaos_places import Place
from chaos_starts import BUSY, DONE, KILLED, RAW, Ending
from prefect_server import ROOT, Server, ask, prefect_server
from receivers import web_server

from nightdesk.store.nights import done_summary

ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
LEFT = {"RUNNING": 0, "PENDING": 45}
"""States in which a run stands that was killed, and for how long it may be without a process there (seconds)."""
TYPICAL_S = 12.0
"""About as long as a run takes from its being asked for to its end: faults come at any moment of it."""


@dataclass
class Deployed:
    """A Prefect server with the nightly deployment and a worker, over a place."""

    server: Server
    place: Place
    deployment: str
    worker: subprocess.Popen[bytes]

    def night(self, day: dt.date, fault: str, chance: Random) -> Ending:
        """Ask for the night of `day`, let `fault` befall it, and see how it ends."""
        url = f"{self.server.api}/deployments/{self.deployment}/create_flow_run"
        run = str(ask("POST", url, json={"parameters": {"parameters": {"as_of": str(day)}}}).json()["id"])
        end = time.monotonic() + chance.uniform(1, TYPICAL_S)
        while time.monotonic() < end and self._state(run) not in ENDED:
            time.sleep(0.1)
        FAULTS[fault](self, run)
        state = self._ended(run)
        if self.place.begun():
            with self.place.engine() as engine:
                if done_summary(engine, "live", day) is not None:
                    return Ending(DONE, state)
        # A killed run that nobody tells Prefect of stands as it stood, until the next start of its night.
        return Ending({"COMPLETED": BUSY, "CRASHED": KILLED}.get(state, KILLED if state in LEFT else RAW), state)

    def _ended(self, run: str) -> str:
        """The state of a run that has ended, or has no process any more; a pending one may get its process yet."""
        end, alive = time.monotonic() + 240, time.monotonic()
        while time.monotonic() < end:
            state = self._state(run)
            alive = time.monotonic() if self._processes(run) else alive
            if state in ENDED or (state in LEFT and time.monotonic() - alive > LEFT[state]):
                break
            time.sleep(0.2)
        return state

    def kill_run(self, run: str) -> None:
        """Kill the process of a run."""
        for process in self._processes(run):
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def kill_worker(self) -> None:
        """Kill the worker, and start another; the run that it had started is left to itself."""
        self.worker.kill()
        self.worker.wait()
        self.worker = _worker(self.server)

    def _state(self, run: str) -> str:
        return str(ask("GET", f"{self.server.api}/flow_runs/{run}").json()["state"]["type"])

    def _processes(self, run: str) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("PREFECT__FLOW_RUN_ID") == run:
                    found.append(process)
        return found


def _restart_server(deployed: Deployed, _run: str) -> None:
    deployed.server.stop(kill=True)
    deployed.server.start()


def _kill_all(deployed: Deployed, run: str) -> None:
    deployed.kill_run(run)
    deployed.kill_worker()


FAULTS: dict[str, Callable[[Deployed, str], None]] = {
    "none (Prefect)": lambda deployed, run: None,
    "run killed (Prefect)": lambda deployed, run: deployed.kill_run(run),
    "worker killed (Prefect)": lambda deployed, run: deployed.kill_worker(),
    "run and worker killed (Prefect)": _kill_all,
    "server killed and back (Prefect)": _restart_server,
}


@contextmanager
def deployed(folder: Path) -> Iterator[Deployed]:
    """A server, our automations, the nightly deployment and a worker, ended at the end."""
    with web_server() as told:
        own = {
            "NIGHTDESK_ROOT": str(ROOT),
            "NIGHTDESK_HORIZONS": "[1]",
            "NIGHTDESK_ALERTS__URLS": json.dumps([told.webhook]),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
        }
        with prefect_server(folder, **own) as server:
            server.prefect("work-pool", "create", "nightdesk", "--type", "process")
            server.prefect("--no-prompt", "deploy", "--name", "nightly")
            server.line.run("alerts", "--register")
            (found,) = server.post("/deployments/filter", deployments={"name": {"any_": ["nightly"]}})
            place = Place("prefect", server.line.home, server.line.environment, told)
            made = Deployed(server, place, str(found["id"]), _worker(server))
            try:
                yield made
            finally:
                made.worker.kill()
                made.worker.wait()


def _worker(server: Server) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "nightdesk"]
    with (server.folder / "worker.log").open("ab") as log:
        return subprocess.Popen(command, env=server.line.environment, cwd=ROOT, stdout=log, stderr=log)
