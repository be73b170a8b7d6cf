"""Out-of-fold scores made by hand: what came, and members that see it through more or less noise."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import numpy as np
import polars as pl

FIRST = dt.date(2015, 1, 1)


def calendar(days: int) -> list[dt.date]:
    return [FIRST + dt.timedelta(days=day) for day in range(days)]


def met(
    skills: Mapping[str, float], days: int = 300, symbols: int = 30, horizon: int = 1, seed: int = 0
) -> pl.DataFrame:
    """Members whose score has the given correlation with the return, each with noise of its own.

    A label is known `horizon` + 1 days after its decision; returns have a standard deviation of 2 %.
    """
    random = np.random.default_rng(seed)
    rows = days * symbols
    came = random.normal(size=rows)
    dates = calendar(days)
    known = calendar(days + horizon + 1)[horizon + 1 :]
    return pl.DataFrame(
        {
            "symbol": [f"S{n:03d}" for _ in range(days) for n in range(symbols)],
            "date": [day for day in dates for _ in range(symbols)],
            "known_date": [day for day in known for _ in range(symbols)],
            "forward_return": 0.02 * came,
            **{
                name: skill * came + np.sqrt(1.0 - skill**2) * random.normal(size=rows)
                for name, skill in skills.items()
            },
        }
    )
