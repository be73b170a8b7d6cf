"""Rows of the paper book are added and never changed; expectations are those of the newest walk-forward."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace

import polars as pl
import sqlalchemy as sa

from nightdesk.store.paper_book import (
    Expectation,
    Standpoint,
    add_days,
    add_expectations,
    book_of,
    expectations_of,
    newest_standpoints,
    positions_on,
)

DAYS = [dt.date(2024, 1, day) for day in range(2, 6)]


def rows(days: list[dt.date], equity: float = 1.0, line: str = "ranking") -> pl.DataFrame:
    made = [
        {
            "horizon": 5, "line": line, "date": day, "decided": None if number else day, "equity": equity + number,
            "gross": 0.01, "commission": 0.001, "spread": 0.002, "impact": 0.0, "net": 0.007, "benchmark": None,
            "turnover": 0.5, "exposure": 1.0, "holdings": 1, "positions": json.dumps({"É": 0.1 + 0.2}),
        }
        for number, day in enumerate(days)
    ]  # fmt: skip
    return pl.DataFrame(made, schema_overrides={"benchmark": pl.Float64, "decided": pl.Date})


def test_a_day_that_stands_is_left_as_it_is(store: sa.Engine) -> None:
    assert add_days(store, "live", rows(DAYS[:2])) == 2
    assert add_days(store, "live", rows(DAYS[:3], equity=9.0)) == 1
    found = book_of(store, "live", DAYS[-1])
    assert found["equity"].to_list() == [1.0, 2.0, 11.0]
    assert found["date"].to_list() == DAYS[:3]
    assert found["decided"].to_list() == [DAYS[0], None, None]
    assert book_of(store, "live", DAYS[1]).height == 2
    assert add_days(store, "live", rows([])) == 0


def test_each_line_goes_on_from_its_newest_day(store: sa.Engine) -> None:
    assert newest_standpoints(store, "live") == {}
    add_days(store, "live", pl.concat([rows(DAYS[:3]), rows(DAYS[:1], line="recommended")]))
    add_days(store, "replay", rows(DAYS))
    assert newest_standpoints(store, "live") == {
        (5, "ranking"): Standpoint(DAYS[2], 3.0, {"É": 0.1 + 0.2}),
        (5, "recommended"): Standpoint(DAYS[0], 1.0, {"É": 0.1 + 0.2}),
    }
    assert positions_on(store, "live", 5, "ranking", DAYS[1]) == {"É": 0.1 + 0.2}
    assert positions_on(store, "live", 5, "ranking", DAYS[3]) == {}


def test_the_newest_expectation_of_a_model_counts_and_what_stands_is_left(store: sa.Engine) -> None:
    old = Expectation(DAYS[0], 5, "ridge", 0.001, 0.0002, 9, 400, DAYS[0], DAYS[1])
    new = Expectation(DAYS[2], 5, "ridge", None, None, 0, 3, None, None)
    add_expectations(store, "live", [old])
    add_expectations(store, "live", [new, replace(old, mean=9.0)])
    assert expectations_of(store, "live", DAYS[1]) == {(5, "ridge"): old}
    assert expectations_of(store, "live", DAYS[3]) == {(5, "ridge"): new}
    assert expectations_of(store, "replay", DAYS[3]) == {}
