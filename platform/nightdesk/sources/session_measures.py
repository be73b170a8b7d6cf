"""Measures of a session, made of its bars of hours or minutes: what its daily bar cannot say.

Returns inside a session are those from the first bar's open to its close, and from each bar's close to that of the next
one that is there; the night before is in none of them. All measures are fractions without a scale. So a split, or a
vendor's rebased history, changes none, and they are stored once, not adjusted on reading.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nightdesk.sessions import session_spans
from nightdesk.tables import (
    BIPOWER_VARIATION,
    CLOSE,
    DATE,
    DOWNSIDE_SEMIVARIANCE,
    FIRST_RETURN,
    FIRST_VOLUME_SHARE,
    HIGH,
    HOUR_FIRST_RETURN,
    HOUR_LAST_RETURN,
    HOUR_MEASURES,
    HOUR_REALIZED_VARIANCE,
    LAST_RETURN,
    LAST_VOLUME_SHARE,
    LOW,
    MEASURES,
    OPEN,
    REALIZED_SKEWNESS,
    REALIZED_VARIANCE,
    SESSION_MEASURES,
    SYMBOL,
    VOLUME,
    VWAP_GAP,
)

HOUR: Final = 60
"""Minutes; bars that are shorter are put together into hours too."""

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

_START, _FAULT, _OPENS, _HOUR = "start", "fault", "opens", "hour"


def session_measures(bars: pl.DataFrame, calendar: str, minutes: int) -> pl.DataFrame:
    """The measures of each session of `bars` (`tables.INTRADAY_BARS`, of `minutes` each, of sessions of `calendar`).

    Realized variance is the sum of squared log returns (Andersen, Bollerslev, Diebold & Labys 2003), downside
    semivariance that of the negative ones (Barndorff-Nielsen, Kinnebrock & Shephard 2010). Bipower variation is pi / 2
    times the sum of products of the sizes of neighbouring ones, times n / (n - 1): jumps add nothing to it in the limit
    (Barndorff-Nielsen & Shephard 2004). Realized skewness is the root of n times the sum of cubes over realized
    variance to 3/2 (Amaya, Christoffersen, Jacobs & Vasquez 2015), 0 where nothing moved. Of the first and the last
    bar there are the simple return and the share of volume. The gap to VWAP is the last close over the mean of typical
    prices (high, low and close) weighted by volume, minus 1. Shares and gap are 0 where nothing was traded.

    Hours are counted from the session's open, the last may be shorter; a bar belongs to the one that it begins in.

    Returns
    -------
    DataFrame
        `tables.SESSION_MEASURES`: a row a symbol and day that `bars` have, sorted; rows without a symbol, or of a day
        without a session, are left out. Measures are of the bars that are there, as the daily bar's open and close are:
        of an absent last hour, the last bar is the one before. All are null where a bar of the day is faulty; what
        needs two bars (or hours) is null where there is one, and what is of hours where `minutes` are 60 or more.
    """
    if bars.is_empty():
        return pl.DataFrame(schema=SESSION_MEASURES)
    dates = bars.get_column(DATE)
    spans = session_spans(calendar, dates.min(), dates.max())  # type: ignore[arg-type]
    instant = pl.Datetime("us", "UTC")
    opens = pl.DataFrame(
        [(day, opened) for day, opened, _ in spans], schema={DATE: pl.Date, _OPENS: instant}, orient="row"
    )
    # Sorted by symbol and start, the bars of each session stand together.
    met = bars.drop_nulls(SYMBOL).join(opens, on=DATE, maintain_order="left")
    days = met.select(SYMBOL, DATE).unique(maintain_order=True)
    sound = met.filter(pl.col(_FAULT).is_null().all().over(SYMBOL, DATE))
    with np.errstate(over="ignore", invalid="ignore"):  # of prices too large for a number, which the checks hold back
        measured = _measured(sound, minutes)
    measured = measured.with_columns(
        pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in MEASURES
    )
    return days.join(measured, on=[SYMBOL, DATE], how="left", maintain_order="left").select(*SESSION_MEASURES)


def _measured(bars: pl.DataFrame, minutes: int) -> pl.DataFrame:
    """Measures of sessions whose bars are all sound; NaN where there are too few of them."""
    session = bars.select(pl.struct(SYMBOL, DATE).rle_id().cast(pl.Int64)).to_series().to_numpy()
    starts = np.flatnonzero(np.diff(session, prepend=-1))
    ends = np.append(starts[1:], session.size) - 1
    open_, high, low, close, volume = (
        bars.get_column(name).to_numpy().astype(np.float64) for name in (OPEN, HIGH, LOW, CLOSE, VOLUME)
    )
    traded, worth = (_sums(values, starts) for values in (volume, (high + low + close) / 3.0 * volume))
    found = _of_returns(open_[starts], close, starts)
    found |= {
        VWAP_GAP: _over(close[ends] * traded, worth, 1.0) - 1.0,
        FIRST_VOLUME_SHARE: _over(volume[starts], traded, 0.0),
        LAST_VOLUME_SHARE: _over(volume[ends], traded, 0.0),
    }
    hours = dict.fromkeys(HOUR_MEASURES, np.full(starts.size, np.nan))
    if minutes < HOUR:
        # A bar that overlaps the open belongs to the first hour.
        hour = bars.select((pl.col(_START) - pl.col(_OPENS)).dt.total_minutes().clip(0) // HOUR).to_series().to_numpy()
        last_of_hour = np.append((np.diff(session) != 0) | (np.diff(hour) != 0), session.size > 0)
        places = np.flatnonzero(last_of_hour)
        of_hours = _of_returns(open_[starts], close[places], np.searchsorted(places, starts))
        hours = {
            HOUR_REALIZED_VARIANCE: of_hours[REALIZED_VARIANCE],
            HOUR_FIRST_RETURN: of_hours[FIRST_RETURN],
            HOUR_LAST_RETURN: of_hours[LAST_RETURN],
        }
    return bars.select(SYMBOL, DATE)[starts].with_columns(
        pl.Series(name, values, dtype=pl.Float64) for name, values in (found | hours).items()
    )


def _of_returns(opened: Floats, closes: Floats, starts: Places) -> dict[str, Floats]:
    """What returns say of each session, which opened at `opened` and whose first of `closes` are those at `starts`."""
    before = np.empty_like(closes)
    before[1:] = closes[:-1]
    before[starts] = opened
    steps = np.log(closes / before)
    squares, sizes = steps * steps, np.abs(steps)
    pairs = np.zeros_like(sizes)
    pairs[1:] = sizes[1:] * sizes[:-1]
    pairs[starts] = 0.0
    counts = np.diff(np.append(starts, closes.size)).astype(np.float64)
    ends = starts + counts.astype(np.int64) - 1
    several = counts > 1.0
    variance = _sums(squares, starts)
    simple = closes / before - 1.0
    return {
        REALIZED_VARIANCE: variance,
        DOWNSIDE_SEMIVARIANCE: _sums(np.where(steps < 0.0, squares, 0.0), starts),
        BIPOWER_VARIATION: np.where(
            several, math.pi / 2.0 * counts / np.maximum(counts - 1.0, 1.0) * _sums(pairs, starts), np.nan
        ),
        REALIZED_SKEWNESS: _over(np.sqrt(counts) * _sums(squares * steps, starts), variance**1.5, 0.0),
        FIRST_RETURN: simple[starts],
        LAST_RETURN: np.where(several, simple[ends], np.nan),
    }


def _sums(values: Floats, starts: Places) -> Floats:
    """Sum of each session: of its own bars alone, so the same bits whichever sessions stand beside it."""
    return np.add.reduceat(values, starts) if starts.size else np.empty(0)


def _over(numerator: Floats, denominator: Floats, flat: float) -> Floats:
    """Divide, with `flat` where the denominator is zero."""
    none = denominator == 0.0
    return np.where(none, flat, numerator / np.where(none, 1.0, denominator))
