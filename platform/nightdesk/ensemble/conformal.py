"""Conformal intervals: how far returns fell from what was expected, in units of each symbol's own volatility."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nightdesk.ensemble.expected_return import EXPECTED_RETURN
from nightdesk.errors import BadInput
from nightdesk.labels.columns import DAILY_VOLATILITY
from nightdesk.scoring.checks import check_columns, check_horizon
from nightdesk.tables import DATE, FORWARD_RETURN

LOWER: Final = "lower"
UPPER: Final = "upper"
LEVELS: Final = 2000
"""Steps of the kept table of errors: a twentieth of a percent each."""

_ERROR: Final = "error"


@dataclass(frozen=True, slots=True)
class Conformal:
    """Errors of calibration days in volatilities over the horizon, as quantiles at 0, 1/2000, ... 1.

    `coverage` is what is promised, a fraction; `days` how many dates the errors come from.
    """

    horizon: int
    coverage: float
    errors: tuple[float, ...]
    days: int

    def reach(self, miss: float) -> float:
        """Half the width of an interval that a share `miss` of calibration errors lies outside of, in volatilities.

        Above the largest and below the smallest error met in calibration nothing is known: there it stays at those.
        """
        level = min(1.0, max(0.0, 1.0 - miss))
        return float(np.interp(level * LEVELS, np.arange(LEVELS + 1), self.errors))

    def add(self, forecast: pl.DataFrame, miss: float | None = None) -> pl.DataFrame:
        """Add lower and upper (fractions over the horizon) at `miss`, by default what was promised.

        Columns expected_return and daily_volatility are read; null where either is null.
        """
        return self.bounds(forecast, pl.lit(self.reach(1.0 - self.coverage if miss is None else miss)))

    def bounds(self, forecast: pl.DataFrame, reach: pl.Expr) -> pl.DataFrame:
        """Add lower and upper at `reach` volatilities from the middle, one for all rows or one a row."""
        half, middle = reach * _scale(self.horizon), pl.col(EXPECTED_RETURN)
        return forecast.with_columns((middle - half).alias(LOWER), (middle + half).alias(UPPER))


def fit_conformal(met: pl.DataFrame, horizon: int, coverage: float = 0.9) -> Conformal:
    """Split conformal prediction (Papadopoulos et al. 2002; Lei et al. 2018) on days that nothing else was fitted on.

    Parameters
    ----------
    met
        date, forward_return and expected_return (fractions over the horizon), daily_volatility (fraction a day, as
        known on the close of the date); matured days alone, one row a symbol. Rows where one is null take no part.
        Each date weighs the same.
    horizon
        Trading days held, 1 to 60.
    coverage
        Share of returns to lie inside, a fraction.

    Raises
    ------
    BadInput
        A column is missing, a number breaks its rule, or there is no row to learn from.
    """
    check_horizon(horizon)
    if not 0.0 < coverage < 1.0:
        raise BadInput(f"coverage must lie between 0 and 1, got {coverage}: choose 0.9 for 90 %")
    known = with_error(met, horizon).drop_nulls(_ERROR)
    if known.is_empty():
        raise BadInput(
            "intervals must have matured forecasts to learn from, got none: give days whose labels are known"
        )
    share = known.select(1.0 / pl.len().over(DATE)).to_series().to_numpy()
    errors = _quantiles(known[_ERROR].to_numpy(), share)
    return Conformal(horizon, coverage, tuple(errors.tolist()), known[DATE].n_unique())


def with_error(met: pl.DataFrame, horizon: int) -> pl.DataFrame:
    """Add `error`: the distance of the return from what was expected, in volatilities over the horizon; else null."""
    check_columns(met, [DATE, FORWARD_RETURN, EXPECTED_RETURN, DAILY_VOLATILITY])
    distance = (pl.col(FORWARD_RETURN) - pl.col(EXPECTED_RETURN)).abs() / _scale(horizon)
    return met.with_columns(pl.when(distance.is_finite()).then(distance).alias(_ERROR))


def _scale(horizon: int) -> pl.Expr:
    return pl.col(DAILY_VOLATILITY) * math.sqrt(horizon)


def _quantiles(errors: NDArray[np.float64], share: NDArray[np.float64]) -> NDArray[np.float64]:
    """The smallest errors with at least 0, 1/2000, ... 1 of the weight at or below them."""
    order = np.argsort(errors, kind="stable")
    ranked = errors[order]
    weight = np.cumsum(share[order])
    # A new error may rank anywhere among the n known ones and itself: n of n + 1 places are covered (Vovk et al. 2005).
    weight *= len(ranked) / (len(ranked) + 1) / weight[-1]
    at = np.searchsorted(weight, np.arange(LEVELS + 1) / LEVELS - 1e-12, side="left")
    found: NDArray[np.float64] = ranked[np.minimum(at, len(ranked) - 1)]
    return found
