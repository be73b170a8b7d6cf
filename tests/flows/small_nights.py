"""Small nights for tests: a synthetic market, one horizon, and the flow run as plain functions without Prefect."""

from __future__ import annotations

import datetime as dt
import functools
import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from prefect import Task
from prefect.states import Completed, Failed

import flows.nightly
import flows.retrain
import flows.searching
from flows.nightly import NightParameters
from flows.retrain import RetrainParameters
from nightdesk.sources import open_source
from tasks.reporting import NightSummary, RetrainSummary

OPTIONS = {"symbols": 30, "days": 420, "seed": 11, "signal_ic": 0.05, "faults": True}


def settings_of(home: Path) -> dict[str, str]:
    """Environment variables of a small night in `home`: about a second a night."""
    return {
        "NIGHTDESK_HOME": str(home),
        "NIGHTDESK_HORIZONS": "[5]",
        "NIGHTDESK_SOURCE__NAME": "synthetic",
        "NIGHTDESK_SOURCE__OPTIONS": json.dumps(OPTIONS),
        "NIGHTDESK_QUALITY__MAX_BROKEN_SHARE": "0.5",
        "NIGHTDESK_TRAINING__FIRST_TRAIN": "300",
        "NIGHTDESK_TRAINING__FOLDS": "2",
        "NIGHTDESK_TRAINING__THREADS": "1",
        "NIGHTDESK_ENSEMBLE__MEMBERS": "[]",
        "NIGHTDESK_TUNING__FIRST_NIGHT": "none",
        "NIGHTDESK_TUNING__WEEKLY": "none",
    }


@functools.cache
def empty_tracking() -> Path:
    """A tracking store without a run: MLflow takes seconds to make one, and every home of a test needs one."""
    file = Path(tempfile.mkdtemp(prefix="nightdesk-tests-")) / "mlflow.db"
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


def choose_home(monkeypatch: pytest.MonkeyPatch, home: Path) -> Path:
    """Make `home`, with an empty tracking store, the one that settings read from now on name."""
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "mlflow.db").exists():
        shutil.copy(empty_tracking(), home / "mlflow.db")
    for name, value in settings_of(home).items():
        monkeypatch.setenv(name, value)
    return home


def market_days(count: int) -> list[dt.date]:
    """The last `count` trading days of the small market."""
    source = open_source("synthetic", **OPTIONS)
    days = source.bars(None, source.last_day())["date"].unique().sort().to_list()
    return days[-count:]


class Plain:
    """A task as the plain function that it wraps."""

    def __init__(self, body: Callable[..., Any]) -> None:
        self.body = body

    def __call__(self, *args: Any, return_state: bool = False, **kwargs: Any) -> Any:
        if not return_state:
            return self.body(*args, **kwargs)
        try:
            return Completed(data=self.body(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  as Prefect does
            return Failed(data=error, message=str(error))


@contextmanager
def without_prefect() -> Iterator[None]:
    """Run the tasks of nights and retrains as plain functions inside the block: the same in a tenth of the time."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (flows.nightly, flows.retrain, flows.searching):
            for name, value in vars(module).copy().items():
                if isinstance(value, Task):
                    patch.setattr(module, name, Plain(value.fn))
        yield


def run_night(as_of: dt.date, realm: str = "live", train: str = "auto") -> NightSummary:
    """Run one night without Prefect in the home that settings name."""
    with without_prefect():
        state = flows.nightly.nightly.fn(NightParameters(as_of=as_of, realm=realm, train=train))
    return state.data


def run_retrain(as_of: dt.date, realm: str = "live") -> RetrainSummary | None:
    """Run one retrain without Prefect; none where the data was trained on before by its night."""
    with without_prefect():
        state = flows.retrain.retrain.fn(RetrainParameters(as_of=as_of, realm=realm, reason="a test asks"))
    return state.data
