"""Named peers of the feature matrix: simple features by pandas and by polars, a group a symbol."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import polars as pl

SIMPLE = ("return_1", "return_20", "return_60", "sma_gap_20", "volatility_60", "volume_ratio_20")
WINDOWS = (5, 10, 20, 30, 60)
ROLLING = tuple(f"{kind}{window}" for kind in ("MA", "STD", "MAX", "MIN", "VMA", "ROC") for window in WINDOWS)
_YEAR = 252


def by_pandas(bars: pd.DataFrame) -> pd.DataFrame:
    """By `groupby` and `rolling`."""
    symbols = bars.groupby("symbol", sort=False)
    close, volume = symbols["close"], symbols["volume"]
    growth = np.log(bars["close"] / close.shift(1))
    deviation = growth.groupby(bars["symbol"], sort=False).rolling(60).std().droplevel(0)
    values = {f"return_{days}": close.pct_change(days) for days in (1, 20, 60)} | {
        "sma_gap_20": bars["close"] / close.rolling(20).mean().droplevel(0) - 1.0,
        "volatility_60": deviation * math.sqrt(_YEAR),
        "volume_ratio_20": bars["volume"] / volume.rolling(20).mean().droplevel(0),
    }
    return pd.DataFrame(values)


def by_polars(bars: pl.DataFrame) -> pl.DataFrame:
    """By expressions `.over("symbol")`."""
    close, volume = pl.col("close"), pl.col("volume")
    growth = (close / close.shift(1)).log()
    values = {f"return_{days}": close.pct_change(days) for days in (1, 20, 60)} | {
        "sma_gap_20": close / close.rolling_mean(20) - 1.0,
        "volatility_60": growth.rolling_std(60) * math.sqrt(_YEAR),
        "volume_ratio_20": volume / volume.rolling_mean(20),
    }
    return bars.select(value.over("symbol").alias(name) for name, value in values.items())


def thirty_by_pandas(bars: pd.DataFrame) -> pd.DataFrame:
    """The rolling features of Alpha158 that pandas has a fast function for, by `groupby` and `rolling`."""
    symbols = bars.groupby("symbol", sort=False)
    close, high, low, volume = (symbols[name] for name in ("close", "high", "low", "volume"))
    values = {}
    for window in WINDOWS:
        rolled = {
            "MA": close.rolling(window).mean(),
            "STD": close.rolling(window).std(),
            "MAX": high.rolling(window).max(),
            "MIN": low.rolling(window).min(),
        }
        values |= {f"{kind}{window}": column.droplevel(0) / bars["close"] for kind, column in rolled.items()}
        traded = volume.rolling(window).mean().droplevel(0) / bars["volume"]
        values[f"VMA{window}"] = traded.where(bars["volume"] != 0.0, 0.0)
        values[f"ROC{window}"] = close.shift(window) / bars["close"]
    return pd.DataFrame(values)[list(ROLLING)]
