"""Selection by a correlation filter: of two features that say the same, the one that says less of the target goes."""

from __future__ import annotations

from typing import Any

import numpy as np

from nightdesk.errors import BadInput
from nightdesk.scoring.observed import FloatArray
from nightdesk.selection.rows import MOST_ROWS, Rows
from nightdesk.selection.selector import Mask, Selector
from nightdesk.selection.weighted import correlations, rank_columns, ranks


class CorrelationFilter(Selector):
    """Drops the less informative of each pair whose rank correlation is beyond `threshold`, either way.

    Features are taken in the order of their rank correlation with the target, its sign apart, of equal ones the
    earlier; one stays where it is not beyond `threshold` with any that stayed before it. Nothing is left to chance.
    The score is that rank correlation with the target.
    """

    def __init__(
        self,
        keep: int | None = None,
        *,
        threshold: float = 0.9,
        max_rows: int | None = MOST_ROWS,
        random_state: Any = 0,
    ) -> None:
        super().__init__(keep, max_rows=max_rows, random_state=random_state)
        self.threshold = threshold

    def _judge(self, rows: Rows) -> tuple[FloatArray, Mask]:
        if not 0.0 < self.threshold <= 1.0:
            raise BadInput(f"threshold must be above 0 and at most 1, got {self.threshold}: choose 0.9")
        ranked = np.column_stack([rank_columns(rows.features, rows.weight), ranks(rows.target, rows.weight)])
        found = np.abs(correlations(ranked, rows.weight))
        # To ten digits: of two copies the earlier stays, whichever way the sums were rounded.
        alike, scores = found[:-1, :-1].round(10), found[:-1, -1].round(10)
        stays = np.zeros(len(scores), dtype=np.bool_)
        for place in np.argsort(-scores, kind="stable"):
            stays[place] = not (alike[place, stays] > self.threshold).any()
        return scores, stays
