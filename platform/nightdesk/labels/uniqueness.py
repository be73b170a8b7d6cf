"""Average uniqueness of overlapping labels: how much of its holding a label shares with no other."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
import polars as pl

from nightdesk.errors import BadInput
from nightdesk.labels.columns import AT_OPEN, ENTRY_DATE, EXIT_DATE
from nightdesk.labels.wide import FloatArray, IntArray
from nightdesk.scoring.checks import check_columns
from nightdesk.tables import HORIZON, SYMBOL


def average_uniqueness(labels: pl.DataFrame, days: Sequence[dt.date]) -> pl.Series:
    """Average over a holding's days of one over the number of holdings of the same symbol open on that day.

    Weights for training on labels of unequal length (Lopez de Prado 2018, ch. 4.4). Compute them on the
    training rows alone: labels outside take no part.

    Parameters
    ----------
    labels
        As `triple_barrier` makes them, of one horizon: symbol, horizon, entry_date, exit_date, at_open.
    days
        The exchange's trading days, holding every entry and exit.

    Returns
    -------
    pl.Series
        "uniqueness", Float64, above 0 up to 1, one value a row of `labels`; null where exit_date is null, and
        such rows crowd out no others. A holding that ends at an open does not count that day, one that ends
        within the day does.

    Raises
    ------
    BadInput
        A column is missing, or labels of several horizons are mixed.
    """
    check_columns(labels, (SYMBOL, HORIZON, ENTRY_DATE, EXIT_DATE, AT_OPEN))
    if labels[HORIZON].n_unique() > 1:
        raise BadInput(f"labels must be of one horizon, got {sorted(labels[HORIZON].unique())}: weight each by itself")
    known = labels[EXIT_DATE].is_not_null().to_numpy()
    calendar = np.asarray(days, dtype="datetime64[D]")
    held = labels.filter(known)
    first = np.searchsorted(calendar, held[ENTRY_DATE].to_numpy())
    after = np.searchsorted(calendar, held[EXIT_DATE].to_numpy()) + ~held[AT_OPEN].to_numpy()
    weights = np.full(labels.height, np.nan)
    weights[known] = _uniqueness(held[SYMBOL].rank("dense").to_numpy().astype(np.int64) - 1, first, after, len(days))
    return pl.Series("uniqueness", weights, nan_to_null=True)


def _uniqueness(symbol: IntArray, first: IntArray, after: IntArray, days: int) -> FloatArray:
    """Average over days `first` to `after` (not included) of one over the holdings open, per holding."""
    steps = np.zeros((int(symbol.max(initial=-1)) + 1, days + 1))
    np.add.at(steps, (symbol, first), 1.0)
    np.add.at(steps, (symbol, after), -1.0)
    open_holdings = np.cumsum(steps, axis=1)[:, :-1]
    shares = np.divide(1.0, open_holdings, out=np.zeros_like(open_holdings), where=open_holdings > 0.5)
    total = np.pad(np.cumsum(shares, axis=1), ((0, 0), (1, 0)))
    unique: FloatArray = (total[symbol, after] - total[symbol, first]) / (after - first)
    return unique
