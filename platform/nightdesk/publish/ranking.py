"""The night's ranking: every symbol by the served model's score, at each horizon."""

from __future__ import annotations

import polars as pl

from nightdesk.tables import CLOSE, HORIZON, MODEL, SCORE, SYMBOL


def ranking(forecasts: pl.DataFrame, closes: pl.DataFrame) -> pl.DataFrame:
    """Rank the served forecasts of one night.

    Parameters
    ----------
    forecasts
        horizon, model, symbol, score, served.
    closes
        symbol, close: the as-of day's close, in the instrument's currency.

    Returns
    -------
    DataFrame
        horizon, rank (1 is best; equal scores by symbol, null last), symbol, score, percentile (1 is best, 0 worst),
        close, model; sorted by horizon and rank; only what is served.
    """
    served = forecasts.filter(pl.col("served")).join(closes.select(SYMBOL, CLOSE), on=SYMBOL, how="left")
    ordered = served.sort(HORIZON, SCORE, SYMBOL, descending=[False, True, False], nulls_last=True)
    return ordered.with_columns(
        rank=pl.int_range(1, pl.len() + 1).over(HORIZON).cast(pl.Int64), count=pl.len().over(HORIZON)
    ).select(
        pl.col(HORIZON).cast(pl.Int64),
        "rank",
        SYMBOL,
        SCORE,
        percentile=1.0 - (pl.col("rank") - 1) / (pl.col("count") - 1).clip(1),
        close=CLOSE,
        model=MODEL,
    )
