"""Results by market condition: year, sector, and the volatility regime that was known when the forecast was made."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from nightdesk.errors import BadInput
from nightdesk.scoring.checks import check_columns
from nightdesk.scoring.intervals import mean_interval
from nightdesk.scoring.rank_ic import RANK_IC, daily_rank_ic
from nightdesk.tables import CLOSE, DATE, SYMBOL

SLICE: Final = "slice"
REGIME: Final = "regime"
SECTOR: Final = "sector"
CALM, NORMAL, ROUGH = "calm", "normal", "rough"
WINDOW: Final = 20
MIN_HISTORY: Final = 252


def by_year(daily: pl.DataFrame, horizon: int) -> pl.DataFrame:
    """Mean daily rank IC and its interval by calendar year of the forecast's date; see `by_slice`."""
    check_columns(daily, [DATE])
    return by_slice(daily.with_columns(pl.col(DATE).dt.year().cast(pl.String).alias(SLICE)), horizon)


def by_sector(scored: pl.DataFrame, horizon: int) -> pl.DataFrame:
    """Mean daily rank IC within each sector; see `by_slice`.

    Parameters
    ----------
    scored
        date, score, forward_return and sector of each symbol; rows without a sector take no part.
    """
    check_columns(scored, [SECTOR])
    daily = daily_rank_ic(scored.drop_nulls(SECTOR), by=(SECTOR,))
    return by_slice(daily.rename({SECTOR: SLICE}), horizon)


def by_regime(daily: pl.DataFrame, regimes: pl.DataFrame, horizon: int) -> pl.DataFrame:
    """Mean daily rank IC by volatility regime on the forecast's date; days of no known regime take no part.

    `regimes` are date and regime, as `volatility_regimes` gives them.
    """
    check_columns(regimes, [DATE, REGIME])
    joined = daily.join(regimes.select(DATE, REGIME), on=DATE, how="inner").drop_nulls(REGIME)
    return by_slice(joined.rename({REGIME: SLICE}), horizon)


def by_slice(daily: pl.DataFrame, horizon: int) -> pl.DataFrame:
    """Mean and 95 % interval (equal-weighted cosine) of daily rank IC in each slice.

    Parameters
    ----------
    daily
        date, rank_ic (null where undefined) and slice (String).
    horizon
        Trading days held, 1 to 60. Days of a slice that do not follow each other close up: the interval of a regime
        that comes and goes is a rough one.

    Returns
    -------
    DataFrame
        slice, days (with a rank IC), mean, lower, upper (null: fewer than max(20, 3 horizon) days); sorted.
    """
    check_columns(daily, [DATE, RANK_IC, SLICE])
    rows = []
    for (name,), part in daily.sort(DATE).group_by(SLICE, maintain_order=True):
        found = mean_interval(part[RANK_IC], horizon)
        rows.append((name, found.days, found.mean, found.lower, found.upper))
    schema = {SLICE: pl.String, "days": pl.Int64, "mean": pl.Float64, "lower": pl.Float64, "upper": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row").sort(SLICE)


def volatility_regimes(bars: pl.DataFrame, days: Sequence[dt.date]) -> pl.DataFrame:
    """Tell calm, normal and rough days apart by what was known on their close.

    The market is the equal-weighted mean of the symbols' returns from close to close; its volatility is their standard
    deviation over 20 days. A day is calm in the lowest third of all such values up to its own, rough in the highest.

    Returns
    -------
    DataFrame
        date, volatility (a day's, fraction; null in the first 20 days), regime (null until 252 values are known).

    Raises
    ------
    BadInput
        A column is missing, or there is no day.
    """
    check_columns(bars, [SYMBOL, DATE, CLOSE])
    if not days:
        raise BadInput("trading days must be given, got none: pass those of the bars")
    move = (pl.col(CLOSE) / pl.col(CLOSE).shift(1).over(SYMBOL) - 1.0).alias("move")
    moves = bars.sort(SYMBOL, DATE).select(DATE, move).drop_nulls("move").filter(pl.col("move").is_finite())
    market = moves.group_by(DATE).agg(pl.col("move").mean())
    calendar = pl.DataFrame({DATE: list(days)}, schema={DATE: pl.Date})
    volatility = calendar.join(market, on=DATE, how="left", maintain_order="left").select(
        DATE, pl.col("move").rolling_std(WINDOW, min_samples=WINDOW).alias("volatility")
    )
    return volatility.with_columns(pl.Series(REGIME, _regimes(volatility["volatility"]), dtype=pl.String))


def _regimes(volatility: pl.Series) -> list[str | None]:
    values = volatility.fill_null(float("nan")).to_numpy()
    found: list[str | None] = []
    for position, value in enumerate(values):
        past = values[: position + 1]
        past = past[~np.isnan(past)]
        if np.isnan(value) or len(past) < MIN_HISTORY:
            found.append(None)
            continue
        low, high = np.quantile(past, [1 / 3, 2 / 3])
        found.append(CALM if value <= low else ROUGH if value > high else NORMAL)
    return found
