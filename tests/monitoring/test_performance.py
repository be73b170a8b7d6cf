"""How served models did: bands are those of the same days by themselves, slices are Spearman's of their own symbols."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from drift_nights import calendar
from scipy.stats import spearmanr

from nightdesk.monitoring.performance import judge_performance, rolling_band, slice_scores, sliced, window_of
from nightdesk.scoring.intervals import mean_interval


def nights(values: np.ndarray, promised: float = 0.05) -> pl.DataFrame:
    return pl.DataFrame({"as_of": calendar(len(values)), "rank_ic": values}).with_columns(promised=pl.lit(promised))


def test_the_band_is_that_of_the_last_nights() -> None:
    values = np.random.default_rng(2).normal(0.05, 0.1, 300)
    found, expected = judge_performance(nights(values), 5), mean_interval(values[-120:], 5, 0.99)
    assert (found.mean, found.lower, found.upper) == (expected.mean, expected.lower, expected.upper)
    assert found.promised == pytest.approx(0.05)
    assert not found.degraded


def test_too_few_nights_say_nothing() -> None:
    found = judge_performance(nights(np.full(119, -0.5)), 5)
    assert (found.nights, found.mean, found.degraded) == (119, None, False)
    assert window_of(60) == 360


def test_a_mean_below_the_promise_is_told_and_one_within_its_band_is_not() -> None:
    noise = np.random.default_rng(4).normal(0, 0.05, 120)
    assert judge_performance(nights(noise - noise.mean() - 0.02), 1).degraded
    assert not judge_performance(nights(noise - noise.mean() + 0.04), 1).degraded
    # Nothing was promised: nothing was lost.
    assert not judge_performance(nights(noise - 0.2, promised=-0.01), 1).degraded


def test_the_course_is_each_nights_own_band_and_ends_with_the_last() -> None:
    values = np.random.default_rng(6).normal(0.02, 0.1, 200)
    course = rolling_band(nights(values), 5, points=10)
    assert course.height == 10
    assert course["as_of"][-1] == calendar(200)[-1]
    for row in course.iter_rows(named=True):
        end = calendar(200).index(row["as_of"]) + 1
        expected = mean_interval(values[max(0, end - 120) : end], 5)
        assert (row["mean"], row["lower"], row["upper"]) == (expected.mean, expected.lower, expected.upper)
    assert rolling_band(nights(values[:19]), 5).is_empty()


def met(days: list[dt.date], symbols: int = 24) -> pl.DataFrame:
    random = np.random.default_rng(8)
    rows = [(day, 5, "ridge", f"S{number:02}", *random.normal(size=2)) for day in days for number in range(symbols)]
    schema = {
        **{"date": pl.Date, "horizon": pl.Int64, "model": pl.String, "symbol": pl.String},
        **{"score": pl.Float64, "forward_return": pl.Float64},
    }
    return pl.DataFrame(rows, schema, orient="row")


def test_slices_are_those_of_the_regime_then_and_of_the_sector() -> None:
    days = calendar(3)
    rows = met(days)
    regimes = pl.DataFrame({"date": days, "regime": ["calm", None, "rough"]})
    sectors = rows.select("date", "symbol").with_columns(
        sector=pl.when(pl.col("symbol") < "S12")
        .then(pl.lit("Energy"))
        .when(pl.col("symbol") < "S20")
        .then(pl.lit("IT"))
    )
    found = slice_scores(rows, regimes, sectors)
    by_regime = found.filter(slicing="regime")
    assert by_regime.select("as_of", "slice", "symbols").rows() == [(days[0], "calm", 24), (days[2], "rough", 24)]
    first = rows.filter(date=days[0])
    assert by_regime["rank_ic"][0] == pytest.approx(spearmanr(first["score"], first["forward_return"]).statistic)
    energy = found.filter(slicing="sector", slice="Energy", as_of=days[0])
    own = first.filter(pl.col("symbol") < "S12")
    assert energy["rank_ic"].item() == pytest.approx(spearmanr(own["score"], own["forward_return"]).statistic)
    # Eight symbols are too few to rank: nothing is known there, which is not zero.
    assert found.filter(slice="IT")["rank_ic"].to_list() == [None] * 3
    assert slice_scores(rows, regimes, None).equals(by_regime)


def test_slices_have_the_intervals_of_their_own_nights() -> None:
    values = np.random.default_rng(9).normal(0.02, 0.1, 500)
    told = nights(values)
    half = pl.DataFrame({"as_of": told["as_of"], "slicing": "regime", "rank_ic": values}).with_columns(
        slice=pl.when(pl.int_range(pl.len()) < 250).then(pl.lit("calm")).otherwise(pl.lit("rough"))
    )
    found = sliced(told, half, 5)
    assert found["slicing"].unique(maintain_order=True).to_list() == ["year", "regime"]
    rough, expected = found.filter(slice="rough").row(0, named=True), mean_interval(values[250:], 5)
    assert (rough["days"], rough["mean"], rough["lower"]) == (250, expected.mean, expected.lower)
    year = told["as_of"].dt.year() == 2018
    assert found.filter(slice="2018")["mean"].item() == mean_interval(told.filter(year)["rank_ic"], 5).mean
