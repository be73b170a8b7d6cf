"""Random loads, restatements and reads agree with a slow model of plain Python."""

from __future__ import annotations

import datetime as dt
import itertools
import math

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_samples import DAYS, MICROSECOND, NO_BROKEN, Values, arrival, bars, known_by_rule, moment

from nightdesk.store.inputs import bars_as_known, load_bars
from nightdesk.tables import OBSERVED, RULE

Key = tuple[str, dt.date]
Rows = dict[Key, Values]
Load = tuple[Rows, dt.datetime, str]

fresh_source = (f"source {number}" for number in itertools.count())
value = st.sampled_from([None, math.nan, 1.0, 2.0])
key = st.tuples(st.sampled_from(["a", "B", "BRK.B"]), st.sampled_from(DAYS[:3]))
rows = st.dictionaries(key, st.tuples(value, value), min_size=1, max_size=6)
at = st.builds(moment, st.integers(1, 9), st.integers(0, 23))
loads = st.lists(st.tuples(rows, at, st.sampled_from([RULE, OBSERVED])), min_size=1, max_size=5)


class SlowStore:
    """Every version of every row, in a dict of lists."""

    def __init__(self) -> None:
        self.versions: dict[Key, list[tuple[dt.datetime, Values]]] = {}

    def load(self, offered: Rows, at: dt.datetime, basis: str) -> int:
        added = 0
        for key, (close, volume) in offered.items():
            values = (_plain(close), _plain(volume))
            known = known_by_rule(key[1])
            if basis == OBSERVED:
                known = max(known, at)
            before = self.versions.setdefault(key, [])
            if before and before[-1][1] == values:
                continue
            if before:
                known = max(known, at, before[-1][0] + MICROSECOND)
            before.append((known, values))
            added += 1
        return added

    def read(self, cutoff: dt.datetime) -> list[tuple[str, dt.date, float | None, float | None]]:
        seen = []
        for (symbol, day), versions in sorted(self.versions.items()):
            known = [values for known_at, values in versions if known_at <= cutoff]
            if known:
                seen.append((symbol, day, *known[-1]))
        return seen

    def instants(self) -> set[dt.datetime]:
        return {known for versions in self.versions.values() for known, _ in versions}


def _plain(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(sequence=loads)
def test_any_sequence_of_loads_reads_as_the_slow_model_says(store: sa.Engine, sequence: list[Load]) -> None:
    source, slow = next(fresh_source), SlowStore()
    for offered, at, basis in sequence:
        loaded = load_bars(store, bars(offered), NO_BROKEN, [], arrival(at, basis, source))
        assert loaded.rows_new == slow.load(offered, at, basis)
    for instant in sorted(slow.instants()):
        for cutoff in (instant - MICROSECOND, instant):
            known = bars_as_known(store, source, cutoff).select("symbol", "date", "close", "volume")
            assert known.rows() == slow.read(cutoff)
