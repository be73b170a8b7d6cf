"""Baselines: each ranks as its name says, and the silent ones say the same of every symbol."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from nightdesk.features.matrix import feature_matrix
from nightdesk.models.baselines import LINEAR, MOMENTUM, RANKINGS, REVERSAL, VOLATILITY, ranked
from nightdesk.tables import SCORE

FEATURES = pl.DataFrame(
    {
        "symbol": ["A", "B", "C"],
        "date": [dt.date(2017, 1, 9)] * 3,
        MOMENTUM: pl.Series([0.3, None, -0.1], dtype=pl.Float32),
        REVERSAL: pl.Series([-0.02, 0.05, 0.0], dtype=pl.Float32),
        VOLATILITY: pl.Series([0.4, 0.2, 0.3], dtype=pl.Float32),
    }
)


@pytest.mark.parametrize(("name", "order"), [("momentum", "AC"), ("reversal", "BCA"), ("low_volatility", "BCA")])
def test_a_ranking_puts_the_best_first_and_leaves_the_unknown_null(name: str, order: str) -> None:
    scores = ranked(name, FEATURES)
    assert scores.columns == ["symbol", "date", SCORE]
    assert scores[SCORE].dtype == pl.Float64
    assert "".join(scores.drop_nulls().sort(SCORE, descending=True)["symbol"]) == order
    assert scores.height == 3


@pytest.mark.parametrize("name", ["constant", "equal_weight"])
def test_a_silent_baseline_says_the_same_of_all(name: str) -> None:
    scores = ranked(name, FEATURES)[SCORE]
    assert len(scores) == 3
    assert scores.n_unique() == 1


def test_reversal_prefers_last_weeks_loser_as_the_features_are_computed() -> None:
    days = [dt.date(2017, 1, 2) + dt.timedelta(days=n) for n in range(8)]
    bars = pl.DataFrame(
        [(name, day, 100.0 + step * n) for name, step in (("FALLS", -1), ("RISES", 1)) for n, day in enumerate(days)],
        schema=["symbol", "date", "close"],
        orient="row",
    )
    last = ranked("reversal", feature_matrix(bars, [REVERSAL])).filter(pl.col("date") == days[-1])
    assert last.sort(SCORE)["symbol"].to_list() == ["RISES", "FALLS"]


def test_the_linear_baseline_fits_the_rankings_own_features() -> None:
    assert set(LINEAR.features) == {MOMENTUM, REVERSAL, VOLATILITY}
    assert set(RANKINGS) == {"constant", "equal_weight", "momentum", "reversal", "low_volatility"}
