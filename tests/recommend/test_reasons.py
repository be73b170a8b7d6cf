"""Reasons say what the columns beside them say, in words, and what is not known is not told."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from recommend_samples import LIMITS, bars_of, calibrated_of, ranking_of

from nightdesk.evaluation.backtest import Costs
from nightdesk.recommend.reasons import Driver, held_without, notes_of, reasons_of
from nightdesk.recommend.recommendations import CALIBRATED, judged, with_sizes
from nightdesk.recommend.risk import risk_of

SYMBOLS = [f"S{number:02d}" for number in range(12)]


def recommended(
    holdings: pl.DataFrame | None = None, skill: str = "unproven", calibrated: bool = True, **calibration: float
) -> pl.DataFrame:
    bars = bars_of(SYMBOLS)
    ranking = ranking_of(bars)
    numbers = calibrated_of(ranking, **calibration) if calibrated else pl.DataFrame(schema=CALIBRATED)
    told = judged(ranking, numbers, risk_of(bars), {5: skill}, Costs(capital=LIMITS.capital), LIMITS)
    sectors = pl.DataFrame({"symbol": SYMBOLS, "sector": ["Tech"] * 12})
    return with_sizes(told, bars, sectors, holdings, LIMITS)


def row_of(rows: pl.DataFrame, symbol: str) -> dict[str, Any]:
    return rows.filter(pl.col("symbol") == symbol).row(0, named=True)


def test_a_buy_tells_its_figures_its_trust_its_drivers_and_what_bound_it() -> None:
    row = row_of(recommended(), "S00")
    drivers = [
        Driver("momentum_252_21", "return of the last year without its last month", 0.02, 0.93),
        Driver("volatility_60", "standard deviation of 60 daily log returns", -0.01, None),
        Driver("idle", "says nothing", 0.0, 0.5),
    ]
    told = reasons_of(row, drivers)
    cost = f"{100 * row['round_trip_cost']:.2f}"
    assert told[0] == (
        "buy: expected to return +4.00 %, +3.50 % beside the mean of all; a round trip costs "
        f"{cost} %; up 48 %, down 32 %"
    )
    assert told[1] == "trust: unproven, nothing is proven about the model behind it"
    assert told[2] == (
        "adds most to its score: momentum_252_21 (return of the last year without its last month), higher than 93 % of "
        "symbols, +0.02"
    )
    assert told[3].startswith("takes most from its score: volatility_60")
    assert told[3].endswith("its value is missing, -0.01")
    assert told[4].startswith("its size is bound by the limit on one name")
    assert told[4].endswith("the limit on its sector (Tech)")
    assert "idle" not in " ".join(told)


def test_only_the_three_that_move_most_are_told() -> None:
    drivers = [Driver(f"f{number}", "m", 0.01 * number, 0.5) for number in range(1, 6)]
    line = reasons_of(row_of(recommended(), "S00"), drivers)[2]
    assert [name for name in ("f5", "f4", "f3", "f2", "f1") if f"{name} " in line] == ["f5", "f4", "f3"]


def test_proven_skill_is_no_warning_and_what_is_not_told_says_why() -> None:
    told = reasons_of(row_of(recommended(skill="proven"), "S00"), None, "voter cannot say it exactly")
    assert not any(line.startswith("trust") for line in told)
    assert "voter cannot say it exactly" in told


@pytest.mark.parametrize(
    ("calibration", "symbol", "said"),
    [
        ({"best": 0.04, "worst": 0.04}, "S00", "hold: calibration finds no edge; expected to return +4.00 %"),
        ({"best": 0.001, "worst": -0.2}, "S00", "hold: what it is expected to return does not pay for the trade"),
        ({"best": 0.0001, "worst": -0.0001}, "S00", "hold: its edge does not pay for the trade"),
        ({"best": 0.2, "worst": 0.01}, "S11", "hold: its direction does not agree with its edge"),
        ({"best": 0.04, "worst": -0.03}, "S11", "sell: expected to return -3.00 %, -3.50 % beside the mean"),
    ],
)
def test_every_action_says_which_part_of_the_rule_made_it(calibration: Any, symbol: str, said: str) -> None:
    assert reasons_of(row_of(recommended(**calibration), symbol), None)[0].startswith(said)


def test_without_a_calibration_it_says_so() -> None:
    told = reasons_of(row_of(recommended(calibrated=False), "S00"), None)
    assert told == ["hold: the served model has no calibrated number for it"]


def test_what_is_held_is_told_with_its_gain() -> None:
    holdings = pl.DataFrame({"symbol": ["S01"], "shares": [12.0], "cost": [25.0]})
    row = row_of(recommended(holdings, calibrated=False), "S01")
    gain = 100 * (row["close"] / 25.0 - 1.0)
    assert reasons_of(row, None)[-1] == f"held: 12 shares, {gain:+.2f} % since bought at 25; 12 are suggested"


def test_notes_say_that_there_is_no_edge_no_proof_and_no_holdings() -> None:
    flat = notes_of(recommended(best=0.01, worst=0.01), [], holdings_known=False, sectors_known=False)
    assert flat[0].startswith("At 5 days the model shows no edge that calibration could find, so nothing is a buy")
    assert flat[1].startswith("Skill is not proven at 5 days")
    assert flat[2].startswith("No holdings were given")
    assert flat[3].startswith("No sectors are known")
    proven = recommended(skill="proven")
    assert notes_of(proven, [], holdings_known=True, sectors_known=True) == []
    assert notes_of(
        recommended(skill="proven", best=1e-4, worst=-1e-4), [], holdings_known=True, sectors_known=True
    ) == ["At 5 days no symbol's edge pays the cost of a round trip, so nothing is a buy."]
    none = notes_of(recommended(calibrated=False), [], holdings_known=True, sectors_known=True)
    assert none[0].startswith("At 5 days the served model has no calibration yet")


def test_what_is_held_but_not_ranked_is_named() -> None:
    holdings = pl.DataFrame({"symbol": ["S01", "ZZZ", "GONE"], "shares": [1.0] * 3, "cost": [None] * 3})
    lost = held_without(holdings, recommended())
    assert lost == ["GONE", "ZZZ"]
    told = notes_of(recommended(), lost, holdings_known=True, sectors_known=True)
    assert told[-1] == ("Held, but not ranked tonight, so nothing is said of them and none is traded: GONE, ZZZ.")
    assert held_without(None, recommended()) == []
