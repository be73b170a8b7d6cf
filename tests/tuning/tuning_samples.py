"""Small markets to tune on, and a study over them."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import polars as pl

from nightdesk.evaluation.evaluate import Material
from nightdesk.evaluation.walk_forward import Plan
from nightdesk.features.matrix import feature_matrix
from nightdesk.labels.forward import forward_returns
from nightdesk.models.recipe import Recipe
from nightdesk.sources.synthetic import synthetic
from nightdesk.store.files import content_of
from nightdesk.tables import DATE, SYMBOL
from nightdesk.tuning import space_of
from nightdesk.tuning.outcome import searched_plan
from nightdesk.tuning.parts import Task, write_parts
from nightdesk.tuning.search import Rows
from nightdesk.tuning.space import Number, Space

HORIZON = 3
ORACLE = "oracle"
FEW = (ORACLE, "return_20", "reversal_5", "volatility_60")

RIDGE = Recipe("ridge", "ridge", FEW, (("alpha", 0.05),))
TREES = Recipe(
    "trees",
    "lightgbm",
    FEW,
    (("rounds", 10), ("num_leaves", 7), ("learning_rate", 0.1), ("min_data_in_leaf", 20), ("max_bin", 31)),
)
BOOSTER = Recipe(
    "booster", "xgboost", FEW, (("rounds", 8), ("max_depth", 3), ("eta", 0.3), ("max_bin", 32), ("subsample", 0.7))
)
SMALL_BOOSTER = Space((("max_depth", Number(2, 5, whole=True)), ("eta", Number(0.05, 0.5, log=True))))
SMALL_TREES = Space(
    (
        ("num_leaves", Number(3, 15, whole=True)),
        ("learning_rate", Number(0.05, 0.5, log=True)),
        ("min_data_in_leaf", Number(5, 200, log=True, whole=True)),
    )
)


@lru_cache(maxsize=4)
def material(signal_ic: float, seed: int = 3) -> Material:
    """A market of 30 symbols whose features hold the planted score, in float32."""
    source = synthetic(symbols=30, days=420, signal_ic=signal_ic, horizon=HORIZON, seed=seed)
    bars = source.bars(None, source.last_day())
    days = tuple(sorted(bars[DATE].unique()))
    oracle = source.oracle().select(SYMBOL, DATE, pl.col("score").cast(pl.Float32).alias(ORACLE))
    features = feature_matrix(bars).join(oracle, on=[SYMBOL, DATE]).sort(DATE, SYMBOL)
    return Material(features, forward_returns(bars, days, [HORIZON]), bars, days)


def plan(here: Material) -> Plan:
    """Three blocks, the last of which is kept."""
    return Plan(here.days, HORIZON, 3, 150, 5, seed=1, threads=1)


def rows(signal_ic: float = 0.2, seed: int = 3) -> Rows:
    """What a search may see of a market."""
    here = material(signal_ic, seed)
    return Rows(here.features, here.labels, searched_plan(plan(here), 1))


def task(recipe: Recipe = RIDGE, space: Space | None = None, seed: int = 1, name: str = "") -> Task:
    """A study of `recipe` over the two blocks before the kept one."""
    searched = space or space_of(recipe.family)
    return Task(f"{recipe.name}-{content_of(recipe.content, seed, name)}", recipe, searched, HORIZON, 2, seed)


def written(folder: Path, one: Task, signal_ic: float = 0.2) -> Path:
    """The files of a task."""
    here = rows(signal_ic)
    folder.mkdir(parents=True, exist_ok=True)
    write_parts(folder, one, here.features, here.labels, replace(here.plan, folds=one.folds))
    return folder


def outside_space(recipe: Recipe, **changed: float) -> Recipe:
    """The recipe with other parameters."""
    parameters = {**dict(recipe.parameters), **changed}
    return replace(recipe, parameters=tuple(parameters.items()))
