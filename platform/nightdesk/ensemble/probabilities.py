"""From a score to the probabilities that a return will be up, flat or down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from nightdesk.ensemble.curve import Curve, places, rising_curve, with_place
from nightdesk.ensemble.expected_return import daily_slope
from nightdesk.ensemble.places import PLACE
from nightdesk.ensemble.shrinkage import shrunk_mean
from nightdesk.labels.columns import DIRECTION
from nightdesk.labels.direction import DOWN, FLAT, UP
from nightdesk.scoring.checks import check_columns, check_horizon
from nightdesk.scoring.intervals import mean_interval
from nightdesk.tables import DATE, SCORE

PROBABILITIES: Final = {DOWN: "probability_down", FLAT: "probability_flat", UP: "probability_up"}
"""Column of each direction's probability, a fraction; the three sum to 1."""

PRIOR: Final = 1.0 / 3.0
"""Share of each direction where nothing is known: flat is so defined that a third of normal returns are."""

_SIDE: Final = "side"


@dataclass(frozen=True, slots=True)
class Directions:
    """Probabilities of up, and of up or flat: base rates, and what a score's place adds to them.

    The base rates are those of the calibration days, drawn toward a third each as far as those days leave them open.
    The curves never fall and average 0; `believed` (0 to 1) is what the evidence for a slope leaves of them, and at 0
    every symbol has the base rates.
    """

    horizon: int
    base_risen: float
    base_not_fallen: float
    believed: float
    risen: Curve
    not_fallen: Curve
    days: int

    def add(self, scored: pl.DataFrame) -> pl.DataFrame:
        """Add probability_down, probability_flat, probability_up to date and score; null where there is no score."""
        where = places(scored)
        up = np.clip(self.base_risen + self.believed * self.risen.at(where), 0.0, 1.0)
        # What is up is up or flat too: so the three are never negative, and sum to 1 without being scaled.
        kept = np.clip(self.base_not_fallen + self.believed * self.not_fallen.at(where), up, 1.0)
        found = {DOWN: 1.0 - kept, FLAT: kept - up, UP: up}
        return scored.with_columns(
            pl.Series(PROBABILITIES[name], values, nan_to_null=True) for name, values in found.items()
        )


def fit_directions(met: pl.DataFrame, horizon: int) -> Directions:
    """Fit on days that nothing else was fitted on.

    Parameters
    ----------
    met
        date, score (any unit: only its order counts) and direction, as `labels.direction.with_direction` adds it (null
        where the return or the volatility is), of several markets market; matured days alone. Each date weighs the
        same.
    horizon
        Trading days held, 1 to 60.

    Raises
    ------
    BadInput
        A column is missing, the horizon breaks its rule, or there is no row to learn from.
    """
    check_horizon(horizon)
    check_columns(met, [DATE, SCORE, DIRECTION])
    known = with_place(met).filter(pl.col(DIRECTION).is_not_null(), pl.col(PLACE).is_not_null())
    came = pl.col(DIRECTION).cast(pl.String)
    shares = known.select(DATE, *((came == name).cast(pl.Float64).alias(name) for name in (DOWN, FLAT, UP)))
    daily = shares.sort(DATE).group_by(DATE, maintain_order=True).agg(pl.col(DOWN, FLAT, UP).mean())
    rates = {name: float(np.mean(daily[name].to_numpy())) for name in (DOWN, FLAT, UP)}
    base = {name: PRIOR + _kept_of(daily, horizon) * (rate - PRIOR) for name, rate in rates.items()}
    risen, fallen = ((came == name).cast(pl.Float64) for name in (UP, DOWN))
    marked = known.with_columns(
        (risen - rates[UP]).alias(UP), (rates[DOWN] - fallen).alias(DOWN), (risen - fallen).alias(_SIDE)
    )
    slope = shrunk_mean(daily_slope(marked, _SIDE), horizon)
    return Directions(
        horizon,
        base[UP],
        1.0 - base[DOWN],
        slope.believed if slope.mean > 0.0 else 0.0,
        rising_curve(marked, UP),
        rising_curve(marked, DOWN),
        daily.height,
    )


def _kept_of(daily: pl.DataFrame, horizon: int) -> float:
    """What the days leave of the shares' distance from a third each (James & Stein, positive part); 0: too few days."""
    found = [mean_interval(daily[name], horizon) for name in (DOWN, FLAT, UP)]
    away = sum((one.mean - PRIOR) ** 2 for one in found if one.mean is not None)
    error = sum(one.standard_error**2 for one in found if one.standard_error is not None)
    return max(0.0, 1.0 - error / away) if away > 0.0 else 0.0
