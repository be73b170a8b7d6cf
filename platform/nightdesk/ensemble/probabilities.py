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
from nightdesk.tables import DATE, SCORE

PROBABILITIES: Final = {DOWN: "probability_down", FLAT: "probability_flat", UP: "probability_up"}
"""Column of each direction's probability, a fraction; the three sum to 1."""

_RISEN, _NOT_FALLEN, _SIDE = "risen", "not_fallen", "side"


@dataclass(frozen=True, slots=True)
class Directions:
    """Probabilities of up, and of up or flat, as rising curves over the score's place, drawn toward their base rates.

    Isotonic regression keeps order: what is up is up or flat too, so the second curve never lies below the first, and
    the three probabilities are never negative and sum to 1 without being scaled. `believed` (0 to 1) is what the
    evidence for a slope leaves of the curves; at 0 every symbol has the base rates.
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
        up = self.base_risen + self.believed * (self.risen.at(where) - self.base_risen)
        kept = self.base_not_fallen + self.believed * (self.not_fallen.at(where) - self.base_not_fallen)
        found = {DOWN: 1.0 - kept, FLAT: np.maximum(kept - up, 0.0), UP: up}
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
    risen, fallen = (pl.col(DIRECTION).cast(pl.String) == name for name in (UP, DOWN))
    marked = known.with_columns(
        risen.cast(pl.Float64).alias(_RISEN),
        (~fallen).cast(pl.Float64).alias(_NOT_FALLEN),
        (risen.cast(pl.Float64) - fallen.cast(pl.Float64)).alias(_SIDE),
    )
    curves = {name: rising_curve(marked, name) for name in (_RISEN, _NOT_FALLEN)}
    daily = marked.sort(DATE).group_by(DATE, maintain_order=True).agg(pl.col(_RISEN, _NOT_FALLEN).mean())
    slope = shrunk_mean(daily_slope(marked, _SIDE), horizon)
    base = [float(np.mean(daily[name].to_numpy())) for name in (_RISEN, _NOT_FALLEN)]
    believed = slope.believed if slope.mean > 0.0 else 0.0
    return Directions(horizon, base[0], base[1], believed, curves[_RISEN], curves[_NOT_FALLEN], daily.height)
