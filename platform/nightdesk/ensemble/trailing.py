"""How much a symbol has been moving lately, as known on its close: the yardstick of intervals and of what is flat."""

from __future__ import annotations

from typing import Final

import polars as pl

from nightdesk.labels.columns import DAILY_VOLATILITY
from nightdesk.scoring.checks import check_columns
from nightdesk.tables import CLOSE, DATE, SYMBOL

DECAY: Final = 0.97
"""RiskMetrics' decay for horizons of about a month (J.P. Morgan 1996): half of the weight lies in the last 23 days."""

MIN_MOVES: Final = 60


def trailing_volatility(bars: pl.DataFrame) -> pl.DataFrame:
    """The exponentially weighted root mean square of a symbol's returns from close to close, up to each bar.

    Parameters
    ----------
    bars
        symbol, date, close (adjusted for splits: a jump would count as a move); null where there is none.

    Returns
    -------
    DataFrame
        symbol, date, daily_volatility (fraction a day, not annualised; null until 60 returns are known, and where the
        symbol has never moved), sorted by symbol and date.

    Raises
    ------
    BadInput
        A column is missing.
    """
    check_columns(bars, [SYMBOL, DATE, CLOSE])
    ordered = bars.select(SYMBOL, DATE, CLOSE).sort(SYMBOL, DATE)
    move = pl.col(CLOSE) / pl.col(CLOSE).shift(1).over(SYMBOL) - 1.0
    squares = ordered.select(SYMBOL, DATE, pl.when(move.is_finite()).then(move**2).alias(DAILY_VOLATILITY))
    level = (
        pl.col(DAILY_VOLATILITY)
        .ewm_mean(alpha=1.0 - DECAY, adjust=True, ignore_nulls=True, min_samples=MIN_MOVES)
        .sqrt()
        .over(SYMBOL)
    )
    return squares.with_columns(level).with_columns(
        pl.when(pl.col(DAILY_VOLATILITY) > 0.0).then(pl.col(DAILY_VOLATILITY))
    )
