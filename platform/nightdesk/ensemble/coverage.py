"""Whether intervals hold what they promise: coverage overall, by year and by volatility regime, and their score."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from nightdesk.ensemble.conformal import LOWER, UPPER
from nightdesk.evaluation.bootstrap import block_interval
from nightdesk.evaluation.slices import REGIME, SLICE
from nightdesk.scoring.checks import check_columns, check_horizon
from nightdesk.scoring.observed import Values
from nightdesk.tables import DATE, FORWARD_RETURN

OVERALL: Final = "overall"
COVERAGE: Final = "coverage"
COVERED: Final = {SLICE: pl.String, "days": pl.Int64, COVERAGE: pl.Float64, LOWER: pl.Float64, UPPER: pl.Float64}
"""Columns of a coverage table."""

MIN_YEAR: Final = 200
"""Scored days that a calendar year must have to be shown by itself."""


def daily_coverage(told: pl.DataFrame) -> pl.DataFrame:
    """The share of returns inside their interval on each date: date, coverage; null where a date has none to judge.

    `told` has date, lower, upper and forward_return; rows where one is null take no part.
    """
    check_columns(told, [DATE, LOWER, UPPER, FORWARD_RETURN])
    inside = pl.col(FORWARD_RETURN).is_between(LOWER, UPPER)
    return told.sort(DATE).group_by(DATE, maintain_order=True).agg(inside.mean().alias(COVERAGE))


def coverage_table(told: pl.DataFrame, horizon: int, regimes: pl.DataFrame | None = None) -> pl.DataFrame:
    """Coverage overall, by calendar year of at least 200 scored days, and by volatility regime on the forecast's date.

    Parameters
    ----------
    told
        As `daily_coverage`. Each date weighs the same.
    horizon
        Trading days held, 1 to 60: blocks of twice that many days are drawn for the interval.
    regimes
        date and regime, as `evaluation.slices.volatility_regimes` gives them; days of no known regime take no part.

    Returns
    -------
    DataFrame
        slice, days, coverage, lower, upper (95 % date-block bootstrap interval; null on fewer than 5 blocks).

    Raises
    ------
    BadInput
        A column is missing, or the horizon breaks its rule.
    """
    check_horizon(horizon)
    daily = daily_coverage(told).drop_nulls(COVERAGE)
    rows = [_row(OVERALL, daily[COVERAGE], horizon)]
    years = daily.with_columns(pl.col(DATE).dt.year().cast(pl.String).alias(SLICE))
    for (name,), part in years.group_by(SLICE, maintain_order=True):
        if part.height >= MIN_YEAR:
            rows.append(_row(str(name), part[COVERAGE], horizon))
    if regimes is not None:
        check_columns(regimes, [DATE, REGIME])
        joined = daily.join(regimes.select(DATE, REGIME).drop_nulls(), on=DATE, maintain_order="left").sort(
            REGIME, DATE
        )
        for (name,), part in joined.group_by(REGIME, maintain_order=True):
            rows.append(_row(str(name), part[COVERAGE], horizon))
    return pl.DataFrame(rows, schema=COVERED, orient="row")


def interval_score(told: pl.DataFrame, coverage: float) -> float | None:
    """Mean over dates of the interval score (Gneiting & Raftery 2007), in the unit of returns; less is better.

    The width, and 2 / (1 - coverage) times how far a return fell outside: width alone cannot buy coverage. None without
    a row. Columns and errors as `daily_coverage`.
    """
    check_columns(told, [DATE, LOWER, UPPER, FORWARD_RETURN])
    below = (pl.col(LOWER) - pl.col(FORWARD_RETURN)).clip(lower_bound=0.0)
    above = (pl.col(FORWARD_RETURN) - pl.col(UPPER)).clip(lower_bound=0.0)
    score = pl.col(UPPER) - pl.col(LOWER) + 2.0 / (1.0 - coverage) * (below + above)
    daily = told.sort(DATE).group_by(DATE, maintain_order=True).agg(score.mean().alias("score"))["score"].drop_nulls()
    return float(np.mean(daily.to_numpy())) if len(daily) else None


def _row(name: str, daily: Values, horizon: int) -> tuple[str, int, float | None, float | None, float | None]:
    found = block_interval(daily, 2 * horizon)
    known = np.asarray(daily, dtype=np.float64)
    return name, len(known), float(known.mean()) if len(known) else None, found.lower, found.upper
