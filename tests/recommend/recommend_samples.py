"""A small market for tests of recommendations: random walks, what is ranked of them and what calibration says."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from nightdesk.recommend.sizing import Limits

FIRST = dt.date(2023, 1, 2)
LIMITS = Limits(
    capital=1_000_000.0,
    positions=5,
    max_weight=0.25,
    max_sector_weight=0.5,
    max_participation=0.05,
    max_turnover=0.5,
    volatility_target=0.2,
)


def bars_of(symbols: list[str], days: int = 300, seed: int = 3, traded: float = 5e7) -> pl.DataFrame:
    """Bars of random walks, each symbol with a volatility of its own."""
    draw, parts = np.random.default_rng(seed), []
    for number, symbol in enumerate(symbols):
        close = 50.0 * np.exp(np.cumsum(draw.normal(0.0, 0.008 + 0.002 * number, days)))
        parts.append(
            pl.DataFrame(
                {
                    "symbol": symbol,
                    "date": [FIRST + dt.timedelta(days=day) for day in range(days)],
                    "open": close,
                    "high": close,
                    "low": close,
                    "close": close,
                    "volume": traded / close,
                }
            )
        )
    return pl.concat(parts)


def ranking_of(bars: pl.DataFrame, horizons: tuple[int, ...] = (5,)) -> pl.DataFrame:
    """Every symbol ranked by its name, at the newest close."""
    last = bars.filter(pl.col("date") == pl.col("date").max()).sort("symbol")
    count = last.height
    parts = [
        last.select(
            pl.lit(horizon, pl.Int64).alias("horizon"),
            pl.int_range(1, count + 1, dtype=pl.Int64).alias("rank"),
            "symbol",
            (-pl.int_range(count).cast(pl.Float64)).alias("score"),
            (1.0 - pl.int_range(count) / max(count - 1, 1)).alias("percentile"),
            "close",
            pl.lit("ridge").alias("model"),
        )
        for horizon in horizons
    ]
    return pl.concat(parts)


def calibrated_of(ranking: pl.DataFrame, best: float = 0.04, worst: float = -0.03) -> pl.DataFrame:
    """Expected returns that fall from the first rank to the last, with intervals and probabilities to match."""
    expected = best + (worst - best) * (1.0 - pl.col("percentile"))
    return ranking.select(
        "horizon",
        "symbol",
        expected.alias("expected_return"),
        (expected - 0.05).alias("lower"),
        (expected + 0.05).alias("upper"),
        (0.4 - 2.0 * expected).alias("probability_down"),
        pl.lit(0.2).alias("probability_flat"),
        (0.4 + 2.0 * expected).alias("probability_up"),
        (0.5 + expected.abs()).alias("confidence"),
    )
