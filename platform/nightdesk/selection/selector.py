"""What all selectors share: scikit-learn's interface, a number of features to keep, and never an empty choice."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_is_fitted

from nightdesk.errors import BadInput
from nightdesk.scoring.observed import FloatArray
from nightdesk.selection.rows import MOST_ROWS, Rows, rows_of

Mask = npt.NDArray[np.bool_]


class Selector(SelectorMixin, BaseEstimator):  # type: ignore[misc]
    """Chooses columns by a score learnt from training rows; the columns it hands on keep their missing values.

    Parameters
    ----------
    keep
        How many features at most, at least 1; None: as many as the method finds.
    max_rows
        Rows that are looked at, drawn evenly over the training rows; None: all.
    random_state
        Seed of that draw and of what is random in the method.

    Attributes
    ----------
    scores_
        One number a feature, more is better; what it means is the method's own.
    support_
        Which features are chosen, by place.
    """

    def __init__(self, keep: int | None = 10, *, max_rows: int | None = MOST_ROWS, random_state: Any = 0) -> None:
        self.keep = keep
        self.max_rows = max_rows
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn which columns of `X` (rows, columns; NaN where missing) to keep for foretelling `y` (rows).

        `sample_weight` (rows, not negative; none: all alike) says how much each row counts. The best feature alone is
        chosen where the method finds none at all: a model must have something to be fitted on.

        Raises ValueError as scikit-learn does for rows that cannot be used, BadInput for a parameter that breaks its
        rule.
        """
        if self.keep is not None and self.keep < 1:
            raise BadInput(f"keep must be at least 1 feature, or None, got {self.keep}: raise it")
        rows = rows_of(self, X, y, sample_weight)
        scores, found = self._judge(rows)
        self.scores_ = np.nan_to_num(scores, nan=0.0, posinf=np.finfo(np.float64).max)
        wanted = best(self.scores_, len(self.scores_) if self.keep is None else self.keep)
        chosen = found & wanted
        self.support_ = chosen if chosen.any() else best(self.scores_, 1)
        return self

    @abstractmethod
    def _judge(self, rows: Rows) -> tuple[FloatArray, Mask]:
        """A score for each feature, and which of them may be chosen at all."""

    def _get_support_mask(self) -> Mask:
        check_is_fitted(self)
        return self.support_

    def __sklearn_tags__(self) -> Any:
        """It takes missing values, and needs a target."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        return tags


def best(scores: FloatArray, count: int) -> Mask:
    """The `count` features of the highest scores; of equal ones the earlier."""
    chosen = np.zeros(len(scores), dtype=np.bool_)
    chosen[np.argsort(-scores, kind="stable")[:count]] = True
    return chosen


def every(scores: FloatArray) -> Mask:
    """All features: those that a method does not judge by anything but their score."""
    return np.ones(len(scores), dtype=np.bool_)
