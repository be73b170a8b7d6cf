"""Forward returns: what buying at the next open and selling at the open h trading days later brought."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
import polars as pl

from nightdesk.labels.columns import DELISTED, ENTRY_DATE, EXIT_DATE, KNOWN_DATE
from nightdesk.labels.exits import Market, market, scheduled_exits
from nightdesk.labels.wide import Wide, spread
from nightdesk.scoring.checks import check_horizons
from nightdesk.tables import CLOSE, DATE, FORWARD_RETURN, HORIZON, OPEN, SYMBOL


def forward_returns(bars: pl.DataFrame, days: Sequence[dt.date], horizons: Sequence[int]) -> pl.DataFrame:
    """Label each bar with the return from the open of t+1 to the open of t+1+h.

    Parameters
    ----------
    bars
        `tables.BARS`, as known at the as-of day; columns symbol, date, open, close are read.
    days
        The exchange's trading days from the first bar to the as-of day, whose bars are known.
    horizons
        Trading days held, each 1 to 60.

    Returns
    -------
    pl.DataFrame
        One row a bar and horizon that has matured, by horizon and then in the order of `bars`: symbol, date,
        horizon (Int32), entry_date (t+1), exit_date (t+1+h), known_date (the day on whose close the label is
        known), forward_return (Float64, fraction, dividends excluded), delisted (Boolean). Labels that are
        not known yet are absent. Train on a past day d with the rows whose known_date is d or before.

        forward_return is null where no fill price exists: no open on t+1, or none on t+1+h while the symbol
        trades on within 10 trading days. A symbol that has gone (no bar for 10 trading days) exits at its
        last close since entry, with delisted true, and its label is known once the tenth day without a bar
        has passed.

    Raises
    ------
    BadInput
        A horizon outside 1 to 60 or given twice, a column missing, or two bars of one symbol on one day.
    BadDate
        A bar on a day that is not among `days`, or `days` out of order.
    """
    check_horizons(horizons)
    wide = spread(bars, days, (OPEN, CLOSE))
    prices = market(wide)
    return pl.concat([_labels(wide, prices, horizon) for horizon in horizons])


def _labels(wide: Wide, prices: Market, horizon: int) -> pl.DataFrame:
    rows = np.flatnonzero(wide.position + 1 + horizon < len(wide.days))
    symbol, entry = wide.symbol[rows], wide.position[rows] + 1
    exits = scheduled_exits(prices, symbol, entry, entry + horizon)
    settled = exits.known < len(wide.days)
    rows, entry, known = rows[settled], entry[settled], exits.known[settled]
    growth = exits.price[settled] / prices.opens[symbol[settled], entry]
    return wide.bars.select(SYMBOL, DATE)[rows].with_columns(
        pl.lit(horizon, pl.Int32).alias(HORIZON),
        pl.Series(ENTRY_DATE, wide.days[entry]),
        pl.Series(EXIT_DATE, wide.days[entry + horizon]),
        pl.Series(KNOWN_DATE, wide.days[known]),
        pl.Series(FORWARD_RETURN, growth - 1.0, nan_to_null=True),
        pl.Series(DELISTED, exits.delisted[settled]),
    )
