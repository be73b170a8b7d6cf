"""Daily rank IC equals scipy's Spearman date by date, with ties, nulls and nothing to say."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from scipy import stats

from nightdesk.errors import BadInput
from nightdesk.scoring.rank_ic import daily_ic, daily_rank_ic, rank_ic_within_markets

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


def of_markets(**sizes: int) -> pl.DataFrame:
    """One day of markets, each with its own random scores and outcomes; those of `b3` are a hundred times as large."""
    random = np.random.default_rng(8)
    parts = []
    for name, count in sizes.items():
        noise = random.normal(size=(2, count)) * (100.0 if name == "b3" else 1.0)
        columns = {"score": noise[0], "forward_return": noise[0] + noise[1], "market": [name] * count}
        parts.append(pl.DataFrame(columns).with_columns(date=dt.date(2020, 1, 2)))
    return pl.concat(parts)


def test_within_markets_it_is_the_mean_of_theirs_by_their_symbols_and_the_smallest_take_no_part() -> None:
    frame = of_markets(us=40, b3=12, crypto=3)
    own = {name: daily_rank_ic(frame.filter(market=name))["rank_ic"][0] for name in ("us", "b3", "crypto")}
    assert own["crypto"] is None
    found = rank_ic_within_markets(frame)
    assert found.columns == ["date", "rank_ic", "symbols"]
    assert found["symbols"].to_list() == [52]
    assert found["rank_ic"][0] == pytest.approx((40 * own["us"] + 12 * own["b3"]) / 52)
    # Another currency or a wilder market changes nothing: no symbol is compared to one of another market.
    scaled = pl.when(market="us").then(pl.col("forward_return") / 5.2).otherwise("forward_return")
    assert rank_ic_within_markets(frame.with_columns(scaled.alias("forward_return"))).equals(found)


def test_within_markets_it_is_null_where_none_is_defined_and_plain_without_markets() -> None:
    assert rank_ic_within_markets(of_markets(b3=9, crypto=3))["rank_ic"].to_list() == [None]
    frame = of_markets(us=40).drop("market")
    assert rank_ic_within_markets(frame).equals(daily_rank_ic(frame))
    by = frame.with_columns(model=pl.lit("m"), market=pl.lit("us"))
    expected = daily_rank_ic(frame.with_columns(model=pl.lit("m")), ["model"])
    assert rank_ic_within_markets(by, ["model"]).equals(expected)
