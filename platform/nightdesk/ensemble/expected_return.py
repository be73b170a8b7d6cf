"""From a score to an expected return: a rising curve over the score's place, believed as far as its evidence goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from nightdesk.ensemble.curve import Curve, places, rising_curve, with_place
from nightdesk.ensemble.places import PLACE, among
from nightdesk.ensemble.shrinkage import shrunk_mean
from nightdesk.scoring.checks import check_columns, check_horizon
from nightdesk.tables import DATE, FORWARD_RETURN, SCORE

EXPECTED_RETURN: Final = "expected_return"


@dataclass(frozen=True, slots=True)
class ExpectedReturn:
    """Expected return = level + believed * curve(place).

    `level` is the mean return of a date (fraction over the horizon), shrunk by its own error; the curve is of returns
    less the mean of their date; `believed` (0 to 1) is what the evidence for a slope leaves of it, 0 where there is
    none, and then every symbol is expected to return the level.
    """

    horizon: int
    level: float
    believed: float
    curve: Curve
    days: int

    def add(self, scored: pl.DataFrame) -> pl.DataFrame:
        """Add expected_return (fraction over the horizon) to date and score; null where there is no score."""
        found = self.level + self.believed * self.curve.at(places(scored))
        return scored.with_columns(pl.Series(EXPECTED_RETURN, found, nan_to_null=True))


def fit_expected_return(met: pl.DataFrame, horizon: int) -> ExpectedReturn:
    """Fit on days that nothing else was fitted on.

    Parameters
    ----------
    met
        date, score (any unit: only its order counts), forward_return (fraction; null where it has no price), of several
        markets market; matured days alone, one row a symbol. Each date weighs the same.
    horizon
        Trading days held, 1 to 60.

    Raises
    ------
    BadInput
        A column is missing, the horizon breaks its rule, or there is no row to learn from.
    """
    check_horizon(horizon)
    check_columns(met, [DATE, SCORE, FORWARD_RETURN])
    known = with_place(met).filter(pl.col(FORWARD_RETURN).is_finite(), pl.col(PLACE).is_not_null())
    groups = among(known)
    middled = known.with_columns((pl.col(FORWARD_RETURN) - pl.col(FORWARD_RETURN).mean().over(groups)).alias("excess"))
    daily = middled.sort(DATE).group_by(DATE, maintain_order=True)
    level = daily.agg(pl.col(FORWARD_RETURN).mean())[FORWARD_RETURN]
    slope = daily_slope(middled, "excess")
    believed = shrunk_mean(slope, horizon)
    return ExpectedReturn(
        horizon,
        shrunk_mean(level, horizon).value,
        believed.believed if believed.mean > 0.0 else 0.0,
        rising_curve(middled, "excess"),
        len(level),
    )


def daily_slope(placed: pl.DataFrame, value: str, along: str = PLACE) -> pl.Series:
    """The least-squares slope of `value` over `along` on each date, in order; null where all stand on one place."""
    spread = pl.col(along) - pl.col(along).mean()
    product, square = (spread * pl.col(value)).sum(), (spread**2).sum()
    daily = placed.sort(DATE).group_by(DATE, maintain_order=True)
    return daily.agg(pl.when(square > 0.0).then(product / square).alias("slope"))["slope"]
