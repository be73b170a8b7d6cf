"""Ridge regression on standardised features; missing values take the training median."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nightdesk.models.recipe import Matrix, Training, Vector

_FILE = "ridge.json"


@dataclass(frozen=True, slots=True)
class FittedRidge:
    """Medians, means, scales and coefficients of each feature, and the intercept: all that a prediction needs."""

    medians: Vector
    means: Vector
    scales: Vector
    coefficients: Vector
    intercept: float

    def predict(self, features: Matrix) -> Vector:
        """Score rows; the sum runs column by column, so that a row's score does not depend on the rows beside it."""
        standardised = self._standardised(features)
        score = np.full(len(features), self.intercept)
        for column, coefficient in enumerate(self.coefficients):
            score += standardised[:, column] * coefficient
        return score

    def contributions(self, features: Matrix) -> Vector:
        """Each coefficient times the distance from the training mean, in scales; last the intercept."""
        own = self._standardised(features) * self.coefficients
        return np.column_stack([own, np.full(len(features), self.intercept)])

    def _standardised(self, features: Matrix) -> Vector:
        filled = np.where(np.isfinite(features), features, self.medians)
        standardised: Vector = (filled - self.means) / self.scales
        return standardised

    def save(self, folder: Path) -> None:
        """Write the numbers as JSON: no code runs when they are read."""
        numbers = {
            "medians": self.medians.tolist(),
            "means": self.means.tolist(),
            "scales": self.scales.tolist(),
            "coefficients": self.coefficients.tolist(),
            "intercept": self.intercept,
        }
        (folder / _FILE).write_text(json.dumps(numbers), encoding="utf-8")


class RidgeFamily:
    """Parameter `alpha`: the penalty a row, in units of standardised features."""

    def fit(
        self, training: Training, parameters: Mapping[str, float | int | str], seed: int, threads: int
    ) -> FittedRidge:
        """Fit median imputation, scaling and ridge on the training rows alone (scikit-learn)."""
        del seed, threads  # the solution is exact and needs neither
        imputer = SimpleImputer(strategy="median", keep_empty_features=True)
        pipeline = make_pipeline(
            imputer, StandardScaler(), Ridge(alpha=float(parameters["alpha"]) * len(training.target))
        )
        features = training.features.astype(np.float64)
        pipeline.fit(features, training.target, ridge__sample_weight=training.weight)
        scaler, ridge = pipeline[1], pipeline[2]
        return FittedRidge(
            np.asarray(imputer.statistics_, dtype=np.float64),
            scaler.mean_,
            scaler.scale_,
            np.asarray(ridge.coef_, dtype=np.float64),
            float(ridge.intercept_),
        )

    def load(self, folder: Path) -> FittedRidge:
        """Read the numbers back; JSON keeps every bit of a double."""
        numbers = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        intercept = float(numbers.pop("intercept"))
        return FittedRidge(**{name: np.array(values) for name, values in numbers.items()}, intercept=intercept)
