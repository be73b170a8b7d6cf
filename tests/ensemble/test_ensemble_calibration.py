"""Scores become returns and probabilities: what is planted is found, noise is not believed, nothing turns round."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from ensemble_samples import met
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss

from nightdesk.ensemble.curve import rising_curve, with_place
from nightdesk.ensemble.expected_return import fit_expected_return
from nightdesk.ensemble.probabilities import PROBABILITIES, fit_directions
from nightdesk.ensemble.reliability import (
    brier_of_classes,
    brier_score,
    expected_calibration_error,
    reliability_table,
)
from nightdesk.ensemble.shrinkage import shrunk_mean
from nightdesk.ensemble.trailing import DECAY, trailing_volatility
from nightdesk.errors import BadInput
from nightdesk.labels.direction import with_direction
from nightdesk.scoring.intervals import mean_interval


def scored(skill: float, seed: int = 0, days: int = 300) -> pl.DataFrame:
    return met({"score": skill}, days=days, symbols=40, seed=seed)


def directed(frame: pl.DataFrame) -> pl.DataFrame:
    return with_direction(frame.with_columns(horizon=pl.lit(1), daily_volatility=pl.lit(0.02)), 0.001)


def test_a_curve_is_the_isotonic_fit_of_the_daily_means_of_bins() -> None:
    placed = with_place(scored(0.3, days=30))
    curve = rising_curve(placed, "forward_return")
    reference: dict[int, list[float]] = {}
    for _, day in placed.group_by("date"):
        bins: dict[int, list[float]] = {}
        for place, value in day.select("place", "forward_return").iter_rows():
            bins.setdefault(min(19, math.floor((place + 0.5) * 20)), []).append(value)
        for number, values in bins.items():
            reference.setdefault(number, []).append(float(np.mean(values)))
    at = sorted(reference)
    means = [np.mean(reference[number]) for number in at]
    fitted = IsotonicRegression().fit(at, means, [len(reference[number]) for number in at]).predict(at)
    assert curve.values == pytest.approx(tuple(fitted))
    assert curve.places == pytest.approx(tuple((number + 0.5) / 20 - 0.5 for number in at))
    assert all(later >= former for former, later in pairwise(curve.values))


def test_a_mean_is_believed_as_far_as_it_exceeds_its_error() -> None:
    values = np.random.default_rng(0).normal(0.05, 0.3, 200)
    found, interval = shrunk_mean(values, 5), mean_interval(values, 5)
    assert found.believed == pytest.approx(max(0.0, 1 - (interval.standard_error / interval.mean) ** 2))
    assert shrunk_mean(values - values.mean() + 1e-6, 5).believed == 0.0
    assert shrunk_mean(values[:10], 5).value == 0.0
    assert str(shrunk_mean(values.mean() - values - 1e-6, 5).value) == "0.0"
    assert shrunk_mean(np.ones(100), 5).believed == 1.0


def test_a_planted_return_is_found_and_is_nearer_than_nothing() -> None:
    fitted, unseen = fit_expected_return(scored(0.3), 1), scored(0.3, seed=9)
    told = fitted.add(unseen)
    assert fitted.believed > 0.95
    # What a normal score of correlation .3 says of a return with a standard deviation of 2 %.
    truth = 0.3 * 0.02 * unseen["score"].to_numpy()
    assert np.corrcoef(told["expected_return"].to_numpy(), truth)[0, 1] > 0.95
    assert np.polyfit(truth, told["expected_return"].to_numpy(), 1)[0] == pytest.approx(1.0, abs=0.1)
    came = unseen["forward_return"].to_numpy()
    assert np.mean((told["expected_return"].to_numpy() - came) ** 2) < 0.93 * np.mean(came**2)


def test_noise_is_hardly_believed_and_a_wrong_score_not_at_all() -> None:
    believed = [fit_expected_return(scored(0.0, seed=seed, days=100), 1).believed for seed in range(12)]
    assert np.median(believed) < 0.3
    wrong = fit_expected_return(scored(-0.3), 1)
    assert wrong.believed == 0.0
    assert wrong.add(scored(-0.3))["expected_return"].n_unique() == 1


def test_the_expected_return_never_falls_with_the_score_and_is_null_without_one() -> None:
    fitted = fit_expected_return(scored(0.1), 1)
    day = scored(0.1, days=1).with_columns(score=pl.when(pl.col("symbol") == "S005").then(None).otherwise("score"))
    told = fitted.add(day).sort("score", nulls_last=True)
    assert told["expected_return"][:-1].diff().drop_nulls().min() >= 0.0
    assert told["expected_return"][-1] is None


def test_the_level_is_the_mean_of_dates_not_of_rows() -> None:
    frame = scored(0.3).with_columns(pl.col("forward_return") + 0.01)
    first = frame["date"].min()
    crowded = pl.concat([frame, *[frame.filter(pl.col("date") == first)] * 9])
    assert fit_expected_return(crowded, 1).level == pytest.approx(fit_expected_return(frame, 1).level)
    assert fit_expected_return(frame, 1).level == pytest.approx(0.01, abs=0.001)


def test_probabilities_are_a_distribution_and_keep_their_word_on_unseen_days() -> None:
    fitted, unseen = fit_directions(directed(scored(0.3)), 1), directed(scored(0.3, seed=9))
    told = fitted.add(unseen)
    total = told.select(pl.sum_horizontal(PROBABILITIES.values())).to_series()
    assert (total - 1.0).abs().max() < 1e-12
    assert told.select(pl.min_horizontal(PROBABILITIES.values())).to_series().min() >= 0.0
    for name, column in PROBABILITIES.items():
        rows = told.select("date", forecast=column, happened=pl.col("direction").cast(pl.String) == name)
        assert expected_calibration_error(reliability_table(rows, 1)) < 0.02
    base = told.with_columns(pl.lit(1 / 3).alias(column) for column in PROBABILITIES.values())
    gain = brier_of_classes(base, "direction", PROBABILITIES) - brier_of_classes(told, "direction", PROBABILITIES)
    assert gain > 0.015


def test_probabilities_by_a_wrong_score_are_the_base_rates() -> None:
    fitted = fit_directions(directed(scored(-0.2)), 1)
    told = fitted.add(directed(scored(-0.2, days=2)))
    for column in PROBABILITIES.values():
        assert told[column].n_unique() == 1
    assert told["probability_up"][0] == pytest.approx(1 / 3, abs=0.02)


def test_probabilities_are_a_distribution_on_odd_samples_of_few_rows_too() -> None:
    for seed in range(20):
        frame = directed(met({"score": 0.6}, days=25, symbols=5, seed=seed))
        told = fit_directions(frame, 1).add(frame).select(PROBABILITIES.values())
        assert told.select(pl.min_horizontal(pl.all())).to_series().min() >= 0.0
        assert (told.select(pl.sum_horizontal(pl.all())).to_series() - 1.0).abs().max() < 1e-12


def test_base_rates_are_believed_as_far_as_their_days_allow() -> None:
    """Half of all moves are up: on days of their own that is taken; by long waves of the whole market it is not."""
    random = np.random.default_rng(2)
    frame = directed(scored(0.0, days=200)).drop("direction")
    chance = {"down": 0.2, "flat": 0.3, "up": 0.5}
    independent = frame.with_columns(
        direction=pl.Series(random.choice(list(chance), frame.height, p=list(chance.values())))
    )
    fitted = fit_directions(independent, 1)
    assert fitted.base_risen == pytest.approx(0.5, abs=0.02)
    assert 1.0 - fitted.base_not_fallen == pytest.approx(0.2, abs=0.02)
    rising, still = pl.col("date").rank("dense") <= 120, pl.col("symbol") < "S014"
    moving = pl.when(rising).then(pl.lit("up")).otherwise(pl.lit("down"))
    together = frame.with_columns(direction=pl.when(still).then(pl.lit("flat")).otherwise(moving))
    swinging = fit_directions(together, 20)
    assert together.filter(pl.col("direction") == "up").height / together.height == pytest.approx(0.39)
    assert swinging.base_risen == pytest.approx(1 / 3, abs=0.01)
    assert swinging.base_not_fallen == pytest.approx(2 / 3, abs=0.01)
    # Nineteen days are no evidence on any market.
    assert fit_directions(independent.head(40 * 19), 1).base_risen == pytest.approx(1 / 3)


def told_probabilities(rows: int = 4000) -> pl.DataFrame:
    random = np.random.default_rng(5)
    truth = random.uniform(0, 1, rows)
    dates = pl.Series([n // 20 for n in range(rows)]).cast(pl.Date)
    return pl.DataFrame({"date": dates, "forecast": truth**2, "happened": random.random(rows) < truth})


def test_brier_is_scikit_learns() -> None:
    told = told_probabilities()
    assert brier_score(told) == pytest.approx(
        brier_score_loss(told["happened"].to_numpy(), told["forecast"].to_numpy())
    )
    random = np.random.default_rng(6)
    shares = random.dirichlet((1, 2, 3), 500)
    came = random.choice(["down", "flat", "up"], 500)
    frame = pl.DataFrame(shares, schema=list(PROBABILITIES.values())).with_columns(direction=pl.Series(came))
    slow = brier_score_loss(came, shares, labels=["down", "flat", "up"], scale_by_half=False)
    assert brier_of_classes(frame, "direction", PROBABILITIES) == pytest.approx(slow)


def test_the_calibration_error_is_that_of_a_slow_reference() -> None:
    told = told_probabilities()
    found = expected_calibration_error(reliability_table(told, 1))
    rows, total = told.select("forecast", "happened").rows(), 0.0
    for number in range(10):
        part = [row for row in rows if number / 10 <= row[0] < (number + 1) / 10 or (number == 9 and row[0] == 1.0)]
        if part:
            gap = sum(happened for _, happened in part) / len(part) - sum(forecast for forecast, _ in part) / len(part)
            total += len(part) / len(rows) * abs(gap)
    assert found == pytest.approx(total)
    assert found > 0.1


def test_a_reliability_table_shows_each_bin_with_its_interval() -> None:
    told = told_probabilities()
    table = reliability_table(told.with_columns(forecast=pl.col("forecast").sqrt()), 1)
    assert table["rows"].sum() == told.height
    assert table.filter(~pl.col("forecast").is_between(pl.col("from"), pl.col("to"))).is_empty()
    # Those probabilities are true: nine of ten intervals at least hold their own forecast.
    assert table.filter(pl.col("forecast").is_between(pl.col("lower"), pl.col("upper"))).height >= 9
    few = reliability_table(told.head(40), 1)
    assert few["lower"].null_count() == few.height


def test_wrong_probabilities_are_refused_and_empty_ones_undefined() -> None:
    told = told_probabilities(20)
    with pytest.raises(BadInput, match=r"a probability must lie between 0 and 1, got 1\.5"):
        brier_score(told.with_columns(forecast=pl.lit(1.5)))
    assert brier_score(told.head(0)) is None
    assert expected_calibration_error(reliability_table(told.head(0), 1)) is None


def test_trailing_volatility_is_a_weighted_loop_over_the_past_alone() -> None:
    random = np.random.default_rng(1)
    closes = 50 * np.cumprod(1 + random.normal(0, 0.02, 100))
    dates = pl.Series(range(100)).cast(pl.Date)
    bars = pl.DataFrame({"symbol": "A", "date": dates, "close": closes})
    still = bars.with_columns(symbol=pl.lit("B"), close=pl.lit(7.0))
    found = trailing_volatility(pl.concat([bars, still]).sample(fraction=1.0, shuffle=True, seed=0))
    own = found.filter(pl.col("symbol") == "A")["daily_volatility"].to_list()
    moves = closes[1:] / closes[:-1] - 1
    for day in (59, 60, 99):
        weights = DECAY ** np.arange(day)[::-1]
        slow = math.sqrt(np.average(moves[:day] ** 2, weights=weights))
        assert own[day] == (pytest.approx(slow) if day >= 60 else None)
    assert found.filter(pl.col("symbol") == "B")["daily_volatility"].null_count() == 100
