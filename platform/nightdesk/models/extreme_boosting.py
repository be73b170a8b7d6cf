"""XGBoost's gradient boosted trees on histograms: missing values go their own way in each split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from nightdesk.models.early_stopping import held_out, stopping_of, without_stopping
from nightdesk.models.recipe import Matrix, Training, Vector

# Imported where it is used: it takes a second, which a command that fits and scores nothing need not wait for.
if TYPE_CHECKING:
    from xgboost import Booster, DMatrix

_FILE = "xgboost.ubj"
_SQUARED: Final = {"objective": "reg:squarederror"}


@dataclass(frozen=True, slots=True)
class FittedExtremeBooster:
    """A native booster, kept in XGBoost's own binary JSON."""

    booster: Booster

    @property
    def rounds(self) -> int:
        """How many rounds it kept: of several classes, each has a tree a round."""
        return int(self.booster.num_boosted_rounds())

    def predict(self, features: Matrix) -> Vector:
        """Score rows with one thread: a night's 500 rows are done before a second one starts."""
        return np.asarray(self.booster.inplace_predict(features), dtype=np.float64)

    def contributions(self, features: Matrix) -> Vector:
        """SHAP values of the trees (TreeSHAP, by XGBoost itself, single precision); last the mean they begin from."""
        from xgboost import DMatrix

        rows = DMatrix(features, nthread=1)
        return np.asarray(self.booster.predict(rows, pred_contribs=True), dtype=np.float64)

    def save(self, folder: Path) -> None:
        """Write the trees as binary JSON: no code runs when it is read."""
        (folder / _FILE).write_bytes(self.booster.save_raw("ubj"))


class ExtremeBoostingFamily:
    """Parameters are XGBoost's own names, `rounds`, the number of trees, and those of `early_stopping`."""

    held_by = frozenset(("max_bin",))
    """Parameters that the bins depend on: fits that share them can share the bins."""

    def fit(
        self, training: Training, parameters: Mapping[str, float | int | str], seed: int, threads: int
    ) -> FittedExtremeBooster:
        """Fit with the squared error and one thread: XGBoost's sums depend on the number of threads by a last bit."""
        del threads
        return FittedExtremeBooster(boosted(training, parameters, _SQUARED, seed))

    def hold(self, training: Training, parameters: Mapping[str, float | int | str]) -> DMatrix:
        """The rows in bins, for `fit_held` with parameters that agree in `held_by`."""
        return _matrix(training, parameters)

    def fit_held(
        self, rows: DMatrix, parameters: Mapping[str, float | int | str], seed: int, threads: int
    ) -> FittedExtremeBooster:
        """Fit on what `hold` gave; bit for bit the same booster as `fit` without early stopping on the same rows."""
        import xgboost

        del threads
        fixed = _fixed(parameters, _SQUARED, seed)
        booster = xgboost.train(fixed, rows, int(parameters["rounds"]))
        return FittedExtremeBooster(_from_bytes(bytes(booster.save_raw("ubj"))))

    def load(self, folder: Path) -> FittedExtremeBooster:
        """Read the trees back."""
        return load_booster(folder)


def load_booster(folder: Path) -> FittedExtremeBooster:
    """Read what `FittedExtremeBooster.save` wrote; raises FileNotFoundError where it is gone."""
    return FittedExtremeBooster(_from_bytes((folder / _FILE).read_bytes()))


def boosted(
    training: Training, parameters: Mapping[str, float | int | str], objective: Mapping[str, object], seed: int
) -> Booster:
    """A booster of XGBoost fitted for `objective` (its own parameters), stopped early where `parameters` ask for it."""
    import xgboost

    fixed = _fixed(parameters, objective, seed)
    rounds, stopping = int(parameters["rounds"]), stopping_of(parameters)
    if stopping is None:
        booster = xgboost.train(fixed, _matrix(training, fixed), rounds)
    else:
        fitted, newest = held_out(training, stopping.share)
        data = _matrix(fitted, fixed)
        watched = [(_matrix(newest, fixed, data), "validation")]
        grown = xgboost.train(
            fixed, data, rounds, evals=watched, early_stopping_rounds=stopping.patience, verbose_eval=False
        )
        kept = stopping.kept(grown.best_iteration + 1, grown.num_boosted_rounds())
        booster = xgboost.train(fixed, _matrix(training, fixed), kept) if stopping.refit else grown[:kept]
    # A booster that comes from bytes predicts as one that is read back later, and knows nothing of the fit.
    return _from_bytes(bytes(booster.save_raw("ubj")))


def _fixed(
    parameters: Mapping[str, float | int | str], objective: Mapping[str, object], seed: int
) -> dict[str, object]:
    """What XGBoost is told: a recipe's own parameters, and what holds for each of them."""
    own = {name: value for name, value in without_stopping(parameters).items() if name != "rounds"}
    return {**own, **objective, "tree_method": "hist", "seed": seed, "nthread": 1, "verbosity": 0}


def _from_bytes(raw: bytes) -> Booster:
    import xgboost

    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray(raw))
    return booster


def _matrix(training: Training, parameters: Mapping[str, Any], like: DMatrix | None = None) -> DMatrix:
    """The rows in bins; those of `like`, where given."""
    from xgboost import QuantileDMatrix

    return QuantileDMatrix(
        training.features,
        training.target,
        weight=training.weight,
        max_bin=int(parameters.get("max_bin", 256)),
        nthread=1,
        ref=like,
    )
