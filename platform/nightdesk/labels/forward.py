"""Forward returns: what buying at the next open and selling at the open h trading days later brought."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from nightdesk.labels.columns import DELISTED, ENTRY_DATE, EXIT_DATE, KNOWN_DATE
from nightdesk.labels.exits import Market, market, scheduled_exits
from nightdesk.labels.wide import IntArray, Wide, spread
from nightdesk.scoring.checks import check_horizons
from nightdesk.tables import BAR_DATE, CLOSE, DATE, FORWARD_RETURN, HORIZON, OPEN, SYMBOL

_ROW: Final = "__row__"
_ENTRY: Final = "__entry__"


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
    decided = wide.bars.select(SYMBOL, DATE)
    return pl.concat([_labels(wide, prices, horizon, decided, wide.symbol, wide.position + 1) for horizon in horizons])


def decided_returns(
    bars: pl.DataFrame, days: Sequence[dt.date], horizons: Sequence[int], decided: pl.DataFrame
) -> pl.DataFrame:
    """Label what nights of another calendar decided on: bars of one market beside the lead of several.

    A decision is filled at the first open of the market's own that comes after it, which need not be the one after its
    bar: the day that is under way at the decision has opened already. The exit is `horizon` trading days of the
    market's own later.

    Parameters
    ----------
    bars
        `tables.BARS` of one market, as known at the as-of night; columns symbol, date, open, close are read.
    days
        The market's own trading days, from its first bar or before to the newest that the as-of night knows.
    horizons
        Trading days held, each 1 to 60.
    decided
        `tables.DECIDED` of that market, by date, up to the as-of night.

    Returns
    -------
    pl.DataFrame
        As `forward_returns`, but for `date`, the night of the decision, and `known_date`, the first night that knows
        the label; `entry_date` and `exit_date` are the market's own days. Labels that no night knows yet are absent.

    Raises
    ------
    BadInput, BadDate
        As `forward_returns`.
    """
    check_horizons(horizons)
    wide = spread(bars, days, (OPEN, CLOSE))
    prices = market(wide)
    nights = decided.select(pl.col(DATE), pl.col(BAR_DATE), pl.col(ENTRY_DATE).alias(_ENTRY)).drop_nulls(BAR_DATE)
    met = (
        wide.bars.select(SYMBOL, pl.col(DATE).alias(BAR_DATE))
        .with_row_index(_ROW)
        .join(nights, on=BAR_DATE, how="inner", maintain_order="left_right")
    )
    symbol = wide.symbol[met[_ROW].to_numpy()]
    # An entry still to come stands behind the last day: no label of it has matured.
    entry = np.searchsorted(wide.days, met[_ENTRY].fill_null(dt.date.max).to_numpy())
    rows = met.select(SYMBOL, DATE)
    labels = pl.concat([_labels(wide, prices, horizon, rows, symbol, entry) for horizon in horizons])
    first = np.searchsorted(nights[BAR_DATE].to_numpy(), labels[KNOWN_DATE].to_numpy())
    known = labels.filter(pl.Series(first < nights.height))
    return known.with_columns(nights[DATE].gather(first[first < nights.height]).alias(KNOWN_DATE))


def _labels(
    wide: Wide, prices: Market, horizon: int, decided: pl.DataFrame, symbol: IntArray, entry: IntArray
) -> pl.DataFrame:
    """Labels of what was `decided` (symbol, date), of the row `symbol` and filled at position `entry`."""
    rows = np.flatnonzero(entry + horizon < len(wide.days))
    symbol, entry = symbol[rows], entry[rows]
    exits = scheduled_exits(prices, symbol, entry, entry + horizon)
    settled = exits.known < len(wide.days)
    rows, entry, known = rows[settled], entry[settled], exits.known[settled]
    growth = exits.price[settled] / prices.opens[symbol[settled], entry]
    return decided[rows].with_columns(
        pl.lit(horizon, pl.Int32).alias(HORIZON),
        pl.Series(ENTRY_DATE, wide.days[entry]),
        pl.Series(EXIT_DATE, wide.days[entry + horizon]),
        pl.Series(KNOWN_DATE, wide.days[known]),
        pl.Series(FORWARD_RETURN, growth - 1.0, nan_to_null=True),
        pl.Series(DELISTED, exits.delisted[settled]),
    )
