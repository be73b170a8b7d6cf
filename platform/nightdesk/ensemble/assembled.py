"""An ensemble, whole: members out of fold, weights by evidence, calibration, intervals, and a judgement at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from nightdesk.ensemble.adaptive import STEP
from nightdesk.ensemble.calibration import PARTS, ROUND_TRIP, Calibration, calibrated_on, cut
from nightdesk.ensemble.choice import Choice, choose_weights
from nightdesk.ensemble.confidence import CONFIDENCE
from nightdesk.ensemble.conformal import LOWER, UPPER
from nightdesk.ensemble.expected_return import EXPECTED_RETURN
from nightdesk.ensemble.out_of_fold import out_of_fold
from nightdesk.ensemble.probabilities import PROBABILITIES
from nightdesk.ensemble.trailing import trailing_volatility
from nightdesk.ensemble.weights import Weights, combined
from nightdesk.errors import BadInput
from nightdesk.evaluation.slices import volatility_regimes
from nightdesk.evaluation.walk_forward import Plan
from nightdesk.labels.columns import DIRECTION
from nightdesk.models import recipe
from nightdesk.models.recipe import Recipe
from nightdesk.scoring.intervals import mean_interval
from nightdesk.scoring.rank_ic import RANK_IC, rank_ic_within_markets
from nightdesk.tables import DATE, FORWARD_RETURN, HORIZON, MARKET, SCORE, SYMBOL

SHARES: Final = (0.4, 0.2, 0.2, 0.2)
"""Shares of the out-of-fold days: weights, calibration and confidence, intervals, judgement; each for itself alone."""

ENSEMBLE: Final = "ensemble"


@dataclass(frozen=True, slots=True)
class Assembled:
    """What an ensemble has learnt: all that a night needs beside the members' own scores; kept as JSON (`kept`)."""

    weights: Weights
    calibration: Calibration

    def forecast(self, scores: pl.DataFrame) -> pl.DataFrame:
        """Forecast one evening, or several with one state of the intervals.

        Parameters
        ----------
        scores
            symbol, date, daily_volatility (`trailing.trailing_volatility`), one column of scores a member, of several
            markets market.

        Returns
        -------
        DataFrame
            With score in the place of the members, and what `calibration.Calibration.forecast` adds; null where a
            member said nothing.

        Raises
        ------
        BadInput
            A column is missing; of members, they are named.
        """
        return self.calibration.forecast(combined(scores, self.weights))


@dataclass(frozen=True, slots=True, eq=False)
class Ensembled:
    """An ensemble and how it did on its last days, which nothing in it was fitted on.

    Attributes
    ----------
    fitted
        What it has learnt, its intervals fed up to the last day.
    choice
        Which weights were taken, and the evidence.
    parts
        part, first, last, days: which days were used for what.
    forecasts
        The judged days: symbol, date, what was forecast, and what came.
    members
        name, weight, rank_ic, lower, upper, days: the ensemble and its members on the judged days, 95 % intervals.
    coverage
        As `coverage.coverage_table`.
    reliability
        As `reliability.reliability_table`, of the probability of up.
    brier, calibration_error
        Brier score of all directions (0 to 2; a third each would give 0.667), and calibration error of up; None where
        undefined.
    """

    fitted: Assembled
    choice: Choice
    parts: pl.DataFrame
    forecasts: pl.DataFrame
    members: pl.DataFrame
    coverage: pl.DataFrame
    reliability: pl.DataFrame
    brier: float | None
    calibration_error: float | None

    def summary(self) -> str:
        """The ensemble in words and tables, for a terminal."""
        calibration = self.fitted.calibration
        said = _said(calibration)
        shown = ["undefined" if one is None else f"{one:.3f}" for one in (self.brier, self.calibration_error)]
        with pl.Config(
            tbl_rows=-1, tbl_cols=-1, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True, float_precision=4
        ):
            return (
                f"{self.choice.reason}\n{self.members}\n"
                f"Coverage of intervals that promise {calibration.intervals.conformal.coverage:.0%}:\n{self.coverage}\n"
                f"Probabilities: Brier score {shown[0]}, calibration error of up {shown[1]}\nConfidence: {said}"
            )


def _said(calibration: Calibration) -> str:
    if calibration.confidence is None:
        return calibration.confidence_said
    if calibration.confidence.believed == 0.0:
        return f"{calibration.confidence.base:.0%} for every call: bolder ones are not shown to be right more often"
    return "shown, by the strength of a call"


def ensemble_of(
    features: pl.DataFrame,
    labels: pl.DataFrame,
    bars: pl.DataFrame,
    members: Sequence[str | Recipe],
    plan: Plan,
    *,
    fixed: Mapping[str, float] | None = None,
    coverage: float = 0.9,
    round_trip_cost: float = ROUND_TRIP,
    step: float = STEP,
) -> Ensembled:
    """Build an ensemble of recipes and judge it.

    Members are walked forward over the purged blocks of `plan`. Their out-of-fold days are cut into four parts in order
    of time (`SHARES`): weights are chosen on the first, returns, probabilities and confidence calibrated on the second,
    intervals on the third; all is judged on the fourth. What a part learns was known before the next one begins.

    Parameters
    ----------
    features
        symbol, date and feature columns, sorted by date; null where missing.
    labels
        As `labels.forward.forward_returns` gives them, `plan.horizon` among the horizons.
    bars
        symbol, date, close, adjusted for splits, from before the first out-of-fold day on: volatility is taken from it.
    members
        Two or more names of `models.recipes`, or recipes.
    fixed
        Weights by member's name, where some are configured: then they are judged beside the learnt ones.
    coverage
        Share of returns that intervals promise to hold, a fraction.
    round_trip_cost
        Cost of buying and selling, a fraction: below it a return is flat.

    Raises
    ------
    BadInput, BadDate
        A column is missing, a number breaks its rule, or days are too few.
    """
    recipes = [recipe(one) if isinstance(one, str) else one for one in members]
    names = tuple(one.name for one in recipes)
    met = out_of_fold(features, labels, recipes, plan)
    moved = met.join(trailing_volatility(bars), on=[SYMBOL, DATE], how="left", maintain_order="left")
    parts = parted(moved.with_columns(pl.lit(plan.horizon, pl.Int32).alias(HORIZON)), SHARES)
    choice = choose_weights(parts[0], names, plan.horizon, fixed=fixed)
    learning, aiming, judged = (combined(part, choice.weights) for part in parts[1:])
    regimes = volatility_regimes(bars, plan.days)
    found, told = calibrated_on(
        (learning, aiming, judged), plan.horizon, plan.days[-1], regimes, coverage, round_trip_cost, step
    )
    columns = [SCORE, EXPECTED_RETURN, LOWER, UPPER, *PROBABILITIES.values(), CONFIDENCE, FORWARD_RETURN, DIRECTION]
    keys = [SYMBOL, DATE, *([MARKET] if MARKET in told.columns else [])]
    return Ensembled(
        Assembled(choice.weights, found.calibration),
        choice,
        _parts_table(parts),
        told.select(*keys, *columns),
        _members_table(choice.weights, parts[-1], told, plan.horizon),
        found.coverage(),
        found.reliability(),
        found.brier,
        found.calibration_error,
    )


def parted(met: pl.DataFrame, shares: Sequence[float]) -> list[pl.DataFrame]:
    """Cut decisions into parts in order of time; of each but the last, only what was known as the next one begins.

    `met` has date and known_date; `shares` sum to 1. BadInput where a part is left without a row.
    """
    parts = cut(met, shares)
    if any(part.is_empty() for part in parts):
        raise BadInput(
            f"each of the {len(shares)} parts of an ensemble must have a day whose label is known before the next one "
            f"begins, got {met[DATE].n_unique()} days in all: give more, or a shorter horizon"
        )
    return parts


def _parts_table(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    names = ("weights", *PARTS)
    rows = [
        (name, part[DATE].min(), part[DATE].max(), part[DATE].n_unique())
        for name, part in zip(names, parts, strict=True)
    ]
    schema = {"part": pl.String, "first": pl.Date, "last": pl.Date, "days": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _members_table(weights: Weights, judged: pl.DataFrame, told: pl.DataFrame, horizon: int) -> pl.DataFrame:
    scored = {ENSEMBLE: told, **{name: judged.rename({name: SCORE}) for name in weights.members}}
    rows = []
    for name, frame in scored.items():
        found = mean_interval(rank_ic_within_markets(frame)[RANK_IC], horizon)
        weight = 1.0 if name == ENSEMBLE else weights.of(name)
        rows.append((name, weight, found.mean, found.lower, found.upper, found.days))
    figures = dict.fromkeys(("weight", "rank_ic", LOWER, UPPER), pl.Float64)
    return pl.DataFrame(rows, schema={"name": pl.String, **figures, "days": pl.Int64}, orient="row")
