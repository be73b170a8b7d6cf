"""Selection by recursive feature elimination: the least of a ridge's coefficients go, and it is fitted again."""

from __future__ import annotations

from typing import Any

from sklearn.feature_selection import RFE
from sklearn.linear_model import Ridge

from nightdesk.scoring.observed import FloatArray
from nightdesk.selection.rows import MOST_ROWS, Rows
from nightdesk.selection.selector import Mask, Selector, best
from nightdesk.selection.weighted import standardised


class RecursiveElimination(Selector):
    """Keeps what scikit-learn's RFE leaves of a ridge on standardised features (Guyon et al. 2002).

    `penalty` is the ridge's, a row; `step` the share of all features that goes at a time. The score is minus the round
    in which a feature went: 0 for those that stayed. Without `keep` half of the features stay, as with RFE.
    """

    def __init__(
        self,
        keep: int | None = 10,
        *,
        penalty: float = 0.05,
        step: float = 0.1,
        max_rows: int | None = MOST_ROWS,
        random_state: Any = 0,
    ) -> None:
        super().__init__(keep, max_rows=max_rows, random_state=random_state)
        self.penalty = penalty
        self.step = step

    def _judge(self, rows: Rows) -> tuple[FloatArray, Mask]:
        count = rows.features.shape[1]
        stay = max(1, count // 2) if self.keep is None else min(self.keep, count)
        eliminated = RFE(Ridge(self.penalty * len(rows.target)), n_features_to_select=stay, step=self.step)
        scaled = standardised(rows.features, rows.weight)
        eliminated.fit(scaled, rows.target, sample_weight=rows.weight)
        scores: FloatArray = 1.0 - eliminated.ranking_.astype(float)
        return scores, best(scores, stay)
