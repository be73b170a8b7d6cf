"""What a study's workers are given: the task, and of each fold the rows to fit on and to score, all by file.

Whoever starts the workers writes them once; each worker maps the same files into memory, or reads the same bins.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import polars as pl

from nightdesk.evaluation.walk_forward import Plan, met_by, rows_tested, said_of, training_folds
from nightdesk.models import family
from nightdesk.models.early_stopping import stopping_of
from nightdesk.models.recipe import Fitted, Matrix, Recipe, Training
from nightdesk.models.training_set import feature_columns, to_matrix
from nightdesk.scoring.rank_ic import rank_ic_within_markets
from nightdesk.store.files import write_frame, write_json
from nightdesk.tables import DATE, SCORE, SYMBOL
from nightdesk.tuning.space import Space, Value, space_from

_TASK, _BINS, _TEST, _OUTCOME = "task.json", "bins", "test.npy", "outcome.parquet"
_TRAINING = ("features", "target", "weight", "decided", "known")


@runtime_checkable
class Binning(Protocol):
    """A family whose rows are binned once for all trials that agree in the parameters `bins_by`."""

    bins_by: Collection[str]

    def bin(self, training: Training, parameters: Mapping[str, Value], seed: int, threads: int, file: Path) -> None:
        """Write the binned rows."""

    def fit_binned(self, file: Path, parameters: Mapping[str, Value], seed: int, threads: int) -> Fitted:
        """Fit on them; the same model as a fit on the rows."""


@runtime_checkable
class Holding(Protocol):
    """A family whose rows a process brings into their binned form once, for all its trials that agree in `held_by`."""

    held_by: Collection[str]

    def hold(self, training: Training, parameters: Mapping[str, Value]) -> Any:
        """The binned rows."""

    def fit_held(self, rows: Any, parameters: Mapping[str, Value], seed: int, threads: int) -> Fitted:
        """Fit on them; the same model as a fit on the rows."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is searched: parameters of `recipe` in `space`, judged over `folds` blocks, by a study of that name."""

    study: str
    recipe: Recipe
    space: Space
    horizon: int
    folds: int
    seed: int

    def tried(self, found: Mapping[str, Value]) -> dict[str, Value]:
        """All parameters of a trial: those found, and the recipe's own for whatever is not searched."""
        return {**dict(self.recipe.parameters), **found}

    def shares(self, binned_by: Collection[str]) -> bool:
        """Whether all trials can share rows that are binned by these parameters.

        A fit that stops early bins the days apart on which it watches its loss.
        """
        searched = {name for name, _ in self.space.dimensions}
        return stopping_of(dict(self.recipe.parameters)) is None and not searched & set(binned_by)


@dataclass(frozen=True, slots=True)
class Part:
    """One fold of a task in its folder; `held` is what this process keeps from one trial to the next."""

    task: Task
    folder: Path
    held: list[Any] = field(default_factory=list)

    def fit(self, parameters: Mapping[str, Value]) -> Fitted:
        """Fit with one thread: workers share the machine."""
        own, bins = family(self.task.recipe.family), self.folder / _BINS
        if isinstance(own, Binning) and bins.is_file():
            return own.fit_binned(bins, parameters, self.task.seed, 1)
        if isinstance(own, Holding) and _fits_as(own, "fit_held") and self.task.shares(own.held_by):
            if not self.held:
                self.held.append(own.hold(self._training(), parameters))
            return own.fit_held(self.held[0], parameters, self.task.seed, 1)
        return own.fit(self._training(), parameters, self.task.seed, 1)

    def _training(self) -> Training:
        files = [self.folder / f"{name}.npy" for name in _TRAINING]
        rows = [np.load(file, mmap_mode="r", allow_pickle=False) if file.is_file() else None for file in files]
        return Training(*(row if row is None else np.asarray(row) for row in rows))  # type: ignore[arg-type]

    def daily_rank_ic(self, fitted: Fitted) -> pl.DataFrame:
        """Of the fold's test days: date, rank_ic (null where undefined), symbols."""
        features: Matrix = np.load(self.folder / _TEST, mmap_mode="r", allow_pickle=False)
        outcome = pl.read_parquet(self.folder / _OUTCOME)
        return rank_ic_within_markets(outcome.with_columns(pl.Series(SCORE, fitted.predict(np.asarray(features)))))


def write_parts(folder: Path, task: Task, features: pl.DataFrame, labels: pl.DataFrame, plan: Plan) -> None:
    """Write what `read_task` and `parts` read; features, labels and plan as `walk_forward.walk_forward` takes them."""
    columns = feature_columns(features, task.recipe.features)
    own, parameters = family(task.recipe.family), dict(task.recipe.parameters)
    for fold, training in training_folds(features, labels, columns, plan):
        into = _part(folder, fold.number)
        into.mkdir(parents=True)
        if isinstance(own, Binning) and _fits_as(own, "fit_binned") and task.shares(own.bins_by):
            own.bin(training, parameters, task.seed, 1, into / _BINS)
        else:
            for name in _TRAINING:
                if (rows := getattr(training, name)) is not None:
                    np.save(into / f"{name}.npy", rows)
        test = rows_tested(features, fold)
        # In the order of `met_by`, so that scores stand beside what came of them.
        outcome = met_by(said_of(test, np.zeros(test.height)), labels, plan).drop(SCORE)
        tested = outcome.select(SYMBOL, DATE).join(test, on=[SYMBOL, DATE], how="left", maintain_order="left")
        np.save(into / _TEST, to_matrix(tested, columns))
        write_frame(into / _OUTCOME, outcome)
    recipe = {"name": task.recipe.name, "family": task.recipe.family, "features": list(task.recipe.features)}
    plain = {"study": task.study, "horizon": task.horizon, "folds": task.folds, "seed": task.seed}
    whole_task = {**plain, "recipe": {**recipe, "parameters": task.recipe.parameters}, "space": task.space.plain()}
    write_json(folder / _TASK, whole_task)


def _fits_as(own: object, shared: str) -> bool:
    """Whether `fit` and `shared` are of one make: who overrides only `fit` of a family wants that one."""
    classes = type(own).__mro__
    made = {name: next(place for place, one in enumerate(classes) if name in vars(one)) for name in ("fit", shared)}
    return made[shared] <= made["fit"]


def read_task(folder: Path) -> Task:
    """The task that was written to `folder`."""
    plain = json.loads((folder / _TASK).read_text(encoding="utf-8"))
    recipe = plain["recipe"]
    parameters = tuple((name, value) for name, value in recipe["parameters"])
    return Task(
        plain["study"],
        Recipe(recipe["name"], recipe["family"], tuple(recipe["features"]), parameters),
        space_from(plain["space"]),
        plain["horizon"],
        plain["folds"],
        plain["seed"],
    )


def parts(folder: Path, task: Task) -> Iterator[Part]:
    """The folds of a task, oldest first."""
    return (Part(task, _part(folder, number)) for number in range(1, task.folds + 1))


def _part(folder: Path, number: int) -> Path:
    return folder / f"fold-{number}"
