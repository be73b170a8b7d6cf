"""Daily rank IC equals scipy's Spearman date by date, with ties, nulls and nothing to say."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from scipy import stats

from nightdesk.errors import BadInput
from nightdesk.scoring.rank_ic import daily_ic, daily_rank_ic

FIRST = dt.date(2020, 1, 1)


def market(seed: int, days: int = 30, symbols: int = 40) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    rows = days * symbols
    frame = pl.DataFrame(
        {
            "date": [FIRST + dt.timedelta(days=day) for day in range(days) for _ in range(symbols)],
            "score": np.round(random.normal(size=rows), 1),  # rounded: ties
            "forward_return": np.round(random.normal(size=rows), 1),
        }
    )
    gaps = pl.Series(random.choice(6, rows))
    return frame.with_columns(
        pl.when(gaps == 0).then(None).when(gaps == 1).then(float("nan")).otherwise(pl.col("score")).alias("score"),
        pl.when(gaps == 2).then(None).otherwise(pl.col("forward_return")).alias("forward_return"),
    ).sample(fraction=1.0, shuffle=True, seed=seed)


@pytest.mark.parametrize("seed", range(5))
def test_equals_scipy_date_by_date(seed: int) -> None:
    frame = market(seed)
    scores = daily_rank_ic(frame)
    assert scores["date"].to_list() == sorted(set(frame["date"]))
    for date, rank_ic, symbols in scores.rows():
        pairs = frame.filter(pl.col("date") == date).fill_nan(None).drop_nulls()
        assert symbols == pairs.height
        assert rank_ic == pytest.approx(stats.spearmanr(pairs["score"], pairs["forward_return"]).statistic)


@pytest.mark.parametrize("seed", range(3))
def test_the_ic_of_values_equals_scipys_pearson(seed: int) -> None:
    frame = market(seed)
    for date, found, symbols in daily_ic(frame).rows():
        pairs = frame.filter(pl.col("date") == date).fill_nan(None).drop_nulls()
        assert symbols == pairs.height
        assert found == pytest.approx(stats.pearsonr(pairs["score"], pairs["forward_return"]).statistic)
    assert daily_ic(frame.with_columns(score=pl.lit(0.1)))["ic"].null_count() == 30


def test_groups_are_scored_apart() -> None:
    one, other = market(1), market(2)
    both = pl.concat([one.with_columns(model=pl.lit("one")), other.with_columns(model=pl.lit("other"))])
    scores = daily_rank_ic(both, by=("model",))
    assert scores.filter(pl.col("model") == "other").drop("model").equals(daily_rank_ic(other))
    assert scores.columns == ["model", "date", "rank_ic", "symbols"]


def test_undefined_is_null_and_never_zero() -> None:
    cases = {
        "constant score": ([0.1] * 12, list(range(12))),
        "constant return": (list(range(12)), [0.0] * 12),
        "nine symbols": (list(range(9)), list(range(9))),
        "all missing": ([None] * 12, list(range(12))),
        "infinite": ([float("inf")] * 3 + list(range(9)), list(range(12))),
    }
    for score, outcome in cases.values():
        frame = pl.DataFrame(
            {
                "date": FIRST,
                "score": pl.Series(score, dtype=pl.Float64),
                "forward_return": pl.Series(outcome, dtype=pl.Float64),
            }
        )
        assert daily_rank_ic(frame)["rank_ic"].to_list() == [None]


def test_ten_symbols_in_order_are_one() -> None:
    frame = pl.DataFrame({"date": FIRST, "score": [float(n) for n in range(10)]})
    frame = frame.with_columns(forward_return=pl.col("score") ** 3)
    assert daily_rank_ic(frame).row(0) == (FIRST, pytest.approx(1.0), 10)
    assert daily_rank_ic(frame.with_columns(-pl.col("score")))["rank_ic"].item() == pytest.approx(-1.0)


def test_names_the_column_that_is_missing() -> None:
    with pytest.raises(BadInput, match="must hold model, forward_return, got date, score"):
        daily_rank_ic(pl.DataFrame({"date": [], "score": []}), by=("model",))
