"""Concept drift: whether scores still say of outcomes what the model's own walk-forward said they would.

A one-sided cumulative sum (Page 1954) over matured nights: each night adds what its rank IC lacks of the promise, less
an allowance, in units of the promise's own long-run deviation. It stays near zero while the promise holds, climbs where
the relation is lost, and is faster than any mean over a window fixed before.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from scipy import stats

from nightdesk.scoring.checks import check_columns
from nightdesk.scoring.intervals import cosine_terms
from nightdesk.scoring.observed import FloatArray
from nightdesk.scoring.rank_ic import RANK_IC
from nightdesk.tables import HORIZON, MODEL

ALLOWANCE: Final = 0.04
"""Less than half the break that is looked for, a rank IC of .05 that becomes -.05: so one that is lost is found too."""
ALARMS_A_YEAR: Final = 0.06
"""By the formula; estimated deviations let more through. The rest of one a year is left to the gate on inputs."""
YEAR: Final = 252
LOOK_BACK: Final = 252
OVERSHOOT: Final = 1.166
"""By how much a random walk of unit steps passes a line, on average (Siegmund 1985), at both its ends."""

PROMISED, DEVIATION = "promised", "deviation"


@dataclass(frozen=True, slots=True)
class Relation:
    """What the matured nights say of the relation.

    `evidence` is the cumulative sum on the last night, `threshold` what makes it a break; None both where nothing was
    promised yet. `since` is the night after which the sum has not been back at zero: where it breaks, the likeliest
    night of the change.
    """

    nights: int
    promised: float | None
    evidence: float | None
    threshold: float | None
    since: dt.date | None

    @property
    def broken(self) -> bool:
        """Whether the relation broke."""
        return self.evidence is not None and self.threshold is not None and self.evidence > self.threshold


def with_promises(matured: pl.DataFrame, promises: pl.DataFrame) -> pl.DataFrame:
    """Put beside each matured night what its model's newest walk-forward of then had found.

    Parameters
    ----------
    matured
        as_of, horizon, model, rank_ic.
    promises
        as_of, horizon, model, mean, lower, upper (rank IC; null where undefined), days.

    Returns
    -------
    DataFrame
        Rows of `matured` by horizon and as_of, with promised (the mean less its standard error: it was the best of
        several) and deviation (long-run standard deviation of a night's rank IC); null where nothing was known.
    """
    check_columns(matured, ["as_of", HORIZON, MODEL, RANK_IC])
    known = promises.drop_nulls(["mean", "lower", "upper"])
    reach = [
        float(stats.t.ppf(0.975, cosine_terms(days, horizon))) for days, horizon in known.select("days", HORIZON).rows()
    ]
    error = (pl.col("upper") - pl.col("lower")) / 2 / pl.Series("reach", reach, dtype=pl.Float64)
    held = known.select(
        "as_of",
        pl.col(HORIZON).cast(pl.Int64),
        MODEL,
        (pl.col("mean") - error).alias(PROMISED),
        (error * pl.col("days").sqrt()).alias(DEVIATION),
    ).sort("as_of")
    nights = matured.with_columns(pl.col(HORIZON).cast(pl.Int64)).sort("as_of", HORIZON, MODEL)
    return nights.join_asof(held, on="as_of", by=[HORIZON, MODEL], check_sortedness=False).sort(HORIZON, "as_of", MODEL)


def judge_relation(nights: pl.DataFrame, alarms_a_year: float = ALARMS_A_YEAR) -> Relation:
    """Judge the last 252 matured nights of one horizon.

    Parameters
    ----------
    nights
        as_of, rank_ic, promised, deviation, in order; a night that lacks one of them takes no part.
    alarms_a_year
        False alarms in a year of 252 nights that may be expected of this horizon; a desk of several shares its own.
    """
    known = nights.drop_nulls([RANK_IC, PROMISED, DEVIATION]).filter(pl.col(DEVIATION) > 0).tail(LOOK_BACK)
    if known.is_empty():
        return Relation(0, None, None, None, None)
    rank_ic, promised, deviation = (known[name].to_numpy() for name in (RANK_IC, PROMISED, DEVIATION))
    path = cumulative((promised - ALLOWANCE - rank_ic) / deviation)
    step = float(np.std(rank_ic)) if len(rank_ic) > 1 else float(deviation[-1])
    limit = threshold(ALLOWANCE / float(deviation[-1]), alarms_a_year, min(step / float(deviation[-1]), 1.0))
    zero = int(np.flatnonzero(path == 0.0)[-1]) + 1 if (path == 0.0).any() else 0
    since = known["as_of"][zero] if zero < len(path) else None
    return Relation(len(path), float(promised[-1]), float(path[-1]), limit, since)


def cumulative(steps: FloatArray) -> FloatArray:
    """The sum of `steps` along the last axis, from zero, never below zero."""
    sums = np.cumsum(steps, axis=-1)
    lowest = np.minimum(np.minimum.accumulate(sums, axis=-1), 0.0)
    path: FloatArray = sums - lowest
    return path


def threshold(drift: float, alarms_a_year: float, step: float = 1.0) -> float:
    """What the sum must pass, so that by luck alone it does so `alarms_a_year` times in 252 nights.

    The mean number of nights to an alarm is (exp(2 d b) - 2 d b - 1) / (2 d d), where the sum falls by `drift` d a
    night on average and b is the threshold and the overshoot (Siegmund 1985). `step` is a night's own deviation over
    the long-run one: overlapping labels move the sum by smaller steps, which overshoot by less.
    """
    wanted, low, high = YEAR / alarms_a_year, 0.0, 1.0

    def nights(line: float) -> float:
        reach = 2 * drift * line
        return (math.expm1(reach) - reach) / (2 * drift * drift)

    while nights(high) < wanted:
        high *= 2
    for _halving in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if nights(middle) < wanted else (low, middle)
    return max(high - OVERSHOOT * step, OVERSHOOT)
