"""Selection by F-score: how surely a feature moves with the target in a straight line."""

from __future__ import annotations

import numpy as np

from nightdesk.scoring.observed import FloatArray
from nightdesk.selection.rows import Rows
from nightdesk.selection.selector import Mask, Selector, every
from nightdesk.selection.weighted import correlation


class FScore(Selector):
    """Keeps the features of the highest F-statistic of a regression of the target on each alone.

    With equal weights it is scikit-learn's `f_regression`, which takes none; with others the rows count as their
    effective number, the squared sum of weights over the sum of squares (Kish 1965).
    """

    def _judge(self, rows: Rows) -> tuple[FloatArray, Mask]:
        explained = correlation(rows.features, rows.target, rows.weight) ** 2
        effective = rows.weight.sum() ** 2 / (rows.weight**2).sum()
        with np.errstate(divide="ignore"):
            scores: FloatArray = explained / (1.0 - explained) * max(effective - 2.0, 1.0)
        return scores, every(scores)
