"""What every registered source must keep, whoever wrote it."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from nightdesk.sessions import trading_days
from nightdesk.sources import SOURCES, Source, open_source
from nightdesk.tables import BARS, CORPORATE_ACTIONS, DATE, MEMBERSHIP, SYMBOL

SMALL: dict[str, dict[str, object]] = {"synthetic": {"symbols": 12, "days": 400, "signal_ic": 0.05, "faults": True}}
"""Options that keep a source quick here; none for the others."""


@pytest.fixture(params=sorted(SOURCES))
def source(request: pytest.FixtureRequest) -> Source:
    return open_source(request.param, **SMALL.get(request.param, {}))


def test_facts_name_the_source_and_a_lag_after_the_close(source: Source) -> None:
    assert source.facts.name in SOURCES
    assert source.facts.publication_lag >= dt.timedelta(0)


def test_bars_have_schema_order_and_only_trading_days(source: Source) -> None:
    bars = source.bars(None, source.last_day())
    assert dict(bars.schema) == dict(BARS)
    assert bars.equals(bars.sort(SYMBOL, DATE))
    days = trading_days(source.facts.calendar, source.first_day(), source.last_day())
    assert set(bars.get_column(DATE)) <= set(days)
    assert bars.get_column(DATE).min() == source.first_day() == days[0]
    assert bars.get_column(DATE).max() == source.last_day() == days[-1]


def test_missing_values_are_null_and_never_nan(source: Source) -> None:
    bars = source.bars(None, source.last_day())
    assert bars.select(pl.col(pl.Float64).is_nan().any()).row(0) == (False,) * 5


def test_both_ends_of_a_range_are_included_and_nothing_else(source: Source) -> None:
    days = trading_days(source.facts.calendar, source.first_day(), source.last_day())
    first, last = days[50], days[60]
    bars = source.bars(first, last)
    assert set(bars.get_column(DATE)) == set(days[50:61])
    whole = source.bars(None, source.last_day())
    assert bars.equals(whole.filter(pl.col(DATE).is_between(first, last)))


def test_an_empty_range_has_the_schema_and_no_rows(source: Source) -> None:
    after = source.last_day() + dt.timedelta(days=1)
    for bars in (source.bars(after, after), source.bars(after, source.last_day())):
        assert bars.is_empty()
        assert dict(bars.schema) == dict(BARS)


def test_a_days_bars_do_not_depend_on_the_days_after(source: Source) -> None:
    days = trading_days(source.facts.calendar, source.first_day(), source.last_day())
    whole = source.bars(None, source.last_day())
    for cut in (days[0], days[150], days[-2]):
        assert source.bars(None, cut).equals(whole.filter(pl.col(DATE) <= cut))


def test_membership_and_actions_are_dated_tables(source: Source) -> None:
    membership, actions = source.membership(source.last_day()), source.actions(source.last_day())
    assert dict(membership.schema) == dict(MEMBERSHIP)
    assert dict(actions.schema) == dict(CORPORATE_ACTIONS)
    assert (source.facts.index_name is None) == membership.is_empty()
    assert set(membership.get_column("index_name")) <= {source.facts.index_name}
    assert all(day <= source.last_day() for day in membership.get_column("snapshot_date"))
    assert source.membership(dt.date(1990, 1, 2)).is_empty()


def test_the_fingerprint_is_stable(source: Source) -> None:
    again = open_source(source.facts.name, **SMALL.get(source.facts.name, {}))
    assert source.fingerprint() == again.fingerprint()
    assert len(source.fingerprint()) == 64
