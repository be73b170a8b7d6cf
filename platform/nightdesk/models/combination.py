"""Several fitted models as one: the sum of what each says, times its weight over its scale; nothing is fitted here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from nightdesk.errors import BadInput
from nightdesk.models.recipe import Family, Fitted, Matrix, Recipe, Training, Vector

ENSEMBLE: Final = "ensemble"
"""Name of the family, and of the recipe of an ensemble that holds all of its members."""

SHORT: Final = "ensemble_short"
"""Name of the recipe of an ensemble that is short of a member: it is called so wherever it is shown."""

_FILE: Final = "ensemble.json"


@dataclass(frozen=True, slots=True)
class Member:
    """A fitted model among others: its recipe's name, its family, its columns by place, its weight and its scale.

    `scale` is in the unit of its scores; one of scale 0 ranks nothing, and says nothing.
    """

    name: str
    family: str
    columns: tuple[int, ...]
    weight: float
    scale: float
    fitted: Fitted

    @property
    def factor(self) -> float:
        """What its score is multiplied by; 0 where it has no weight, or says nothing."""
        return self.weight / self.scale if self.scale > 0.0 else 0.0

    def columns_of(self, features: Matrix) -> Matrix:
        """Its own columns of the ensemble's features."""
        return np.ascontiguousarray(features[:, self.columns])


@dataclass(frozen=True, slots=True)
class FittedCombination:
    """Members with their weights: a row's score does not depend on the rows beside it.

    `missing` are members that were configured and are not there; `method` and `reason` say where the weights come from.
    """

    members: tuple[Member, ...]
    missing: tuple[str, ...]
    method: str
    reason: str

    @property
    def speaking(self) -> tuple[Member, ...]:
        """The members whose word counts."""
        return tuple(one for one in self.members if one.factor > 0.0)

    def predict(self, features: Matrix) -> Vector:
        """Add up what the members say of each row, each times its factor."""
        score: Vector = np.zeros(len(features))
        for one in self.speaking:
            score += one.fitted.predict(one.columns_of(features)) * one.factor
        return score

    def save(self, folder: Path) -> None:
        """Write each member into a folder of its own, and who they are as JSON, which keeps every bit of a double."""
        for place, one in enumerate(self.members):
            own = _folder(folder, place)
            own.mkdir(exist_ok=True)
            one.fitted.save(own)
        said = {
            "members": [
                {
                    "name": one.name,
                    "family": one.family,
                    "columns": one.columns,
                    "weight": one.weight,
                    "scale": one.scale,
                }
                for one in self.members
            ],
            "missing": self.missing,
            "method": self.method,
            "reason": self.reason,
        }
        (folder / _FILE).write_text(json.dumps(said), encoding="utf-8")


class EnsembleFamily:
    """Ensembles: a night assembles one of its fits, and this family loads it."""

    def __init__(self, known: Callable[[str], Family]) -> None:
        """`known` looks a family up by its name."""
        self._known = known

    def fit(
        self, training: Training, parameters: Mapping[str, float | int | str], seed: int, threads: int
    ) -> FittedCombination:
        """Raise BadInput: an ensemble learns from what its members said out of fold, and no training row tells that."""
        del training, seed, threads
        raise BadInput(
            f"an ensemble must be assembled of fits that a night has made, got a fit of {len(parameters)} parameters: "
            "name its members in ensemble.members"
        )

    def load(self, folder: Path) -> FittedCombination:
        """Load each member by its own family; no path and no code comes from what was written."""
        said = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        members = tuple(
            Member(
                str(one["name"]),
                str(one["family"]),
                tuple(int(column) for column in one["columns"]),
                float(one["weight"]),
                float(one["scale"]),
                self._known(str(one["family"])).load(_folder(folder, place)),
            )
            for place, one in enumerate(said["members"])
        )
        return FittedCombination(members, tuple(said["missing"]), str(said["method"]), str(said["reason"]))


def ensemble_recipe(
    contents: Mapping[str, str], configured: Mapping[str, float], missing: Sequence[str] = ()
) -> Recipe:
    """The recipe of an ensemble: of its members' recipes and the way of weighing them, not of what is learnt tonight.

    Parameters
    ----------
    contents
        The content of each member's recipe, by name, in order.
    configured
        Weights by member; none where evidence chooses them.
    missing
        Members that are configured and not there: an ensemble without them is another one.
    """
    ways: list[tuple[str, float | int | str]] = [
        (f"member {number}", f"{name} {content}") for number, (name, content) in enumerate(contents.items(), 1)
    ]
    if configured:
        ways += [(f"weight {number}", float(configured[name])) for number, name in enumerate(contents, 1)]
    else:
        ways.append(("weights", "by evidence"))
    ways += [(f"missing {number}", name) for number, name in enumerate(missing, 1)]
    return Recipe(SHORT if missing else ENSEMBLE, ENSEMBLE, (), tuple(ways))


def _folder(folder: Path, place: int) -> Path:
    return folder / f"member-{place}"
