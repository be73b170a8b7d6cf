"""The paper book equals a sum done by hand, the backtest where there is no night between, and itself in two parts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from nightdesk.evaluation.backtest import Costs, backtest
from nightdesk.evaluation.trading_panel import TradingPanel, trading_panel
from nightdesk.publish.paper_book import (
    ABOVE,
    BELOW,
    EARLY,
    UNKNOWN,
    WITHIN,
    BookDay,
    best_tenth,
    expected_of,
    follow,
    standing,
)
from nightdesk.scoring.intervals import MeanInterval
from nightdesk.store.paper_book import Standpoint

FIRST = dt.date(2024, 1, 1)
FREE = Costs(0.0, 0.0, 0.0, 1e6)


def days_of(count: int) -> list[dt.date]:
    return [FIRST + dt.timedelta(days=day) for day in range(count)]


def bars_of(prices: dict[str, Sequence[tuple[float, float] | None]], volume: float = 1e6) -> pl.DataFrame:
    """Bars from an open and a close a day; None is a day without a bar."""
    rows = [
        (symbol, FIRST + dt.timedelta(days=day), pair[0], pair[1], volume)
        for symbol, pairs in prices.items()
        for day, pair in enumerate(pairs)
        if pair is not None
    ]
    return pl.DataFrame(rows, schema=["symbol", "date", "open", "close", "volume"], orient="row")


def walked(symbols: int, days: int, seed: int = 5, *, gaps: bool = True) -> pl.DataFrame:
    """Random bars; without gaps every open is the close before."""
    draw, prices = np.random.default_rng(seed), {}
    for number in range(symbols):
        close = 40.0 * np.exp(np.cumsum(draw.normal(0.0, 0.02, days)))
        opens = np.concatenate([[40.0], close[:-1]])
        if gaps:
            opens = opens * np.exp(draw.normal(0.0, 0.01, days))
        prices[f"S{number:02d}"] = list(zip(opens.tolist(), close.tolist(), strict=True))
    return bars_of(prices)


def book(
    bars: pl.DataFrame, days: int, targets: np.ndarray, state: Standpoint | None = None, costs: Costs = FREE
) -> list[BookDay]:
    panel = trading_panel(bars, days_of(days))
    return follow(state or Standpoint(FIRST, 1.0, {}), targets, targets, panel, panel.wide(bars, "close"), costs)


def nothing(days: int, symbols: int) -> np.ndarray:
    return np.full((days, symbols), np.nan)


def test_three_days_done_by_hand() -> None:
    # Five days for costs to be known; decided on the sixth, filled at the open of the seventh.
    calm = [(10.0, 10.0), (10.0, 10.1)] * 3
    bars = bars_of({"AAA": [*calm, (10.2, 10.4), (10.5, 10.3)], "BBB": [*calm, (20.0, 19.0), (19.5, 20.0)]})
    targets = nothing(8, 2)
    targets[5] = [0.6, 0.4]
    targets[6] = [0.0, 0.5]
    costs = Costs(commission=0.001, half_spread=0.002, impact=0.0, capital=1e6)
    state = Standpoint(days_of(8)[5], 1.0, {})
    first, second = book(bars, 8, targets, state, costs)
    # 1 is bought: 0.3 % of it is paid; it goes from open to close.
    grown = 0.6 * 10.4 / 10.2 + 0.4 * 19.0 / 20.0
    assert first.gross == pytest.approx(grown - 1.0)
    assert (first.commission, first.spread, first.impact) == (pytest.approx(0.001), pytest.approx(0.002), 0.0)
    assert first.turnover == pytest.approx(1.0)
    assert first.equity == pytest.approx(0.997 * grown)
    assert first.net == pytest.approx(0.997 * grown - 1.0)
    assert first.decided == days_of(8)[5]
    a, b = 0.6 * 10.4 / 10.2 / grown, 0.4 * 19.0 / 20.0 / grown
    assert first.positions == pytest.approx({"AAA": a, "BBB": b})
    # Overnight both move; then all of A is sold, and B is brought to a half.
    night = a * 10.5 / 10.4 + b * 19.5 / 19.0
    a, b = a * 10.5 / 10.4 / night, b * 19.5 / 19.0 / night
    turnover = a + abs(0.5 - b)
    assert second.turnover == pytest.approx(turnover)
    day = 0.5 * 20.0 / 19.5 + 0.5
    assert second.gross == pytest.approx(night * day - 1.0)
    assert second.equity == pytest.approx(first.equity * night * (1.0 - 0.003 * turnover) * day)
    assert second.positions == pytest.approx({"BBB": 0.5 * 20.0 / 19.5 / day})
    assert second.exposure == pytest.approx(0.5)
    assert second.benchmark == pytest.approx(((10.3 / 10.4 - 1.0) + (20.0 / 19.0 - 1.0)) / 2.0)


def test_impact_is_the_backtests_square_root_of_what_was_known_on_the_evening() -> None:
    bars = walked(3, 30)
    targets = nothing(30, 3)
    targets[24] = [0.5, 0.3, 0.0]
    costs = Costs(0.0, 0.0, 1.3, 5e6)
    state = Standpoint(days_of(30)[24], 1.0, {})
    day = book(bars, 30, targets, state, costs)[0]
    paid = 0.0
    for symbol, weight in (("S00", 0.5), ("S01", 0.3)):
        own = bars.filter(pl.col("symbol") == symbol)[:25]
        closes = own["close"].to_numpy()
        volatility = np.std((closes[1:] / closes[:-1] - 1.0)[-20:], ddof=1)
        traded = (own["close"] * own["volume"])[-20:].mean()
        paid += weight * 1.3 * volatility * np.sqrt(weight * 5e6 / traded)
    assert day.impact == pytest.approx(paid)


def test_without_a_move_overnight_it_is_the_backtest_day_by_day() -> None:
    bars, costs = walked(12, 80, gaps=False), Costs(capital=1e6)
    panel = trading_panel(bars, days_of(80))
    scores = np.random.default_rng(2).normal(size=(80, 12))
    scores[40] = np.nan  # a night that decided nothing
    targets = best_tenth(scores, 5)
    tested = backtest(targets, panel, costs).daily
    paper = book(bars, 80, targets, costs=costs)[:-1]
    for name in ("gross", "commission", "spread", "impact", "net", "turnover", "exposure"):
        assert [getattr(one, name) for one in paper] == pytest.approx(tested[name].to_list(), abs=1e-12), name
    assert [one.date for one in paper] == tested["date"].to_list()


def test_two_parts_are_the_whole() -> None:
    bars, days = walked(12, 60), days_of(60)
    targets = best_tenth(np.random.default_rng(3).normal(size=(60, 12)), 4)
    costs = Costs(capital=1e6)
    whole = book(bars, 60, targets, costs=costs)
    part = book(bars.filter(pl.col("date") < days[33]), 33, targets[:33], costs=costs)
    stood = Standpoint(part[-1].date, part[-1].equity, part[-1].positions)
    assert [*part, *book(bars, 60, targets, stood, costs)] == whole


def test_a_night_that_decides_nothing_keeps_its_holdings() -> None:
    bars = walked(2, 20)
    targets = nothing(20, 2)
    targets[6] = [0.5, 0.5]
    found = book(bars, 20, targets, Standpoint(days_of(20)[6], 1.0, {}))
    assert found[0].turnover == 1.0
    assert all(one.turnover == 0.0 and one.decided is None and len(one.positions) == 2 for one in found[1:])
    closes = bars.sort("date").group_by("symbol", maintain_order=True).agg("open", "close")
    worth = sum(0.5 * row["close"][-1] / row["open"][7] for row in closes.iter_rows(named=True))
    assert found[-1].equity == pytest.approx(worth)


def test_an_order_without_an_open_is_not_filled_and_what_is_held_is_marked_at_its_last_close() -> None:
    calm = [(10.0, 10.0), (10.0, 10.1)] * 4
    bars = bars_of({"AAA": [*calm, None, (12.0, 12.0)], "BBB": [(5.0, 5.1), (5.1, 5.0)] * 5})
    targets = nothing(10, 2)
    targets[6], targets[7] = [1.0, 0.0], [0.0, 1.0]
    held, stuck, _ = book(bars, 10, targets, Standpoint(days_of(10)[6], 1.0, {}))
    assert set(held.positions) == {"AAA"}
    # A has no bar on the ninth day: it is neither sold nor moved; B is bought beside it.
    assert stuck.positions["AAA"] > 0.0
    assert stuck.exposure == pytest.approx(2.0, rel=0.01)


def test_a_symbol_that_is_gone_is_paid_out_at_its_last_close() -> None:
    calm = [(10.0, 10.0), (10.0, 10.1)] * 4
    bars = bars_of({"AAA": [*calm, *[None] * 14], "BBB": [(5.0, 5.1)] * 22})
    targets = nothing(22, 2)
    targets[6] = [1.0, 0.0]
    found = book(bars, 22, targets, Standpoint(days_of(22)[6], 1.0, {}))
    assert found[-1].positions == {}
    assert found[-1].equity == pytest.approx(10.1 / 10.0)


def test_what_stood_in_a_symbol_without_any_bar_left_is_cash() -> None:
    found = book(walked(2, 20), 20, nothing(20, 2), Standpoint(days_of(20)[10], 2.0, {"GONE": 0.7}))
    assert found[0].positions == {}
    assert found[-1].equity == 2.0


def test_the_ranking_holds_the_best_tenth_of_each_of_its_days_decisions() -> None:
    scores = np.tile(np.arange(20.0), (3, 1))
    scores[1] = np.nan
    scores[2] = -scores[2]
    weights = best_tenth(scores, 2)
    assert weights[0].tolist() == [0.0] * 18 + [0.5, 0.5]
    assert np.isnan(weights[1]).all()
    assert weights[2].tolist() == [0.5, 0.5] + [0.0] * 18
    assert best_tenth(scores, 3)[2].tolist() == [0.25, 0.25] + [0.0] * 16 + [0.25, 0.25]


def rows(net: Sequence[float], benchmark: Sequence[float | None]) -> pl.DataFrame:
    return pl.DataFrame({"net": list(net), "benchmark": list(benchmark)}, schema_overrides={"benchmark": pl.Float64})


def test_a_book_is_judged_by_an_interval_that_holds_its_own_error_too() -> None:
    expected = MeanInterval(0.001, None, None, 0.0002, 10, 400)
    found = standing(rows([0.002] * 100, [0.001] * 100), expected)
    reach = 2.2281388519649385 * 0.0002 * np.sqrt(1.0 + 400 / 100)  # t(10) at 97.5 %
    assert (found.verdict, found.days) == (WITHIN, 100)
    assert (found.lower, found.upper) == (pytest.approx(0.001 - reach), pytest.approx(0.001 + reach))
    assert found.mean == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("net", "days", "verdict"), [(0.05, 40, ABOVE), (-0.05, 40, BELOW), (0.001, 40, WITHIN), (-0.05, 19, EARLY)]
)
def test_outside_the_interval_is_said(net: float, days: int, verdict: str) -> None:
    expected = MeanInterval(0.001, None, None, 0.0002, 10, 400)
    assert standing(rows([net] * days, [0.0] * days), expected).verdict == verdict


def test_without_a_backtest_or_a_day_nothing_is_judged() -> None:
    assert standing(rows([0.01] * 30, [0.0] * 30), None).verdict == UNKNOWN
    undefined = MeanInterval(None, None, None, None, 0, 5)
    assert standing(rows([0.01] * 30, [0.0] * 30), undefined).verdict == UNKNOWN
    assert standing(rows([], []), undefined).mean is None
    assert standing(rows([0.01] * 30, [None] * 30), undefined).days == 0


def test_books_of_the_backtests_own_market_lie_within_it_as_often_as_said() -> None:
    # 400 days tell of what 60 later ones make: of 100 such books about 95 lie within.
    draw, within = np.random.default_rng(8), 0
    for _ in range(100):
        days = draw.normal(0.0005, 0.01, 460)
        past = [BookDay(FIRST, None, 1.0, one, 0, 0, 0, one, 0.0, 0, 0, {}) for one in days[:400]]
        within += standing(rows(days[400:], [0.0] * 60), expected_of(past)).verdict == WITHIN
    assert 87 <= within <= 100


def test_a_panel_of_other_symbols_places_what_is_held_by_name() -> None:
    bars = walked(3, 20)
    panel: TradingPanel = trading_panel(bars, days_of(20))
    held = Standpoint(days_of(20)[10], 1.0, {panel.symbols[2]: 1.0})
    found = book(bars, 20, nothing(20, 3), held)
    own = bars.filter(pl.col("symbol") == panel.symbols[2])["close"]
    assert found[-1].equity == pytest.approx(own[19] / own[10])
