"""Selection by the lasso: the features that are the first to enter as its penalty falls."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import lasso_path

from nightdesk.scoring.observed import FloatArray
from nightdesk.selection.rows import MOST_ROWS, Rows
from nightdesk.selection.selector import Mask, Selector
from nightdesk.selection.weighted import standardised


class LassoPath(Selector):
    """Keeps the features that enter a lasso's path first (Tibshirani 1996), of those that enter at all.

    The path runs over `penalties` steps, evenly in logarithms, from the one that leaves nothing down to `smallest` of
    it (scikit-learn's `lasso_path`, on standardised features). The score is the number of steps for which a feature
    has been in, and, below one step, the size of its coefficient on entering.
    """

    def __init__(
        self,
        keep: int | None = 10,
        *,
        penalties: int = 60,
        smallest: float = 0.01,
        max_rows: int | None = MOST_ROWS,
        random_state: Any = 0,
    ) -> None:
        super().__init__(keep, max_rows=max_rows, random_state=random_state)
        self.penalties = penalties
        self.smallest = smallest

    def _judge(self, rows: Rows) -> tuple[FloatArray, Mask]:
        root = np.sqrt(rows.weight)
        features = standardised(rows.features, rows.weight) * root[:, None]
        target = (rows.target - np.average(rows.target, weights=rows.weight)) * root
        largest = np.abs(features.T @ target).max() / len(target)
        if largest == 0.0:
            return np.zeros(features.shape[1]), np.zeros(features.shape[1], dtype=np.bool_)
        penalties = largest * np.geomspace(1.0, self.smallest, self.penalties)
        path = np.abs(lasso_path(features, target, alphas=penalties, precompute=True)[1])
        inside = path > 0.0
        entered = inside.any(axis=1)
        first = inside.argmax(axis=1)
        size = path[np.arange(len(path)), first]
        scores: FloatArray = np.where(entered, len(penalties) - first + size / (size.max() + 1.0), 0.0)
        return scores, entered
