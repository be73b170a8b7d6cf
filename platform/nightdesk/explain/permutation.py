"""Permutation importance out of sample: how much daily rank IC is lost when a feature's values change their symbols."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from nightdesk.errors import BadInput
from nightdesk.models.recipe import Matrix, Scoring
from nightdesk.models.training_set import to_matrix
from nightdesk.scoring.intervals import MeanInterval, mean_interval
from nightdesk.scoring.rank_ic import rank_ic_within_markets
from nightdesk.tables import DATE, FORWARD_RETURN, MARKET, SCORE


@dataclass(frozen=True, slots=True)
class Importance:
    """A feature, and the mean daily rank IC that is lost without it, with its interval over days (pure numbers)."""

    feature: str
    loss: MeanInterval


def permutation_importance(
    blocks: Iterable[tuple[Scoring, pl.DataFrame]],
    columns: Sequence[str],
    horizon: int,
    repeats: int = 5,
    seed: int = 0,
) -> tuple[Importance, ...]:
    """Say what each of `columns` is worth out of sample (Breiman 2001), the most first, those without an interval last.

    Parameters
    ----------
    blocks
        Each a fitted model and rows that it was not fitted on: date, forward_return (fraction, null where unknown) and
        `columns`, of several markets with market; blocks in order of time, none sharing a date.
    columns
        As the models take them, in their order.
    horizon
        Trading days of the forward return: it widens the interval, as overlapping days say the same.
    repeats
        How often the values of a feature are drawn anew among the symbols of their date; losses are their means.

    Raises BadInput for fewer than one repeat, or no block. Features that say the same cover for each other: neither is
    then missed, and both look worth little.
    """
    if repeats < 1:
        raise BadInput(f"repeats must be at least 1, got {repeats}: raise it")
    random = np.random.default_rng(seed)
    losses = [_losses(fitted, rows, columns, repeats, random) for fitted, rows in blocks]
    if not losses:
        raise BadInput(
            "an importance needs at least one block of rows, got none: give a fitted model and its test rows"
        )
    daily = pl.concat(losses)
    found = [Importance(name, mean_interval(daily[name], horizon)) for name in columns]
    return tuple(sorted(found, key=lambda one: -np.inf if one.loss.mean is None else one.loss.mean, reverse=True))


def _losses(
    fitted: Scoring, rows: pl.DataFrame, columns: Sequence[str], repeats: int, random: np.random.Generator
) -> pl.DataFrame:
    """For each date (rows) what is lost without each feature (columns); null where the rank IC is undefined."""
    keys = [DATE, *_among(rows)]
    rows = rows.sort(keys)
    features = to_matrix(rows, columns)
    whole = _daily(fitted, rows, features)
    group = rows.select(pl.struct(keys).rle_id()).to_series().to_numpy()
    lost: dict[str, pl.Series] = {}
    for place, name in enumerate(columns):
        without = []
        for _ in range(repeats):
            # Sorted by group and then by chance: each date, and each market on it, keeps its values on other symbols.
            drawn = np.lexsort((random.random(len(group)), group))
            changed = features.copy()
            changed[:, place] = features[drawn, place]
            without.append(_daily(fitted, rows, changed))
        lost[name] = whole - pl.DataFrame([one.alias(f"{n}") for n, one in enumerate(without)]).mean_horizontal()
    return pl.DataFrame(lost)


def _daily(fitted: Scoring, rows: pl.DataFrame, features: Matrix) -> pl.Series:
    said = rows.select(DATE, FORWARD_RETURN, *_among(rows), pl.Series(SCORE, fitted.predict(features)))
    return rank_ic_within_markets(said)["rank_ic"]


def _among(rows: pl.DataFrame) -> list[str]:
    return [MARKET] if MARKET in rows.columns else []
