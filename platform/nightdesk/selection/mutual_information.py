"""Selection by mutual information: what a feature's tenth says of the target's, in whatever shape."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import entropy

from nightdesk.scoring.observed import FloatArray
from nightdesk.selection.rows import MOST_ROWS, Rows
from nightdesk.selection.selector import Mask, Selector, every
from nightdesk.selection.weighted import rank_columns, ranks


class MutualInformation(Selector):
    """Keeps the features of the highest mutual information with the target, in nats.

    Both are cut into `bins` of equal weight; the information is the sum of their entropies less that of the table of
    both. scikit-learn's nearest-neighbour estimate takes no weights, and minutes on a year of an index; by bins a
    feature costs milliseconds. An information of about (bins - 1)^2 / (2 rows) is chance.
    """

    def __init__(
        self, keep: int | None = 10, *, bins: int = 10, max_rows: int | None = MOST_ROWS, random_state: Any = 0
    ) -> None:
        super().__init__(keep, max_rows=max_rows, random_state=random_state)
        self.bins = bins

    def _judge(self, rows: Rows) -> tuple[FloatArray, Mask]:
        own = self._binned(rank_columns(rows.features, rows.weight))
        target = self._binned(ranks(rows.target, rows.weight))
        scores = np.array([self._information(column, target, rows.weight) for column in own.T])
        # To twelve digits: tables that say the same are ties, whatever their sums were rounded to.
        return np.round(scores, 12), every(scores)

    def _binned(self, share: FloatArray) -> FloatArray:
        # The edges are sums of weights: what lies on one by rounding must fall to the same side however it was summed.
        return np.floor(np.round(share * self.bins, 9)).clip(0, self.bins - 1)

    def _information(self, column: FloatArray, target: FloatArray, weight: FloatArray) -> float:
        cell = (column * self.bins + target).astype(np.int64)
        table = np.bincount(cell, weights=weight, minlength=self.bins**2).reshape(self.bins, self.bins)
        return float(entropy(table.sum(axis=0)) + entropy(table.sum(axis=1)) - entropy(table.ravel()))
