"""The backtest equals plain bookkeeping share by share, and charges for every trade at prices that were there."""

from __future__ import annotations

import datetime as dt
import math
import statistics

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightdesk.errors import BadInput
from nightdesk.evaluation.backtest import Costs, backtest, decile_weights, staggered
from nightdesk.evaluation.trading_panel import trading_panel

COSTS = Costs(commission=0.0002, half_spread=0.0003, impact=0.8, capital=5e6)


def calendar(count: int) -> list[dt.date]:
    return [dt.date(2020, 1, 1) + dt.timedelta(days=day) for day in range(count)]


def market(seed: int, days: int = 60, symbols: int = 12) -> pl.DataFrame:
    """Bars with days that lack some, opens that lack, a late listing, and a symbol that goes for good."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(symbols):
        close = float(random.uniform(10, 200))
        for position, day in enumerate(calendar(days)):
            opened = close * float(np.exp(random.normal(0, 0.01)))
            close = opened * float(np.exp(random.normal(0, 0.02)))
            listed = position >= (15 if number == 1 else 0) and not (number == 2 and position >= 30)
            if listed and (number == 2 or random.random() > 0.04):
                shown = None if random.random() < 0.03 else opened
                rows.append((f"S{number:02}", day, shown, close, float(random.uniform(1e4, 1e6))))
    schema = {"symbol": pl.String, "date": pl.Date, "open": pl.Float64, "close": pl.Float64, "volume": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def targets(seed: int, days: int, symbols: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    weights = random.normal(0, 0.1, (days, symbols))
    weights[random.random((days, symbols)) < 0.1] = np.nan
    weights[random.random(days) < 0.3] = np.nan
    return weights


def book_kept_by_hand(bars: pl.DataFrame, days: list[dt.date], weights: np.ndarray, costs: Costs) -> list[dict]:
    """One loop a day and symbol, in money, from the bars themselves."""
    names = sorted(set(bars["symbol"]))
    known = {(row["symbol"], row["date"]): row for row in bars.to_dicts()}
    history = {name: [known[name, day] for day in days if (name, day) in known] for name in names}
    held: dict[str, float] = dict.fromkeys(names, 0.0)
    found = []
    for position in range(1, len(days) - 1):
        yesterday, today, tomorrow = days[position - 1 : position + 2]
        money = dict.fromkeys(("commission", "spread", "impact", "turnover", "exposure", "unfilled"), 0.0)
        gross = 0.0
        for column, name in enumerate(names):
            past = [bar for bar in history[name] if bar["date"] <= yesterday][-20:]
            if name_is_gone(history[name], days, position):
                held[name] = 0.0
            target = weights[position - 1, column]
            bar = known.get((name, today))
            moves = [
                later["close"] / earlier["close"] - 1
                for earlier, later in zip(history[name], history[name][1:], strict=False)
                if later["date"] <= yesterday
            ][-20:]
            if not math.isnan(target) and target != held[name]:
                if bar is None or bar["open"] is None or len(moves) < 5:
                    money["unfilled"] += 1
                else:
                    size = abs(target - held[name])
                    value = statistics.mean(one["close"] * one["volume"] for one in past)
                    money["impact"] += (
                        size * costs.impact * statistics.stdev(moves) * math.sqrt(size * costs.capital / value)
                    )
                    money["commission"] += size * costs.commission
                    money["spread"] += size * costs.half_spread
                    money["turnover"] += size
                    held[name] = target
            money["exposure"] += abs(held[name])
            begin, end = (mark(history[name], known, name, day) for day in (today, tomorrow))
            if begin is not None:
                gross += held[name] * (end / begin - 1)
                held[name] *= end / begin
        held = {name: value / (1 + gross) for name, value in held.items()}
        cost = money["commission"] + money["spread"] + money["impact"]
        found.append({"date": today, "gross": gross, "net": (1 - cost) * (1 + gross) - 1, **money})
    return found


def mark(history: list[dict], known: dict, name: str, day: dt.date) -> float | None:
    bar = known.get((name, day))
    if bar is not None and bar["open"] is not None:
        return bar["open"]
    closes = [one["close"] for one in history if one["date"] < day]
    return closes[-1] if closes else None


def name_is_gone(history: list[dict], days: list[dt.date], position: int) -> bool:
    seen = {bar["date"] for bar in history}
    return bool(seen & set(days[:position])) and not seen & set(days[position - 9 : position + 1]) and position >= 10


@pytest.mark.parametrize("seed", range(4))
def test_equals_a_book_kept_by_hand(seed: int) -> None:
    bars, days = market(seed), calendar(60)
    weights = targets(seed, 60, 12)
    panel = trading_panel(bars, days)
    assert list(panel.symbols) == sorted(set(bars["symbol"]))
    found = backtest(weights, panel, COSTS).daily
    expected = book_kept_by_hand(bars, days, weights, COSTS)
    assert found.height == len(expected) == 58
    for name in ("gross", "net", "commission", "spread", "impact", "turnover", "exposure"):
        assert found[name].to_list() == pytest.approx([row[name] for row in expected], rel=1e-9, abs=1e-12), name
    assert found["date"].to_list() == [row["date"] for row in expected]
    assert found["unfilled"].to_list() == [row["unfilled"] for row in expected]
    assert found["unfilled"].sum() > 20


def test_a_decision_earns_from_the_next_open_and_nothing_before() -> None:
    days = calendar(30)
    opens = [100.0] * 30
    opens[20:] = [110.0] * 10  # the open of day 20 is 10 % above that of day 19
    bars = pl.DataFrame(
        {"symbol": "A", "date": days, "open": opens, "close": [100.0 + d % 2 for d in range(30)], "volume": 1e6}
    )
    panel = trading_panel(bars, days)
    free = Costs(0.0, 0.0, 0.0, 1.0)
    for decided, earned in ((17, 0.1), (18, 0.1), (19, 0.0)):
        weights = np.full((30, 1), np.nan)
        weights[decided] = 1.0
        daily = backtest(weights, panel, free).daily
        assert (1 + daily["net"]).product() - 1 == pytest.approx(earned)
        assert daily.filter(pl.col("turnover") > 0)["date"].to_list() == [days[decided + 1]]


def test_what_comes_later_changes_no_day_before() -> None:
    bars, days, weights = market(5), calendar(60), targets(5, 60, 12)
    whole = backtest(weights, trading_panel(bars, days), COSTS).daily
    cut = trading_panel(bars.filter(pl.col("date") <= days[44]), days[:45])
    assert backtest(weights[:45], cut, COSTS).daily.equals(whole.head(43))


def test_a_holding_that_is_gone_is_paid_out_at_its_last_close() -> None:
    bars, days = market(1), calendar(60)
    weights = np.full((60, 12), np.nan)
    weights[20] = 0.0
    weights[20, 2] = 1.0  # S02 has its last bar on day 29
    daily = backtest(weights, trading_panel(bars, days), Costs(0.0, 0.0, 0.0, 1.0)).daily
    exposure = dict(zip(daily["date"].to_list(), daily["exposure"].to_list(), strict=True))
    assert exposure[days[38]] == pytest.approx(1.0)
    assert exposure[days[39]] == 0.0
    bought = bars.filter((pl.col("symbol") == "S02") & (pl.col("date") == days[21]))["open"].item()
    last = bars.filter(pl.col("symbol") == "S02")["close"].last()
    if bought is not None:
        assert (1 + daily["net"]).product() == pytest.approx(last / bought)


def test_the_summary_is_of_the_days_and_break_even_and_capacity_are_where_they_say() -> None:
    bars, days, weights = market(2), calendar(60), targets(2, 60, 12)
    panel = trading_panel(bars, days)
    free = backtest(weights, panel, Costs(0.0, 0.0, 0.0, 1.0))
    plain = free.summary()
    assert plain.cost == 0.0
    assert plain.net == pytest.approx(plain.gross)
    assert plain.capacity is None
    assert plain.gross == pytest.approx(free.daily["gross"].mean() * 252)
    sign = math.copysign(1.0, plain.gross)  # whatever the sign of luck: trade it the profitable way round
    gain = backtest(sign * weights, panel, Costs(0.0, 0.0, 0.0, 1.0)).summary()
    left = backtest(sign * weights, panel, Costs(gain.break_even, 0.0, 0.0, 1.0)).summary()
    assert left.gross - left.cost == pytest.approx(0.0, abs=1e-12)
    tried = backtest(sign * weights, panel, Costs(gain.break_even / 4, 0.0, 1.0, 1e5)).summary()
    at_capacity = backtest(sign * weights, panel, Costs(gain.break_even / 4, 0.0, 1.0, tried.capacity)).summary()
    assert at_capacity.gross - at_capacity.cost == pytest.approx(0.0, abs=1e-9)
    lost = backtest(-sign * weights, panel, COSTS).summary()
    assert lost.capacity == 0.0
    assert lost.sharpe_net < lost.sharpe_gross
    idle = backtest(np.full((60, 12), np.nan), panel, COSTS).summary()
    assert (idle.break_even, idle.sharpe_net, idle.turnover) == (None, None, 0.0)


@given(st.integers(0, 10_000), st.integers(1, 40), st.sampled_from([0.1, 0.2, 0.5]))
@settings(max_examples=60)
def test_deciles_are_the_ends_of_the_ranking(seed: int, symbols: int, share: float) -> None:
    random = np.random.default_rng(seed)
    scores = np.round(random.normal(size=(5, symbols)), 1)
    scores[random.random((5, symbols)) < 0.2] = np.nan
    for row, weights in zip(scores, decile_weights(scores, share), strict=True):
        known = sorted(score for score in row.tolist() if not math.isnan(score))
        count = math.floor(len(known) * share + 1e-9)
        if len(known) < 10 or count < 1:
            assert np.isnan(weights).all()
            continue
        best = [position for position, score in enumerate(row) if score >= known[-count]]
        worst = [position for position, score in enumerate(row) if score <= known[count - 1]]
        expected = np.zeros(symbols)
        expected[best] += 1 / len(best)
        expected[worst] -= 1 / len(worst)
        assert weights == pytest.approx(expected)


def test_scores_are_spread_over_the_panel() -> None:
    bars, days = market(3), calendar(60)
    panel = trading_panel(bars, days)
    frame = bars.select("symbol", "date", score=pl.int_range(pl.len()).cast(pl.Float64))
    wide = panel.wide(pl.concat([frame, frame.head(1).with_columns(symbol=pl.lit("elsewhere"))]), "score")
    for symbol, day, score in frame.sample(50, seed=1).rows():
        assert wide[days.index(day), panel.symbols.index(symbol)] == score
    assert np.count_nonzero(~np.isnan(wide)) == frame.height


def test_refuses_what_breaks_a_rule() -> None:
    panel = trading_panel(market(0), calendar(60))
    with pytest.raises(BadInput, match="panel's shape of at least 3 days, got \\(60, 11\\)"):
        backtest(np.zeros((60, 11)), panel, COSTS)
    with pytest.raises(BadInput, match="finite or NaN, got 720 infinite"):
        backtest(np.full((60, 12), np.inf), panel, COSTS)
    with pytest.raises(BadInput, match="costs must be 0 or more and the capital above 0"):
        Costs(commission=-0.1)
    with pytest.raises(BadInput, match="must keep some value, got none left after 20"):
        backtest(np.full((60, 12), -60.0), panel, COSTS)
    with pytest.raises(BadInput, match="share must lie above 0"):
        decile_weights(np.zeros((2, 20)), 0.6)
    with pytest.raises(BadInput, match="must hold volume"):
        trading_panel(market(0).drop("volume"), calendar(60))


@pytest.mark.parametrize("horizon", [1, 3, 60])
def test_each_decision_is_held_as_long_as_its_label(horizon: int) -> None:
    random = np.random.default_rng(5)
    weights = decile_weights(random.normal(size=(40, 12)))
    weights[[3, 4, 20]] = np.nan
    found = staggered(weights, horizon)
    for day, row in enumerate(found):
        held = [one for one in weights[max(0, day - horizon + 1) : day + 1] if not np.isnan(one).any()]
        if np.isnan(weights[day]).any():
            assert np.isnan(row).all()
        else:
            assert row == pytest.approx(sum(held) / len(held))
    with pytest.raises(BadInput, match="horizon must be 1 to 60 trading days, got 61"):
        staggered(weights, 61)


def test_a_stretch_of_a_panel_holds_what_the_whole_does() -> None:
    days = calendar(60)
    panel = trading_panel(market(1), days)
    part = panel.between(days[10], dt.date(2020, 2, 9))
    assert part.days == tuple(days[10:40])
    for name in ("fills", "marks", "volatility", "traded", "gone"):
        assert np.array_equal(getattr(part, name), getattr(panel, name)[10:40], equal_nan=name != "gone")
