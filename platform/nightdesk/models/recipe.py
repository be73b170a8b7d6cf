"""A recipe: a frozen model family, feature set and hyperparameters; evidence belongs to recipes, fits come and go."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
Vector = NDArray[np.float64]
Dates = NDArray[np.datetime64]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is fitted: a family of `models.FAMILIES`, features in order (none named: all), and hyperparameters."""

    name: str
    family: str
    features: tuple[str, ...]
    parameters: tuple[tuple[str, float | int | str], ...]

    @property
    def content(self) -> str:
        """16 hex digits that name the recipe: the same ones as long as nothing in it changes."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


def identity(recipe: Recipe, feature_version: str) -> str:
    """The name under which evidence is gathered: the recipe's content, and the version of the features it is fitted on.

    It changes with family, preprocessing (a part of the family), hyperparameters, and any feature's definition; a refit
    on other data keeps it.
    """
    return f"{recipe.content}-{feature_version}"


@dataclass(frozen=True, slots=True)
class Training:
    """Rows to fit on, by date: features (rows, columns; NaN where missing), target, weight (each date weighs the same).

    `decided` is each row's date, `known` the day on whose close its label is known: what a family that holds days out
    must purge by. None where the rows do not tell.
    """

    features: Matrix
    target: Vector
    weight: Vector
    decided: Dates | None = None
    known: Dates | None = None

    def at(self, rows: NDArray[np.intp]) -> Training:
        """The training of some of these rows, by their numbers; weights are 1 in mean again."""
        weight = self.weight[rows]
        return Training(
            self.features[rows],
            self.target[rows],
            weight * (len(weight) / weight.sum() if len(weight) else 1.0),
            None if self.decided is None else self.decided[rows],
            None if self.known is None else self.known[rows],
        )


class Scoring(Protocol):
    """What says a score of rows: a fitted model, or a part of one."""

    def predict(self, features: Matrix) -> Vector:
        """Score each row of `features` (rows, columns in the recipe's order; NaN where missing)."""


class Fitted(Protocol):
    """A fitted model: scores rows, and goes to and comes from a folder without running code."""

    def predict(self, features: Matrix) -> Vector:
        """Score each row of `features` (rows, columns in the recipe's order; NaN where missing)."""

    def save(self, folder: Path) -> None:
        """Write everything `predict` needs into `folder`."""


@runtime_checkable
class Explaining(Protocol):
    """A fitted model that can tell exactly what each feature adds to a score."""

    def contributions(self, features: Matrix) -> Vector | None:
        """What each column adds to each score, and last what is said where nothing is known (rows, columns + 1).

        A row's sum is its score, but for rounding. None where this very model cannot tell after all.
        """


@runtime_checkable
class Summed(Protocol):
    """A fitted model whose score is the sum of what its parts say: each part tells, or is asked, by itself."""

    def summands(self) -> Sequence[Scoring]:
        """The parts; what they say of a row sums to its score."""


@runtime_checkable
class Grown(Protocol):
    """A fitted model that grew round by round."""

    @property
    def rounds(self) -> int:
        """How many rounds it kept."""


def rounds_of(fitted: object) -> int | None:
    """How many rounds a fitted model, or the one inside it, kept; None of one that does not grow by rounds."""
    grown = getattr(fitted, "inner", fitted)
    return grown.rounds if isinstance(grown, Grown) else None


class Family(Protocol):
    """A model family: how to fit it, and how to load what it saved."""

    def fit(self, training: Training, parameters: Mapping[str, float | int | str], seed: int, threads: int) -> Fitted:
        """Fit on `training`; the same arguments give the same model on one machine."""

    def load(self, folder: Path) -> Fitted:
        """Load what `Fitted.save` wrote; it predicts the same, bit for bit."""
