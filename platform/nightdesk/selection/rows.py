"""The rows a selection is fitted on: checked, a share of them drawn, missing values filled by the training median."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.validation import _check_sample_weight, validate_data

from nightdesk.errors import BadInput
from nightdesk.scoring.observed import FloatArray

KINDS: Final = [np.float64, np.float32]
"""Types of numbers that features may have."""

MOST_ROWS: Final = 20_000
"""Rows on which a selection is fitted unless said otherwise: forty times the symbols of a large index."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Training rows without a missing value: features (rows, columns), target, and weight, which is 1 on average.

    `medians` (columns) are what was filled in: of the rows drawn, 0 for a column that holds nothing.
    """

    features: FloatArray
    target: FloatArray
    weight: FloatArray
    medians: FloatArray


def rows_of(estimator: Any, X: Any, y: Any, sample_weight: Any) -> Rows:
    """Check what `estimator` is fitted on, as scikit-learn does, and draw at most its `max_rows` of it.

    `y` is None for one that looks at no target; the rows' target is 0 then. Rows of weight 0 count as not there. The
    draw takes one row of each of `max_rows` stretches of equal length, at a random place in it: every day gives its
    share, and no symbol is met more often for standing at a round place.

    Raises ValueError where scikit-learn would, BadInput where `max_rows` is below 2.
    """
    if estimator.max_rows is not None and estimator.max_rows < 2:
        raise BadInput(f"max_rows must be at least 2, or None for all, got {estimator.max_rows}: raise it")
    rule: dict[str, Any] = {"dtype": KINDS, "ensure_all_finite": "allow-nan", "ensure_min_samples": 2}
    if y is None and not get_tags(estimator).target_tags.required:
        X = validate_data(estimator, X, **rule)
        y = np.zeros(len(X))
    else:
        X, y = validate_data(estimator, X, y, y_numeric=True, **rule)
    weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    counted = np.flatnonzero(weight > 0.0)
    drawn = counted[_spread(len(counted), estimator.max_rows, estimator.random_state)]
    features = X[drawn].astype(np.float64)
    medians = medians_of(features)
    filled = np.where(np.isnan(features), medians, features)
    own = weight[drawn]
    return Rows(filled, np.asarray(y, dtype=np.float64)[drawn], own / own.mean(), medians)


def medians_of(features: FloatArray) -> FloatArray:
    """The median of each column's known values (rows, columns; NaN where missing); 0 where it has none."""
    empty = np.isnan(features).all(axis=0)
    medians: FloatArray = np.zeros(features.shape[1])
    medians[~empty] = np.nanmedian(features[:, ~empty], axis=0)
    return medians


def _spread(count: int, most: int | None, seed: Any) -> npt.NDArray[np.int64]:
    """At most `most` places among `count`, ascending, one of each stretch of equal length."""
    if most is None or count <= most:
        return np.arange(count)
    edges = np.arange(most + 1, dtype=np.int64) * count // most
    places: npt.NDArray[np.int64] = edges[:-1] + check_random_state(seed).randint(np.diff(edges))
    return places
