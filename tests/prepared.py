"""What many tests begin with, made once for all workers of a test run: empty databases, and homes after some nights."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

_shelf: list[Path] = []


def put_on(folder: Path) -> None:
    """Say where it is kept: a folder that all workers of this test run share."""
    _shelf[:] = [folder]


def once(name: str, make: Callable[[Path], None]) -> Path:
    """A folder that `make` filled, whichever worker came first; whoever asks must only read it."""
    (shelf,) = _shelf
    folder = shelf / name
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            aside = folder.with_name(f"{name}.making")
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            make(aside)
            aside.rename(folder)
    return folder


def empty_tracking() -> Path:
    """A tracking store without a run: MLflow takes seconds to make one, and every home of a test needs one."""

    def make(folder: Path) -> None:
        from mlflow import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        MlflowClient(f"sqlite:///{folder / 'mlflow.db'}").search_experiments()

    return once("tracking", make) / "mlflow.db"


def key_of(*days: dt.date, how: str) -> str:
    """A name for nights under the settings of this moment, wherever their home is."""
    chosen = {
        name: value for name, value in os.environ.items() if name.startswith("NIGHTDESK_") and name != "NIGHTDESK_HOME"
    }
    told = json.dumps([sorted(chosen.items()), [str(day) for day in days], how])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def move_in(kept: Path, made_in: Path, home: Path) -> None:
    """Copy a home that was made in another place, and let its databases and pages speak of the new one."""
    shutil.copytree(kept, home, dirs_exist_ok=True)
    before, after = str(made_in), str(home)
    for database in home.glob("*.db"):
        with sqlite3.connect(database) as connection:
            _speak_of(connection, before, after)
        connection.close()
    for page in [*home.rglob("*.html"), *home.rglob("*.json")]:
        text = page.read_text(encoding="utf-8")
        if before in text:
            page.write_text(text.replace(before, after), encoding="utf-8")


def _speak_of(connection: sqlite3.Connection, before: str, after: str) -> None:
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (table,) in tables:
        for _, column, *_ in connection.execute(f'PRAGMA table_info("{table}")').fetchall():
            connection.execute(
                f'UPDATE "{table}" SET "{column}" = replace("{column}", ?, ?) '
                f'WHERE typeof("{column}") = \'text\' AND instr("{column}", ?)',
                (before, after, before),
            )
