"""Action, target and size follow from calibrated numbers by the stated rule, and from nothing else."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from recommend_samples import LIMITS, bars_of, calibrated_of, ranking_of

from nightdesk.evaluation.backtest import Costs
from nightdesk.recommend.recommendations import CALIBRATED, judged, with_sizes
from nightdesk.recommend.risk import risk_of

SYMBOLS = [f"S{number:02d}" for number in range(12)]
COSTS = Costs(commission=0.001, half_spread=0.002, impact=0.0)
NO_SECTORS = pl.DataFrame(schema={"symbol": pl.String, "sector": pl.String})


def told(**changes: Any) -> pl.DataFrame:
    bars = bars_of(SYMBOLS)
    ranking = ranking_of(bars)
    usual: dict[str, Any] = {
        "ranking": ranking,
        "calibrated": calibrated_of(ranking),
        "risk": risk_of(bars),
        "skill": {5: "unproven"},
        "costs": COSTS,
        "limits": LIMITS,
    }
    return judged(**{**usual, **changes})


def of_one(expected: float | None, up: float | None, down: float | None) -> str:
    """The action of a symbol in the middle of two whose expected returns cancel out, so that the mean is 0."""
    bars = bars_of(["AAA", "BBB", "CCC"])
    ranking = ranking_of(bars)
    other = None if expected is None else -expected / 2.0
    values = {"AAA": (expected, up, down), "BBB": (other, 0.4, 0.4), "CCC": (other, 0.4, 0.4)}
    rows = [(5, name, one, one, one, low, 0.2, high, 0.5) for name, (one, high, low) in values.items()]
    calibrated = pl.DataFrame(rows, schema=CALIBRATED, orient="row")
    found = told(ranking=ranking, calibrated=calibrated, risk=risk_of(bars))
    return dict(found.select("symbol", "action").iter_rows())["AAA"]


@pytest.mark.parametrize(
    ("expected", "up", "down", "action"),
    [
        (0.0061, 0.5, 0.3, "buy"),
        (0.0059, 0.5, 0.3, "hold"),  # the round trip costs 0.006
        (0.0061, 0.3, 0.3, "hold"),
        (0.0061, 0.3, 0.5, "hold"),
        (-0.0061, 0.3, 0.5, "sell"),
        (-0.0059, 0.3, 0.5, "hold"),
        (-0.0061, 0.5, 0.3, "hold"),
        (None, None, None, "hold"),
        (0.0061, None, None, "hold"),
    ],
)
def test_the_rule(expected: float | None, up: float | None, down: float | None, action: str) -> None:
    assert of_one(expected, up, down) == action


def test_a_market_that_rises_for_all_is_nobodys_edge() -> None:
    ranking = ranking_of(bars_of(SYMBOLS))
    found = told(calibrated=calibrated_of(ranking, best=0.05, worst=0.05))
    assert found["action"].unique().to_list() == ["hold"]
    assert found["edge"].to_list() == [0.0] * len(SYMBOLS)
    assert found["expected_return"].to_list() == pytest.approx([0.05] * len(SYMBOLS))


def test_an_edge_in_a_falling_market_does_not_make_a_buy() -> None:
    ranking = ranking_of(bars_of(SYMBOLS))
    found = told(calibrated=calibrated_of(ranking, best=0.001, worst=-0.2))
    assert found["edge"][0] > 0.05
    assert found["action"][0] == "hold"


def test_without_a_calibration_everything_is_hold_and_nothing_is_made_up() -> None:
    found = told(calibrated=pl.DataFrame(schema=CALIBRATED))
    assert found["action"].unique().to_list() == ["hold"]
    for name in ("expected_return", "edge", "target", "target_low", "target_high", "probability_up", "confidence"):
        assert found[name].null_count() == found.height, name
    assert found["risk_adjusted_score"].null_count() == found.height
    assert found["volatility"].null_count() == 0


def test_targets_are_the_close_times_one_plus_the_return() -> None:
    for row in told().iter_rows(named=True):
        assert row["target"] == pytest.approx(row["close"] * (1.0 + row["expected_return"]))
        assert row["target_low"] == pytest.approx(row["close"] * (1.0 + row["lower"]))
        assert row["target_high"] == pytest.approx(row["close"] * (1.0 + row["upper"]))
        assert row["target_low"] < row["target"] < row["target_high"]


def test_the_risk_adjusted_score_is_over_the_horizons_volatility() -> None:
    row = told().row(0, named=True)
    assert row["risk_adjusted_score"] == pytest.approx(
        row["expected_return"] / (row["volatility"] * math.sqrt(5 / 252))
    )
    assert row["value_at_risk_horizon"] == pytest.approx(row["value_at_risk"] * math.sqrt(5))
    assert row["cvar_horizon"] == pytest.approx(row["cvar"] * math.sqrt(5))


def test_the_round_trip_holds_impact_at_the_largest_size_allowed() -> None:
    row = told(costs=Costs(commission=0.001, half_spread=0.002, impact=1.5)).row(0, named=True)
    # A quarter of a million in a name that trades fifty a day: half a hundredth, below the five allowed.
    share = 0.25 * 1e6 / row["dollar_volume"]
    assert share == pytest.approx(0.005, rel=0.05)
    impact = 1.5 * row["volatility"] / math.sqrt(252) * math.sqrt(share)
    assert row["round_trip_cost"] == pytest.approx(2.0 * (0.003 + impact))
    young = bars_of(SYMBOLS, days=30)
    unknown = told(ranking=ranking_of(young), calibrated=calibrated_of(ranking_of(young)), risk=risk_of(young))
    assert unknown["round_trip_cost"].null_count() == unknown.height
    assert unknown["action"].unique().to_list() == ["hold"]


def test_trust_stands_beside_the_action_and_does_not_change_it() -> None:
    proven, unproven = told(skill={5: "proven"}), told()
    assert proven["trust"].unique().to_list() == ["proven"]
    assert unproven["trust"].unique().to_list() == ["unproven"]
    assert proven["action"].to_list() == unproven["action"].to_list()
    assert told(skill={})["trust"].null_count() == len(SYMBOLS)


def test_each_horizon_and_market_has_a_mean_of_its_own() -> None:
    bars = bars_of(SYMBOLS)
    ranking = ranking_of(bars, (5, 20)).with_columns(
        market=pl.when(pl.col("symbol") < "S06").then(pl.lit("home")).otherwise(pl.lit("away"))
    )
    calibrated = calibrated_of(ranking)
    found = told(ranking=ranking, calibrated=calibrated, skill={5: "proven", 20: "unproven"})
    means = found.group_by("horizon", "market").agg(pl.col("edge").mean())
    assert means["edge"].to_list() == pytest.approx([0.0] * 4, abs=1e-12)
    assert found.group_by("market").agg(pl.col("expected_return").mean())["expected_return"].n_unique() == 2


def size(judgement: pl.DataFrame, holdings: pl.DataFrame | None = None, **changes: Any) -> pl.DataFrame:
    usual: dict[str, Any] = {"bars": bars_of(SYMBOLS), "sectors": NO_SECTORS, "holdings": holdings, "limits": LIMITS}
    return with_sizes(judgement, **{**usual, **changes})


def held(**shares: float) -> pl.DataFrame:
    rows = [(symbol, count, None) for symbol, count in shares.items()]
    return pl.DataFrame(rows, schema={"symbol": pl.String, "shares": pl.Float64, "cost": pl.Float64}, orient="row")


def test_only_buys_are_sized_in_whole_shares_below_their_weight() -> None:
    found = size(told())
    bought = found.filter(pl.col("weight") > 0.0)
    assert 0 < bought.height <= LIMITS.positions
    assert bought["action"].unique().to_list() == ["buy"]
    for row in bought.iter_rows(named=True):
        worth = row["weight"] * LIMITS.capital / row["close"]
        assert row["shares"] == math.floor(worth)
        assert row["trade_shares"] == row["shares"]
    assert found["held_weight"].null_count() == found.height
    assert found.filter(pl.col("action") != "buy")["shares"].unique().to_list() == [0.0]


def test_a_coin_is_sized_in_millionths() -> None:
    found = size(told(), whole_shares=False).filter(pl.col("weight") > 0.0)
    worth = found["weight"] * LIMITS.capital / found["close"]
    assert ((worth - found["shares"]) * 1e6).is_between(-1e-3, 1.0).all()
    assert (found["shares"] % 1.0).max() > 0.0


def test_holdings_are_weighed_at_tonights_close_and_kept_to_the_share() -> None:
    judgement = told(calibrated=pl.DataFrame(schema=CALIBRATED))
    found = {row["symbol"]: row for row in size(judgement, held(S00=101.0, S03=7.0)).iter_rows(named=True)}
    assert found["S00"]["held_weight"] == pytest.approx(101.0 * found["S00"]["close"] / 1e6)
    assert (found["S00"]["shares"], found["S00"]["trade_shares"]) == (101.0, 0.0)
    assert (found["S03"]["shares"], found["S03"]["trade_shares"]) == (7.0, 0.0)
    assert (found["S01"]["held_shares"], found["S01"]["shares"]) == (0.0, 0.0)


def test_what_is_to_be_sold_is_a_trade_below_zero() -> None:
    judgement = told()
    worst = judgement.filter(pl.col("action") == "sell")["symbol"][-1]
    free = replace(LIMITS, max_turnover=2.0)
    found = size(judgement, held(**{worst: 100.0}), limits=free).filter(pl.col("symbol") == worst).row(0, named=True)
    assert (found["weight"], found["shares"], found["trade_shares"]) == (0.0, 0.0, -100.0)


def test_what_is_held_but_not_ranked_takes_its_room() -> None:
    # Ten million of a name that is not ranked: nothing is left to invest.
    bars = pl.concat([bars_of(SYMBOLS), bars_of(["ZZZ"])])
    assert size(told(), held(ZZZ=200_000.0), bars=bars)["weight"].sum() == 0.0
    assert size(told(), held(ZZZ=1.0), bars=bars)["weight"].sum() > 0.0


def test_only_the_lead_market_is_sized() -> None:
    bars = bars_of(SYMBOLS)
    ranking = ranking_of(bars).with_columns(
        market=pl.when(pl.int_range(12) % 2 == 0).then(pl.lit("home")).otherwise(pl.lit("away"))
    )
    found = size(told(ranking=ranking, calibrated=calibrated_of(ranking)), lead="home")
    assert found.filter(market="away")["weight"].null_count() == 6
    assert found.filter(market="away")["shares"].null_count() == 6
    assert found.filter(market="home")["weight"].sum() > 0.0
    assert found.drop("weight", "shares", "trade_shares", "limits").height == 12


def test_a_sector_limit_is_kept_and_the_sector_shown() -> None:
    sectors = pl.DataFrame({"symbol": SYMBOLS, "sector": ["Tech"] * 6 + ["Energy"] * 6})
    found = size(told(), sectors=sectors)
    assert found.filter(sector="Tech")["weight"].sum() <= LIMITS.max_sector_weight + 1e-9
    assert "sector" in found["limits"].explode().drop_nulls().to_list()


def test_the_order_of_the_ranking_stays() -> None:
    bars = bars_of(SYMBOLS)
    ranking = ranking_of(bars, (5, 20))
    found = size(told(ranking=ranking, calibrated=calibrated_of(ranking), skill={5: "a", 20: "b"}))
    assert found.select(ranking.columns).equals(ranking)
