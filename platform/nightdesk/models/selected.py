"""Any family on features chosen from the training rows, or on their principal components; the choice is saved too."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from nightdesk.errors import BadInput
from nightdesk.models.recipe import Family, Fitted, Matrix, Training, Vector
from nightdesk.selection import selection
from nightdesk.selection.principal_components import PrincipalComponents, projected

SELECTED: Final = "selected"
"""The family's own name, and of its parameter for how many features, or components, stay."""

_OWN: Final = ("family", "selection", SELECTED, "votes")
_FILE: Final = "selection.json"


@dataclass(frozen=True, slots=True)
class FittedChoice:
    """A fitted model of family `family`, and the columns it was given: `columns` by place in the recipe's order.

    `scores` is what the method of selection says of each column of the recipe, more is better.
    """

    inner: Fitted
    family: str
    method: str
    columns: tuple[int, ...]
    scores: tuple[float, ...]

    def predict(self, features: Matrix) -> Vector:
        """Score rows by the chosen columns."""
        return self.inner.predict(_columns(features, self.columns))

    def save(self, folder: Path) -> None:
        """Write the model, and the choice as JSON."""
        self.inner.save(folder)
        said = {"family": self.family, "method": self.method, "columns": self.columns, "scores": self.scores}
        (folder / _FILE).write_text(json.dumps(said), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class FittedComponents:
    """A fitted model of family `family` on principal components, and the numbers that make them of features."""

    inner: Fitted
    family: str
    medians: Vector
    means: Vector
    scales: Vector
    components: Vector

    def predict(self, features: Matrix) -> Vector:
        """Score rows by their components."""
        found = projected(features, self.medians, self.means, self.scales, self.components)
        return self.inner.predict(found.astype(np.float32))

    def save(self, folder: Path) -> None:
        """Write the model, and what makes components as JSON, which keeps every bit of a double."""
        self.inner.save(folder)
        numbers = {
            "medians": self.medians.tolist(),
            "means": self.means.tolist(),
            "scales": self.scales.tolist(),
            "components": self.components.tolist(),
        }
        (folder / _FILE).write_text(json.dumps({"family": self.family, **numbers}), encoding="utf-8")


class SelectedFamily:
    """Another family on a selection of the features, which is fitted on the same training rows and on nothing else.

    Parameters: `family`, the other family's name; `selection`, a method of `nightdesk.selection`, or several joined by
    a plus sign, which vote; `selected`, how many features or components stay at most; `votes`, how many voters a
    feature needs (3 where it is not given). All others are the other family's own.
    """

    def __init__(self, known: Callable[[str], Family]) -> None:
        """`known` looks a family up by its name."""
        self._known = known

    def fit(
        self, training: Training, parameters: Mapping[str, float | int | str], seed: int, threads: int
    ) -> FittedChoice | FittedComponents:
        """Choose on `training`, then fit the other family on what is chosen.

        Raises BadInput where a parameter is missing or the other family is this one, UnknownName for a family or method
        that there is not.
        """
        for name in _OWN[:3]:
            if name not in parameters:
                raise BadInput(
                    f"a recipe of family {SELECTED!r} must say {', '.join(_OWN[:3])}, got no {name}: add it to its "
                    "parameters"
                )
        name, method = str(parameters["family"]), str(parameters["selection"])
        inner = self._other(name)
        own = {key: value for key, value in parameters.items() if key not in _OWN}
        chooser = selection(method, int(parameters[SELECTED]), int(parameters.get("votes", 3)), seed % 2**32)
        chooser.fit(training.features, training.target, training.weight)
        if isinstance(chooser, PrincipalComponents):
            made = chooser.medians_, chooser.means_, chooser.scales_, chooser.components_
            rows = replace(training, features=projected(training.features, *made).astype(np.float32))
            return FittedComponents(inner.fit(rows, own, seed, threads), name, *made)
        columns = tuple(chooser.get_support(indices=True).tolist())
        rows = replace(training, features=_columns(training.features, columns))
        scores = tuple(chooser.scores_.tolist())
        return FittedChoice(inner.fit(rows, own, seed, threads), name, method, columns, scores)

    def load(self, folder: Path) -> FittedChoice | FittedComponents:
        """Load the model and the choice."""
        said = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        name = str(said.pop("family"))
        inner = self._other(name).load(folder)
        if "components" in said:
            return FittedComponents(inner, name, **{key: np.array(values) for key, values in said.items()})
        return FittedChoice(inner, name, said["method"], tuple(said["columns"]), tuple(said["scores"]))

    def _other(self, name: str) -> Family:
        if name == SELECTED:
            raise BadInput(f"family of a selection must be another one, got {name!r}: name the one that is fitted")
        return self._known(name)


def _columns(features: Matrix, columns: tuple[int, ...]) -> Matrix:
    return np.ascontiguousarray(features[:, columns])
