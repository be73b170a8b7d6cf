"""Forward returns equal a plain loop, real prices by hand, and themselves on a shorter history."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_panels import Panel, panels, reference_exit, usable
from polars.testing import assert_frame_equal

from nightdesk.errors import BadDate, BadInput
from nightdesk.labels.forward import forward_returns

SAMPLE = Path(__file__).parents[2] / "platform/nightdesk/sources/data/sp500_daily_2013_2017.parquet"
HORIZONS = st.lists(st.integers(1, 25), min_size=1, max_size=3, unique=True)


def reference(panel: Panel, horizon: int) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for symbol, position in sorted(panel.bars):
        entry = position + 1
        ended = reference_exit(panel, symbol, entry, entry + horizon)
        if ended is None:
            continue
        price, _, known, delisted = ended
        first = panel.bars.get((symbol, entry))
        bought = first.open if first is not None and usable(first.open) else None
        value = None if price is None or bought is None else price / bought - 1.0
        dates = (panel.days[at] for at in (position, entry, entry + horizon, known))
        rows.append((symbol, *dates, value, delisted))
    return rows


@settings(max_examples=150, deadline=None)
@given(panels(), HORIZONS)
def test_equals_a_plain_loop(panel: Panel, horizons: list[int]) -> None:
    labels = forward_returns(panel.frame, panel.days, horizons)
    for horizon in horizons:
        mine = labels.filter(pl.col("horizon") == horizon).drop("horizon").rows()
        assert mine == reference(panel, horizon)


@settings(max_examples=100, deadline=None)
@given(panels(), HORIZONS, st.data())
def test_a_label_once_known_never_changes(panel: Panel, horizons: list[int], data: st.DataObject) -> None:
    last = data.draw(st.integers(0, len(panel.days) - 1))
    then = forward_returns(*panel.until(last), horizons)
    now = forward_returns(panel.frame, panel.days, horizons)
    assert_frame_equal(then, now.filter(pl.col("known_date") <= panel.days[last]), check_exact=True)


def test_a_delisting_is_known_on_the_tenth_day_without_a_bar() -> None:
    days = [dt.date(2021, 3, 1) + dt.timedelta(days=step) for step in range(30)]
    bars = pl.DataFrame({"symbol": "GONE", "date": days[:5], "open": 10.0, "close": [10.0, 10.0, 10.0, 10.0, 4.0]})
    assert forward_returns(bars, days[:14], [3]).height == 1
    labels = forward_returns(bars, days[:15], [3])
    assert labels["forward_return"].to_list() == pytest.approx([0.0, -0.6, -0.6, -0.6, None])
    assert labels["delisted"].to_list() == [False, True, True, True, False]
    assert labels["known_date"].to_list() == [days[4], *[days[14]] * 4]


def test_real_prices_over_a_holiday() -> None:
    bars = pl.read_parquet(SAMPLE).filter(pl.col("symbol").is_in(["A", "AAPL"])).sort("symbol", "date")
    labels = forward_returns(bars, bars["date"].unique().sort().to_list(), [5, 20])
    row = labels.row(
        by_predicate=(pl.col("symbol") == "A") & (pl.col("date") == dt.date(2013, 2, 8)) & (pl.col("horizon") == 5),
        named=True,
    )
    assert row["entry_date"] == dt.date(2013, 2, 11)
    assert row["exit_date"] == row["known_date"] == dt.date(2013, 2, 19)  # the 18th was Presidents' Day
    assert row["forward_return"] == pytest.approx(42.21 / 45.17 - 1)
    assert labels.schema["horizon"] == pl.Int32
    newest = labels.filter(pl.col("horizon") == 20)["exit_date"].max()
    assert newest == dt.date(2017, 6, 30)


def test_refuses_what_breaks_a_rule() -> None:
    days = [dt.date(2021, 3, 1), dt.date(2021, 3, 2)]
    bars = pl.DataFrame({"symbol": ["A", "A"], "date": days, "open": 1.0, "close": 1.0})
    with pytest.raises(BadInput, match="horizon must be 1 to 60 trading days, got 90: choose a shorter one"):
        forward_returns(bars, days, [5, 90])
    with pytest.raises(BadInput, match="got 0: choose a longer one"):
        forward_returns(bars, days, [0])
    with pytest.raises(BadInput, match="each once, got \\[5, 5\\]"):
        forward_returns(bars, days, [5, 5])
    with pytest.raises(BadInput, match="must hold close"):
        forward_returns(bars.drop("close"), days, [5])
    with pytest.raises(BadInput, match="one bar a day, got 2 more"):
        forward_returns(pl.concat([bars, bars]), days, [5])
    with pytest.raises(BadDate, match="got one on 2021-03-02"):
        forward_returns(bars, days[:1], [5])
    with pytest.raises(BadDate, match="strict order"):
        forward_returns(bars, days[::-1], [5])
