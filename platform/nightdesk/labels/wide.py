"""Bars as wide matrices, one row a symbol and one column a trading day, for labels to look ahead in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from nightdesk.errors import BadDate, BadInput
from nightdesk.scoring.checks import check_columns
from nightdesk.tables import DATE, SYMBOL

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
DayArray: TypeAlias = npt.NDArray[np.datetime64]


@dataclass(frozen=True, slots=True, eq=False)
class Wide:
    """Where each bar of a frame stands among symbols and trading days.

    Attributes
    ----------
    bars
        The frame, one row a bar.
    days
        Trading days, the last one is the as-of day, shape (days,).
    symbol, position
        Row and column of each bar, shape (bars,).
    present
        Whether there is a bar, shape (symbols, days).
    """

    bars: pl.DataFrame
    days: DayArray
    symbol: IntArray
    position: IntArray
    present: BoolArray

    def prices(self, column: str) -> FloatArray:
        """Return the prices of `column`, shape (symbols, days); NaN: no bar, null, or not above 0."""
        prices = self.bars[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        matrix = np.full(self.present.shape, np.nan)
        matrix[self.symbol, self.position] = np.where((prices > 0.0) & np.isfinite(prices), prices, np.nan)
        return matrix


def spread(bars: pl.DataFrame, days: Sequence[dt.date], columns: Sequence[str]) -> Wide:
    """Place each bar among symbols and trading days.

    Parameters
    ----------
    bars
        Columns symbol, date and `columns`; one row a symbol and trading day, in any order.
    days
        The exchange's trading days, from the first bar's or before, up to the as-of day.

    Raises
    ------
    BadInput
        A column is missing, or a symbol has two bars on one day.
    BadDate
        `days` are not in strict order, or a bar lies on none of them.
    """
    check_columns(bars, [SYMBOL, DATE, *columns])
    calendar = np.asarray(days, dtype="datetime64[D]")
    if not len(calendar) or (np.diff(calendar) <= np.timedelta64(0, "D")).any():
        raise BadDate(f"trading days must be in strict order, got {len(calendar)} that are not: sort and de-duplicate")
    dates = bars[DATE].to_numpy()
    position = np.searchsorted(calendar, dates)
    known = calendar[np.minimum(position, len(calendar) - 1)] == dates
    if not known.all():
        raise BadDate(f"bars must lie on the trading days, got one on {dates[~known][0]}: pass all days")
    names = bars[SYMBOL].cast(pl.String)
    symbol = names.cast(pl.Enum(names.unique(maintain_order=True))).to_physical().to_numpy().astype(np.int64)
    present = np.zeros((int(symbol.max(initial=-1)) + 1, len(calendar)), dtype=np.bool_)
    present[symbol, position] = True
    if present.sum() != bars.height:
        raise BadInput(f"a symbol must have one bar a day, got {bars.height - present.sum()} more: keep the newest")
    return Wide(bars, calendar, symbol, position, present)
