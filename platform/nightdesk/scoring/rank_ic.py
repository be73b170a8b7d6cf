"""Daily IC: correlation of scores and forward returns across the symbols of one date, of ranks or of values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import polars as pl

from nightdesk.scoring.checks import check_columns
from nightdesk.tables import DATE, FORWARD_RETURN, MARKET, SCORE

RANK_IC: Final = "rank_ic"
IC: Final = "ic"
SYMBOLS: Final = "symbols"
MIN_SYMBOLS: Final = 10


def daily_rank_ic(frame: pl.DataFrame, by: Sequence[str] = ()) -> pl.DataFrame:
    """Correlate the ranks of score and forward return (Spearman 1904) on each date.

    Parameters
    ----------
    frame
        Columns date, score (any unit: only its order counts), forward_return (fraction) and those of `by`;
        one row a symbol. Rows where score or forward return is null or not finite take no part.
    by
        Columns that tell groups apart, each with dates of its own, for example `("model", "horizon")`.

    Returns
    -------
    pl.DataFrame
        Columns of `by`, date, rank_ic (Float64, -1 to 1), symbols (UInt32, rows that took part); sorted. Ties
        share their average rank. rank_ic is null where it is undefined: a constant side, or fewer than 10
        symbols.

    Raises
    ------
    BadInput
        A column is missing.
    """
    return _daily(frame, by, RANK_IC, lambda column: column.rank("average"))


def daily_ic(frame: pl.DataFrame, by: Sequence[str] = ()) -> pl.DataFrame:
    """Correlate score and forward return themselves (Pearson) on each date: column ic, else as `daily_rank_ic`.

    One extreme return can make it: read it beside the rank IC, never in its place.
    """
    return _daily(frame, by, IC, lambda column: column)


def _daily(frame: pl.DataFrame, by: Sequence[str], name: str, of: Callable[[pl.Expr], pl.Expr]) -> pl.DataFrame:
    keys = [*by, DATE]
    check_columns(frame, [*keys, SCORE, FORWARD_RETURN])
    complete = pl.col(SCORE).is_finite() & pl.col(FORWARD_RETURN).is_finite()
    took_part = frame.select(*keys, pl.when(complete).then(pl.col(SCORE, FORWARD_RETURN)))
    score, outcome = pl.col(SCORE), pl.col(FORWARD_RETURN)
    # Where one side is constant, rounding would correlate to noise instead of to nothing.
    varies = (score.min() < score.max()) & (outcome.min() < outcome.max())
    defined = varies & (score.count() >= MIN_SYMBOLS)
    return (
        took_part.group_by(keys)
        .agg(
            pl.when(defined).then(pl.corr(of(score), of(outcome)).clip(-1.0, 1.0)).alias(name),
            score.count().alias(SYMBOLS),
        )
        .sort(keys)
    )


def rank_ic_within_markets(frame: pl.DataFrame, by: Sequence[str] = ()) -> pl.DataFrame:
    """The rank IC of each date where symbols are ranked within their own market: the markets' mean by their symbols.

    Parameters
    ----------
    frame, by
        As `daily_rank_ic`; without a column `market` the same as that. Symbols of two markets are never compared: their
        returns are in two currencies, and over days of two calendars.

    Returns
    -------
    pl.DataFrame
        As `daily_rank_ic`. A market whose own rank IC is undefined takes no part; null where every one is.
    """
    if MARKET not in frame.columns:
        return daily_rank_ic(frame, by)
    defined = pl.col(RANK_IC).is_not_null()
    weight = pl.col(SYMBOLS).filter(defined)
    return (
        daily_rank_ic(frame, [*by, MARKET])
        .group_by(*by, DATE)
        .agg(
            pl.when(weight.sum() > 0).then((pl.col(RANK_IC).filter(defined) * weight).sum() / weight.sum()),
            weight.sum(),
        )
        .sort(*by, DATE)
    )
