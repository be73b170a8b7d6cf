"""Nights of features that a market moves together, and faults to plant in them."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

FEATURES = 20
NAMES = [f"feature_{number:02}" for number in range(FEATURES)]


def calendar(count: int) -> list[dt.date]:
    return [dt.date(2018, 1, 1) + dt.timedelta(days=day) for day in range(count)]


def nights(seed: int, count: int, symbols: int = 50) -> np.ndarray:
    """Values of shape (nights, symbols, features): three slow common factors, and each symbol's own."""
    random = np.random.default_rng(seed)
    loadings = np.random.default_rng(99).normal(0, 0.27, (3, FEATURES))  # the same market whatever the seed
    factors = np.zeros((count, 3))
    for night in range(1, count):
        factors[night] = 0.9 * factors[night - 1] + np.sqrt(1 - 0.9**2) * random.normal(size=3)
    return (factors @ loadings)[:, None, :] + random.normal(size=(count, symbols, FEATURES))


def frame(values: np.ndarray) -> pl.DataFrame:
    """As a frame of features; NaN becomes null."""
    count, symbols, _ = values.shape
    keys = {
        "symbol": [f"S{number:03}" for _ in range(count) for number in range(symbols)],
        "date": [day for day in calendar(count) for _ in range(symbols)],
    }
    columns = [
        pl.Series(name, values[:, :, number].ravel().astype(np.float32), nan_to_null=True)
        for number, name in enumerate(NAMES)
    ]
    return pl.DataFrame(keys).with_columns(columns)
