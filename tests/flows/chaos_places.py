"""Where a chain of nights runs, and what may befall it there: servers that restart, disks that fill, kills."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import postgresql_server
import sqlalchemy as sa
from bar_samples import a_file_a_day, evening_of, parquet_of
from bar_server import BarServer, Silent, bar_server, half, status
from bar_server import Fault as BarFault
from chaos_starts import Start
from logical_state import logical_state
from mlflow_server import MlflowServer, mlflow_server
from prepared import empty_tracking
from receivers import Receiver, free_port, web_server
from small_nights import OPTIONS, settings_of

from nightdesk.sources import open_source
from nightdesk.store.database import connect
from nightdesk.tables import DATE


@dataclass(frozen=True)
class Place:
    """A home, its servers, the people who are told, and the faults that can befall a night there."""

    kind: str
    home: Path
    environment: dict[str, str]
    told: Receiver
    faults: dict[str, Fault] = field(default_factory=dict)
    store: str | None = None
    tracking: str | None = None

    def state(self) -> dict[str, Any]:
        """Its logical state."""
        return logical_state(self.home, store=self.store, tracking=self.tracking)

    def begun(self) -> bool:
        """Whether any start came as far as to make the store's tables."""
        if self.store is None and not (self.home / "store.db").exists():
            return False
        with self.engine() as engine:
            return sa.inspect(engine).has_table("nights")

    @contextmanager
    def engine(self) -> Iterator[sa.Engine]:
        """Its store, to look at."""
        engine = connect(self.store or f"sqlite:///{self.home / 'store.db'}")
        try:
            yield engine
        finally:
            engine.dispose()


@dataclass(frozen=True)
class Planned:
    """A start with what befalls it from within, and what is done from outside while it runs."""

    start: Start
    outside: Callable[[ForkServerProcess], None] | None = None


Fault = Callable[[Start, Random, float], Planned]
"""Plans a fault for a start that would last so many seconds."""


@contextmanager
def embedded(folder: Path) -> Iterator[Place]:
    """Everything in one folder, as with no setting at all."""
    with _place("embedded", folder) as place:
        yield replace(place, faults=dict(EVERYWHERE))


@contextmanager
def on_postgresql(folder: Path) -> Iterator[Place]:
    """The store on a PostgreSQL server of its own, which restarts as after a crash."""
    with _place("postgresql", folder) as place, postgresql_server.cluster() as cluster:

        def restarts(start: Start, chance: Random, seconds: float) -> Planned:
            return Planned(start, _later(chance, seconds, lambda _: _restart(cluster, chance.uniform(0, 2))))

        with postgresql_server.database(cluster.url) as url:
            environment = place.environment | {"NIGHTDESK_STORE__URL": url}
            faults = EVERYWHERE | {"PostgreSQL restarted": restarts}
            yield replace(place, environment=environment, faults=faults, store=url)


@contextmanager
def with_registry(folder: Path) -> Iterator[Place]:
    """Models behind an MLflow server, which dies and comes back."""
    with _place("registry", folder) as place, mlflow_server(place.home) as server:

        def dies(start: Start, chance: Random, seconds: float) -> Planned:
            return Planned(start, _later(chance, seconds, lambda _: _back(server, chance.uniform(0, 3))))

        own = {"NIGHTDESK_TRACKING__URI": server.uri, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}
        faults = EVERYWHERE | {"MLflow killed and back": dies}
        yield replace(place, environment=place.environment | own, faults=faults, tracking=server.uri)


@contextmanager
def over_http(folder: Path) -> Iterator[Place]:
    """Bars from a web server, a file a day, which fails in each way that a web server can."""
    market = open_source("synthetic", **OPTIONS)
    bars = market.bars(None, market.last_day())
    days = bars[DATE].unique().sort()
    # The URL is among the inputs that a fit is named by: one port for all, and so one of these places at a time.
    with _PORT_TAKEN, _place("http", folder) as place, bar_server(BarServer(_port())) as server:
        server.today = evening_of(days[-1])
        server.files = {"/old.parquet": parquet_of(bars.filter(pl.col(DATE) <= days[-30])), **a_file_a_day(bars)}

        def failing(answer: Callable[[], BarFault]) -> Fault:
            def fails(start: Start, chance: Random, seconds: float) -> Planned:
                return Planned(
                    start, lambda process: _while_failing(server, answer(), process, chance.uniform(0, seconds))
                )

            return fails

        faults = EVERYWHERE | {
            "source answers 500": failing(lambda: status(500)),
            "source answers 429": failing(lambda: status(429, {"Retry-After": "0"})),
            "source gives half a file": failing(lambda: half),
            "source never answers": failing(Silent),
        }
        options = {
            "url": server.url("/bars/{date}.csv"),
            "history_url": server.url("/old.parquet"),
            "basis": "rule",
            "publication_lag_minutes": 0,
            "attempts": 3,
            "wait_s": 0.05,
            "timeout_s": 1,
            "requests_per_second": 1000,
        }
        own = {"NIGHTDESK_SOURCE__NAME": "http", "NIGHTDESK_SOURCE__OPTIONS": json.dumps(options)}
        yield replace(place, environment=place.environment | own, faults=faults)


_PORT_TAKEN = threading.Lock()


@cache
def _port() -> int:
    return free_port()


def _while_failing(server: BarServer, answer: BarFault, process: ForkServerProcess, seconds: float) -> None:
    server.always = answer
    process.join(seconds)
    server.always = None
    if isinstance(answer, Silent):
        answer.let_go.set()


def _back(server: MlflowServer, away: float) -> None:
    server.kill()
    time.sleep(away)
    server.start()


def _restart(cluster: postgresql_server.Cluster, away: float) -> None:
    cluster.stop()
    time.sleep(away)
    cluster.start()


@contextmanager
def _place(kind: str, folder: Path) -> Iterator[Place]:
    home = folder / "home"
    home.mkdir(parents=True)
    shutil.copy(empty_tracking(), home / "mlflow.db")
    with web_server() as told:
        more = {"NIGHTDESK_HORIZONS": "[1]", "NIGHTDESK_ALERTS__URLS": json.dumps([told.webhook])}
        yield Place(kind, home, settings_of(home) | more, told)


def _later(
    chance: Random, seconds: float, act: Callable[[ForkServerProcess], None]
) -> Callable[[ForkServerProcess], None]:
    after = chance.uniform(0, seconds)

    def outside(process: ForkServerProcess) -> None:
        process.join(after)
        act(process)

    return outside


def _no_fault(start: Start, _chance: Random, _seconds: float) -> Planned:
    return Planned(start)


def _killed_at_a_moment(start: Start, chance: Random, seconds: float) -> Planned:
    def kill(process: ForkServerProcess) -> None:
        with suppress(ProcessLookupError):
            os.kill(process.pid or 0, signal.SIGKILL)

    return Planned(start, _later(chance, seconds, kill))


def _killed_at_a_point(start: Start, chance: Random, _seconds: float) -> Planned:
    return Planned(replace(start, kill_at=chance.randrange(60)))


def _no_room(start: Start, chance: Random, _seconds: float) -> Planned:
    """No file may grow beyond what a small night's databases need: met by whatever comes to write first."""
    return Planned(replace(start, room=chance.randrange(1_000, 1_500_000)))


EVERYWHERE: dict[str, Fault] = {
    "none": _no_fault,
    "killed at a moment": _killed_at_a_moment,
    "killed at a point": _killed_at_a_point,
    "no room to write": _no_room,
}


def run_outside(planned: Planned, process: ForkServerProcess) -> threading.Thread | None:
    """Let what happens outside happen beside the night."""
    if planned.outside is None:
        return None
    thread = threading.Thread(target=planned.outside, args=(process,), daemon=True)
    thread.start()
    return thread
