"""Confidence in a call, shown only while those called more confidently were not found to be right less often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
import polars as pl

from nightdesk.ensemble.curve import Curve, places, rising_curve, with_place
from nightdesk.ensemble.expected_return import daily_slope
from nightdesk.ensemble.places import PLACE, among
from nightdesk.ensemble.shrinkage import shrunk_mean
from nightdesk.scoring.checks import check_columns, check_horizon
from nightdesk.scoring.intervals import MeanInterval, paired_interval
from nightdesk.tables import DATE, FORWARD_RETURN, SCORE

CONFIDENCE: Final = "confidence"
BINS: Final = 5
ERROR: Final = 0.05
"""Chance, one-sided and shared by all pairs of bins, of seeing a violation where there is none."""

_STRENGTH, _HIT = "strength", "hit"


@dataclass(frozen=True, slots=True)
class Confidence:
    """The chance that a symbol ends on the side of its date's median return that its score says.

    It is `base` + `believed` * (the curve over the distance of the score's place from the middle - `base`). The curve
    never falls, and is believed as far as the evidence for a slope goes. At `believed` 0 every call has one
    chance.
    """

    horizon: int
    base: float
    believed: float
    curve: Curve
    days: int

    def add(self, scored: pl.DataFrame) -> pl.DataFrame:
        """Add confidence (a fraction) to date and score; null where there is no score."""
        found = self.base + self.believed * (self.curve.at(np.abs(places(scored))) - self.base)
        return scored.with_columns(pl.Series(CONFIDENCE, found, nan_to_null=True))


@dataclass(frozen=True, slots=True)
class NotShown:
    """Why no confidence is shown."""

    reason: str


def confidence(met: pl.DataFrame, horizon: int) -> Confidence | NotShown:
    """Fit a confidence, or say why none may be shown.

    Calls are put into 5 bins by how far their score's place lies from the middle of its date. A pair of bins violates
    the order where the bolder one was right less often, significantly: the upper bound of the mean daily difference
    (under overlap, `scoring.intervals`) is below 0, one-sided at 5 % shared by the 10 pairs.

    Parameters
    ----------
    met
        date, score, forward_return (fraction, null where it has no price), of several markets market; matured days that
        no model and no weights were fitted on.
    horizon
        Trading days held, 1 to 60.

    Raises
    ------
    BadInput
        A column is missing, or the horizon breaks its rule.
    """
    check_horizon(horizon)
    called = _called(met)
    gaps = _gaps(called, horizon)
    few = next((gap for gap in gaps.values() if gap.upper is None), None)
    if few is not None:
        return NotShown(
            f"no confidence is shown: {few.days} matured days with calls of every strength are too few to judge it"
        )
    broken = _violation(gaps)
    if broken is not None:
        return broken
    slope = shrunk_mean(daily_slope(called, _HIT, _STRENGTH), horizon)
    rate = called.sort(DATE).group_by(DATE, maintain_order=True).agg(pl.col(_HIT).mean())[_HIT]
    base = 0.5 + shrunk_mean(rate - 0.5, horizon).value
    curve = rising_curve(called, _HIT, _STRENGTH, (0.0, 0.5))
    return Confidence(horizon, base, slope.believed if slope.mean > 0.0 else 0.0, curve, len(rate))


def violation(met: pl.DataFrame, horizon: int) -> NotShown | None:
    """Say where bolder calls were right significantly less often than calmer ones, or None where they were not.

    Arguments and errors are those of `confidence`. On days too few to judge nothing is violated.
    """
    check_horizon(horizon)
    return _violation(_gaps(_called(met), horizon))


def _gaps(called: pl.DataFrame, horizon: int) -> dict[tuple[int, int], MeanInterval]:
    """How much more often the bolder of each pair of bins was right, a day, with one-sided bounds for all pairs."""
    by_bin, pairs = _hit_rates(called), list(combinations(range(BINS), 2))
    level = 1.0 - 2.0 * ERROR / len(pairs)
    return {(calm, bold): paired_interval(by_bin[f"{bold}"], by_bin[f"{calm}"], horizon, level) for calm, bold in pairs}


def _violation(gaps: Mapping[tuple[int, int], MeanInterval]) -> NotShown | None:
    for (calm, bold), gap in gaps.items():
        if gap.mean is not None and gap.upper is not None and gap.upper < 0.0:
            return NotShown(
                f"no confidence is shown: of {BINS} bins by strength, calls of bin {bold + 1} were right less often "
                f"than those of bin {calm + 1}, by {-gap.mean:.1%} of all (at least {-gap.upper:.1%}), over {gap.days} "
                "days"
            )
    return None


def _called(met: pl.DataFrame) -> pl.DataFrame:
    """Calls that could be right or wrong: those off the middle whose return is not the median of their date."""
    check_columns(met, [DATE, SCORE, FORWARD_RETURN])
    known = with_place(met).filter(
        pl.col(FORWARD_RETURN).is_finite(), pl.col(PLACE).is_not_null(), pl.col(PLACE) != 0.0
    )
    lead = pl.col(FORWARD_RETURN) - pl.col(FORWARD_RETURN).median().over(among(known))
    return (
        known.with_columns(lead.alias("lead"))
        .filter(pl.col("lead") != 0.0)
        .select(
            DATE,
            pl.col(PLACE).abs().alias(_STRENGTH),
            (pl.col("lead").sign() == pl.col(PLACE).sign()).cast(pl.Float64).alias(_HIT),
        )
    )


def _hit_rates(called: pl.DataFrame) -> pl.DataFrame:
    """The share of calls that were right on each date, one column a bin, null where it had none."""
    number = (pl.col(_STRENGTH) * 2.0 * BINS).floor().clip(0, BINS - 1).cast(pl.Int32)
    shares = [pl.col(_HIT).filter(number == place).mean().alias(f"{place}") for place in range(BINS)]
    return called.sort(DATE).group_by(DATE, maintain_order=True).agg(shares)
