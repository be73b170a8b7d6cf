"""The relation of scores and outcomes: a plain loop's sum, Siegmund's and a simulation's threshold, no look ahead."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from drift_nights import calendar
from scipy import stats

from nightdesk.monitoring.relation import (
    ALLOWANCE,
    DEVIATION,
    PROMISED,
    cumulative,
    judge_relation,
    threshold,
    with_promises,
)
from nightdesk.scoring.intervals import mean_interval

MATURED = {"as_of": pl.Date, "horizon": pl.Int64, "model": pl.String, "rank_ic": pl.Float64}
PROMISES = {
    **{"as_of": pl.Date, "horizon": pl.Int64, "model": pl.String},
    **{"mean": pl.Float64, "lower": pl.Float64, "upper": pl.Float64, "days": pl.Int64},
}


def told(values: np.ndarray, promised: float = 0.05, deviation: float = 0.1) -> pl.DataFrame:
    return pl.DataFrame({"as_of": calendar(len(values)), "rank_ic": values}).with_columns(
        pl.lit(promised).alias(PROMISED), pl.lit(deviation).alias(DEVIATION)
    )


def test_the_sum_is_a_plain_loops() -> None:
    steps = np.random.default_rng(1).normal(-0.1, 1.0, (3, 200))
    for row, path in zip(steps, cumulative(steps), strict=True):
        total, slow = 0.0, []
        for step in row:
            total = max(0.0, total + step)
            slow.append(total)
        assert path == pytest.approx(slow, abs=1e-9)


@pytest.mark.parametrize("drift", [0.2, 0.5])
def test_the_threshold_lets_through_as_many_false_alarms_as_it_says(drift: float) -> None:
    """Independent normal nights: years of 252, each from zero, are alarmed in about the share that was asked for."""
    random, rate = np.random.default_rng(7), 1.0
    paths = cumulative(random.normal(-drift, 1.0, (4000, 252)))
    alarmed = (paths > threshold(drift, rate)).any(axis=1).mean()
    assert 0.8 * (1 - np.exp(-rate)) < alarmed < 1.05 * (1 - np.exp(-rate))


def test_rarer_alarms_need_more_evidence() -> None:
    assert threshold(0.5, 0.1) > threshold(0.5, 0.4) > threshold(0.5, 1.0)
    assert threshold(0.1, 0.4) > threshold(0.5, 0.4)
    assert threshold(0.5, 0.4, step=0.2) > threshold(0.5, 0.4)


def test_a_promise_kept_is_no_break_and_a_lost_one_is_with_its_night() -> None:
    noise = np.random.default_rng(3).normal(0, 0.06, 120)
    kept = judge_relation(told(0.05 + noise))
    assert not kept.broken
    flipped = np.where(np.arange(120) >= 100, -0.05, 0.05) + noise
    found = judge_relation(told(flipped))
    assert found.broken
    assert found.since is not None
    assert abs((found.since - calendar(120)[100]).days) <= 3
    assert found.nights == 120
    # A night that is not known yet changes nothing of what was said before.
    assert judge_relation(told(flipped[:105])) == judge_relation(told(np.append(flipped[:105], np.nan)).fill_nan(None))


def test_better_than_promised_is_no_break() -> None:
    assert judge_relation(told(np.full(200, 0.3))).evidence == 0.0


def test_what_was_never_promised_cannot_break() -> None:
    nights = told(np.full(50, -0.9)).with_columns(pl.lit(None, pl.Float64).alias(PROMISED))
    found = judge_relation(nights)
    assert (found.nights, found.evidence, found.broken) == (0, None, False)


def test_each_night_is_held_against_the_newest_promise_of_then_and_its_own_model() -> None:
    days = calendar(40)
    daily = np.random.default_rng(5).normal(0.04, 0.1, 400)
    interval = mean_interval(daily, 5)
    rows = [
        (days[0], 5, "ridge", interval.mean, interval.lower, interval.upper, 400),
        (days[20], 5, "ridge", 0.5, 0.4, 0.6, 400),
        (days[5], 5, "other", 0.9, 0.8, 1.0, 400),
        (days[5], 1, "ridge", 0.9, 0.8, 1.0, 400),
        (days[30], 5, "ridge", None, None, None, 4),
    ]
    matured = [(day, 5, "ridge", 0.0) for day in days]
    found = with_promises(pl.DataFrame(matured, MATURED, orient="row"), pl.DataFrame(rows, PROMISES, orient="row"))
    assert found["as_of"].to_list() == days
    early, late = found.row(19, named=True), found.row(39, named=True)
    error = interval.standard_error
    assert early[PROMISED] == pytest.approx(interval.mean - error)
    assert early[DEVIATION] == pytest.approx(error * np.sqrt(400))
    wide = 0.1 / stats.t.ppf(0.975, interval.terms)
    assert late[PROMISED] == pytest.approx(0.5 - wide)
    before = with_promises(
        pl.DataFrame([(days[0] - dt.timedelta(days=1), 5, "ridge", 0.0)], MATURED, orient="row"),
        pl.DataFrame(rows, PROMISES, orient="row"),
    )
    assert before[PROMISED].to_list() == [None]


def test_a_relation_that_is_lost_and_not_flipped_is_found_too_only_later() -> None:
    lost, flipped = (judge_relation(told(np.full(100, value))) for value in (0.0, -0.05))
    assert lost.evidence == pytest.approx(100 * (0.05 - ALLOWANCE) / 0.1)
    assert flipped.evidence == pytest.approx(100 * (0.10 - ALLOWANCE) / 0.1)
    assert lost.broken
    assert flipped.broken
    assert not judge_relation(told(np.full(100, 0.02))).broken
