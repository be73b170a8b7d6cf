"""Daily rank IC: Spearman's correlation of scores and forward returns across the symbols of one date."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from nightdesk.scoring.checks import check_columns
from nightdesk.tables import DATE, FORWARD_RETURN, SCORE

RANK_IC: Final = "rank_ic"
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
    keys = [*by, DATE]
    check_columns(frame, [*keys, SCORE, FORWARD_RETURN])
    complete = pl.col(SCORE).is_finite() & pl.col(FORWARD_RETURN).is_finite()
    took_part = frame.select(*keys, pl.when(complete).then(pl.col(SCORE, FORWARD_RETURN)))
    score, outcome = pl.col(SCORE), pl.col(FORWARD_RETURN)
    ranks = score.rank("average"), outcome.rank("average")
    # Where one side is constant, rounding would correlate to noise instead of to nothing.
    varies = (score.min() < score.max()) & (outcome.min() < outcome.max())
    defined = varies & (score.count() >= MIN_SYMBOLS)
    return (
        took_part.group_by(keys)
        .agg(
            pl.when(defined).then(pl.corr(*ranks).clip(-1.0, 1.0)).alias(RANK_IC),
            score.count().alias(SYMBOLS),
        )
        .sort(keys)
    )
