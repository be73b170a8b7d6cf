"""Intervals on the bundled real panel: the coverage that honest-models asks for, overall, by year and by regime."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import polars as pl
import pytest

from nightdesk.ensemble.adaptive import adaptive, walked
from nightdesk.ensemble.assembled import parted
from nightdesk.ensemble.conformal import fit_conformal
from nightdesk.ensemble.coverage import coverage_table, interval_score
from nightdesk.ensemble.expected_return import fit_expected_return
from nightdesk.ensemble.trailing import trailing_volatility
from nightdesk.evaluation.slices import volatility_regimes
from nightdesk.evaluation.walk_forward import Plan, fit_of, fitted_folds, met_by, rows_tested, said_of
from nightdesk.features.matrix import feature_matrix
from nightdesk.labels.forward import forward_returns
from nightdesk.models.baselines import LINEAR
from nightdesk.models.recipe import Recipe
from nightdesk.models.training_set import to_matrix
from nightdesk.quality.bars import check_bars
from nightdesk.sessions import trading_days
from nightdesk.sources import open_source

RIDGE = Recipe("ridge", "ridge", LINEAR.features, (("alpha", 0.05),))
FIRST_TRAIN = 300
TARGETS = {5: (0.01, 0.03, 0.04), 20: (0.01, 0.05, 0.06)}
"""How far from 90 % coverage may lie overall, by year and by regime."""


def sample_bars(symbols: int | None) -> tuple[pl.DataFrame, list[dt.date]]:
    source = open_source("sample")
    days = trading_days(source.facts.calendar, source.first_day(), source.last_day())
    bars = source.bars(None, source.last_day())
    if symbols is not None:
        names = bars["symbol"].unique().sort()
        bars = bars.filter(pl.col("symbol").is_in(names.gather_every(len(names) // symbols).implode()))
    return check_bars(bars, days).good, days


def judged(bars: pl.DataFrame, days: Sequence[dt.date], horizon: int) -> tuple[pl.DataFrame, float]:
    """Coverage of adaptive intervals around ridge scores, and their interval score over a static interval's."""
    features = feature_matrix(bars, LINEAR.features).sort("date", "symbol")
    labels = forward_returns(bars, days, [horizon])
    plan = Plan(tuple(days), horizon, 6, FIRST_TRAIN, 5, 0, 1)
    said = []
    for one in fitted_folds(features, labels, LINEAR.features, fit_of(RIDGE), plan):
        test = rows_tested(features, one.fold)
        said.append(said_of(test, one.fitted.predict(to_matrix(test, LINEAR.features))))
    met = met_by(pl.concat(said), labels, plan).join(
        labels.select("symbol", "date", "known_date"), on=["symbol", "date"]
    )
    met = met.join(trailing_volatility(bars), on=["symbol", "date"], how="left")
    learning, aiming, shown = parted(met, (0.1, 0.15, 0.75))
    expected = fit_expected_return(learning, horizon)
    static = fit_conformal(expected.add(aiming), horizon)
    told, _ = walked(adaptive(static), expected.add(shown))
    score, plain = interval_score(told, 0.9), interval_score(static.add(expected.add(shown)), 0.9)
    return coverage_table(told, horizon, volatility_regimes(bars, days)), score / plain


@pytest.mark.proof
@pytest.mark.parametrize("horizon", [5, 20])
def test_coverage_meets_its_targets_on_the_whole_panel(horizon: int) -> None:
    bars, days = sample_bars(None)
    found, ratio = judged(bars, days, horizon)
    print(f"\n{horizon} days ahead, 90 % promised:\n{found}\ninterval score over a static interval's: {ratio:.4f}")
    overall, yearly, regime = TARGETS[horizon]
    for row in found.iter_rows(named=True):
        allowed = overall if row["slice"] == "overall" else yearly if row["slice"].isdigit() else regime
        assert abs(row["coverage"] - 0.9) <= allowed, row
        if row["days"] >= 10 * horizon:
            assert row["lower"] < row["coverage"] < row["upper"]
    assert {"2015", "2016", "calm", "normal", "rough"} <= set(found["slice"])
    assert ratio <= 1.02


@pytest.mark.proof
def test_coverage_at_sixty_days_is_shown_with_its_effective_days() -> None:
    bars, days = sample_bars(None)
    found, ratio = judged(bars, days, 60)
    print(f"\n60 days ahead, 90 % promised, {found['days'][0] / 60:.0f} spans without overlap:\n{found}\n{ratio:.4f}")
    assert found["days"][0] / 60 < 15


def test_coverage_is_near_its_targets_on_a_few_symbols() -> None:
    bars, days = sample_bars(25)
    found, ratio = judged(bars, days, 5)
    overall, yearly, regime = (allowed + 0.01 for allowed in TARGETS[5])
    for row in found.iter_rows(named=True):
        allowed = overall if row["slice"] == "overall" else yearly if row["slice"].isdigit() else regime
        assert abs(row["coverage"] - 0.9) <= allowed, row
    assert ratio <= 1.02
