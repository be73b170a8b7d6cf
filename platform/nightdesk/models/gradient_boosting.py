"""LightGBM's gradient boosted trees: missing values go their own way in each split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np

from nightdesk.models.early_stopping import held_out, stopping_of, without_stopping
from nightdesk.models.recipe import Matrix, Training, Vector

_FILE = "lightgbm.txt"
_MANY = 10_000


@dataclass(frozen=True, slots=True)
class FittedBooster:
    """A native booster, kept as LightGBM's own text, and the threads that it may use where there are many rows."""

    booster: lgb.Booster
    threads: int = 1

    @property
    def rounds(self) -> int:
        """How many trees it kept."""
        return int(self.booster.num_trees())

    def predict(self, features: Matrix) -> Vector:
        """Score rows; by one thread where they are few: a night's 500 are done before a second one starts."""
        threads = self.threads if len(features) >= _MANY else 1
        return np.asarray(self.booster.predict(features, num_threads=threads), dtype=np.float64)

    def contributions(self, features: Matrix) -> Vector:
        """SHAP values of the trees (TreeSHAP, by LightGBM itself); last the mean over the rows they were grown on."""
        return np.asarray(self.booster.predict(features, pred_contrib=True, num_threads=1), dtype=np.float64)

    def save(self, folder: Path) -> None:
        """Write the trees as text."""
        self.booster.save_model(folder / _FILE)


_OWN = ("rounds", "target_scale")
_UNFILTERED = {"feature_pre_filter": False}
"""Bins that hold for any `min_data_in_leaf`: LightGBM would else leave out what one value of it can never split."""


class GradientBoostingFamily:
    """Parameters are LightGBM's own names, `rounds`, the number of trees, those of `early_stopping`, and
    `target_scale`, by which the target is multiplied before the fit (1): penalties are in its units.
    """

    bins_by = frozenset(
        ("max_bin", "min_data_in_bin", "bin_construct_sample_cnt", "zero_as_missing", "use_missing", "target_scale")
    )
    """Parameters that the binned rows depend on: fits that share them can share these."""

    def fit(
        self, training: Training, parameters: Mapping[str, float | int | str], seed: int, threads: int
    ) -> FittedBooster:
        """Fit with fixed seeds, and each feature's histogram by one thread: the same booster by any number of them."""
        chosen, training = _chosen(parameters, seed, threads), _scaled(training, parameters)
        rounds, stopping = int(parameters["rounds"]), stopping_of(parameters)
        if stopping is None:
            return _kept(lgb.train(dict(chosen), _dataset(training, chosen), rounds), rounds, threads)
        fitted, newest = held_out(training, stopping.share)
        data = _dataset(fitted, chosen)
        watched = data.create_valid(newest.features, newest.target, weight=newest.weight)
        stop = lgb.early_stopping(stopping.patience, first_metric_only=True, verbose=False)
        # Else LightGBM drops what it grew after the best round, of which `least_rounds` may keep some.
        more: Any = {"callbacks": [stop], "keep_training_booster": True}
        booster = lgb.train(dict(chosen), data, rounds, valid_sets=[watched], **more)
        kept = stopping.kept(booster.best_iteration, booster.current_iteration())
        if stopping.refit:
            booster = lgb.train(dict(chosen), _dataset(training, chosen), kept)
        return _kept(booster, kept, threads)

    def bin(
        self, training: Training, parameters: Mapping[str, float | int | str], seed: int, threads: int, file: Path
    ) -> None:
        """Write the binned training rows to `file`, for `fit_binned` with parameters that agree in `bins_by`."""
        chosen = _chosen(parameters, seed, threads) | _UNFILTERED
        _dataset(_scaled(training, parameters), chosen).save_binary(file)

    def fit_binned(
        self, file: Path, parameters: Mapping[str, float | int | str], seed: int, threads: int
    ) -> FittedBooster:
        """Fit on what `bin` wrote; bit for bit the same booster as `fit` without early stopping on the same rows."""
        chosen, rounds = _chosen(parameters, seed, threads) | _UNFILTERED, int(parameters["rounds"])
        return _kept(lgb.train(dict(chosen), lgb.Dataset(file, params=chosen), rounds), rounds, threads)

    def load(self, folder: Path) -> FittedBooster:
        """Read the trees back; by Python, which says FileNotFoundError where LightGBM would say its own."""
        return FittedBooster(lgb.Booster(model_str=(folder / _FILE).read_text(encoding="utf-8")))


def _chosen(parameters: Mapping[str, float | int | str], seed: int, threads: int) -> dict[str, float | int | str]:
    """What LightGBM is told: a recipe's own parameters, and what holds for each of them."""
    own = {name: value for name, value in without_stopping(parameters).items() if name not in _OWN}
    fixed: dict[str, float | int | str] = {
        "objective": "l2",
        "verbose": -1,
        "seed": seed,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": threads,
    }
    return own | fixed


def _scaled(training: Training, parameters: Mapping[str, float | int | str]) -> Training:
    return replace(training, target=training.target * float(parameters.get("target_scale", 1.0)))


def _dataset(training: Training, chosen: dict[str, float | int | str]) -> lgb.Dataset:
    return lgb.Dataset(training.features, training.target, weight=training.weight, params=chosen)


def _kept(booster: lgb.Booster, rounds: int, threads: int) -> FittedBooster:
    # A booster that comes from text predicts as one that is read back later: the same numbers before and after.
    return FittedBooster(lgb.Booster(model_str=booster.model_to_string(num_iteration=rounds)), threads)
