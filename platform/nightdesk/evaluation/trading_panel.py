"""Prices to fill and mark at, and what a trade's impact depends on: wide arrays, one row a day, one column a symbol."""

from __future__ import annotations

import bisect
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from nightdesk.labels.exits import GONE_AFTER
from nightdesk.labels.wide import spread
from nightdesk.scoring.checks import check_columns
from nightdesk.scoring.observed import FloatArray
from nightdesk.tables import CLOSE, DATE, OPEN, SYMBOL, VOLUME

WINDOW: Final = 20
MIN_DAYS: Final = 5
VOLATILITY: Final = "volatility"
TRADED: Final = "traded"


@dataclass(frozen=True, slots=True, eq=False)
class TradingPanel:
    """What a backtest fills and marks at; every array has shape (days, symbols).

    Attributes
    ----------
    fills
        The day's open; NaN where there is none, or where the impact of a trade is not known: no order is filled there.
    marks
        The day's open, or the last close before it where there is none; NaN before a symbol's first bar.
    volatility, traded
        Standard deviation of returns from close to close (a day's, fraction) and mean value traded a day (currency),
        over the symbol's last 20 bars up to the day's close; NaN until there are 5.
    gone
        Whether the symbol has had no bar for 10 days: a holding has been paid out at its mark.
    """

    days: tuple[dt.date, ...]
    symbols: tuple[str, ...]
    fills: FloatArray
    marks: FloatArray
    volatility: FloatArray
    traded: FloatArray
    gone: npt.NDArray[np.bool_]

    def between(self, first: dt.date, last: dt.date) -> TradingPanel:
        """The days from `first` to `last`, both included, as far as the panel has them."""
        rows = slice(bisect.bisect_left(self.days, first), bisect.bisect_right(self.days, last))
        return TradingPanel(
            self.days[rows],
            self.symbols,
            self.fills[rows],
            self.marks[rows],
            self.volatility[rows],
            self.traded[rows],
            self.gone[rows],
        )

    def wide(self, frame: pl.DataFrame, column: str) -> FloatArray:
        """Spread `column` of a frame of symbol and date over the panel's days and symbols; NaN where it has no row.

        Rows of days or symbols outside the panel are left out.
        """
        check_columns(frame, [SYMBOL, DATE, column])
        places = pl.DataFrame({DATE: self.days}, schema={DATE: pl.Date}).with_row_index("row")
        columns = pl.DataFrame({SYMBOL: self.symbols}, schema={SYMBOL: pl.String}).with_row_index("column")
        placed = frame.select(pl.col(SYMBOL).cast(pl.String), DATE, value=pl.col(column).cast(pl.Float64))
        placed = placed.join(places, on=DATE).join(columns, on=SYMBOL)
        matrix = np.full(self.marks.shape, np.nan)
        matrix[placed["row"].to_numpy(), placed["column"].to_numpy()] = placed["value"].to_numpy()
        return matrix


def trading_panel(bars: pl.DataFrame, days: Sequence[dt.date]) -> TradingPanel:
    """Lay out bars for a backtest.

    Parameters
    ----------
    bars
        `tables.BARS`: symbol, date, open, close and volume are read; a null price is no price.
    days
        The exchange's trading days, from the first bar's or before, up to the last.

    Raises
    ------
    BadInput
        A column is missing, or a symbol has two bars on one day.
    BadDate
        A bar on a day that is not among `days`, or `days` out of order.
    """
    check_columns(bars, [SYMBOL, DATE, OPEN, CLOSE, VOLUME])
    known = bars.sort(SYMBOL, DATE).with_columns(_volatility(), _traded())
    wide = spread(known, days, (OPEN, CLOSE, VOLATILITY, TRADED))
    # One row a day, in memory too: a backtest goes day by day.
    opens, closes, volatility, traded = (
        np.ascontiguousarray(wide.prices(column).T) for column in (OPEN, CLOSE, VOLATILITY, TRADED)
    )
    volatility, traded = _last_known(volatility), _last_known(traded)
    before = _shifted(_last_known(closes))
    costed = _shifted(volatility * traded)
    symbols = wide.bars[SYMBOL].unique(maintain_order=True).cast(pl.String)
    return TradingPanel(
        tuple(days),
        tuple(symbols),
        np.where(np.isnan(costed), np.nan, opens),
        np.where(np.isnan(opens), before, opens),
        volatility,
        traded,
        _absent(wide.present.T) >= GONE_AFTER,
    )


def _volatility() -> pl.Expr:
    move = pl.col(CLOSE) / pl.col(CLOSE).shift(1) - 1.0
    return move.rolling_std(WINDOW, min_samples=MIN_DAYS).over(SYMBOL).alias(VOLATILITY)


def _traded() -> pl.Expr:
    return (pl.col(CLOSE) * pl.col(VOLUME)).rolling_mean(WINDOW, min_samples=MIN_DAYS).over(SYMBOL).alias(TRADED)


def _last_known(values: FloatArray) -> FloatArray:
    """Each day's value, or the newest before it."""
    rows = np.where(np.isnan(values), 0, np.arange(len(values))[:, None])
    newest: FloatArray = np.take_along_axis(values, np.maximum.accumulate(rows, axis=0), axis=0)
    return newest


def _shifted(values: FloatArray) -> FloatArray:
    """The values of the day before; NaN on the first."""
    return np.concatenate([np.full((1, values.shape[1]), np.nan), values[:-1]])


def _absent(present: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Days since a symbol's last bar, the day itself included; 0 on a day with one and before the first."""
    rows = np.arange(len(present))[:, None]
    last = np.maximum.accumulate(np.where(present, rows, -1), axis=0)
    return np.where(last < 0, 0, rows - last)
