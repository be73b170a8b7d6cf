"""Whether probabilities keep their word: reliability by bin, Brier score, expected calibration error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import polars as pl

from nightdesk.errors import BadInput
from nightdesk.scoring.checks import check_columns, check_horizon
from nightdesk.scoring.intervals import mean_interval
from nightdesk.tables import DATE

FORECAST: Final = "forecast"
HAPPENED: Final = "happened"
OBSERVED: Final = "observed"
ROWS: Final = "rows"
BINS: Final = 10

RELIABILITY: Final = {
    "from": pl.Float64,
    "to": pl.Float64,
    ROWS: pl.Int64,
    "days": pl.Int64,
    FORECAST: pl.Float64,
    OBSERVED: pl.Float64,
    "lower": pl.Float64,
    "upper": pl.Float64,
}
"""Columns of a reliability table."""


def reliability_table(told: pl.DataFrame, horizon: int, bins: int = BINS) -> pl.DataFrame:
    """Compare probabilities with what happened, in bins of equal width.

    Parameters
    ----------
    told
        date, forecast (probability, 0 to 1), happened (Boolean or 0 and 1); rows where either is null take no part.
    horizon
        Trading days held, 1 to 60: the overlap of the labels.
    bins
        1 or more; a bin holds its lower edge, the last one its upper edge too.

    Returns
    -------
    DataFrame
        One row a bin that is not empty: from, to (edges), rows, days, forecast (their mean), observed (share that
        happened), lower, upper (95 % interval of observed by date, as `scoring.intervals`; null: too few days).

    Raises
    ------
    BadInput
        A column is missing, a number breaks its rule, or a probability lies outside 0 to 1.
    """
    check_horizon(horizon)
    known = _known(told)
    if bins < 1:
        raise BadInput(f"bins must be 1 or more, got {bins}: choose 10")
    number = (pl.col(FORECAST) * bins).floor().clip(0, bins - 1).cast(pl.Int64)
    rows = []
    for (place,), part in (
        known.with_columns(number.alias("bin")).sort("bin", DATE).group_by("bin", maintain_order=True)
    ):
        daily = part.group_by(DATE, maintain_order=True).agg((pl.col(HAPPENED) - pl.col(FORECAST)).mean().alias("gap"))
        around = mean_interval(daily["gap"], horizon)
        observed = _mean(part[HAPPENED])
        reach = None if around.mean is None or around.upper is None else around.upper - around.mean
        bounds = (None, None) if reach is None else (max(0.0, observed - reach), min(1.0, observed + reach))
        edges = (int(str(place)) / bins, (int(str(place)) + 1) / bins)
        rows.append((*edges, part.height, daily.height, _mean(part[FORECAST]), observed, *bounds))
    return pl.DataFrame(rows, schema=RELIABILITY, orient="row")


def expected_calibration_error(table: pl.DataFrame) -> float | None:
    """Mean distance of observed from forecast over the bins of a reliability table, by rows (0 to 1); None if empty."""
    check_columns(table, [ROWS, FORECAST, OBSERVED])
    if table.is_empty():
        return None
    gap = (table[OBSERVED] - table[FORECAST]).abs().to_numpy()
    return float(np.average(gap, weights=table[ROWS].to_numpy()))


def brier_score(told: pl.DataFrame) -> float | None:
    """Mean squared distance of forecast from happened (Brier 1950), 0 to 1; None without a row.

    Columns and errors as `reliability_table`.
    """
    known = _known(told)
    return _mean((known[FORECAST] - known[HAPPENED]) ** 2) if known.height else None


def brier_of_classes(forecast: pl.DataFrame, truth: str, probabilities: Mapping[str, str]) -> float | None:
    """Mean over rows of the summed squared distances of all classes' probabilities, 0 to 2; None without a row.

    Parameters
    ----------
    forecast
        `truth` (the class that came) and a column of probabilities a class; rows where any is null take no part.
    probabilities
        Class to its column.

    Raises
    ------
    BadInput
        A column is missing.
    """
    check_columns(forecast, [truth, *probabilities.values()])
    known = forecast.drop_nulls([truth, *probabilities.values()])
    if known.is_empty():
        return None
    came = pl.col(truth).cast(pl.String)
    squares = [(pl.col(column) - (came == name).cast(pl.Float64)) ** 2 for name, column in probabilities.items()]
    return _mean(known.select(pl.sum_horizontal(squares).alias("score"))["score"])


def _known(told: pl.DataFrame) -> pl.DataFrame:
    check_columns(told, [DATE, FORECAST, HAPPENED])
    known = told.select(DATE, pl.col(FORECAST, HAPPENED).cast(pl.Float64)).drop_nulls()
    outside = known.filter(~pl.col(FORECAST).is_between(0.0, 1.0))
    if outside.height:
        raise BadInput(f"a probability must lie between 0 and 1, got {outside[FORECAST][0]}: give a fraction")
    return known


def _mean(values: pl.Series) -> float:
    return float(np.mean(values.to_numpy()))
