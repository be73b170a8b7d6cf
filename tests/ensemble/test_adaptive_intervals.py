"""Intervals hold their coverage where data are exchangeable and follow where they are not, with late feedback alone."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from ensemble_samples import calendar

from nightdesk.ensemble.adaptive import adaptive, feed, walked
from nightdesk.ensemble.conformal import LEVELS, fit_conformal
from nightdesk.ensemble.coverage import coverage_table, daily_coverage, interval_score
from nightdesk.errors import BadInput


def forecasts(
    days: int, horizon: int, scale: np.ndarray | float = 1.0, symbols: int = 60, seed: int = 0
) -> pl.DataFrame:
    """Normal errors around what was expected, each symbol with a volatility of its own; `scale` by day."""
    random = np.random.default_rng(seed)
    volatility = np.tile(random.uniform(0.005, 0.04, symbols), days)
    expected = random.normal(0, 0.01, days * symbols)
    error = random.normal(size=days * symbols) * np.repeat(np.broadcast_to(scale, days), symbols)
    dates = calendar(days + horizon + 1)
    return pl.DataFrame(
        {
            "symbol": [f"S{n:03d}" for _ in range(days) for n in range(symbols)],
            "date": [day for day in dates[:days] for _ in range(symbols)],
            "known_date": [day for day in dates[horizon + 1 :] for _ in range(symbols)],
            "expected_return": expected,
            "daily_volatility": volatility,
            "forward_return": expected + error * volatility * horizon**0.5,
        }
    )


def split(frame: pl.DataFrame, day: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    edge = calendar(day + 1)[day]
    return frame.filter(pl.col("known_date") <= edge), frame.filter(pl.col("date") >= edge)


def held(told: pl.DataFrame) -> float:
    return daily_coverage(told)["coverage"].mean()


@pytest.mark.parametrize("horizon", [1, 5, 20])
def test_coverage_is_kept_within_half_a_point_on_exchangeable_days(horizon: int) -> None:
    calibrating, judged = split(forecasts(900, horizon, symbols=100), 300)
    static = fit_conformal(calibrating, horizon)
    told, _ = walked(adaptive(static), judged)
    assert daily_coverage(told).height == 600
    assert held(told) == pytest.approx(0.9, abs=0.005)
    # Adaptation costs next to nothing where there is nothing to adapt to.
    assert interval_score(told, 0.9) < 1.02 * interval_score(static.add(judged), 0.9)


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
def test_other_promises_are_kept_too(coverage: float) -> None:
    calibrating, judged = split(forecasts(450, 1), 200)
    told, _ = walked(adaptive(fit_conformal(calibrating, 1, coverage)), judged)
    assert held(told) == pytest.approx(coverage, abs=0.015)


def test_a_wilder_market_is_followed_and_a_static_interval_is_not() -> None:
    scale = np.where(np.arange(1200) < 500, 1.0, 1.5)
    calibrating, judged = split(forecasts(1200, 5, scale), 300)
    static = fit_conformal(calibrating, 5)
    after = judged.filter(pl.col("date") >= calendar(800)[700])
    told, _ = walked(adaptive(static, step=0.02), judged)
    followed = told.filter(pl.col("date") >= calendar(800)[700])
    assert held(static.add(after)) < 0.75
    assert held(followed) == pytest.approx(0.9, abs=0.02)
    assert interval_score(followed, 0.9) < interval_score(static.add(after), 0.9)


def test_no_interval_knows_an_outcome_before_its_day() -> None:
    """Outcomes known after a day may be anything: no interval up to that day changes by one bit."""
    calibrating, judged = split(forecasts(400, 20), 150)
    start = adaptive(fit_conformal(calibrating, 20), step=0.05)
    told, _ = walked(start, judged)
    cut = calendar(300)[280]
    wild = pl.when(pl.col("known_date") > cut).then(9.0).otherwise("forward_return")
    other, _ = walked(start, judged.with_columns(forward_return=wild))
    upto = pl.col("date") <= cut
    assert other.filter(upto)["upper"].to_numpy().tobytes() == told.filter(upto)["upper"].to_numpy().tobytes()
    assert not np.array_equal(other["upper"].to_numpy(), told["upper"].to_numpy())
    nearest = judged.with_columns(
        forward_return=pl.when(pl.col("known_date") == cut).then(9.0).otherwise("forward_return")
    )
    known, _ = walked(start, nearest)
    # What becomes known on a day's own close widens that evening's interval.
    that_day = pl.col("date") == cut
    assert known.filter(that_day)["upper"][0] > told.filter(that_day)["upper"][0]


def test_a_walk_is_the_slow_loop_of_gibbs_and_candes() -> None:
    calibrating, judged = split(forecasts(120, 5, symbols=10), 60)
    static = fit_conformal(calibrating, 5)
    told, state = walked(adaptive(static, step=0.1), judged)
    miss, fed = 0.1, 0
    days = judged["date"].unique().sort().to_list()
    halves: list[float] = []
    for number in range(len(days)):
        while fed + 6 <= number:
            part = judged.filter(pl.col("date") == days[fed])
            away = (part["forward_return"] - part["expected_return"]).abs() / part["daily_volatility"]
            miss += 0.1 * (0.1 - float((away > halves[fed]).mean()))
            fed += 1
        halves.append(5**0.5 * float(np.interp((1 - max(miss, 0.01)) * LEVELS, np.arange(LEVELS + 1), static.errors)))
    found = told.group_by("date", maintain_order=True).agg(
        ((pl.col("upper") - pl.col("expected_return")) / pl.col("daily_volatility")).mean().alias("half")
    )
    assert found["half"].to_list() == pytest.approx(halves)
    assert state.miss == pytest.approx(miss)


def test_night_by_night_is_the_same_as_one_walk() -> None:
    """Each evening the state of the last one is fed from the log of what was told, and tells once more."""
    calibrating, judged = split(forecasts(160, 5), 80)
    start = adaptive(fit_conformal(calibrating, 5), step=0.05)
    told, state = walked(start, judged)
    log, nightly = (
        judged.head(0).with_columns(pl.lit(None, pl.Float64).alias(name) for name in ("lower", "upper")),
        start,
    )
    for (day,), part in judged.group_by("date", maintain_order=True):
        nightly = feed(nightly, log, day)
        log = pl.concat([log, nightly.add(part)])
    assert log.equals(told)
    assert nightly == state
    later = feed(nightly, log, dt.date(2099, 1, 1))
    assert later.fed_to == str(judged["date"].max())
    assert feed(later, log, dt.date(2099, 1, 1)) == later


def test_a_date_waits_for_its_last_label_and_holds_up_those_after_it() -> None:
    calibrating, judged = split(forecasts(120, 1), 60)
    start = adaptive(fit_conformal(calibrating, 1))
    told, _ = walked(start, judged)
    days = judged["date"].unique().sort().to_list()
    late = told.with_columns(
        known_date=pl.when((pl.col("date") == days[3]) & (pl.col("symbol") == "S000"))
        .then(days[20])
        .otherwise("known_date")
    )
    assert feed(start, late, days[19]).fed_to == str(days[2])
    assert feed(start, late, days[20]).fed_to == str(days[18])
    open_end = late.with_columns(known_date=pl.when(pl.col("date") >= days[3]).then(None).otherwise("known_date"))
    assert feed(start, open_end, days[40]).fed_to == str(days[2])


def test_rows_without_price_or_volatility_take_no_part() -> None:
    calibrating, judged = split(forecasts(120, 1), 60)
    holes = judged.with_columns(
        forward_return=pl.when(pl.col("symbol") == "S001").then(None).otherwise("forward_return"),
        daily_volatility=pl.when(pl.col("symbol") == "S002").then(None).otherwise("daily_volatility"),
    )
    start = adaptive(fit_conformal(calibrating, 1))
    told, state = walked(start, holes)
    assert told.filter(pl.col("symbol") == "S002")["lower"].null_count() == 60
    assert told.filter(pl.col("symbol") == "S001")["lower"].null_count() == 0
    _, without = walked(start, judged.filter(~pl.col("symbol").is_in(["S001", "S002"])))
    assert state == without


def test_beyond_what_calibration_met_the_interval_stays_at_its_widest() -> None:
    calibrating, _ = split(forecasts(120, 1), 60)
    static = fit_conformal(calibrating, 1)
    assert static.reach(-0.3) == static.reach(0.0) == max(static.errors)
    assert static.reach(1.4) == min(static.errors)
    assert replace(adaptive(static), miss=-0.3).aim == pytest.approx(0.01)
    assert replace(adaptive(static), miss=0.3).aim == 0.3
    reaches = [static.reach(miss) for miss in np.linspace(-0.1, 1.1, 200)]
    assert all(later <= former for former, later in pairwise(reaches))


def test_each_calibration_date_weighs_the_same() -> None:
    """One wild date with forty times the symbols of the others moves the interval no more than one wild date does."""
    scale = np.where(np.arange(120) == 0, 10.0, 1.0)
    calibrating, _ = split(forecasts(120, 1, scale), 60)
    first = calibrating["date"].min()
    crowded = pl.concat([calibrating, *[calibrating.filter(pl.col("date") == first)] * 39])
    plain, more = fit_conformal(calibrating, 1), fit_conformal(crowded, 1)
    assert more.days == plain.days
    assert more.reach(0.1) == pytest.approx(plain.reach(0.1), abs=0.01)
    assert fit_conformal(calibrating.filter(pl.col("date") > first), 1).reach(0.1) < plain.reach(0.1) - 0.02


def test_coverage_is_shown_by_year_and_regime_with_intervals() -> None:
    frame = forecasts(500, 1).with_columns(
        lower=pl.col("expected_return") - 0.03, upper=pl.col("expected_return") + 0.03
    )
    days = calendar(500)
    regimes = pl.DataFrame({"date": days, "regime": [None, "calm", "rough", "calm", "rough"] * 100})
    found = coverage_table(frame, 1, regimes)
    assert found["slice"].to_list() == ["overall", "2015", "calm", "rough"]
    assert found["days"].to_list() == [500, 365, 200, 200]
    daily = daily_coverage(frame)
    for name, part in (("overall", daily), ("2015", daily.filter(pl.col("date").dt.year() == 2015))):
        row = found.filter(pl.col("slice") == name).row(0, named=True)
        assert row["coverage"] == pytest.approx(part["coverage"].mean())
        assert row["lower"] < row["coverage"] < row["upper"]
    # 2016 has 135 days here: too few to be shown as a year.
    assert coverage_table(frame.head(60 * 4), 1)["lower"].to_list() == [None]


def test_the_interval_score_is_that_of_the_paper() -> None:
    frame = pl.DataFrame(
        {"date": [1, 1, 1], "lower": [0.0, 0.0, 0.0], "upper": [0.1, 0.1, 0.1], "forward_return": [0.05, -0.02, 0.13]}
    )
    assert interval_score(frame, 0.9) == pytest.approx((0.1 + (0.1 + 20 * 0.02) + (0.1 + 20 * 0.03)) / 3)
    assert interval_score(frame.head(0), 0.9) is None


def test_bad_numbers_are_refused() -> None:
    frame = forecasts(10, 1)
    with pytest.raises(BadInput, match=r"coverage must lie between 0 and 1, got 90: choose 0\.9 for 90 %"):
        fit_conformal(frame, 1, 90)
    with pytest.raises(BadInput, match="must have matured forecasts to learn from, got none"):
        fit_conformal(frame.with_columns(forward_return=pl.lit(None, pl.Float64)), 1)
    static = fit_conformal(frame, 1)
    with pytest.raises(BadInput, match=r"the step must be 0 to 1, got 2: choose"):
        adaptive(static, 2)
    with pytest.raises(BadInput, match="must hold known_date"):
        walked(adaptive(static), frame.drop("known_date"))
