"""Runs the real `nightdesk` command in processes of its own, in a small home, with no network beyond loopback."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from loopback_only import GUARD
from prepared import empty_tracking, once
from small_nights import settings_of


@dataclass(frozen=True)
class CommandLine:
    """A home, the folder of logs, and the environment of every command in it."""

    home: Path
    logs: Path
    environment: dict[str, str]

    @property
    def calls(self) -> str:
        """What any process tried to reach beyond loopback; empty when none did."""
        log = self.logs / "calls.txt"
        return log.read_text() if log.exists() else ""

    def start(self, *arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        """Start a command; its output goes to files, because what it leaves behind may hold a pipe open."""
        name = f"{len(list(self.logs.glob('*.out')))}-{arguments[0]}"
        out, err = (self.logs / f"{name}.{end}" for end in ("out", "err"))
        with out.open("w") as stdout, err.open("w") as stderr:
            process = subprocess.Popen(
                [str(Path(sys.executable).with_name("nightdesk")), *arguments],
                stdout=stdout,
                stderr=stderr,
                stdin=stdin,
                env=self.environment,
                cwd=self.logs,
                text=True,
            )
        process.out, process.err = out, err  # type: ignore[attr-defined]
        return process

    def run(self, *arguments: str, code: int = 0, seconds: float = 240) -> str:
        """Run a command to its end, check its exit code, and give what it wrote on both streams."""
        process = self.start(*arguments)
        found = process.wait(timeout=seconds)
        text = process.out.read_text() + process.err.read_text()  # type: ignore[attr-defined]
        assert found == code, f"exit code {found} for {code}:\n{text}"
        return text


def empty_records() -> Path:
    """Prefect's database without a run: its migrations take longer than a small night."""

    def make(folder: Path) -> None:
        command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"]
        own = {"PREFECT_HOME": str(folder), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "true"}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        subprocess.run(command, env={**kept, **own}, check=True, capture_output=True, timeout=240)

    return once("records", make) / "prefect.db"


def command_line(folder: Path, bare: bool = False, **more: str) -> CommandLine:
    """A home below `folder` and the environment of a new user in it.

    The home holds empty databases of MLflow and Prefect, to save their migrations; a `bare` one is not there at all.
    """
    if not bare:
        (folder / "home/prefect").mkdir(parents=True)
        shutil.copy(empty_tracking(), folder / "home/mlflow.db")
        shutil.copy(empty_records(), folder / "home/prefect/prefect.db")
    logs = folder / "logs"
    guard = folder / "guard"
    logs.mkdir(parents=True)
    guard.mkdir()
    (guard / "sitecustomize.py").write_text(GUARD)
    foreign = ("PREFECT_", "MLFLOW_", "NIGHTDESK_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    path = os.pathsep.join(filter(None, [str(guard), os.environ.get("PYTHONPATH")]))
    own = {"PYTHONPATH": path, "NIGHTDESK_TEST_CALLS": str(logs / "calls.txt")}
    return CommandLine(folder / "home", logs, {**kept, **own, **settings_of(folder / "home"), **more})


def wait_until(true: Callable[[], bool], what: str, seconds: float = 300) -> None:
    """Wait for something another process does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {seconds} s")


def stages_done(home: Path, as_of: dt.date | None = None) -> set[str]:
    """Stages in the ledger of a home that another process may be making just now; of one night, or of all."""
    if not (home / "store.db").exists():
        return set()
    engine = sa.create_engine(f"sqlite:///{home / 'store.db'}")
    try:
        with engine.connect() as connection:
            found = connection.execute(sa.text("SELECT stage, as_of FROM stages")).all()
            return {stage for stage, of in found if as_of in (None, dt.date.fromisoformat(of))}
    except sa.exc.OperationalError:
        return set()
    finally:
        engine.dispose()
