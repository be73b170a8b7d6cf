"""The looser gate lets in what its walk-forward shows to be better on the same days, and nothing else."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from nightdesk.promotion.backtest_gate import better_by_backtest

DAYS = [dt.date(2016, 1, 1) + dt.timedelta(days=number) for number in range(300)]
RANDOM = np.random.default_rng(5)
SHARED = RANDOM.normal(0.0, 0.1, 300)


def walked(edge: float, days: int = 300) -> pl.DataFrame:
    own = SHARED + RANDOM.normal(edge, 0.05, 300)
    return pl.DataFrame({"date": DAYS, "rank_ic": own})[:days]


def test_the_recipe_with_the_largest_shown_edge_is_chosen_and_the_choice_says_what_it_is() -> None:
    others = {"small": walked(0.02), "large": walked(0.04), "none": walked(0.0)}
    found = better_by_backtest("served", walked(0.0), others, 1)
    assert found.model == "large"
    assert found.reasons[0].startswith("large has a higher walk-forward rank IC than served: +0.0")
    assert found.reasons[0].endswith("on 300 days")
    assert found.reasons[1] == "chosen by backtest (promotion.replace), so its skill is unproven"


def test_an_edge_that_is_not_shown_changes_nothing() -> None:
    served = walked(0.0)
    assert better_by_backtest("served", served, {"same": walked(0.0), "worse": walked(-0.1)}, 1).model is None
    assert better_by_backtest("served", served, {"alone": walked(0.3, days=2)}, 1).model is None
    assert better_by_backtest("served", served, {}, 1).model is None


def test_only_days_that_both_were_tested_on_count() -> None:
    served = walked(0.0).with_columns(rank_ic=pl.when(pl.col("date") < DAYS[150]).then(-0.9).otherwise("rank_ic"))
    found = better_by_backtest("served", served, {"late": walked(0.0).filter(pl.col("date") >= DAYS[150])}, 1)
    assert found.model is None
