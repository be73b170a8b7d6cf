"""Small nights for tests: a synthetic market, one horizon, and the flow run as plain functions without Prefect."""

from __future__ import annotations

import datetime as dt
import functools
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prefect import Task
from prefect.states import Completed, Failed
from prepared import empty_tracking, key_of, move_in, once

import flows.nightly
import flows.retrain
import flows.searching
from flows.nightly import NightParameters
from flows.retrain import RetrainParameters
from nightdesk.operations.summaries import NightSummary, RetrainSummary
from nightdesk.sources import open_source

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


def choose_home(monkeypatch: pytest.MonkeyPatch, home: Path) -> Path:
    """Make `home`, with an empty tracking store, the one that settings read from now on name."""
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "mlflow.db").exists():
        shutil.copy(empty_tracking(), home / "mlflow.db")
    for name, value in settings_of(home).items():
        monkeypatch.setenv(name, value)
    return home


@functools.cache
def _all_days() -> list[dt.date]:
    source = open_source("synthetic", **OPTIONS)
    return source.bars(None, source.last_day())["date"].unique().sort().to_list()


def market_days(count: int) -> list[dt.date]:
    """The last `count` trading days of the small market."""
    return _all_days()[-count:]


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


def begin_with(*days: dt.date, train: str = "auto") -> None:
    """Let the home that settings name be as it is after these nights: they are run once for all tests that begin so.

    Of a home that is otherwise empty, and where neither faults nor channels are waited for in these nights.
    """
    home = Path(os.environ["NIGHTDESK_HOME"])

    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            (folder / "home").mkdir()
            shutil.copy(empty_tracking(), folder / "home/mlflow.db")
            patch.setenv("NIGHTDESK_HOME", str(folder / "home"))
            *before, last = days
            if before:
                begin_with(*before, train=train)
            run_night(last, train=train)

    name = key_of(*days, how=train)
    kept = once(name, make)
    move_in(kept / "home", kept.with_name(f"{name}.making") / "home", home)


def run_retrain(as_of: dt.date, realm: str = "live") -> RetrainSummary | None:
    """Run one retrain without Prefect; none where the data was trained on before by its night."""
    with without_prefect():
        state = flows.retrain.retrain.fn(RetrainParameters(as_of=as_of, realm=realm, reason="a test asks"))
    return state.data
