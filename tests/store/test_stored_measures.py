"""Measures of sessions: known when their day's bars are, kept as versions, and put beside the bars as known then."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import polars as pl
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal
from store_samples import DAYS, LAG, MICROSECOND, NO_BROKEN, arrival, bars, everything, known_by_rule, moment

from nightdesk.sources.source import SourceFacts
from nightdesk.store import adjusted as store_adjusted
from nightdesk.store import schema
from nightdesk.store.adjusted import panel_as_known
from nightdesk.store.inputs import Added, load_actions, load_bars
from nightdesk.store.session_measures import has_session_measures, load_session_measures, session_measures_as_known
from nightdesk.tables import BARS, CORPORATE_ACTIONS, MEASURES, OBSERVED, RULE, SESSION_MEASURES, SYMBOL

LAST = DAYS[-1]
KEYS = [("AAA", DAYS[0]), ("AAA", DAYS[1]), ("BBB", DAYS[1])]


def measures(*values: float | None, keys: list[tuple[str, dt.date]] = KEYS) -> pl.DataFrame:
    """The same value in every measure of a session."""
    rows = [(*key, *[value] * len(MEASURES)) for key, value in zip(keys, values, strict=True)]
    return pl.DataFrame(rows, schema=SESSION_MEASURES, orient="row")


def known(store: sa.Engine, cutoff: dt.datetime, last: dt.date = LAST) -> pl.DataFrame:
    return session_measures_as_known(store, "test", 30, cutoff, last)


def test_measures_are_known_with_the_bars_of_their_day_and_not_a_microsecond_before(store: sa.Engine) -> None:
    offered = measures(0.1, 0.2, None)
    assert load_session_measures(store, offered, 30, arrival(moment(20))) == Added(3, 3, 0)
    assert_frame_equal(known(store, moment(20)), offered)
    assert_frame_equal(known(store, known_by_rule(DAYS[1]) - MICROSECOND), offered[:1])
    assert_frame_equal(known(store, known_by_rule(DAYS[1])), offered)
    assert_frame_equal(known(store, moment(20), DAYS[0]), offered[:1])
    assert session_measures_as_known(store, "other", 30, moment(20), LAST).is_empty()
    assert load_session_measures(store, offered, 30, arrival(moment(21))) == Added(3, 0, 0)
    assert load_session_measures(store, offered.clear(), 30, arrival(moment(21))) == Added(0, 0, 0)


@pytest.mark.parametrize("basis", [RULE, OBSERVED])
def test_a_correction_is_known_from_its_arrival_and_the_old_value_until_then(store: sa.Engine, basis: str) -> None:
    load_session_measures(store, measures(0.1, 0.2, None), 30, arrival(moment(9)))
    corrected = measures(0.1, 0.25, 0.3)
    assert load_session_measures(store, corrected, 30, arrival(moment(12), basis)) == Added(3, 0, 2)
    assert_frame_equal(known(store, moment(12) - MICROSECOND), measures(0.1, 0.2, None))
    assert_frame_equal(known(store, moment(12)), corrected)
    kept = everything(store, schema.session_measures)
    assert kept.height == 5
    assert kept.filter(pl.col("known_at") == moment(12))["basis"].to_list() == [OBSERVED] * 2


def test_what_is_observed_is_known_from_its_arrival(store: sa.Engine) -> None:
    load_session_measures(store, measures(0.1, 0.2, 0.3), 30, arrival(moment(9), OBSERVED))
    assert known(store, moment(9) - MICROSECOND).is_empty()
    assert known(store, moment(9)).height == 3


def test_measures_of_bars_of_another_length_are_other_rows(store: sa.Engine) -> None:
    load_session_measures(store, measures(0.1, 0.2, 0.3), 30, arrival(moment(9)))
    assert [has_session_measures(store, "test", minutes) for minutes in (30, 60)] == [True, False]
    assert load_session_measures(store, measures(0.5, 0.2, None), 60, arrival(moment(12))) == Added(3, 3, 0)
    assert_frame_equal(known(store, moment(20)), measures(0.1, 0.2, 0.3))
    of_hours = session_measures_as_known(store, "test", 60, moment(20), LAST)
    assert_frame_equal(of_hours, measures(0.5, 0.2, None))


def test_the_panel_has_measures_beside_bars_and_a_split_changes_only_these(store: sa.Engine) -> None:
    rows = dict.fromkeys([*KEYS, ("BBB", DAYS[2])], (10.0, 100.0))
    load_bars(store, bars(rows), NO_BROKEN, [], arrival(moment(9)))  # type: ignore[arg-type]
    split = pl.DataFrame([("AAA", DAYS[1], "split", 2.0)], schema=CORPORATE_ACTIONS, orient="row")
    load_actions(store, split, arrival(moment(9)))
    stray = measures(0.9, keys=[("CCC", DAYS[0])])
    load_session_measures(store, pl.concat([measures(0.1, 0.2, 0.3), stray]), 30, arrival(moment(9)))
    facts = SourceFacts("test", "XNYS", "USD", "raw", LAG, RULE, bar_minutes=30)
    panel = panel_as_known(store, facts, moment(20), LAST)
    assert panel.select(SYMBOL, "close", "vwap_gap").rows() == [
        ("AAA", 5.0, 0.1),
        ("AAA", 10.0, 0.2),
        ("BBB", 10.0, 0.3),
        ("BBB", 10.0, None),
    ]
    daily = SourceFacts("test", "XNYS", "USD", "raw", LAG, RULE)
    assert panel_as_known(store, daily, moment(20), LAST).equals(panel.drop(*MEASURES))


def test_daily_bars_cost_no_query_of_measures(store: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    offered = bars({KEYS[0]: (10.0, 100.0)})
    load_bars(store, offered, NO_BROKEN, [], arrival(moment(9)))
    asked: list[tuple[object, ...]] = []

    def told(*given: object) -> pl.DataFrame:
        asked.append(given)
        return measures(0.1, keys=KEYS[:1])

    monkeypatch.setattr(store_adjusted, "session_measures_as_known", told)
    daily = SourceFacts("test", "XNYS", "USD", "raw", LAG, RULE)
    assert panel_as_known(store, daily, moment(20), LAST).equals(offered)
    assert asked == []
    assert panel_as_known(store, replace(daily, bar_minutes=60), moment(20), LAST).columns == [*BARS, *MEASURES]
    assert asked == [(store, "test", 60, moment(20), LAST)]
