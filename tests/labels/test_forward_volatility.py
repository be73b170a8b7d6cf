"""Forward volatility equals a plain loop, has the right unit, and does not see past its holding."""

from __future__ import annotations

import datetime as dt
import math
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_panels import Panel, panels, usable
from polars.testing import assert_frame_equal

from nightdesk.errors import BadInput
from nightdesk.labels.volatility import forward_volatility


def reference(panel: Panel, horizon: int) -> list[float | None]:
    values: list[float | None] = []
    for symbol, position in sorted(panel.bars):
        held = range(position + 1, position + 2 + horizon)
        if held[-1] >= len(panel.days):
            continue
        bars = [panel.bars.get((symbol, day)) for day in held]
        opens = [bar.open if bar is not None and usable(bar.open) else None for bar in bars]
        if None in opens:
            values.append(None)
            continue
        squares = [math.log(later / earlier) ** 2 for earlier, later in pairwise(opens)]
        values.append(math.sqrt(252 / horizon * sum(squares)))
    return values


@settings(max_examples=100, deadline=None)
@given(panels(), st.integers(1, 12))
def test_equals_a_plain_loop(panel: Panel, horizon: int) -> None:
    mine = forward_volatility(panel.frame, panel.days, [horizon])["forward_volatility"].to_list()
    assert mine == pytest.approx(reference(panel, horizon))


@settings(max_examples=50, deadline=None)
@given(panels(), st.integers(1, 8), st.data())
def test_a_label_once_known_never_changes(panel: Panel, horizon: int, data: st.DataObject) -> None:
    last = data.draw(st.integers(0, len(panel.days) - 1))
    then = forward_volatility(*panel.until(last), [horizon])
    now = forward_volatility(panel.frame, panel.days, [horizon])
    assert_frame_equal(then, now.filter(pl.col("exit_date") <= panel.days[last]), check_exact=True)


def test_recovers_the_volatility_of_a_random_walk() -> None:
    count, daily = 4000, 0.01
    days = [dt.date(2000, 1, 1) + dt.timedelta(days=step) for step in range(count)]
    steps = np.random.default_rng(5).normal(0.0, daily, count)
    bars = pl.DataFrame({"symbol": "W", "date": days, "open": np.exp(np.cumsum(steps))})
    for annual_days in (252, 365):
        labels = forward_volatility(bars, days, [60], annual_days)
        assert labels["forward_volatility"].mean() == pytest.approx(daily * math.sqrt(annual_days), rel=0.02)


def test_refuses_a_horizon_out_of_range() -> None:
    with pytest.raises(BadInput, match="one or more, each once, got"):
        forward_volatility(pl.DataFrame(), [], [])
    with pytest.raises(BadInput, match="got 61: choose a shorter one"):
        forward_volatility(pl.DataFrame(), [], [61])
