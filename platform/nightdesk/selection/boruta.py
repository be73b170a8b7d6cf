"""Selection by Boruta: a feature stays where a forest finds it more important than the best of shuffled copies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy import stats
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.utils import check_random_state

from nightdesk.errors import BadInput
from nightdesk.scoring.observed import FloatArray
from nightdesk.selection.rows import Rows
from nightdesk.selection.selector import Mask, Selector

FEWEST_SHADOWS: Final = 5
"""Shuffled columns in each round at least: of fewer the best is no bar."""


@dataclass(slots=True)
class _Record:
    """What has been seen of each feature so far: how often it beat its shadows, its importances, what was decided."""

    hits: FloatArray
    importances: list[FloatArray]
    bars: list[float]
    confirmed: Mask
    rejected: Mask


class Boruta(Selector):
    """Keeps every feature that is relevant at all (Kursa & Rudnicki 2010), the strongest `keep` of them.

    In each round a forest is fitted on the features and on shuffled copies of them, its *shadows*; a feature scores a
    hit where its importance is above that of the best shadow. A feature is confirmed, or rejected and left out from
    then on, once its hits are too many, or too few, for chance: a binomial test with Bonferroni's correction at
    `level`. What is undecided after `rounds` stays where its median importance is above the median of the best
    shadows.

    The forest is one of extremely randomised trees of `depth`: as the original's, with no preference for features of
    many values, at a fraction of the time. Forests take weights; drawing makes them equal to repeated rows on average
    only. The score is the mean importance relative to the best shadow's; `confirmed_` and `rejected_` are masks.
    """

    def __init__(
        self,
        keep: int | None = None,
        *,
        rounds: int = 30,
        trees: int = 30,
        depth: int = 6,
        level: float = 0.05,
        threads: int = 1,
        max_rows: int | None = 6_000,
        random_state: Any = 0,
    ) -> None:
        super().__init__(keep, max_rows=max_rows, random_state=random_state)
        self.rounds = rounds
        self.trees = trees
        self.depth = depth
        self.level = level
        self.threads = threads

    def _judge(self, rows: Rows) -> tuple[FloatArray, Mask]:
        if self.rounds < 1:
            raise BadInput(f"rounds of Boruta must be at least 1, got {self.rounds}: raise it")
        random, count = check_random_state(self.random_state), rows.features.shape[1]
        seen = _Record(np.zeros(count), [], [], np.zeros(count, dtype=bool), np.zeros(count, dtype=bool))
        for done in range(1, self.rounds + 1):
            importance, bar = self._round(rows, ~seen.rejected, random)
            seen.hits += importance > bar
            seen.importances.append(importance)
            seen.bars.append(bar)
            self._decide(seen, done, count)
            if (seen.confirmed | seen.rejected).all():
                break
        self.confirmed_, self.rejected_ = seen.confirmed, seen.rejected
        importances, bars = np.array(seen.importances), np.array(seen.bars)
        undecided = ~(seen.confirmed | seen.rejected) & (np.median(importances, axis=0) > np.median(bars))
        scores: FloatArray = importances.mean(axis=0) / (bars.mean() or 1.0)
        return scores, seen.confirmed | undecided

    def _round(self, rows: Rows, left: Mask, random: Any) -> tuple[FloatArray, float]:
        """Importance of each feature (0 for those that were rejected), and that of the best shadow."""
        own = rows.features[:, left]
        copies = np.tile(own, -(-FEWEST_SHADOWS // own.shape[1])) if own.shape[1] < FEWEST_SHADOWS else own
        shadows = np.column_stack([column[random.permutation(len(column))] for column in copies.T])
        forest = ExtraTreesRegressor(
            self.trees,
            max_depth=self.depth,
            max_features="sqrt",
            n_jobs=self.threads,
            random_state=random.randint(np.iinfo(np.int32).max),
        )
        forest.fit(np.hstack([own, shadows]).astype(np.float32), rows.target, sample_weight=rows.weight)
        found = forest.feature_importances_
        importance: FloatArray = np.zeros(len(left))
        importance[left] = found[: own.shape[1]]
        return importance, float(found[own.shape[1] :].max())

    def _decide(self, seen: _Record, done: int, count: int) -> None:
        """Confirm and reject by what `done` rounds say; the last feature is never rejected: rounds need one."""
        open_ = ~(seen.confirmed | seen.rejected)
        many = stats.binom.sf(seen.hits - 1, done, 0.5) * count < self.level
        few = stats.binom.cdf(seen.hits, done, 0.5) * count < self.level
        seen.confirmed |= open_ & many
        rejected = seen.rejected | (open_ & few)
        if not rejected.all():
            seen.rejected = rejected
