"""Baselines that run beside every model: what a forecast must beat before anybody should trust it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from nightdesk.models.recipe import Recipe
from nightdesk.tables import SCORE

MOMENTUM, REVERSAL, VOLATILITY = "momentum_252_21", "reversal_5", "volatility_60"


@dataclass(frozen=True, slots=True)
class Ranking:
    """A baseline that needs no fit: it scores a symbol by one expression over its features."""

    name: str
    meaning: str
    score: pl.Expr


RANKINGS: Mapping[str, Ranking] = {
    "constant": Ranking("constant", "says the same of every symbol; its rank IC is undefined", pl.lit(0.0)),
    "equal_weight": Ranking("equal_weight", "holds every symbol alike; it ranks none, so no rank IC", pl.lit(1.0)),
    "momentum": Ranking("momentum", "return of the last year without its last month", pl.col(MOMENTUM)),
    "reversal": Ranking("reversal", "the last week's losers first", pl.col(REVERSAL)),
    "low_volatility": Ranking("low_volatility", "the calmest of the last 60 days first", -pl.col(VOLATILITY)),
}

LINEAR = Recipe("linear", "ridge", (MOMENTUM, REVERSAL, VOLATILITY), (("alpha", 0.0),))
"""Least squares on the three rankings' features: the smallest model that learns anything."""


def ranked(name: str, features: pl.DataFrame) -> pl.DataFrame:
    """Scores of a ranking baseline: symbol, date, score (Float64; null where its feature is)."""
    return features.select("symbol", "date", RANKINGS[name].score.cast(pl.Float64).alias(SCORE))
