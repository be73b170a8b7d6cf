"""Labels of a market beside the lead: its own opens, first possible after the decision, known to the night that is."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from label_panels import Panel, panels

from nightdesk.labels.forward import decided_returns, forward_returns
from nightdesk.operations.markets import decisions
from nightdesk.sessions import trading_days
from nightdesk.sources import SourceFacts
from nightdesk.tables import BAR_DATE, DATE, MARKET, SYMBOL

HORIZONS = (1, 5)
ZERO = dt.timedelta(0)
US = SourceFacts("us", "XNYS", "USD", "raw", dt.timedelta(hours=2), "rule")
BESIDE = {
    "b3": SourceFacts("b3", "BVMF", "BRL", "raw", dt.timedelta(hours=1), "rule"),
    "crypto": SourceFacts("crypto", "24/7", "USD", "raw", ZERO, "rule"),
    "tokyo": SourceFacts("tokyo", "XTKS", "JPY", "raw", dt.timedelta(hours=30), "rule"),
}


def own_nights(days: list[dt.date]) -> pl.DataFrame:
    """What nights decide on where the market is the lead itself."""
    after = [*days[1:], days[-1] + dt.timedelta(days=1)]
    return pl.DataFrame({MARKET: ["m"] * len(days), DATE: days, BAR_DATE: days, "entry_date": after})


@given(panel=panels())
def test_on_the_leads_own_calendar_they_are_the_labels_of_one_market(panel: Panel) -> None:
    expected = forward_returns(panel.frame, panel.days, HORIZONS)
    found = decided_returns(panel.frame, panel.days, HORIZONS, own_nights(panel.days))
    assert found.sort("horizon", SYMBOL, DATE).equals(expected.sort("horizon", SYMBOL, DATE))


def market_of(facts: SourceFacts) -> tuple[pl.DataFrame, list[dt.date], pl.DataFrame]:
    """Bars of a year, one symbol gone after half of it, own days, and what New York's nights decide on."""
    days = trading_days(facts.calendar, dt.date(2017, 1, 3), dt.date(2017, 12, 28))
    nights = trading_days("XNYS", dt.date(2017, 1, 4), dt.date(2017, 12, 29))
    random = np.random.default_rng(3)
    rows = []
    for symbol, stays in (("A", len(days)), ("GONE", len(days) // 2)):
        for own in days[:stays]:
            rows.append((symbol, own, float(random.uniform(50, 150)), float(random.uniform(50, 150))))
    bars = pl.DataFrame(rows, schema=[SYMBOL, DATE, "open", "close"], orient="row")
    decided = decisions(US, [facts], nights).filter(pl.col(BAR_DATE) <= days[-1])
    return bars, days, decided


@pytest.mark.parametrize("name", BESIDE)
def test_each_label_is_the_return_between_own_opens_after_the_decision(name: str) -> None:
    bars, days, decided = market_of(BESIDE[name])
    opens = {(symbol, own): price for symbol, own, price in bars.select(SYMBOL, DATE, "open").iter_rows()}
    labels = decided_returns(bars, days, HORIZONS, decided)
    entries = {night: (bar, entry) for night, bar, entry in decided.select(DATE, BAR_DATE, "entry_date").iter_rows()}
    seen = 0
    for row in labels.filter(~pl.col("delisted")).iter_rows(named=True):
        bar, entry = entries[row[DATE]]
        leave = days[days.index(entry) + row["horizon"]]
        assert (row["entry_date"], row["exit_date"]) == (entry, leave)
        assert (row[SYMBOL], bar) in opens
        if (row[SYMBOL], leave) in opens:
            assert row["forward_return"] == opens[row[SYMBOL], leave] / opens[row[SYMBOL], entry] - 1.0
            # The first night that may know the day of the exit.
            assert row["known_date"] == min(night for night, (known, _) in entries.items() if known >= leave)
            seen += 1
    assert seen > 400
    gone = labels.filter(pl.col("delisted"))
    assert gone.height > 0
    assert set(gone[SYMBOL]) == {"GONE"}


@pytest.mark.parametrize("name", BESIDE)
def test_a_night_knows_the_labels_that_a_later_one_dates_to_it(name: str) -> None:
    bars, days, decided = market_of(BESIDE[name])
    whole = decided_returns(bars, days, HORIZONS, decided)
    for night in decided[DATE].gather([30, 101, 150, 200]).to_list():
        until = decided.filter(pl.col(DATE) <= night)
        newest = until[BAR_DATE][-1]
        then = decided_returns(
            bars.filter(pl.col(DATE) <= newest), [own for own in days if own <= newest], HORIZONS, until
        )
        assert then.equals(whole.filter(pl.col("known_date") <= night))


def test_bars_of_before_the_first_night_are_history_and_no_decision() -> None:
    bars, days, decided = market_of(BESIDE["b3"])
    late = decided[50:]
    labels = decided_returns(bars, days, [1], late)
    assert labels[DATE].min() == late[DATE][0]
    nothing = decided.with_columns(pl.lit(None, pl.Date).alias(BAR_DATE))
    assert decided_returns(bars, days, [1], nothing).is_empty()
