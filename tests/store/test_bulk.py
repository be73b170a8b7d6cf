"""Frames go in and come out the same on both engines: dtypes, nulls, awkward text, instants; all rows or none."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import sqlite3
import threading

import polars as pl
import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from store_samples import DAYS, count, everything, moment, url_of

from nightdesk.errors import StoreBusy
from nightdesk.store import database, schema
from nightdesk.store.bulk import append_all, read
from nightdesk.tables import BARS

AWKWARD = [
    None,
    "",
    " ",
    '""',
    '"',
    "a,b",
    "a\nb",
    "a\r\nb",
    "tab\there",
    "\\",
    "\\N",
    "\\.",
    "a\n\\.\nb",
    "\\n",
    "NULL",
    "null",
    "it's; DROP TABLE bars --",
    "%s %(x)s :y ?",
    "Ünïcödé 東京 🌙",
    "1.0",
    "t",
]
ANY_EXAMPLES = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
fresh_name = (f"name {number}" for number in itertools.count())
text = st.one_of(st.none(), st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12))


def night_rows(ids: list[str], **columns: list[object]) -> pl.DataFrame:
    """Rows of the nights table, with some columns given."""
    plain = {
        "night_id": ids,
        "realm": ["live"] * len(ids),
        "as_of": [DAYS[0]] * len(ids),
        "content": ["c"] * len(ids),
        "status": ["done"] * len(ids),
        "reason": [None] * len(ids),
        "summary": [None] * len(ids),
        "run_id": [None] * len(ids),
        "started_at": [moment(2)] * len(ids),
        "ended_at": [None] * len(ids),
        "kind": ["night"] * len(ids),
    }
    utc = pl.Datetime("us", "UTC")
    given = {"reason": pl.String, "summary": pl.String, "run_id": pl.String, "started_at": utc, "ended_at": utc}
    return pl.DataFrame(plain | columns, schema_overrides=given)


def forecast_rows(scores: list[float], served: list[bool]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "realm": "live",
            "as_of": DAYS[0],
            "horizon": 5,
            "model": "ridge",
            "symbol": [f"S{number}" for number in range(len(scores))],
            "score": scores,
            "served": served,
            "model_content": "c",
        }
    )


def test_awkward_text_comes_back_as_it_was(store: sa.Engine) -> None:
    rows = night_rows([f"{number:02}" for number in range(len(AWKWARD))], reason=AWKWARD)
    assert append_all(store, [(schema.nights, rows)]) == len(AWKWARD)
    assert everything(store, schema.nights)["reason"].to_list() == AWKWARD


def test_an_empty_text_is_not_null_to_the_database(store: sa.Engine) -> None:
    append_all(store, [(schema.nights, night_rows(["a", "b"], reason=["", None], summary=[None, ""]))])
    for column, expected in ((schema.nights.c.reason, ["b"]), (schema.nights.c.summary, ["a"])):
        nulls = read(store, sa.select(schema.nights.c.night_id).where(column.is_(None)))
        assert nulls["night_id"].to_list() == expected


@ANY_EXAMPLES
@given(values=st.lists(st.tuples(text, text), min_size=1, max_size=6))
def test_any_text_comes_back_as_it_was(store: sa.Engine, values: list[tuple[str | None, str | None]]) -> None:
    name = next(fresh_name)
    rows = night_rows([f"{name} {number}" for number in range(len(values))], realm=[name] * len(values))
    reasons, summaries = zip(*values, strict=True)
    rows = rows.with_columns(reason=pl.Series(reasons, dtype=pl.String), summary=pl.Series(summaries, dtype=pl.String))
    append_all(store, [(schema.nights, rows)])
    nights = schema.nights
    wanted = sa.select(nights.c.reason, nights.c.summary).where(nights.c.realm == name).order_by(nights.c.night_id)
    assert read(store, wanted).rows() == values


@ANY_EXAMPLES
@given(values=st.lists(st.one_of(st.none(), st.floats(allow_nan=False)), min_size=1, max_size=8))
def test_any_float_comes_back_to_the_last_bit(store: sa.Engine, values: list[float | None]) -> None:
    name = next(fresh_name)
    rows = pl.DataFrame(
        [(f"{number:03}", DAYS[0], value, None, None, None, None) for number, value in enumerate(values)],
        schema=BARS,
        orient="row",
    ).with_columns(source=pl.lit(name), known_at=moment(2), ingested_at=moment(2), basis=pl.lit("rule"), rebased=0)
    append_all(store, [(schema.bars, rows)])
    wanted = sa.select(schema.bars.c.open).where(schema.bars.c.source == name).order_by(schema.bars.c.symbol)
    assert read(store, wanted)["open"].to_list() == values


def test_dtypes_are_those_of_the_schema(store: sa.Engine) -> None:
    append_all(store, [(schema.forecasts, forecast_rows([0.5, -1.0], [True, False]))])
    kept = everything(store, schema.forecasts)
    assert_frame_equal(kept, forecast_rows([0.5, -1.0], [True, False]).cast({"horizon": pl.Int64}))
    assert kept.schema["as_of"] == pl.Date
    served = read(store, sa.select(schema.forecasts.c.symbol).where(schema.forecasts.c.served.is_(True)))
    assert served["symbol"].to_list() == ["S0"]


def test_instants_keep_their_microseconds_and_are_utc(store: sa.Engine) -> None:
    tokyo = dt.timezone(dt.timedelta(hours=9))
    started = [moment(5, 3, 1), moment(5, 3), dt.datetime(2024, 7, 1, 2, 30, 0, 999_999, tzinfo=dt.UTC)]
    append_all(store, [(schema.nights, night_rows(["a", "b", "c"], started_at=started, ended_at=[None, *started[:2]]))])
    kept = everything(store, schema.nights)
    assert kept["started_at"].to_list() == started
    assert kept["ended_at"].to_list() == [None, *started[:2]]
    assert kept.schema["started_at"] == pl.Datetime("us", "UTC")
    at = schema.nights.c.started_at
    same = read(store, sa.select(schema.nights.c.night_id).where(at == started[0].astimezone(tokyo)))
    assert same["night_id"].to_list() == ["a"]


def test_an_instant_given_in_another_zone_or_unit_is_the_same(store: sa.Engine) -> None:
    rows = night_rows(["a"], started_at=[moment(5, 3)]).with_columns(
        pl.col("started_at").dt.convert_time_zone("Asia/Tokyo").dt.cast_time_unit("ms")
    )
    append_all(store, [(schema.nights, rows)])
    assert everything(store, schema.nights)["started_at"].to_list() == [moment(5, 3)]
    with store.connect() as connection:  # as SQLAlchemy itself reads it
        assert connection.scalar(sa.select(schema.nights.c.started_at)) == moment(5, 3)


def test_an_empty_frame_adds_nothing_and_an_empty_read_keeps_its_dtypes(store: sa.Engine) -> None:
    assert append_all(store, [(schema.forecasts, forecast_rows([], []))]) == 0
    assert append_all(store, []) == 0
    empty = everything(store, schema.forecasts)
    assert empty.is_empty()
    append_all(store, [(schema.forecasts, forecast_rows([1.0], [True]))])
    assert everything(store, schema.forecasts).schema == empty.schema


def test_nan_is_null_and_refused_where_null_is(store: sa.Engine) -> None:
    with pytest.raises((sqlite3.IntegrityError, psycopg.IntegrityError)):
        append_all(store, [(schema.forecasts, forecast_rows([1.0, math.nan], [True, True]))])
    assert count(store, schema.forecasts) == 0


def test_columns_are_matched_by_name(store: sa.Engine) -> None:
    rows = night_rows(["a"], reason=["why"])
    append_all(store, [(schema.nights, rows.select(reversed(rows.columns)).with_columns(more=1))])
    assert_frame_equal(everything(store, schema.nights), rows)


def test_a_read_binds_lists_bools_dates_and_instants(store: sa.Engine) -> None:
    append_all(store, [(schema.nights, night_rows(["a", "b", "c"], status=["done", "failed", "running"]))])
    nights = schema.nights
    wanted = sa.select(nights.c.night_id).where(
        nights.c.status.in_(["done", "failed"]), nights.c.as_of.in_(DAYS[:2]), nights.c.started_at <= moment(2)
    )
    assert read(store, wanted.order_by(nights.c.night_id))["night_id"].to_list() == ["a", "b"]


def test_a_failing_table_takes_the_others_with_it(store: sa.Engine) -> None:
    twice = night_rows(["a", "a"])
    with pytest.raises((sqlite3.IntegrityError, psycopg.IntegrityError)):
        append_all(store, [(schema.forecasts, forecast_rows([1.0], [True])), (schema.nights, twice)])
    assert count(store, schema.forecasts) == 0
    assert append_all(store, [(schema.forecasts, forecast_rows([1.0], [True]))]) == 1


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)  # on PostgreSQL writers do not lock each other out
def test_a_writer_that_waits_too_long_gets_store_busy(store: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0)
    impatient = database.connect(url_of(store))
    with store.connect() as holder:
        holder.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy, match="the store must be free to write, got database is locked: try again"):
            append_all(impatient, [(schema.nights, night_rows(["a"]))])
        holder.rollback()
    assert append_all(impatient, [(schema.nights, night_rows(["a"]))]) == 1
    impatient.dispose()


def test_a_reader_sees_all_rows_of_a_writer_or_none(store: sa.Engine) -> None:
    done = threading.Event()
    seen: set[tuple[int, int]] = set()

    def watch() -> None:
        while not done.is_set():
            later = count(store, schema.forecasts)  # first the table that is written last
            seen.add((count(store, schema.nights), later))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        ids = [f"{number:04}" for number in range(2000)]
        append_all(
            store, [(schema.nights, night_rows(ids)), (schema.forecasts, forecast_rows([1.0] * 1000, [True] * 1000))]
        )
    finally:
        done.set()
        watcher.join(timeout=60)
    assert seen <= {(0, 0), (2000, 0), (2000, 1000)}
