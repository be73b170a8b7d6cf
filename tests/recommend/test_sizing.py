"""Every limit holds at once, whatever is wanted and held; sizes are the same again, and say what bound them."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings

from nightdesk.errors import BadInput
from nightdesk.recommend.sizing import Limits, sized

FREE = Limits(
    capital=1e6,
    positions=50,
    max_weight=1.0,
    max_sector_weight=1.0,
    max_participation=1.0,
    max_turnover=2.0,
    volatility_target=10.0,
)
SCHEMA = {
    "symbol": pl.String, "action": pl.String, "edge": pl.Float64, "volatility": pl.Float64,
    "dollar_volume": pl.Float64, "sector": pl.String, "held_weight": pl.Float64, "tradable": pl.Boolean,
}  # fmt: skip


def names(*rows: dict[str, Any]) -> pl.DataFrame:
    """Candidates, a buy with an edge of a hundredth each unless they say otherwise."""
    usual = {
        "action": "buy", "edge": 0.01, "volatility": 0.2, "dollar_volume": 1e9, "sector": None, "held_weight": 0.0,
        "tradable": True,
    }  # fmt: skip
    full = [{"symbol": f"S{number}", **usual, **row} for number, row in enumerate(rows)]
    return pl.DataFrame(full, schema=SCHEMA)


def limited(**changes: Any) -> Limits:
    values = {name: getattr(FREE, name) for name in Limits.__dataclass_fields__}
    return Limits(**{**values, **changes})


def weights(candidates: pl.DataFrame, limits: Limits, *, holdings: bool = False, seed: int = 1) -> dict[str, float]:
    found = sized(candidates, calm(candidates.height, seed), limits, holdings_known=holdings)
    return dict(found.select("symbol", "weight").iter_rows())


def bound(candidates: pl.DataFrame, limits: Limits, *, holdings: bool = False) -> dict[str, list[str]]:
    found = sized(candidates, calm(candidates.height), limits, holdings_known=holdings)
    return dict(found.select("symbol", "limits").iter_rows())


def calm(count: int, seed: int = 1) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(0.0, 0.01, (252, count))


NUMBERS = st.floats(0.0, 1.0)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "action": st.sampled_from(["buy", "buy", "hold", "sell"]),
            "edge": st.one_of(st.none(), st.floats(-0.05, 0.2)),
            "volatility": st.one_of(st.none(), st.floats(0.01, 2.0)),
            "dollar_volume": st.one_of(st.none(), st.floats(1e4, 1e9)),
            "sector": st.sampled_from(["Energy", "Health", "Tech", None]),
            "held_weight": st.one_of(st.just(0.0), st.floats(0.0, 0.3)),
            "tradable": st.sampled_from([True, True, True, False]),
        }
    ),
    min_size=1,
    max_size=14,
)
LIMITS = st.builds(
    Limits,
    capital=st.sampled_from([1e5, 1e6, 1e8]),
    positions=st.integers(1, 8),
    max_weight=st.floats(0.02, 1.0),
    max_sector_weight=st.floats(0.02, 1.0),
    max_participation=st.floats(0.001, 1.0),
    max_turnover=st.floats(0.01, 2.0),
    volatility_target=st.floats(0.01, 1.0),
)


@settings(max_examples=100)
@given(ROWS, LIMITS, st.booleans(), st.integers(0, 5))
def test_all_limits_hold_at_once(rows: list[dict[str, Any]], limits: Limits, holdings: bool, seed: int) -> None:
    if not holdings:
        rows = [{**row, "held_weight": 0.0} for row in rows]
    candidates = names(*rows)
    risk = np.random.default_rng(seed).normal(0.0, 0.02, (60, len(rows))) * np.sqrt(252)
    found = sized(candidates, risk / np.sqrt(252), limits, holdings_known=holdings)
    weight, held = found["weight"].to_numpy(), candidates["held_weight"].to_numpy()
    tradable = np.nan_to_num(candidates["dollar_volume"].cast(pl.Float64).fill_null(0.0).to_numpy())
    tradable = np.where(candidates["tradable"].to_numpy(), tradable * limits.max_participation / limits.capital, 0.0)
    slack = 1e-9
    # A limit is broken only where what is held breaks it already, and by no more than that.
    stuck = np.maximum(0.0, held - tradable)
    assert (weight >= 0.0).all()
    assert (weight <= np.maximum(np.minimum(limits.max_weight, tradable), held) + slack).all()
    assert (np.abs(weight - held) <= tradable + slack).all()
    assert weight.sum() <= max(1.0, held.sum()) + slack
    if holdings:
        assert np.abs(weight - held).sum() <= limits.max_turnover + slack
    assert np.count_nonzero(weight > 1e-12) <= max(limits.positions, np.count_nonzero(held))
    if candidates["sector"].drop_nulls().len():
        sectors = candidates["sector"].to_list()
        for sector in set(sectors):
            own = np.array([one == sector for one in sectors])
            assert weight[own].sum() <= max(limits.max_sector_weight, held[own].sum()) + slack
    volatility = [float(np.std(risk @ one, ddof=1)) for one in (weight, held, stuck)]
    assert volatility[0] <= max(limits.volatility_target, *volatility[1:]) + 1e-7
    fresh = (held == 0.0) & (weight > 0.0)
    assert (candidates["action"].to_numpy()[fresh] == "buy").all()
    again = sized(candidates, risk / np.sqrt(252), limits, holdings_known=holdings)
    assert again.equals(found)


def test_weights_are_edge_over_variance() -> None:
    found = weights(names({"edge": 0.02}, {"edge": 0.01}, {"edge": 0.01, "volatility": 0.4}), FREE)
    assert found == pytest.approx({"S0": 8 / 13, "S1": 4 / 13, "S2": 1 / 13})


def test_what_one_name_may_not_take_goes_to_the_others() -> None:
    candidates, limits = names({"edge": 0.08}, {"edge": 0.01}, {"edge": 0.01}), limited(max_weight=0.4)
    assert weights(candidates, limits) == pytest.approx({"S0": 0.4, "S1": 0.3, "S2": 0.3})
    assert bound(candidates, limits) == {"S0": ["max_weight"], "S1": [], "S2": []}


def test_a_position_is_no_more_than_its_share_of_the_money_traded() -> None:
    candidates, limits = names({"dollar_volume": 2e6}, {}), limited(max_participation=0.01)
    assert weights(candidates, limits) == pytest.approx({"S0": 0.02, "S1": 0.98})
    assert bound(candidates, limits)["S0"] == ["liquidity"]


def test_a_sector_is_cut_back_together_and_the_rest_stays_cash() -> None:
    candidates = names({"sector": "Tech"}, {"sector": "Tech"}, {"sector": "Energy"})
    limits = limited(max_sector_weight=0.4)
    assert weights(candidates, limits) == pytest.approx({"S0": 0.2, "S1": 0.2, "S2": 1 / 3})
    assert bound(candidates, limits) == {"S0": ["sector"], "S1": ["sector"], "S2": []}


def test_symbols_without_a_sector_are_one_and_no_sectors_at_all_bind_nothing() -> None:
    limits = limited(max_sector_weight=0.4)
    assert weights(names({}, {}, {"sector": "Tech"}), limits)["S0"] == pytest.approx(0.2)
    assert weights(names({}, {}), limits) == pytest.approx({"S0": 0.5, "S1": 0.5})


def test_the_book_is_as_volatile_as_it_may_be_and_no_more() -> None:
    candidates, limits = names({}, {}), limited(volatility_target=0.05)
    found = weights(candidates, limits)
    assert found["S0"] == found["S1"]
    year = calm(2) @ np.array(list(found.values())) * np.sqrt(252)
    assert np.std(year, ddof=1) == pytest.approx(0.05)
    assert bound(candidates, limits)["S0"] == ["volatility"]


def test_turnover_shortens_the_step_from_what_is_held() -> None:
    candidates = names({"held_weight": 0.6, "action": "sell", "edge": -0.1}, {})
    limits = limited(max_turnover=0.4)
    # From (0.6, 0) to (0, 1) is 1.6: a quarter of the way.
    assert weights(candidates, limits, holdings=True) == pytest.approx({"S0": 0.45, "S1": 0.25})
    assert bound(candidates, limits, holdings=True)["S1"] == ["max_weight", "turnover"]
    assert weights(candidates, limits, holdings=False)["S1"] == pytest.approx(1.0)


def test_the_best_edge_for_its_volatility_finds_a_place_first() -> None:
    candidates = names({"edge": 0.02, "volatility": 0.5}, {"edge": 0.01}, {"edge": 0.015, "volatility": 0.2})
    limits = limited(positions=2)
    found = weights(candidates, limits)
    assert found["S0"] == 0.0
    assert found["S1"] > 0.0
    assert bound(candidates, limits)["S0"] == ["positions"]


def test_new_names_wait_while_sold_ones_leave_in_part() -> None:
    candidates = names({"held_weight": 0.9, "action": "sell"}, {"edge": 0.03}, {"edge": 0.02})
    assert weights(candidates, limited(positions=1), holdings=True) == pytest.approx({"S0": 0.0, "S1": 1.0, "S2": 0.0})
    slow = weights(candidates, limited(positions=1, max_turnover=0.2), holdings=True)
    assert slow == pytest.approx({"S0": 0.7, "S1": 0.0, "S2": 0.0})


def test_what_is_held_without_an_opinion_is_kept_and_cut_back_to_its_limits() -> None:
    held = {"action": "hold", "edge": None, "held_weight": 0.3}
    assert weights(names(held), FREE, holdings=True) == pytest.approx({"S0": 0.3})
    assert weights(names(held), limited(max_weight=0.2), holdings=True) == pytest.approx({"S0": 0.2})
    no_bar = names({**held, "tradable": False})
    assert weights(no_bar, limited(max_weight=0.2), holdings=True) == pytest.approx({"S0": 0.3})


def test_what_is_held_takes_its_room_from_the_buys() -> None:
    candidates = names({"action": "hold", "edge": None, "held_weight": 0.7, "tradable": False}, {})
    assert weights(candidates, FREE, holdings=True) == pytest.approx({"S0": 0.7, "S1": 0.3})


@pytest.mark.parametrize("lacking", ["edge", "volatility", "dollar_volume"])
def test_a_buy_without_its_risk_is_not_sized_and_one_that_is_held_is_not_sold_for_it(lacking: str) -> None:
    assert weights(names({lacking: None}, {}), FREE)["S0"] == 0.0
    if lacking != "edge":
        assert bound(names({lacking: None}, {}), FREE)["S0"] == ["unknown_risk"]
    kept = weights(names({lacking: None, "held_weight": 0.2}), FREE, holdings=True)
    assert kept["S0"] == pytest.approx(0.2)


def test_nothing_to_buy_is_an_empty_book() -> None:
    assert weights(names({"action": "hold"}, {"action": "sell"}), FREE) == {"S0": 0.0, "S1": 0.0}


def test_a_symbol_twice_and_a_limit_of_nothing_are_refused() -> None:
    with pytest.raises(BadInput, match="each candidate must be there once"):
        sized(names({"symbol": "A"}, {"symbol": "A"}), calm(2), FREE, holdings_known=False)
    with pytest.raises(BadInput, match="max_weight must be above 0, got 0"):
        limited(max_weight=0)
