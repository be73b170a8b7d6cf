"""The night's ranking: every symbol by the served model's score, at each horizon."""

from __future__ import annotations

import polars as pl

from nightdesk.tables import BAR_DATE, CLOSE, CURRENCY, HORIZON, MARKET, MODEL, SCORE, SYMBOL


def ranking(forecasts: pl.DataFrame, closes: pl.DataFrame) -> pl.DataFrame:
    """Rank the served forecasts of one night.

    Parameters
    ----------
    forecasts
        horizon, model, symbol, score, served.
    closes
        symbol, close: the as-of day's close, in the instrument's currency. Of several markets also market, bar_date
        (the day of that close) and currency.

    Returns
    -------
    DataFrame
        horizon, rank (1 is best; equal scores by symbol, null last), symbol, score, percentile (1 is best, 0 worst),
        close, model; sorted by horizon and rank; only what is served. Of several markets each is ranked by itself, and
        market, bar_date and currency stand beside, sorted by market within the horizon.
    """
    several = [name for name in (MARKET, BAR_DATE, CURRENCY) if name in closes.columns]
    group = [HORIZON, *several[:1]]
    served = forecasts.filter(pl.col("served")).join(closes.select(SYMBOL, CLOSE, *several), on=SYMBOL, how="left")
    down = [False] * len(group) + [True, False]
    ordered = served.sort(*group, SCORE, SYMBOL, descending=down, nulls_last=True)
    return ordered.with_columns(
        rank=pl.int_range(1, pl.len() + 1).over(group).cast(pl.Int64), count=pl.len().over(group)
    ).select(
        pl.col(HORIZON).cast(pl.Int64),
        "rank",
        SYMBOL,
        SCORE,
        (1.0 - (pl.col("rank") - 1) / (pl.col("count") - 1).clip(1)).alias("percentile"),
        *several,
        pl.col(CLOSE).alias("close"),
        pl.col(MODEL).alias("model"),
    )
