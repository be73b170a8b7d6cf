"""What turns scores into returns, probabilities, intervals and a confidence; and how it did on days kept apart."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import polars as pl

from nightdesk.ensemble.adaptive import STEP, Adaptive, adaptive, feed, walked
from nightdesk.ensemble.confidence import CONFIDENCE, Confidence, NotShown, confidence
from nightdesk.ensemble.conformal import fit_conformal
from nightdesk.ensemble.coverage import COVERED, coverage_table
from nightdesk.ensemble.expected_return import ExpectedReturn, fit_expected_return
from nightdesk.ensemble.probabilities import PROBABILITIES, Directions, fit_directions
from nightdesk.ensemble.reliability import (
    FORECAST,
    HAPPENED,
    RELIABILITY,
    brier_of_classes,
    expected_calibration_error,
    reliability_table,
)
from nightdesk.labels.columns import DAILY_VOLATILITY, DIRECTION, KNOWN_DATE
from nightdesk.labels.direction import UP, with_direction
from nightdesk.tables import DATE, FORWARD_RETURN, HORIZON, SCORE

PARTS: Final = ("calibration and confidence", "intervals", "judgement")
SHARES: Final = (1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0)
"""Shares of the out-of-fold days for `PARTS`, in order of time: each is used for itself alone."""

MIN_DAYS: Final = 20
"""Days that each part must have: on fewer nothing is learnt that would hold."""

ROUND_TRIP: Final = 0.001
"""Cost of buying and selling, a fraction: below it a return is flat."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What has been learnt of one recipe's scores at one horizon; kept as JSON (`kept`).

    `confidence` is None where none may be shown; `confidence_said` then says why, and is empty else.
    """

    horizon: int
    expected: ExpectedReturn
    directions: Directions
    intervals: Adaptive
    confidence: Confidence | None
    confidence_said: str

    def forecast(self, scored: pl.DataFrame) -> pl.DataFrame:
        """Forecast one evening, or several with one state of the intervals.

        Parameters
        ----------
        scored
            date, score, daily_volatility (`trailing.trailing_volatility`), of several markets market.

        Returns
        -------
        DataFrame
            With expected_return, lower, upper (fractions over the horizon), probability_down, probability_flat,
            probability_up, confidence; null where there is no score, and bounds where there is no volatility either.

        Raises
        ------
        BadInput
            A column is missing.
        """
        return self.intervals.add(self.without_bounds(scored))

    def without_bounds(self, scored: pl.DataFrame) -> pl.DataFrame:
        """As `forecast`, without lower and upper: what each evening's own interval is put around."""
        told = self.directions.add(self.expected.add(scored))
        if self.confidence is None:
            return told.with_columns(pl.lit(None, pl.Float64).alias(CONFIDENCE))
        return self.confidence.add(told)


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A calibration, and how it did on its last days (`first` to `last`, ISO), on which nothing in it was fitted.

    Its intervals are fed up to the last of them. `brier` is of all directions (0 to 2; a third each would give 0.667),
    `calibration_error` of the probability of up; None where undefined.
    """

    calibration: Calibration
    first: str
    last: str
    brier: float | None
    calibration_error: float | None
    reliability_rows: tuple[tuple[float, float, int, int, float, float, float | None, float | None], ...]
    coverage_rows: tuple[tuple[str, int, float | None, float | None, float | None], ...]

    def reliability(self) -> pl.DataFrame:
        """As `reliability.reliability_table`, of the probability of up."""
        return pl.DataFrame(self.reliability_rows, schema=RELIABILITY, orient="row")

    def coverage(self) -> pl.DataFrame:
        """As `coverage.coverage_table`."""
        return pl.DataFrame(self.coverage_rows, schema=COVERED, orient="row")


@dataclass(frozen=True, slots=True)
class KeptCalibration:
    """What a model's bundle keeps: a calibration and how it did, or None and the reason why there is none."""

    found: Calibrated | None
    reason: str


def calibrate(
    met: pl.DataFrame,
    horizon: int,
    through: dt.date,
    regimes: pl.DataFrame,
    *,
    coverage: float = 0.9,
    round_trip_cost: float = ROUND_TRIP,
    step: float = STEP,
) -> KeptCalibration:
    """Calibrate one recipe on what it said of days that it was not fitted on.

    The days are cut into three parts in order of time (`SHARES`); what a part learns was known before the next begins.

    Parameters
    ----------
    met
        symbol, date, score, known_date, forward_return (fraction, null where it has no price), daily_volatility
        (`trailing.trailing_volatility`), of several markets market: out of fold, matured.
    through
        The day on whose close this is asked: intervals learn from labels known by then.
    regimes
        date and regime, as `evaluation.slices.volatility_regimes` gives them: coverage is shown by them.

    Returns
    -------
    KeptCalibration
        Without a calibration where a part has fewer than `MIN_DAYS` days with an outcome; the reason says so.

    Raises
    ------
    BadInput
        A column is missing, or a number breaks its rule.
    """
    parts = cut(met.with_columns(pl.lit(horizon, pl.Int32).alias(HORIZON)), SHARES)
    few = _few(parts)
    if few is not None:
        return KeptCalibration(None, few)
    found, _ = calibrated_on((parts[0], parts[1], parts[2]), horizon, through, regimes, coverage, round_trip_cost, step)
    return KeptCalibration(found, "")


def calibrated_on(
    parts: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame],
    horizon: int,
    through: dt.date,
    regimes: pl.DataFrame,
    coverage: float,
    round_trip_cost: float,
    step: float,
) -> tuple[Calibrated, pl.DataFrame]:
    """Learn from the first two of `PARTS`, judge on the third; returns that part's forecasts too.

    `parts` have the columns of `calibrate` and horizon; the other arguments are those of `calibrate`.
    """
    learning, aiming, judged = (with_direction(part, round_trip_cost) for part in parts)
    fitted = _fitted(learning, aiming, horizon, coverage, step)
    told, state = walked(fitted.intervals, fitted.without_bounds(judged))
    fed = replace(fitted, intervals=feed(state, told, through))
    up, rise = pl.col(PROBABILITIES[UP]).alias(FORECAST), (pl.col(DIRECTION).cast(pl.String) == UP).alias(HAPPENED)
    reliability = reliability_table(told.select(DATE, up, rise), horizon)
    found = Calibrated(
        fed,
        str(judged[DATE].min()),
        str(judged[DATE].max()),
        brier_of_classes(told, DIRECTION, PROBABILITIES),
        expected_calibration_error(reliability),
        tuple(reliability.rows()),
        tuple(coverage_table(told, horizon, regimes).rows()),
    )
    return found, told


def cut(met: pl.DataFrame, shares: Sequence[float]) -> list[pl.DataFrame]:
    """Cut decisions into parts in order of time; of each but the last, only what was known as the next one begins.

    `met` has date and known_date; `shares` sum to 1. Parts may be empty.
    """
    days = met[DATE].unique().sort().to_list()
    edges = [round(len(days) * sum(shares[:number])) for number in range(len(shares) + 1)]
    parts = []
    for first, after in pairwise(edges):
        part = met.filter(pl.col(DATE).is_in(days[first:after]))
        if after < len(days):
            part = part.filter(pl.col(KNOWN_DATE) <= days[after])
        parts.append(part)
    return parts


def _few(parts: Sequence[pl.DataFrame]) -> str | None:
    """Why the parts hold too little to learn from, or None where they do."""
    whole = pl.all_horizontal(pl.col(name).is_finite() for name in (SCORE, FORWARD_RETURN, DAILY_VOLATILITY))
    days = [part.filter(whole)[DATE].n_unique() for part in parts]
    if min(days) >= MIN_DAYS:
        return None
    shown = ", ".join(f"{count} for {name}" for name, count in zip(PARTS, days, strict=True))
    return (
        f"a calibration must have {MIN_DAYS} days with an outcome in each of its {len(PARTS)} parts, got {shown}: "
        "give more history, or a shorter horizon"
    )


def _fitted(learning: pl.DataFrame, aiming: pl.DataFrame, horizon: int, coverage: float, step: float) -> Calibration:
    expected = fit_expected_return(learning, horizon)
    intervals = adaptive(fit_conformal(expected.add(aiming), horizon, coverage), step)
    found = confidence(learning, horizon)
    shown = (None, found.reason) if isinstance(found, NotShown) else (found, "")
    return Calibration(horizon, expected, fit_directions(learning, horizon), intervals, *shown)
