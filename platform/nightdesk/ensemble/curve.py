"""A monotone curve over a score's place on its date: what follows, on average, from standing higher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.isotonic import isotonic_regression

from nightdesk.ensemble.places import PLACE, among, place_of
from nightdesk.errors import BadInput
from nightdesk.scoring.checks import check_columns
from nightdesk.tables import DATE, SCORE

BINS: Final = 20


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve through (place, value) points, straight between them and level beyond; values never fall."""

    places: tuple[float, ...]
    values: tuple[float, ...]

    def at(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """The curve's value at each place; NaN where the place is NaN."""
        found: NDArray[np.float64] = np.interp(places, self.places, self.values)
        return np.where(np.isnan(places), np.nan, found)


def with_place(scored: pl.DataFrame) -> pl.DataFrame:
    """Add place: where each score stands on its date (and in its market), -0.5 to 0.5, null where there is none."""
    check_columns(scored, [DATE, SCORE])
    return scored.with_columns(place_of(SCORE, among(scored)).alias(PLACE))


def places(scored: pl.DataFrame) -> NDArray[np.float64]:
    """The place of each row's score as an array; NaN where there is none."""
    return with_place(scored)[PLACE].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def rising_curve(
    placed: pl.DataFrame, value: str, along: str = PLACE, ends: tuple[float, float] = (-0.5, 0.5)
) -> Curve:
    """Fit a curve of `value` that never falls along `along`: isotonic over 20 bins, each date weighing the same.

    Parameters
    ----------
    placed
        date, `along` (between `ends`) and `value`; rows where either is null take no part.

    Raises
    ------
    BadInput
        No row is left.
    """
    low, high = ends
    known = placed.filter(pl.col(along).is_not_null() & pl.col(value).is_not_null())
    if known.is_empty():
        raise BadInput("a curve must have rows with a score and an outcome to learn from, got none: give matured days")
    days, date = np.unique(known[DATE].to_numpy(), return_inverse=True)
    share = (known[along].cast(pl.Float64).to_numpy() - low) / (high - low)
    number = np.clip(np.floor(share * BINS).astype(np.int64), 0, BINS - 1)
    cell, shape = date * BINS + number, (len(days), BINS)
    # By NumPy, in the order of rows: the same sums, bit for bit, however many threads there are.
    counts = np.bincount(cell, minlength=len(days) * BINS).reshape(shape)
    sums = np.bincount(cell, known[value].cast(pl.Float64).to_numpy(), minlength=len(days) * BINS).reshape(shape)
    met = (counts > 0).sum(axis=0)
    means = np.divide(sums, counts, out=np.zeros(shape), where=counts > 0).sum(axis=0)
    filled = met > 0
    level = isotonic_regression(means[filled] / met[filled], sample_weight=met[filled].astype(np.float64))
    middles = low + (np.flatnonzero(filled) + 0.5) / BINS * (high - low)
    return Curve(tuple(float(x) for x in middles), tuple(float(y) for y in level))
