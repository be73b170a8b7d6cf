"""Small models, and fresh MLflow stores on SQLite: copies of one that was made once, which takes seconds."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import numpy as np
import polars as pl
from prepared import empty_tracking

from nightdesk.models import family
from nightdesk.models.artifacts import Run, Tracking, client, model_name, night_tag
from nightdesk.models.bundle import Bundle, manifest_of
from nightdesk.models.recipe import Recipe, Training

NIGHT = dt.date(2017, 3, 1)
FEATURES = ("first", "second", "third")
HORIZON = 5


def fresh_tracking(folder: Path, realm: str = "live") -> Tracking:
    """Tracking as a home folder has it, with nothing in it yet."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(empty_tracking(), folder / "mlflow.db")
    return Tracking(f"sqlite:///{folder / 'mlflow.db'}", (folder / "artifacts").as_uri(), realm)


def register_versions(tracking: Tracking, count: int, horizon: int = HORIZON) -> list[str]:
    """Register `count` versions without files: enough for whoever only moves aliases."""
    own, name = client(tracking), model_name(tracking.realm, horizon)
    own.create_registered_model(name)
    return [str(own.create_model_version(name, source=f"file:///nowhere/{n}").version) for n in range(count)]


def tonight(rows: int = 40, seed: int = 5) -> pl.DataFrame:
    """Features of one night, some of them missing."""
    random = np.random.default_rng(seed)
    values = random.standard_normal((rows, len(FEATURES))).astype(np.float32)
    values[random.random(values.shape) < 0.1] = np.nan
    return pl.DataFrame(values, schema=list(FEATURES)).with_columns(pl.all().fill_nan(None))


def sample_bundle(name: str = "ridge", seed: int = 1, as_of: dt.date = NIGHT) -> Bundle:
    """A small model of family `name`, fitted on random rows."""
    random = np.random.default_rng(seed)
    features = random.standard_normal((400, len(FEATURES))).astype(np.float32)
    target = features[:, 0] + random.standard_normal(400)
    small: dict[str, dict[str, float | int | str]] = {
        "ridge": {"alpha": 0.1},
        "lightgbm": {"rounds": 5, "num_leaves": 7},
    }
    fitted = family(name).fit(Training(features, target, np.ones(400)), small[name], seed, 1)
    recipe = Recipe(name, name, FEATURES, tuple(small[name].items()))
    return Bundle(manifest_of(recipe, HORIZON, as_of, FEATURES, "features-1", "data-1", "code-1"), fitted)


def sample_run(key: str = "key-1", as_of: dt.date = NIGHT, realm: str = "live") -> Run:
    """What is recorded beside a model."""
    return Run(
        name=f"ridge {as_of}",
        key=key,
        night=night_tag(realm, as_of),
        parameters={"alpha": "0.1", "horizon": "5"},
        metrics={"rank_ic": 0.031, "rows": 400.0},
        tags={"data": "data-1", "code": "code-1", "recipe": "ridge"},
    )
