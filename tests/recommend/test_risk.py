"""Risk equals a slow reference, bar by bar, and is null where history is too short to say."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from recommend_samples import FIRST, bars_of

from nightdesk.errors import BadInput
from nightdesk.recommend.risk import daily_returns, over_days, risk_of
from nightdesk.scoring.metrics import expected_shortfall, max_drawdown, value_at_risk


def test_every_figure_is_that_of_a_slow_reference() -> None:
    bars = bars_of(["AAA", "BBB", "CCC"], days=300)
    found = {row["symbol"]: row for row in risk_of(bars).iter_rows(named=True)}
    for symbol in ("AAA", "BBB", "CCC"):
        own = bars.filter(pl.col("symbol") == symbol).sort("date")
        closes = own["close"].to_list()[-253:]
        moves = [closes[n + 1] / closes[n] - 1.0 for n in range(252)]
        mean = sum(moves) / 252
        deviation = math.sqrt(sum((one - mean) ** 2 for one in moves) / 251)
        row = found[symbol]
        assert row["volatility"] == pytest.approx(deviation * math.sqrt(252), rel=1e-12)
        worst = sorted(moves)[:13]  # 12.6 days, rounded up
        assert row["value_at_risk"] == pytest.approx(-worst[-1], rel=1e-12)
        assert row["cvar"] == pytest.approx(-sum(worst) / 13, rel=1e-12)
        assert row["value_at_risk"] == pytest.approx(value_at_risk(moves), rel=1e-12)
        assert row["cvar"] == pytest.approx(expected_shortfall(moves), rel=1e-12)
        assert row["max_drawdown"] == pytest.approx(max_drawdown(moves), rel=1e-9)
        money = (own["close"] * own["volume"]).to_list()[-20:]
        assert row["dollar_volume"] == pytest.approx(sum(money) / 20, rel=1e-12)


def test_a_twentieth_of_a_hundred_days_is_five() -> None:
    moves = risk_of(bars_of(["AAA"], days=101))
    closes = bars_of(["AAA"], days=101)["close"].to_numpy()
    returns = np.sort(closes[1:] / closes[:-1] - 1.0)
    assert moves["value_at_risk"][0] == pytest.approx(-returns[4])


@pytest.mark.parametrize(("days", "known"), [(60, False), (61, True)])
def test_volatility_and_drawdown_want_sixty_returns(days: int, known: bool) -> None:
    row = risk_of(bars_of(["AAA"], days)).row(0, named=True)
    assert (row["volatility"] is not None, row["max_drawdown"] is not None) == (known, known)
    assert row["value_at_risk"] is None
    assert row["cvar"] is None
    assert row["dollar_volume"] is not None


def test_tails_want_a_hundred_returns_and_money_five_bars() -> None:
    assert risk_of(bars_of(["AAA"], 100))["cvar"][0] is None
    assert risk_of(bars_of(["AAA"], 101))["cvar"][0] is not None
    assert risk_of(bars_of(["AAA"], 4))["dollar_volume"][0] is None
    assert risk_of(bars_of(["AAA"], 5))["dollar_volume"][0] is not None


def test_a_missing_close_is_stepped_over_and_a_price_nobody_moves_has_no_volatility() -> None:
    bars = bars_of(["AAA"], 120)
    gap = pl.col("date") == bars["date"][50]
    with_gap = bars.with_columns(pl.when(gap).then(None).otherwise(pl.col("close")).alias("close"))
    assert risk_of(with_gap)["volatility"][0] == risk_of(bars.filter(~gap))["volatility"][0]
    still = bars.with_columns(pl.lit(10.0).alias("close"))
    assert risk_of(still).row(0, named=True)["volatility"] is None
    assert risk_of(still).row(0, named=True)["max_drawdown"] == 0.0


def test_a_split_that_adjusted_prices_and_volumes_changes_nothing() -> None:
    bars = bars_of(["AAA", "BBB"], 200)
    halved = bars.with_columns(pl.col("close") / 2.0, pl.col("volume") * 2.0)
    for name in ("volatility", "value_at_risk", "cvar", "max_drawdown", "dollar_volume"):
        assert risk_of(halved)[name].to_list() == pytest.approx(risk_of(bars)[name].to_list(), rel=1e-12)


def test_a_horizon_scales_by_the_square_root_of_time_up_to_all() -> None:
    frame = pl.DataFrame({"daily": [0.02, 0.3, None], "horizon": [4, 60, 5]})
    scaled = frame.select(over_days(pl.col("daily"), pl.col("horizon")))["daily"].to_list()
    assert scaled == [pytest.approx(0.04), 1.0, None]


def test_returns_are_laid_out_by_day_and_zero_where_there_is_none() -> None:
    bars = bars_of(["AAA", "BBB"], 30)
    young = bars.filter((pl.col("symbol") == "AAA") | (pl.col("date") >= FIRST.replace(day=20)))
    returns = daily_returns(young, ["BBB", "AAA"])
    assert returns.shape == (30, 2)
    assert np.count_nonzero(returns[:, 0]) == 11  # of 12 bars
    closes = bars.filter(pl.col("symbol") == "AAA")["close"].to_numpy()
    assert returns[1:, 1] == pytest.approx(closes[1:] / closes[:-1] - 1.0)
    assert returns[0, 1] == 0.0


def test_a_missing_column_is_named() -> None:
    with pytest.raises(BadInput, match="volume"):
        risk_of(bars_of(["AAA"]).drop("volume"))
