"""Selection lies inside the fold: what only the test days know is never chosen, and choosing on all days is caught."""

from __future__ import annotations

import dataclasses
import datetime as dt
from functools import cache

import numpy as np
import polars as pl
import pytest

from nightdesk.evaluation.audit import audit
from nightdesk.evaluation.pipeline import Inputs
from nightdesk.evaluation.walk_forward import Plan, fit_of, fitted_folds, walk_forward
from nightdesk.models.recipe import Recipe
from nightdesk.models.selected import FittedChoice
from nightdesk.scoring.intervals import mean_interval
from nightdesk.selection.f_score import FScore
from nightdesk.tables import CLOSE, DATE, FORWARD_RETURN, HORIZON, OPEN, SYMBOL

SYMBOLS, DAYS, NOISE = 60, 240, 300
CALENDAR = tuple(dt.date(2015, 1, 1) + dt.timedelta(days=day) for day in range(DAYS))
PLAN = Plan(CALENDAR, 1, 2, 120, 1, seed=1, threads=1)
PARAMETERS = (("family", "ridge"), ("selection", "f_score"), ("selected", 10), ("alpha", 0.05))


@cache
def noise() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Features and labels that have nothing to do with each other, but for two features.

    `early` foretells every day up to the first test block, `late` the days of the test blocks alone.
    """
    random = np.random.default_rng(11)
    days = pl.DataFrame({DATE: CALENDAR})
    keys = days.join(pl.DataFrame({SYMBOL: [f"S{n:02}" for n in range(SYMBOLS)]}), how="cross")
    came = random.standard_normal(len(keys))
    tested = (keys[DATE] >= CALENDAR[120]).to_numpy()
    columns = dict(zip([f"noise_{n}" for n in range(NOISE)], random.standard_normal((NOISE, len(keys))), strict=True))
    columns["early"] = np.where(tested, 0.0, 0.3 * came) + random.standard_normal(len(keys))
    columns["late"] = np.where(tested, 0.5 * came, 0.0) + random.standard_normal(len(keys))
    features = keys.with_columns(pl.Series(name, values, dtype=pl.Float32) for name, values in columns.items())
    known = (pl.col(DATE) + pl.duration(days=2)).alias("known_date")
    labels = keys.with_columns(pl.Series(FORWARD_RETURN, came), pl.lit(1).alias(HORIZON), known)
    return features, labels


def test_what_foretells_only_the_test_days_is_never_chosen() -> None:
    features, labels = noise()
    recipe = Recipe("chosen", "selected", (), PARAMETERS)
    columns = features.columns[2:]
    first, second = fitted_folds(features, labels, columns, fit_of(recipe), PLAN)
    for fold in (first, second):
        assert isinstance(fold.fitted, FittedChoice)
        assert columns.index("early") in fold.fitted.columns
    # The second block learns from the first one's days, in which it did foretell.
    assert columns.index("late") not in first.fitted.columns
    assert columns.index("late") in second.fitted.columns


def test_choosing_on_all_days_finds_skill_in_noise_and_choosing_inside_the_fold_finds_none() -> None:
    """The bias of Ambroise & McLachlan (2002): of 300 features without meaning the best ten of the whole sample."""
    features, labels = noise()
    features = features.drop("early", "late")
    inside = walk_forward(features, labels, Recipe("chosen", "selected", (), PARAMETERS), PLAN)
    rows = features.join(labels, on=[SYMBOL, DATE])
    everywhere = FScore(10, max_rows=None).fit(rows.select(features.columns[2:]).to_numpy(), rows[FORWARD_RETURN])
    leaked = tuple(np.array(features.columns[2:])[everywhere.get_support()].tolist())
    outside = walk_forward(features, labels, Recipe("leaking", "ridge", leaked, (("alpha", 0.05),)), PLAN)
    honest, biased = (mean_interval(one.daily["rank_ic"], 1) for one in (inside, outside))
    assert biased.lower is not None
    assert honest.lower is not None
    assert biased.lower > 0.02
    assert honest.lower < 0.0 < honest.upper


@dataclasses.dataclass
class Lags:
    """Returns of the last days, which foretell nothing, and the return of the next bar as the label."""

    name: str = "lags"

    def fit(self, train: pl.DataFrame, inputs: Inputs, at: dt.date) -> None:
        pass

    def apply(self, frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        close, entry = pl.col(CLOSE), pl.col(OPEN).shift(-1)
        bars = inputs.first_bars().with_columns(pl.col(CLOSE).forward_fill().over(SYMBOL))
        bars = bars.with_columns(
            *((close / close.shift(lag) - 1).over(SYMBOL).alias(f"lag_{lag}") for lag in range(1, 13)),
            (pl.col(OPEN).shift(-2) / entry - 1).over(SYMBOL).alias("label"),
            pl.col(DATE).shift(-2).over(SYMBOL).alias("label_exit"),
        )
        added = [name for name in bars.columns if name.startswith(("lag_", "label"))]
        return frame.join(bars.select(SYMBOL, DATE, *added), on=[SYMBOL, DATE], how="left")


@dataclasses.dataclass
class Select:
    """Our selector as a step: it learns from labels that had matured, or, to be caught, from all that there are."""

    name: str = "select"
    everywhere: bool = False
    chosen: tuple[str, ...] = ()

    def fit(self, train: pl.DataFrame, inputs: Inputs, at: dt.date) -> None:
        self.chosen = self._choose(train.filter(pl.col("label_exit") <= at))

    def apply(self, frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        chosen = self._choose(frame) if self.everywhere else self.chosen
        return frame.with_columns(sum=pl.sum_horizontal(chosen))

    def _choose(self, rows: pl.DataFrame) -> tuple[str, ...]:
        rows = rows.drop_nulls("label")
        names = [name for name in rows.columns if name.startswith("lag_")]
        fitted = FScore(2).fit(rows.select(names).to_numpy(), rows["label"].to_numpy())
        return tuple(np.array(names)[fitted.get_support()].tolist())


@pytest.mark.proof
def test_the_audit_leaves_our_selection_alone_and_names_one_that_saw_all_days() -> None:
    assert audit([Lags(), Select()], cuts=3) == []
    leaks = audit([Lags(), Select(everywhere=True)], cuts=3)
    assert [(leak.step, leak.columns) for leak in leaks] == [("select", ("sum",))]
