"""Random lives of the input tables agree with a slow model of plain Python: what was known at any cut-off."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from store_samples import DAYS, LAG, MICROSECOND, NO_BROKEN, Values, arrival, bars, broken, known_by_rule, moment

from nightdesk.errors import BadInput
from nightdesk.sources import SourceFacts
from nightdesk.store.adjusted import panel_as_known
from nightdesk.store.inputs import actions_as_known, bars_as_known, load_actions, load_bars
from nightdesk.store.quarantine import HELD, held_rows, release
from nightdesk.tables import CORPORATE_ACTIONS, DATE, DIVIDEND, OBSERVED, RULE, SPLIT, SYMBOL

Key = tuple[str, dt.date]
Rows = dict[Key, Values]
Load = tuple[Rows, dt.datetime, str]
Actions = dict[tuple[str, dt.date, str], float]

fresh_source = (f"source {number}" for number in itertools.count())
value = st.sampled_from([None, math.nan, 1.0, 2.0])
symbol = st.sampled_from(["a", "B", "BRK.B"])
day = st.sampled_from(DAYS[:3])
key = st.tuples(symbol, day)
rows = st.dictionaries(key, st.tuples(value, value), min_size=1, max_size=6)
at = st.builds(moment, st.integers(1, 9), st.integers(0, 23))
basis = st.sampled_from([RULE, OBSERVED])
loads = st.lists(st.tuples(rows, at, basis), min_size=1, max_size=5)

held = st.dictionaries(key, st.sampled_from([None, -1.0, 3.0]), max_size=3)
actions = st.dictionaries(
    st.tuples(symbol, day, st.sampled_from([SPLIT, DIVIDEND])), st.sampled_from([0.5, 2.0, 8.0]), min_size=1, max_size=4
)
cutoffs = st.lists(st.builds(moment, st.integers(1, 12), st.integers(0, 23)), max_size=3)
steps = st.one_of(
    st.tuples(st.just("batch"), rows, held, at, basis),
    st.tuples(st.just("release"), st.integers(0, 9), st.sampled_from([5.0, 6.0]), at, st.booleans()),
    st.tuples(st.just("actions"), actions, at, basis),
    st.tuples(st.just("read"), cutoffs),
)
lives = st.lists(steps, min_size=2, max_size=8)

QUICK = settings(
    max_examples=15,
    phases=[Phase.generate],
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


class SlowTable:
    """Every version of every row of one table, in a dict of lists."""

    def __init__(self) -> None:
        self.versions: dict[Any, list[tuple[dt.datetime, Any]]] = {}

    def offer(self, key: Any, values: Any, by_rule: dt.datetime, at: dt.datetime, *, late: bool) -> int:
        """A row arrives: `late` rows are known from their arrival, and so is what follows another version."""
        before = self.versions.setdefault(key, [])
        if before and before[-1][1] == values:
            return 0
        known = max(by_rule, at) if late or before else by_rule
        if before:
            known = max(known, before[-1][0] + MICROSECOND)
        before.append((known, values))
        return 1

    def read(self, cutoff: dt.datetime) -> dict[Any, Any]:
        seen = {}
        for key, versions in sorted(self.versions.items()):
            known = [values for known_at, values in versions if known_at <= cutoff]
            if known:
                seen[key] = known[-1]
        return seen

    def instants(self) -> set[dt.datetime]:
        return {known for versions in self.versions.values() for known, _ in versions}


@dataclass
class SlowStore:
    """Bars, corporate actions, and what is or was in quarantine."""

    bars: SlowTable = field(default_factory=SlowTable)
    actions: SlowTable = field(default_factory=SlowTable)
    held: list[tuple[Key, float | None]] = field(default_factory=list)
    released: set[int] = field(default_factory=set)

    def load(self, offered: Rows, refused: dict[Key, float | None], at: dt.datetime, basis: str) -> int:
        once_held = {key for key, _ in self.held}
        added = 0
        for key, values in offered.items():
            plain = (_plain(values[0]), _plain(values[1]))
            late = basis == OBSERVED or key in once_held
            added += self.bars.offer(key, plain, known_by_rule(key[1]), at, late=late)
        self.held += [one for one in refused.items() if one not in self.held]
        return added

    def load_actions(self, offered: Actions, at: dt.datetime, basis: str) -> int:
        added = 0
        for key, value in offered.items():
            by_rule = dt.datetime.combine(key[1], dt.time(), dt.UTC)
            added += self.actions.offer(key, value, by_rule, at, late=basis == OBSERVED)
        return added

    def release(self, number: int, close: float, at: dt.datetime, *, replace: bool) -> bool:
        """Whether a person may: once a row, and over a bar only where that is meant."""
        key, _ = self.held[number]
        before = self.bars.versions.setdefault(key, [])
        if number in self.released or (before and not replace):
            return False
        self.released.add(number)
        known = max(known_by_rule(key[1]), at, before[-1][0] + MICROSECOND if before else at)
        before.append((known, (close, 1.0)))
        return True

    def panel(self, cutoff: dt.datetime, last: dt.date) -> list[tuple[str, dt.date, float | None, float | None]]:
        """Bars in the shares of `last`: every later split, one after the other."""
        out = []
        splits = {key: value for key, value in self.actions.read(cutoff).items() if key[2] == SPLIT}
        for (symbol, day), (close, volume) in self.bars.read(cutoff).items():
            shares = math.prod(v for (other, ex, _), v in splits.items() if other == symbol and day < ex <= last)
            if day <= last:
                price, traded = close and close / shares, volume and volume * shares
                out.append((symbol, day, price, traded))
        return out

    def instants(self) -> list[dt.datetime]:
        return sorted(self.bars.instants() | self.actions.instants())


def _plain(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


@QUICK
@given(sequence=loads)
def test_any_sequence_of_loads_reads_as_the_slow_model_says(store: sa.Engine, sequence: list[Load]) -> None:
    source, slow = next(fresh_source), SlowStore()
    for offered, at, basis in sequence:
        loaded = load_bars(store, bars(offered), NO_BROKEN, [], arrival(at, basis, source))
        assert loaded.rows_new == slow.load(offered, {}, at, basis)
    for instant in slow.instants():
        for cutoff in (instant - MICROSECOND, instant):
            assert_bars(store, source, slow, cutoff)


@QUICK
@given(life=lives)
def test_any_life_of_the_tables_reads_as_the_slow_model_says(store: sa.Engine, life: list[tuple[Any, ...]]) -> None:
    """Loads, restatements, late rows, quarantine and its releases, corporate actions, and reads between them."""
    source, slow = next(fresh_source), SlowStore()
    for kind, *what in life:
        if kind == "batch":
            offered, refused, at, basis = what
            refused = {key: close for key, close in refused.items() if key not in offered}
            held = broken([(*key, close, ["why"]) for key, close in refused.items()])
            loaded = load_bars(store, bars(offered), held, [], arrival(at, basis, source))
            assert loaded.rows_new == slow.load(offered, refused, at, basis)
        elif kind == "actions":
            offered, at, basis = what
            told = pl.DataFrame([(*key, value) for key, value in offered.items()], CORPORATE_ACTIONS, orient="row")
            added = load_actions(store, told, arrival(at, basis, source))
            assert added.new + added.restated == slow.load_actions(offered, at, basis)
        elif kind == "release" and slow.held:
            number, close, at, replace = what
            let_in(store, source, slow, number % len(slow.held), close, at, replace=replace)
        elif kind == "read":
            for cutoff in what[0]:
                assert_known(store, source, slow, cutoff)
    for instant in slow.instants():
        for cutoff in (instant - MICROSECOND, instant):
            assert_known(store, source, slow, cutoff)


def let_in(
    store: sa.Engine, source: str, slow: SlowStore, number: int, close: float, at: dt.datetime, *, replace: bool
) -> None:
    (symbol, day), value = slow.held[number]
    is_it = {SYMBOL: symbol, DATE: day, "close": value}
    row = next(one for one in held_rows(store, source) if is_it.items() <= one.values.items())
    assert (row.state == HELD) == (number not in slow.released)
    values = dict(row.values) | dict.fromkeys(("open", "high", "low", "close"), close)
    if slow.release(number, close, at, replace=replace):
        release(store, arrival(at, source=source), row.key, values, "Ada", "looked it up", replace=replace)
        return
    with pytest.raises(BadInput):
        release(store, arrival(at, source=source), row.key, values, "Ada", "looked it up", replace=replace)


def assert_bars(store: sa.Engine, source: str, slow: SlowStore, cutoff: dt.datetime) -> None:
    known = bars_as_known(store, source, cutoff).select(SYMBOL, DATE, "close", "volume")
    assert known.rows() == [(*key, *values) for key, values in slow.bars.read(cutoff).items()]


def assert_known(store: sa.Engine, source: str, slow: SlowStore, cutoff: dt.datetime) -> None:
    assert_bars(store, source, slow, cutoff)
    known = actions_as_known(store, source, cutoff, DAYS[-1])
    assert known.rows() == [(*key, value) for key, value in slow.actions.read(cutoff).items()]
    facts = SourceFacts(source, "XNYS", "USD", "raw", LAG, RULE)
    panel = panel_as_known(store, facts, cutoff, DAYS[1]).select(SYMBOL, DATE, "close", "volume")
    assert panel.rows() == slow.panel(cutoff, DAYS[1])  # powers of two: every bit
