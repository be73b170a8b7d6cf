"""Forward volatility: how much a symbol moved over the same interval as its forward return."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence

import numpy as np
import polars as pl

from nightdesk.labels.columns import EXIT_DATE, FORWARD_VOLATILITY
from nightdesk.labels.wide import FloatArray, Wide, spread
from nightdesk.scoring.checks import check_horizons
from nightdesk.tables import DATE, HORIZON, OPEN, SYMBOL


def forward_volatility(
    bars: pl.DataFrame, days: Sequence[dt.date], horizons: Sequence[int], annual_days: int = 252
) -> pl.DataFrame:
    """Label each bar with the realised volatility from the open of t+1 to the open of t+1+h.

    It is the square root of `annual_days` / h times the sum of the h squared logarithmic returns from open to
    open (realised variance: Andersen, Bollerslev, Diebold & Labys 2003), about zero and not about their mean,
    so that it holds for h = 1 too.

    Parameters
    ----------
    bars, days, horizons
        As in `forward_returns`; columns symbol, date, open are read.
    annual_days
        Trading days a year: 252 for equities, 365 for crypto.

    Returns
    -------
    pl.DataFrame
        One row a bar and horizon whose exit day is among `days`: symbol, date, horizon (Int32), exit_date,
        forward_volatility (Float64, fraction a year). Null where any open from t+1 to t+1+h is missing, so in
        a delisting too: a shorter path is no estimate of the longer one.

    Raises
    ------
    BadInput, BadDate
        As `forward_returns`.
    """
    check_horizons(horizons)
    wide = spread(bars, days, (OPEN,))
    squares = np.diff(np.log(wide.prices(OPEN)), axis=1) ** 2
    missing = np.isnan(squares)
    # Column p holds what lies before position p: the difference of two columns is the sum over a holding.
    variance = _before(np.where(missing, 0.0, squares))
    gaps = _before(missing.astype(np.float64))
    return pl.concat([_labels(wide, variance, gaps, horizon, annual_days) for horizon in horizons])


def _before(steps: FloatArray) -> FloatArray:
    return np.pad(np.cumsum(steps, axis=1), ((0, 0), (1, 0)))


def _labels(wide: Wide, variance: FloatArray, gaps: FloatArray, horizon: int, annual_days: int) -> pl.DataFrame:
    rows = np.flatnonzero(wide.position + 1 + horizon < len(wide.days))
    symbol, entry = wide.symbol[rows], wide.position[rows] + 1
    leave = entry + horizon
    total = variance[symbol, leave] - variance[symbol, entry]
    broken = gaps[symbol, leave] > gaps[symbol, entry]
    # A path that stood still may come out a hair below zero from the difference of two sums.
    level = np.sqrt(np.maximum(total, 0.0)) * math.sqrt(annual_days / horizon)
    return wide.bars.select(SYMBOL, DATE)[rows].with_columns(
        pl.lit(horizon, pl.Int32).alias(HORIZON),
        pl.Series(EXIT_DATE, wide.days[leave]),
        pl.Series(FORWARD_VOLATILITY, np.where(broken, np.nan, level), nan_to_null=True),
    )
