"""Up, flat or down, and buy, hold or sell: a move counts once it beats its cost and its noise."""

from __future__ import annotations

from typing import Final

import polars as pl

from nightdesk.errors import BadInput
from nightdesk.labels.columns import DAILY_VOLATILITY, DIRECTION, SIGNAL
from nightdesk.scoring.checks import check_columns
from nightdesk.tables import FORWARD_RETURN, HORIZON

DOWN: Final = "down"
FLAT: Final = "flat"
UP: Final = "up"
SELL: Final = "sell"
HOLD: Final = "hold"
BUY: Final = "buy"
DIRECTIONS: Final = pl.Enum([DOWN, FLAT, UP])
SIGNALS: Final = pl.Enum([SELL, HOLD, BUY])

FLAT_SIGMAS: Final = 0.43
"""A third of a normal distribution lies within 0.43 standard deviations: three classes of equal size."""


def with_direction(labels: pl.DataFrame, round_trip_cost: float, flat_sigmas: float = FLAT_SIGMAS) -> pl.DataFrame:
    """Add what direction a forward return took, and the signal that would have been right.

    Flat is an absolute return under the larger of `round_trip_cost` and k sigma root-h: `flat_sigmas` times
    daily_volatility times the square root of the horizon; a return of exactly that is up or down already.

    Parameters
    ----------
    labels
        Columns forward_return (fraction), horizon (trading days) and daily_volatility (trailing, as known on
        the close of t; fraction a day, not annualised).
    round_trip_cost
        Cost of buying and selling, a fraction of the money traded: 0.001 is 10 basis points.
    flat_sigmas
        k, in standard deviations over the horizon.

    Returns
    -------
    pl.DataFrame
        `labels` with direction (Enum down, flat, up) and signal (Enum sell, hold, buy); both are null where
        the return or the volatility is null or NaN.

    Raises
    ------
    BadInput
        A column is missing, or the cost or k is below zero.
    """
    check_columns(labels, (FORWARD_RETURN, HORIZON, DAILY_VOLATILITY))
    for name, value in (("round_trip_cost", round_trip_cost), ("flat_sigmas", flat_sigmas)):
        if not value >= 0.0:
            raise BadInput(f"{name} must be zero or more, got {value}: give a fraction or a number of sigmas")
    move, sigma = pl.col(FORWARD_RETURN).fill_nan(None), pl.col(DAILY_VOLATILITY).fill_nan(None)
    noise = flat_sigmas * sigma * pl.col(HORIZON).sqrt()
    edge = pl.when(noise.is_not_null()).then(pl.max_horizontal(noise, pl.lit(round_trip_cost)))
    side = pl.when(move.abs() < edge).then(0.0).when(move.abs() >= edge).then(move.sign())
    place = (side + 1.0).cast(pl.UInt8)
    return labels.with_columns(place.cat.to(DIRECTIONS).alias(DIRECTION), place.cat.to(SIGNALS).alias(SIGNAL))
