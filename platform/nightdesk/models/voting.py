"""Soft voting of a random forest and XGBoost on whether to buy, hold or sell; its score is P(buy) less P(sell)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from nightdesk.errors import BadInput
from nightdesk.models.extreme_boosting import FittedExtremeBooster, boosted, load_booster
from nightdesk.models.random_forest import Trees, grown_on, read_trees, trees_of
from nightdesk.models.recipe import Matrix, Training, Vector

CLASSES: Final = ("sell", "hold", "buy")
"""In the order of the columns of probabilities."""

_FOREST, _VOTES = "forest.npz", "votes.json"
_TERCILE: Final = 1 / 6


@dataclass(frozen=True, slots=True)
class ForestVote:
    """What the forest adds to a voter's score: `share` of its chance to buy less that to sell."""

    forest: Trees
    share: float

    def predict(self, features: Matrix) -> Vector:
        """Its part of the score of each row."""
        chances = self.forest.mean(features)
        part: Vector = self.share * (chances[:, 2] - chances[:, 0])
        return part

    def contributions(self, features: Matrix) -> Vector | None:
        """Exact, for chances of a forest are means of what its trees say (TreeSHAP)."""
        return self.forest.contributions(features, self.share * np.array([-1.0, 0.0, 1.0]))


@dataclass(frozen=True, slots=True)
class BoosterVote:
    """What the booster adds to a voter's score: `share` of its chance to buy less that to sell.

    Its chances are no sum over trees (their sums go through softmax), so nothing tells exactly what a feature adds.
    """

    booster: FittedExtremeBooster
    share: float

    def predict(self, features: Matrix) -> Vector:
        """Its part of the score of each row."""
        chances = _chances_of(self.booster, features)
        part: Vector = self.share * (chances[:, 2] - chances[:, 0])
        return part


@dataclass(frozen=True, slots=True)
class FittedVoter:
    """A forest and a booster that each give the chances of `CLASSES`; the forest's weigh `forest_share`."""

    forest: Trees
    booster: FittedExtremeBooster
    forest_share: float

    @property
    def rounds(self) -> int:
        """How many rounds its booster kept."""
        return self.booster.rounds

    def probabilities(self, features: Matrix) -> Vector:
        """The chances to sell, to hold and to buy: (rows, 3), each row's sum 1 but for rounding."""
        by_booster = _chances_of(self.booster, features)
        voted: Vector = self.forest_share * self.forest.mean(features) + (1.0 - self.forest_share) * by_booster
        return voted

    def predict(self, features: Matrix) -> Vector:
        """Score rows from -1 to 1: the chance to buy less that to sell."""
        chances = self.probabilities(features)
        scores: Vector = chances[:, 2] - chances[:, 0]
        return scores

    def summands(self) -> tuple[ForestVote | BoosterVote, ...]:
        """The two members' parts of the score; a member without a vote is none."""
        parts = (ForestVote(self.forest, self.forest_share), BoosterVote(self.booster, 1.0 - self.forest_share))
        return tuple(one for one in parts if one.share > 0.0)

    def save(self, folder: Path) -> None:
        """Write the trees of both, and how they vote."""
        self.forest.write(folder / _FOREST)
        self.booster.save(folder)
        (folder / _VOTES).write_text(json.dumps({"forest_share": self.forest_share}), encoding="utf-8")


class VoterFamily:
    """Parameters: `forest_` before those of a random forest, `boosted_` before XGBoost's, those of `early_stopping`
    for the booster; `forest_share`, the weight of the forest's vote (0.5); and the cuts between the classes.

    A row is one to buy where its target, the rank of its return among the symbols of its date from -0.5 to 0.5, lies
    above `buy_above` (1/6), one to sell where it lies below `sell_below` (-1/6): terciles of each date.
    """

    def fit(
        self, training: Training, parameters: Mapping[str, float | int | str], seed: int, threads: int
    ) -> FittedVoter:
        """Fit both members on the same classes; raises BadInput where cuts or share break their rule."""
        from sklearn.ensemble import RandomForestClassifier

        own = dict(parameters)
        below, above = float(own.pop("sell_below", -_TERCILE)), float(own.pop("buy_above", _TERCILE))
        share = float(own.pop("forest_share", 0.5))
        if not below <= above:
            raise BadInput(f"sell_below must not be above buy_above, got {below} and {above}: give the lower cut first")
        if not 0.0 <= share <= 1.0:
            raise BadInput(f"forest_share must lie from 0 to 1, got {share}: choose for example 0.5")
        target = training.target
        classes = replace(training, target=np.where(target > above, 2.0, np.where(target < below, 0.0, 1.0)))
        rows, of_forest = grown_on(classes, _with_prefix(own, "forest_"), seed)
        forest = RandomForestClassifier(random_state=seed % 2**32, n_jobs=threads, **of_forest)
        forest.fit(rows.features, rows.target.astype(np.int64), sample_weight=rows.weight)
        objective = {"objective": "multi:softprob", "num_class": len(CLASSES)}
        of_booster = {name: value for name, value in own.items() if not name.startswith("forest_")}
        booster = boosted(
            classes, {name.removeprefix("boosted_"): value for name, value in of_booster.items()}, objective, seed
        )
        trees = trees_of(forest.estimators_, len(CLASSES), [int(one) for one in forest.classes_])
        return FittedVoter(trees, FittedExtremeBooster(booster), share)

    def load(self, folder: Path) -> FittedVoter:
        """Read the trees and the vote back."""
        votes = json.loads((folder / _VOTES).read_text(encoding="utf-8"))
        return FittedVoter(read_trees(folder / _FOREST), load_booster(folder), float(votes["forest_share"]))


def _chances_of(booster: FittedExtremeBooster, features: Matrix) -> Vector:
    return booster.predict(features).reshape(len(features), len(CLASSES))


def _with_prefix(parameters: Mapping[str, float | int | str], prefix: str) -> dict[str, float | int | str]:
    return {name.removeprefix(prefix): value for name, value in parameters.items() if name.startswith(prefix)}
