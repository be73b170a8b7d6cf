"""Results by year, sector and regime equal the same interval of their own days; a regime never looks ahead."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from nightdesk.errors import BadInput
from nightdesk.evaluation.slices import by_regime, by_sector, by_year, volatility_regimes
from nightdesk.scoring.intervals import mean_interval
from nightdesk.scoring.rank_ic import daily_rank_ic

DAYS = [dt.date(2015, 1, 1) + dt.timedelta(days=day) for day in range(700)]


def daily() -> pl.DataFrame:
    values = np.random.default_rng(0).normal(0.02, 0.1, len(DAYS)).tolist()
    values[5] = None
    return pl.DataFrame({"date": DAYS, "rank_ic": values})


def test_a_year_is_the_interval_of_its_own_days() -> None:
    frame = daily()
    found = by_year(frame.sample(fraction=1.0, shuffle=True, seed=1), 5)
    assert found["slice"].to_list() == ["2015", "2016"]
    for name, days, mean, lower, upper in found.rows():
        own = mean_interval(frame.filter(pl.col("date").dt.year() == int(name))["rank_ic"], 5)
        assert (days, mean, lower, upper) == (own.days, own.mean, own.lower, own.upper)
    assert found["days"].to_list() == [364, 335]


def test_a_slice_of_few_days_has_no_mean() -> None:
    found = by_year(daily().filter(pl.col("date") < dt.date(2015, 2, 1)), 20)
    assert found.row(0) == ("2015", 30, None, None, None)


def test_a_sector_is_ranked_within_itself() -> None:
    random = np.random.default_rng(2)
    frame = pl.DataFrame(
        {
            "date": [day for day in DAYS[:60] for _ in range(30)],
            "score": random.normal(size=1800),
            "forward_return": random.normal(size=1800),
            "sector": ["tools", "banks", None] * 600,
        }
    )
    # Banks as a whole score high and do well; within them the score orders the other way round.
    bank = pl.col("sector") == "banks"
    frame = frame.with_columns(forward_return=pl.when(bank).then(9.0 - pl.col("score")).otherwise("forward_return"))
    frame = frame.with_columns(score=pl.when(bank).then(pl.col("score") + 9.0).otherwise("score"))
    found = by_sector(frame, 1)
    assert found["slice"].to_list() == ["banks", "tools"]
    assert found["mean"][0] == pytest.approx(-1.0)
    tools = daily_rank_ic(frame.filter(pl.col("sector") == "tools"))
    assert found["mean"][1] == pytest.approx(tools["rank_ic"].mean())


def market() -> pl.DataFrame:
    random = np.random.default_rng(3)
    scale = np.where(np.arange(700) // 100 % 2, 0.02, 0.005)
    moves = random.normal(size=700) * scale
    frames = []
    for name in ("A", "B", "C"):
        closes = 50 * np.cumprod(1 + moves + random.normal(0, 0.001, 700))
        frames.append(pl.DataFrame({"symbol": name, "date": DAYS, "close": closes}))
    return pl.concat(frames)


def test_regimes_are_terciles_of_the_past_alone() -> None:
    bars = market()
    found = volatility_regimes(bars, DAYS)
    closes = np.array([bars.filter(pl.col("symbol") == name)["close"].to_list() for name in "ABC"])
    moves = (closes[:, 1:] / closes[:, :-1] - 1).mean(axis=0)
    volatility = {day: float(np.std(moves[day - 20 : day], ddof=1)) for day in range(20, 700)}
    for day, (_, value, regime) in enumerate(found.rows()):
        known = [volatility[past] for past in range(20, day + 1)]
        assert value == (pytest.approx(volatility[day]) if day >= 20 else None)
        if len(known) < 252:
            assert regime is None
            continue
        low, high = np.quantile(known, [1 / 3, 2 / 3])
        assert regime == ("calm" if value <= low else "rough" if value > high else "normal")
    assert set(found["regime"].drop_nulls()) == {"calm", "normal", "rough"}


@pytest.mark.parametrize("cut", [300, 450, 699])
def test_what_comes_later_changes_no_regime(cut: int) -> None:
    bars = market()
    before = volatility_regimes(bars.filter(pl.col("date") <= DAYS[cut]), DAYS[: cut + 1])
    assert volatility_regimes(bars, DAYS).head(cut + 1).equals(before)


def test_days_of_no_regime_take_no_part() -> None:
    regimes = volatility_regimes(market(), DAYS)
    found = by_regime(daily(), regimes, 5)
    assert found["slice"].to_list() == ["calm", "normal", "rough"]
    assert found["days"].sum() == regimes["regime"].drop_nulls().len()
    rough = regimes.filter(pl.col("regime") == "rough")["date"]
    own = mean_interval(daily().filter(pl.col("date").is_in(rough.to_list()))["rank_ic"], 5)
    assert found.row(2)[1:] == (own.days, own.mean, own.lower, own.upper)


def test_refuses_what_breaks_a_rule() -> None:
    with pytest.raises(BadInput, match="must hold sector"):
        by_sector(pl.DataFrame({"date": []}), 1)
    with pytest.raises(BadInput, match="must hold regime"):
        by_regime(daily(), daily(), 1)
    with pytest.raises(BadInput, match="trading days must be given, got none"):
        volatility_regimes(market(), [])
