"""Principal components: the few directions in which standardised features vary most, in place of the features."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils.extmath import svd_flip
from sklearn.utils.validation import check_is_fitted, validate_data

from nightdesk.errors import BadInput
from nightdesk.scoring.observed import FloatArray
from nightdesk.selection.rows import KINDS, MOST_ROWS, rows_of


class PrincipalComponents(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Replaces features by their first `keep` principal components that vary at all, after median and scaling.

    What is missing is the training median. With equal weights these are scikit-learn's PCA on its StandardScaler,
    signs included; PCA itself takes no weights. The target is not looked at.

    Attributes
    ----------
    medians_, means_, scales_
        Of the features (columns).
    components_
        Directions (components, columns) of length 1, the one of the largest variance first.
    explained_variance_ratio_
        Share of the variance of all standardised features, a component.
    """

    def __init__(self, keep: int = 10, *, max_rows: int | None = MOST_ROWS, random_state: Any = 0) -> None:
        self.keep = keep
        self.max_rows = max_rows
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn medians, scales and directions from `X` (rows, columns; NaN where missing); `y` counts for nothing.

        Raises ValueError as scikit-learn does for rows that cannot be used, BadInput where `keep` is below 1.
        """
        if self.keep < 1:
            raise BadInput(f"keep must be at least 1 component, got {self.keep}: raise it")
        rows = rows_of(self, X, None, sample_weight)
        scaler = StandardScaler().fit(rows.features, sample_weight=rows.weight)
        scaled = scaler.transform(rows.features)
        covariance = np.atleast_2d(np.cov(scaled, rowvar=False, aweights=rows.weight, ddof=0))
        values, vectors = np.linalg.eigh(covariance)
        values, directions = np.maximum(values[::-1], 0.0), vectors.T[::-1]
        _, directions = svd_flip(None, directions, u_based_decision=False)
        # What does not vary has no direction of its own, but any that rounding gives it.
        kept = max(1, min(self.keep, int((values > values[0] * 1e-10).sum())))
        self.medians_, self.means_, self.scales_ = rows.medians, scaler.mean_, scaler.scale_
        self.components_ = np.ascontiguousarray(directions[:kept])
        self.explained_variance_ratio_ = values[:kept] / (values.sum() or 1.0)
        return self

    def transform(self, X: Any) -> FloatArray:
        """The components of each row (rows, components)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=KINDS, ensure_all_finite="allow-nan", reset=False)
        return projected(X, self.medians_, self.means_, self.scales_, self.components_)

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def __sklearn_tags__(self) -> Any:
        """It takes missing values."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def projected(
    features: npt.NDArray[np.floating[Any]],
    medians: FloatArray,
    means: FloatArray,
    scales: FloatArray,
    components: FloatArray,
) -> FloatArray:
    """Rows on `components`; summed column by column, so that a row does not depend on the rows beside it."""
    found: FloatArray = np.zeros((len(features), len(components)))
    for column in range(features.shape[1]):
        own = features[:, column].astype(np.float64)
        scaled = (np.where(np.isfinite(own), own, medians[column]) - means[column]) / scales[column]
        found += scaled[:, None] * components[:, column]
    return found
