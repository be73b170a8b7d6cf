"""Selection by vote: what several methods choose is kept, and what one of them alone fancies is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from scipy.stats import rankdata

from nightdesk.errors import BadInput, UnknownName
from nightdesk.scoring.observed import FloatArray
from nightdesk.selection.boruta import Boruta
from nightdesk.selection.correlation_filter import CorrelationFilter
from nightdesk.selection.f_score import FScore
from nightdesk.selection.lasso import LassoPath
from nightdesk.selection.mutual_information import MutualInformation
from nightdesk.selection.recursive_elimination import RecursiveElimination
from nightdesk.selection.rows import MOST_ROWS, Rows
from nightdesk.selection.selector import Mask, Selector

VOTERS: Final[Mapping[str, type[Selector]]] = {
    "mutual_information": MutualInformation,
    "f_score": FScore,
    "rfe": RecursiveElimination,
    "lasso": LassoPath,
    "boruta": Boruta,
    "correlation": CorrelationFilter,
}
"""Methods that choose among features, by name."""

USUAL_VOTERS: Final = ("mutual_information", "f_score", "rfe", "lasso", "boruta")
"""Who votes unless said otherwise: the correlation filter alone does not ask how much a feature says."""


class Vote(Selector):
    """Keeps the features that at least `at_least` of `methods` choose, the `keep` with the most votes.

    Each method chooses at most `keep` of them. Votes decide first, then the mean place among the methods' own scores;
    where nothing has votes enough, those with the most are kept. The score is the number of votes, plus the mean place
    from 0 (last) to 1 (first), halved; `votes_` is a row a method, a column a feature.
    """

    def __init__(
        self,
        keep: int | None = 10,
        *,
        methods: tuple[str, ...] = USUAL_VOTERS,
        at_least: int = 3,
        max_rows: int | None = MOST_ROWS,
        random_state: Any = 0,
    ) -> None:
        super().__init__(keep, max_rows=max_rows, random_state=random_state)
        self.methods = methods
        self.at_least = at_least

    def _judge(self, rows: Rows) -> tuple[FloatArray, Mask]:
        self._check()
        votes, places = [], []
        for name in self.methods:
            voter = VOTERS[name](self.keep, random_state=self.random_state)
            voter.fit(rows.features, rows.target, rows.weight)
            votes.append(voter.get_support())
            places.append((rankdata(voter.scores_) - 1.0) / max(len(voter.scores_) - 1, 1))
        self.votes_ = np.array(votes)
        count = self.votes_.sum(axis=0)
        scores: FloatArray = count + np.mean(places, axis=0) / 2.0
        enough: Mask = count >= min(self.at_least, count.max())
        return scores, enough

    def _check(self) -> None:
        for name in self.methods:
            if name not in VOTERS:
                raise UnknownName.among("method of selection", name, VOTERS)
        if not 1 <= self.at_least <= len(self.methods):
            raise BadInput(
                f"at_least must be 1 to {len(self.methods)}, as many as there are methods, got {self.at_least}: "
                "choose among these"
            )
