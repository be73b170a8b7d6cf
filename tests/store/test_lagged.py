"""Fundamentals and factor returns: known from their publication, kept as versions, read as known at a cut-off."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal
from store_samples import MICROSECOND, arrival, count, everything, moment

from nightdesk.store import schema
from nightdesk.store.inputs import Added, has_any
from nightdesk.store.lagged import (
    factor_returns_as_known,
    fundamentals_as_known,
    load_factor_returns,
    load_fundamentals,
)
from nightdesk.tables import FACTOR_RETURNS, FUNDAMENTALS, OBSERVED, RULE

PERIOD = dt.date(2023, 9, 30)
FILED = dt.date(2023, 11, 3)
LAG = 90
BY_LAG = dt.datetime(2023, 12, 30, tzinfo=dt.UTC)  # 29 December, the 90th day after the period's end, is over
BY_FILING = dt.datetime(2023, 11, 4, tzinfo=dt.UTC)


def figures(revenue: float | None, filed: dt.date | None = None, symbol: str = "AAA") -> pl.DataFrame:
    rows = [(symbol, PERIOD, "Net Income", 5.0, filed), (symbol, PERIOD, "Total Revenue", revenue, filed)]
    return pl.DataFrame(rows, schema={**FUNDAMENTALS, "filed": pl.Date()}, orient="row")


def returns(value: float | None, day: dt.date = dt.date(2023, 11, 15), dataset: str = "five") -> pl.DataFrame:
    rows = [(dataset, "RF", day, 0.0001), (dataset, "SMB", day, value)]
    return pl.DataFrame(rows, schema=FACTOR_RETURNS, orient="row")


@pytest.mark.parametrize(("filed", "known"), [(None, BY_LAG), (FILED, BY_FILING)], ids=["by lag", "as filed"])
def test_a_figure_is_known_from_its_filing_or_after_the_lag_and_not_a_microsecond_before(
    store: sa.Engine, filed: dt.date | None, known: dt.datetime
) -> None:
    assert load_fundamentals(store, figures(1.71e11, filed), LAG, arrival(moment(9))) == Added(2, 2, 0)
    assert fundamentals_as_known(store, "test", known - MICROSECOND).is_empty()
    read = fundamentals_as_known(store, "test", known)
    assert_frame_equal(read, figures(1.71e11).select(*FUNDAMENTALS))
    kept = everything(store, schema.fundamentals)
    assert set(kept["known_at"]) == {known}
    assert (set(kept["ingested_at"]), set(kept["basis"])) == ({moment(9)}, {RULE})


def test_the_same_figures_again_add_nothing(store: sa.Engine) -> None:
    load_fundamentals(store, figures(None), LAG, arrival(moment(9)))
    for day, basis in ((10, RULE), (11, OBSERVED)):
        assert load_fundamentals(store, figures(None), LAG, arrival(moment(day), basis)) == Added(2, 0, 0)
    assert count(store, schema.fundamentals) == 2


def test_a_restated_figure_is_known_from_its_arrival_and_the_old_one_until_then(store: sa.Engine) -> None:
    load_fundamentals(store, figures(10.0), LAG, arrival(moment(2)))
    later = pl.concat([figures(11.0), figures(7.0, symbol="BBB")])
    assert load_fundamentals(store, later, LAG, arrival(moment(9))) == Added(4, 2, 1)

    def revenue(cutoff: dt.datetime) -> list[float | None]:
        known = fundamentals_as_known(store, "test", cutoff)
        return known.filter(item="Total Revenue", symbol="AAA")["value"].to_list()

    assert [revenue(moment(9) - MICROSECOND), revenue(moment(9))] == [[10.0], [11.0]]
    assert load_fundamentals(store, figures(None), LAG, arrival(moment(12))).restated == 1
    assert revenue(moment(12)) == [None]


def test_observed_figures_are_known_from_their_arrival(store: sa.Engine) -> None:
    load_fundamentals(store, figures(10.0), LAG, arrival(moment(9), OBSERVED))
    assert fundamentals_as_known(store, "test", moment(9) - MICROSECOND).is_empty()
    assert fundamentals_as_known(store, "test", moment(9)).height == 2


def test_a_months_factor_returns_are_known_together_from_their_release(store: sa.Engine) -> None:
    first, last = returns(0.01, dt.date(2023, 11, 1)), returns(0.02, dt.date(2023, 11, 30))
    loaded = load_factor_returns(store, pl.concat([first, last]), 31, arrival(moment(9)))
    assert loaded == Added(4, 4, 0)
    released = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)  # 31 December, 31 days after the month's end, is over
    assert factor_returns_as_known(store, "test", "five", released - MICROSECOND).is_empty()
    read = factor_returns_as_known(store, "test", "five", released)
    assert_frame_equal(read, pl.concat([first, last]).sort("factor", "date"))


def test_restated_returns_are_versions_and_datasets_are_kept_apart(store: sa.Engine) -> None:
    load_factor_returns(store, returns(0.01), 0, arrival(moment(2)))
    load_factor_returns(store, returns(0.5, dataset="three"), 0, arrival(moment(3)))
    assert load_factor_returns(store, returns(None), 0, arrival(moment(9))) == Added(2, 0, 1)

    def small(dataset: str, cutoff: dt.datetime) -> list[float | None]:
        return factor_returns_as_known(store, "test", dataset, cutoff).filter(factor="SMB")["value"].to_list()

    assert [small("five", moment(9) - MICROSECOND), small("five", moment(9))] == [[0.01], [None]]
    assert small("three", moment(9)) == [0.5]
    assert load_factor_returns(store, returns(None), 0, arrival(moment(10))) == Added(2, 0, 0)


def test_whether_there_is_a_row_of_some_values(store: sa.Engine) -> None:
    assert not has_any(store, schema.factor_returns, source="test", dataset="five")
    load_factor_returns(store, returns(0.01), 0, arrival(moment(2)))
    assert has_any(store, schema.factor_returns, source="test", dataset="five")
    assert not has_any(store, schema.factor_returns, source="test", dataset="three")
