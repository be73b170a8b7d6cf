"""What may be evaluated: a recipe, or any object with fit(X, y) and predict(X); both become one thing to fit."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.utils import get_tags

from nightdesk.errors import BadInput
from nightdesk.evaluation.walk_forward import Fit, fit_of
from nightdesk.models.recipe import Matrix, Recipe, Training, Vector
from nightdesk.store.files import content_of

SEED: Final = "random_state"
"""What scikit-learn calls the seed of an estimator, at the end of its parameter's name inside a pipeline."""

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is fitted on each fold: its name, its content (16 hex digits), its features (none named: all), its fit.

    `seeded` says whether another seed can give another fit.
    """

    name: str
    content: str
    features: tuple[str, ...]
    seeded: bool
    fit: Fit


def candidate_of(model: object) -> Candidate:
    """Make a candidate of a Recipe, or of an object with fit(X, y) and predict(X) such as scikit-learn's estimators.

    X has one row a symbol and day and one column a feature (float64); y is the label's rank among the symbols of its
    day, from -0.5 to 0.5, for a classifier whether that is above 0. A missing value reaches the object only where it
    says that it takes them (scikit-learn's tag allow_nan); else it is the median of the training rows. `sample_weight`
    is given where fit takes it, so that each day weighs the same; every parameter `random_state` is set to the seed.
    The object itself is not fitted: each fold fits a copy.

    Raises
    ------
    BadInput
        The model is neither.
    """
    if isinstance(model, Recipe):
        return Candidate(model.name, model.content, model.features, True, fit_of(model))
    if inspect.isclass(model) or not all(callable(getattr(model, name, None)) for name in ("fit", "predict")):
        raise BadInput(
            f"a model must be a Recipe or an object with fit(X, y) and predict(X), got {_shown(model)}: "
            "give for example sklearn.linear_model.Ridge()"
        )
    kind = type(model)
    content = content_of(
        f"{kind.__module__}.{kind.__qualname__}", {n: _shown(v) for n, v in _parameters(model).items()}
    )

    def fit(training: Training, seed: int, threads: int) -> FittedEstimator:
        del threads  # the object's own affair
        return _fitted(model, training, seed)

    return Candidate(kind.__name__, content, (), bool(_seeds(model)), fit)


@dataclass(frozen=True, slots=True, eq=False)
class FittedEstimator:
    """A fitted copy of the object; `medians` of the training rows where it takes no missing values."""

    estimator: Any
    medians: Vector | None

    def predict(self, features: Matrix) -> Vector:
        """Score each row, a classifier by its chance of the upper half; BadInput where scores do not fit rows."""
        rows = self._filled(features)
        if _classifies(self.estimator) and hasattr(self.estimator, "predict_proba"):
            scores = self.estimator.predict_proba(rows)[:, -1]
        else:
            scores = self.estimator.predict(rows)
        found = np.asarray(scores, dtype=np.float64)
        if found.shape != (len(features),):
            raise BadInput(
                f"predict must give one score a row, got shape {found.shape} for {len(features)} rows: return them so"
            )
        return found

    def _filled(self, features: Matrix) -> Vector:
        rows: Vector = features.astype(np.float64)
        return rows if self.medians is None else np.where(np.isnan(rows), self.medians, rows)


def _fitted(model: Any, training: Training, seed: int) -> FittedEstimator:
    own = clone(model, safe=False)
    if names := _seeds(own):
        # scikit-learn takes seeds of 32 bits.
        own.set_params(**dict.fromkeys(names, seed % 2**32))
    fitted = FittedEstimator(own, None if _takes_missing(own) else _medians(training.features))
    target = (training.target > 0.0).astype(np.int64) if _classifies(own) else training.target
    weight = {"sample_weight": training.weight} if "sample_weight" in inspect.signature(own.fit).parameters else {}
    own.fit(fitted._filled(training.features), target, **weight)
    return fitted


def _medians(features: Matrix) -> Vector:
    """Of each column; 0 where it holds nothing."""
    empty = np.isnan(features).all(axis=0)
    medians: Vector = np.zeros(features.shape[1])
    medians[~empty] = np.nanmedian(features[:, ~empty].astype(np.float64), axis=0)
    return medians


def _takes_missing(model: Any) -> bool:
    return hasattr(model, "__sklearn_tags__") and bool(get_tags(model).input_tags.allow_nan)


def _classifies(model: Any) -> bool:
    return hasattr(model, "__sklearn_tags__") and bool(is_classifier(model))


def _parameters(model: Any) -> dict[str, Any]:
    found: dict[str, Any] = model.get_params(deep=True) if hasattr(model, "get_params") else vars(model)
    return found


def _seeds(model: Any) -> list[str]:
    names = _parameters(model) if hasattr(model, "set_params") else {}
    return [name for name in names if name.split("__")[-1] == SEED]


def _shown(value: object) -> str:
    """A value as text, without where it lies in memory: that differs from run to run."""
    return _ADDRESS.sub("", repr(value))
