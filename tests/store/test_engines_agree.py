"""The same batches leave the same rows on SQLite and PostgreSQL, however the latter finds out what is new."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import postgresql_server
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opened_store import opened
from polars.testing import assert_frame_equal
from store_samples import DAYS, NO_BROKEN, Values, arrival, bars, broken, everything, moment

from nightdesk.store import differing, schema
from nightdesk.store.bulk import read
from nightdesk.store.inputs import Arrival, Loaded, bars_as_known, load_bars, load_membership, members_as_known
from nightdesk.tables import MEMBERSHIP, OBSERVED, RULE

Key = tuple[str, dt.date]
Both = tuple[sa.Engine, sa.Engine]
TABLES = (schema.bars, schema.quarantine, schema.batches, schema.membership)

fresh_source = (f"source {number}" for number in itertools.count())
value = st.sampled_from([None, math.nan, 0.0, -0.0, 1.0, 0.1 + 0.2, 1e-300, math.inf])
key = st.tuples(st.sampled_from(["a", "B", "BRK.B", "É", 'x,"y']), st.sampled_from(DAYS[:3]))
rows = st.dictionaries(key, st.tuples(value, value), max_size=6)
held = st.lists(st.tuples(key, value), max_size=3)
at = st.builds(moment, st.integers(1, 9), st.integers(0, 23))
batches = st.lists(st.tuples(rows, held, at, st.sampled_from([RULE, OBSERVED])), min_size=1, max_size=5)


@pytest.fixture(scope="module", params=["each looked up", "all in one pass"])
def both(
    request: pytest.FixtureRequest,
    postgresql_url: str,
    migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Both]:
    """A store on each engine; on PostgreSQL, small batches are met in either of its two ways."""
    file = Path(tmp_path_factory.mktemp("both")) / "store.db"
    with (
        pytest.MonkeyPatch.context() as patch,
        postgresql_server.database(postgresql_url, migrated_template) as url,
        opened(f"sqlite:///{file}") as sqlite,
        opened(url) as postgresql,
    ):
        patch.setattr(differing, "_FEW", 0 if request.param == "all in one pass" else 5000)
        yield sqlite, postgresql


def load(both: Both, good: pl.DataFrame, held: pl.DataFrame, how: Arrival) -> Loaded:
    first, second = (load_bars(engine, good, held, [], how) for engine in both)
    assert first == second
    return first


def assert_equal_rows(both: Both, source: str) -> None:
    for table in TABLES:
        wanted = sa.select(table).where(table.c.source == source).order_by(*table.primary_key.columns)
        sqlite, postgresql = (read(engine, wanted) for engine in both)
        assert_frame_equal(postgresql, sqlite, check_exact=True)
    sqlite, postgresql = (bars_as_known(engine, source, moment(30)) for engine in both)
    assert_frame_equal(postgresql, sqlite, check_exact=True)


def test_a_life_of_batches_leaves_equal_rows(both: Both) -> None:
    source = next(fresh_source)
    a, b, c = ("AAA", DAYS[0]), ("AAA", DAYS[1]), ("BBB", DAYS[1])
    first = bars({a: (10.0, 1.0), b: (11.0, None), c: (math.nan, 2.0)})
    restated = bars({a: (10.5, 1.0), b: (11.0, 3.0), c: (None, 2.0)})
    refused = broken([("CCC", DAYS[0], -1.0, ["negative_price", "jump"]), ("CCC", DAYS[1], None, ["no_close"])])
    steps = [
        (first, NO_BROKEN, moment(3), RULE, 3),
        (first, NO_BROKEN, moment(4), RULE, 0),
        (restated, refused, moment(5), RULE, 2),
        (first, NO_BROKEN, moment(5), RULE, 2),  # back again, in the very instant of the change
        (bars({("CCC", DAYS[0]): (5.0, 1.0)}), NO_BROKEN, moment(6), RULE, 1),  # released
        (bars({("CCC", DAYS[2]): (6.0, 1.0), a: (9.0, 1.0)}), NO_BROKEN, moment(7), OBSERVED, 2),
        (first[:0], refused, moment(8), RULE, 0),
        (first.reverse(), refused, moment(9), OBSERVED, 1),
    ]
    for good, held, came, basis, new in steps:
        assert load(both, good, held, arrival(came, basis, source)).rows_new == new
        assert_equal_rows(both, source)
    versions = everything(both[1], schema.bars).filter(pl.col("source") == source)
    assert versions.height == sum(new for *_, new in steps)
    assert versions.filter(pl.col("symbol") == "CCC")["basis"].unique().to_list() == [OBSERVED]


@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(sequence=batches)
def test_any_sequence_of_batches_leaves_equal_rows(
    both: Both, sequence: list[tuple[dict[Key, Values], list[tuple[Key, float | None]], dt.datetime, str]]
) -> None:
    source = next(fresh_source)
    for offered, refused, came, basis in sequence:
        held = broken([(*key, close, ["why"]) for key, close in refused])
        load(both, bars(offered), held, arrival(came, basis, source))
    assert_equal_rows(both, source)


def test_members_leave_equal_rows(both: Both) -> None:
    source = next(fresh_source)
    members = pl.DataFrame(
        [("sp500", DAYS[0], "AAA", "A, Inc.", None), ("sp500", DAYS[0], "BBB", "B", "Energy")],
        schema=MEMBERSHIP,
        orient="row",
    )
    changed = members.with_columns(sector=pl.lit(""))
    for offered, day, basis in ((members, 4, RULE), (members, 5, RULE), (changed, 6, OBSERVED), (members, 7, RULE)):
        first, second = (load_membership(engine, offered, arrival(moment(day), basis, source)) for engine in both)
        assert first == second
    assert_equal_rows(both, source)
    sqlite, postgresql = (members_as_known(engine, source, moment(9)) for engine in both)
    assert_frame_equal(postgresql, sqlite)


def test_a_batch_of_more_rows_than_a_slice_is_met_in_one_pass(both: Both) -> None:
    source = next(fresh_source)
    many = {(f"S{number:05}", day): (float(number), None) for number in range(6_000) for day in DAYS}
    before = bars(many)
    load(both, before, NO_BROKEN, arrival(moment(9), RULE, source))
    changed = before.with_columns(close=pl.when(pl.col("symbol") == "S05999").then(0.5).otherwise("close"))
    assert load(both, changed, NO_BROKEN, arrival(moment(10), RULE, source)).rows_new == len(DAYS)
    assert_equal_rows(both, source)
