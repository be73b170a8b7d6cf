"""LightGBM's gradient boosted trees: missing values go their own way in each split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np

from nightdesk.models.early_stopping import held_out, stopping_of, without_stopping
from nightdesk.models.recipe import Matrix, Training, Vector

_FILE = "lightgbm.txt"


@dataclass(frozen=True, slots=True)
class FittedBooster:
    """A native booster, kept as LightGBM's own text."""

    booster: lgb.Booster

    def predict(self, features: Matrix) -> Vector:
        """Score rows with one thread: a night's 500 rows are done before a second one starts."""
        return np.asarray(self.booster.predict(features, num_threads=1), dtype=np.float64)

    def save(self, folder: Path) -> None:
        """Write the trees as text."""
        self.booster.save_model(folder / _FILE)


class GradientBoostingFamily:
    """Parameters are LightGBM's own names, `rounds`, the number of trees, and those of `early_stopping`."""

    def fit(
        self, training: Training, parameters: Mapping[str, float | int | str], seed: int, threads: int
    ) -> FittedBooster:
        """Fit with fixed seeds and row-wise histograms, which make the result independent of the number of threads."""
        own = {name: value for name, value in without_stopping(parameters).items() if name != "rounds"}
        fixed = {
            "objective": "l2",
            "verbose": -1,
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": threads,
        }
        rounds, stopping = int(parameters["rounds"]), stopping_of(parameters)
        if stopping is None:
            booster, kept = lgb.train({**own, **fixed}, _dataset(training, {**own, **fixed}), rounds), rounds
        else:
            fitted, newest = held_out(training, stopping.share)
            data = _dataset(fitted, {**own, **fixed})
            watched = data.create_valid(newest.features, newest.target, weight=newest.weight)
            stop = lgb.early_stopping(stopping.patience, first_metric_only=True, verbose=False)
            # Else LightGBM drops what it grew after the best round, of which `least_rounds` may keep some.
            more: Any = {"callbacks": [stop], "keep_training_booster": True}
            booster = lgb.train({**own, **fixed}, data, rounds, valid_sets=[watched], **more)
            kept = stopping.kept(booster.best_iteration, booster.current_iteration())
            if stopping.refit:
                booster = lgb.train({**own, **fixed}, _dataset(training, {**own, **fixed}), kept)
        # A booster that comes from text predicts as one that is read back later: the same numbers before and after.
        return FittedBooster(lgb.Booster(model_str=booster.model_to_string(num_iteration=kept)))

    def load(self, folder: Path) -> FittedBooster:
        """Read the trees back; by Python, which says FileNotFoundError where LightGBM would say its own."""
        return FittedBooster(lgb.Booster(model_str=(folder / _FILE).read_text(encoding="utf-8")))


def _dataset(training: Training, parameters: dict[str, Any]) -> lgb.Dataset:
    return lgb.Dataset(training.features, training.target, weight=training.weight, params=parameters)
