"""Triple barriers and average uniqueness equal plain loops; hand-made paths touch what they should."""

from __future__ import annotations

import datetime as dt
import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_panels import Bar, Panel, panels, reference_exit, usable
from polars.testing import assert_frame_equal

from nightdesk.errors import BadInput
from nightdesk.labels.barriers import triple_barrier
from nightdesk.labels.uniqueness import average_uniqueness

Touch = tuple[int, bool, int, float]
"""Day of the fill, at its open, barrier, price."""


def touch(bar: Bar, day: int, last: bool, bottom: float, top: float) -> Touch | str | None:
    if usable(bar.open):
        if bar.open <= bottom:
            return day, True, -1, bar.open
        if bar.open >= top:
            return day, True, 1, bar.open
    if last:
        return None
    if not all(usable(price) for price in (bar.open, bar.high, bar.low)):
        return "unknown"
    if bar.low <= bottom:
        return day, False, -1, bottom
    return (day, False, 1, top) if bar.high >= top else None


def reference_row(panel: Panel, symbol: str, position: int, horizon: int, up: float, down: float) -> object:
    entry, end = position + 1, position + 1 + horizon
    if end >= len(panel.days):
        return None
    first, sigma = panel.bars.get((symbol, entry)), panel.bars[symbol, position].sigma
    unknown = (None, None, end, None, None, False)
    if first is None or not usable(first.open) or not usable(sigma):
        return unknown
    bottom = first.open * (1 - down * (sigma * math.sqrt(horizon)))
    top = first.open * (1 + up * (sigma * math.sqrt(horizon)))
    for day in range(entry, end + 1):
        if (symbol, day) in panel.bars:
            met = touch(panel.bars[symbol, day], day, day == end, bottom, top)
            if met == "unknown":
                return unknown
            if met is not None:
                return met[0], met[1], end, met[2], met[3] / first.open - 1, False
    ended = reference_exit(panel, symbol, entry, end)
    if ended is None:
        return None
    price, day, known, delisted = ended
    if price is None:
        return None, None, known, None, None, delisted
    return day, not delisted, known, 0, price / first.open - 1, delisted


@settings(max_examples=150, deadline=None)
@given(panels(), st.integers(1, 15), st.sampled_from([0.3, 1.0, 2.0]), st.sampled_from([0.5, 1.0]))
def test_equals_a_plain_loop(panel: Panel, horizon: int, up: float, down: float) -> None:
    labels = triple_barrier(panel.frame, panel.days, horizon, up, down)
    rows = [reference_row(panel, symbol, position, horizon, up, down) for symbol, position in sorted(panel.bars)]
    days = dict(enumerate(panel.days))
    expected = [(days.get(row[0]), row[1], days[row[2]], *row[3:]) for row in rows if row is not None]
    columns = ("exit_date", "at_open", "known_date", "barrier", "forward_return", "delisted")
    assert labels.select(columns).rows() == expected


@settings(max_examples=60, deadline=None)
@given(panels(), st.integers(1, 12), st.data())
def test_a_label_once_known_never_changes(panel: Panel, horizon: int, data: st.DataObject) -> None:
    last = data.draw(st.integers(0, len(panel.days) - 1))
    then = triple_barrier(*panel.until(last), horizon, 1.0, 1.0)
    now = triple_barrier(panel.frame, panel.days, horizon, 1.0, 1.0)
    assert_frame_equal(then, now.filter(pl.col("known_date") <= panel.days[last]), check_exact=True)


@pytest.mark.parametrize(
    ("second", "barrier", "outcome", "at_open"),
    [
        ((100.0, 105.0, 97.0, 100.0), 1, 0.04, False),
        ((100.0, 103.0, 95.0, 100.0), -1, -0.04, False),
        ((100.0, 120.0, 80.0, 119.0), -1, -0.04, False),  # both within a bar: the worse one
        ((90.0, 120.0, 90.0, 119.0), -1, -0.10, True),  # a gap fills at the open
        ((110.0, 120.0, 80.0, 119.0), 1, 0.10, True),
        ((100.0, 103.0, 97.0, 100.0), 0, 0.02, True),
    ],
)
def test_hand_made_paths(second: tuple[float, ...], barrier: int, outcome: float, at_open: bool) -> None:
    days = [dt.date(2022, 1, 3) + dt.timedelta(days=step) for step in range(6)]
    quiet = (100.0, 101.0, 99.0, 100.0)
    prices = [quiet, quiet, second, quiet, quiet, (102.0, 150.0, 50.0, 100.0)]
    bars = pl.DataFrame(prices, schema=["open", "high", "low", "close"], orient="row").with_columns(
        symbol=pl.lit("P"), date=pl.Series(days), daily_volatility=0.02
    )
    row = triple_barrier(bars, days, 4, 1.0, 1.0).row(0, named=True)
    assert (row["barrier"], row["at_open"]) == (barrier, at_open)
    assert row["forward_return"] == pytest.approx(outcome)
    assert row["exit_date"] == (days[5] if barrier == 0 else days[2])


@settings(max_examples=60, deadline=None)
@given(panels(), st.integers(1, 12))
def test_uniqueness_equals_a_plain_loop(panel: Panel, horizon: int) -> None:
    labels = triple_barrier(panel.frame, panel.days, horizon, 1.0, 1.0)
    spans = []
    for row in labels.iter_rows(named=True):
        known = row["exit_date"] is not None
        ends = panel.days.index(row["exit_date"]) + (not row["at_open"]) if known else 0
        spans.append((row["symbol"], set(range(panel.days.index(row["entry_date"]), ends))))
    expected = []
    for symbol, held in spans:
        shares = [1 / sum(day in other for name, other in spans if name == symbol) for day in held]
        expected.append(sum(shares) / len(shares) if shares else None)
    assert average_uniqueness(labels, panel.days).to_list() == pytest.approx(expected)


def test_uniqueness_of_fixed_horizons_is_one_over_the_horizon() -> None:
    days = [dt.date(2022, 1, 3) + dt.timedelta(days=step) for step in range(40)]
    bars = pl.DataFrame({"symbol": "Q", "date": days, "daily_volatility": 0.02}).with_columns(
        pl.lit(1.0).alias(name) for name in ("open", "high", "low", "close")
    )
    for horizon in (1, 5):
        labels = triple_barrier(bars, days, horizon, 1.0, 1.0)
        weights = average_uniqueness(labels, days).to_list()
        assert weights[horizon:-horizon] == pytest.approx([1 / horizon] * (len(weights) - 2 * horizon))


def test_refuses_what_breaks_a_rule() -> None:
    days = [dt.date(2022, 1, 3)]
    with pytest.raises(BadInput, match=r"lower must be a multiple of volatility above zero, got 0\.0"):
        triple_barrier(pl.DataFrame(), days, 5, 1.0, 0.0)
    with pytest.raises(BadInput, match="got 90: choose a shorter one"):
        triple_barrier(pl.DataFrame(), days, 90, 1.0, 1.0)
    schema = {
        "symbol": pl.String,
        "horizon": pl.Int32,
        "entry_date": pl.Date,
        "exit_date": pl.Date,
        "at_open": pl.Boolean,
    }
    mixed = pl.DataFrame([("A", h, days[0], days[0], False) for h in (5, 20)], schema=schema, orient="row")
    with pytest.raises(BadInput, match="one horizon, got \\[5, 20\\]"):
        average_uniqueness(mixed, days)
