"""Sessions for daily bars that have none: half-hours that walk from each open to its close, and their measures."""

from __future__ import annotations

import datetime as dt
from typing import Final

import numpy as np
import polars as pl

from nightdesk.sources.session_measures import session_measures
from nightdesk.tables import CLOSE, DATE, INTRADAY_BARS, OPEN, SYMBOL, VOLUME

_CALENDAR: Final = "24/7"  # every date has a session, which opens at midnight
_MINUTES: Final = 30
_COUNT: Final = 13
_STEP: Final = 0.003  # of a half-hour
_STANDS: Final = 0.2  # share of half-hours in which nothing moves


def half_hours(bars: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Thirteen half-hours (`tables.INTRADAY_BARS`) of each of `bars` (`tables.BARS`, sorted by symbol and date).

    They walk at random from its open to its close and share its volume at random; where the day stood still, at its
    open, so do they. Those of a day without an open, close or volume are faulty.
    """
    random = np.random.default_rng([seed, _COUNT])
    shape = (bars.height, _COUNT)
    steps = random.normal(0.0, _STEP, shape) * (random.uniform(size=shape) > _STANDS)
    parts = random.uniform(0.2, 1.0, shape)
    open_, close, volume = (
        bars.get_column(name).to_numpy().astype(np.float64)[:, None] for name in (OPEN, CLOSE, VOLUME)
    )
    still = (bars["high"] == bars["low"]).fill_null(value=False).to_numpy()
    steps[still] = 0.0
    steps[~still] += ((np.log(close / open_) - steps.sum(axis=1, keepdims=True)) / _COUNT)[~still]
    closes = open_ * np.exp(np.cumsum(steps, axis=1))
    opens = np.concatenate([open_, closes[:, :-1]], axis=1)
    reach = np.where(still[:, None], 1.0, 1.0 + random.uniform(0.0, _STEP, shape))
    whole = bars.select(SYMBOL, DATE)[np.repeat(np.arange(bars.height), _COUNT)]
    start = pl.col(DATE).cast(pl.Datetime("us", "UTC")) + pl.Series(
        np.tile(np.arange(_COUNT), bars.height)
    ) * dt.timedelta(minutes=_MINUTES)
    values = {
        OPEN: opens,
        "high": np.maximum(opens, closes) * reach,
        "low": np.minimum(opens, closes) / reach,
        CLOSE: closes,
        VOLUME: volume * parts / parts.sum(axis=1, keepdims=True),
    }
    known = np.isfinite(closes[:, -1] * volume[:, 0])
    fault = pl.Series(np.repeat(known, _COUNT))
    return whole.with_columns(
        start.alias("start"),
        *(pl.Series(name, made.ravel(), nan_to_null=True) for name, made in values.items()),
        pl.when(fault).then(None).otherwise(pl.lit("a missing price or volume")).alias("fault"),
    ).select(*INTRADAY_BARS)


def with_sessions(bars: pl.DataFrame, seed: int) -> pl.DataFrame:
    """`bars` with the measures (`tables.MEASURES`) of their `half_hours`; null where open, close or volume is."""
    measures = session_measures(half_hours(bars, seed), _CALENDAR, _MINUTES)
    return bars.join(measures, on=[SYMBOL, DATE], how="left", maintain_order="left")
