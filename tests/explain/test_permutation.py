"""Permutation importance: a planted feature's loss is its rank IC, one that the model ignores loses nothing at all."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from nightdesk.errors import BadInput
from nightdesk.explain.permutation import permutation_importance
from nightdesk.models.recipe import Matrix, Vector
from nightdesk.scoring.rank_ic import daily_rank_ic
from nightdesk.tables import DATE, FORWARD_RETURN, MARKET, SCORE

NAMES = ("truth", "noise", "ignored")


@dataclass
class Line:
    """A model that was fitted elsewhere: its slopes."""

    slopes: tuple[float, ...]

    def predict(self, features: Matrix) -> Vector:
        return features.astype(np.float64) @ np.array(self.slopes)

    def save(self, folder: Path) -> None:
        raise AssertionError("nothing is saved here")


def rows(seed: int, days: int = 120, symbols: int = 40, first: dt.date = dt.date(2016, 1, 1)) -> pl.DataFrame:
    """`truth` foretells the return with a correlation of .45; a date's level of it, common to all, says nothing."""
    random = np.random.default_rng(seed)
    dates = [first + dt.timedelta(days=day) for day in range(days)]
    count = days * symbols
    truth = random.standard_normal(count)
    came = 0.5 * truth + random.standard_normal(count)
    return pl.DataFrame(
        {
            DATE: np.repeat(np.array(dates, dtype="datetime64[D]"), symbols),
            "truth": truth + np.repeat(10.0 * random.standard_normal(days), symbols),
            "noise": random.standard_normal(count),
            "ignored": random.standard_normal(count),
            FORWARD_RETURN: came,
        }
    )


def test_the_planted_feature_loses_its_rank_ic_and_the_others_nothing() -> None:
    block, model = rows(1), Line((1.0, 0.0, 0.0))
    truth, *others = permutation_importance([(model, block)], NAMES, horizon=1)
    whole = daily_rank_ic(block.with_columns(pl.Series(SCORE, block["truth"])))["rank_ic"].mean()
    assert truth.feature == "truth"
    assert truth.loss.mean == pytest.approx(whole, abs=0.03)
    assert truth.loss.lower > 0.8 * whole
    assert truth.loss.days == 120
    # Without slope, a feature changes no score: its loss is no estimate but 0.
    assert [one.loss.mean for one in others] == pytest.approx([0.0, 0.0], abs=1e-12)


def test_a_feature_that_a_model_uses_for_nothing_costs_it_rank_ic() -> None:
    block = rows(2)
    found = permutation_importance([(Line((1.0, 1.0, 0.0)), block)], NAMES, horizon=1)
    losses = {one.feature: one.loss for one in found}
    assert found[0].feature == "truth"
    assert losses["noise"].lower < 0.0 < losses["noise"].upper
    assert losses["ignored"].mean == pytest.approx(0.0, abs=1e-12)


def test_blocks_have_models_of_their_own_and_days_in_order() -> None:
    early, late = rows(3), rows(4, first=dt.date(2017, 1, 1))
    both = permutation_importance([(Line((1.0, 0.0, 0.0)), early), (Line((0.0, 1.0, 0.0)), late)], NAMES, horizon=1)
    alone = permutation_importance([(Line((1.0, 0.0, 0.0)), early)], NAMES, horizon=1)
    assert both[0].loss.days == 240
    assert both[0].loss.mean == pytest.approx(alone[0].loss.mean / 2, abs=0.01)


def test_values_stay_within_their_market() -> None:
    """Two markets of levels far apart: a value that crossed the border would sort symbols wrongly, and cost more."""
    one, other = rows(5).with_columns(pl.lit("A").alias(MARKET)), rows(6).with_columns(pl.lit("B").alias(MARKET))
    other = other.with_columns(pl.col("noise") + 1e6)
    found = permutation_importance([(Line((1.0, 1e-9, 0.0)), pl.concat([one, other]))], NAMES, horizon=1)
    losses = {one.feature: one.loss.mean for one in found}
    assert losses["noise"] == pytest.approx(0.0, abs=1e-3)
    assert losses["truth"] > 0.3


def test_the_same_seed_draws_the_same_and_an_unknown_return_takes_no_part() -> None:
    block = rows(1).with_columns(
        pl.when(pl.col(DATE) < dt.date(2016, 1, 11)).then(None).otherwise(pl.col(FORWARD_RETURN)).alias(FORWARD_RETURN)
    )
    model = Line((1.0, 0.5, 0.0))
    once, again = (permutation_importance([(model, block)], NAMES, horizon=5, repeats=2) for _ in range(2))
    assert once == again
    assert once[0].loss.days == 110


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(BadInput, match="repeats must be at least 1, got 0"):
        permutation_importance([(Line((1.0, 0.0, 0.0)), rows(1))], NAMES, 1, repeats=0)
    with pytest.raises(BadInput, match="at least one block of rows, got none"):
        permutation_importance([], NAMES, 1)
