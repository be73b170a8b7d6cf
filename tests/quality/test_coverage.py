"""Audits: each symbol's life and freshness agree with a slow count, and members without bars are counted by name."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from nightdesk.quality.coverage import COVERAGE, audit_survivorship, coverage
from nightdesk.sessions import trading_days
from nightdesk.sources import open_source
from nightdesk.sources.aliases import ALIASES, bundled_aliases
from nightdesk.sources.synthetic import synthetic
from nightdesk.tables import DATE, MEMBERSHIP, SYMBOL

ALL_LISTS = dt.date(2018, 4, 2)


def members(*rows: tuple[dt.date, str]) -> pl.DataFrame:
    whole = [("SP500", day, symbol, f"{symbol}, Inc.", None) for day, symbol in rows]
    return pl.DataFrame(whole, schema=MEMBERSHIP, orient="row")


def test_151_members_have_no_bars_as_spelt_and_148_once_aliases_are_joined() -> None:
    source = open_source("sample")
    symbols = source.bars(None, source.last_day())[SYMBOL].unique()
    audit = audit_survivorship(source.membership(ALL_LISTS), symbols, bundled_aliases())
    assert (audit.without_as_spelt, audit.without.height) == (151, 148)
    assert (audit.members_as_spelt, audit.members) == (652, 649)
    joined = [("BF-B", "BF.B", "spelling"), ("BKNG", "PCLN", "rename"), ("BRK-B", "BRK.B", "spelling")]
    assert audit.joined.rows() == joined
    assert {"AA", "ALTR", "DELL"} <= set(audit.without[SYMBOL])
    without = audit_survivorship(source.membership(ALL_LISTS), symbols, bundled_aliases().clear())
    assert (without.without.height, without.joined.height) == (151, 0)


def test_an_alias_is_followed_in_its_days_alone_and_only_where_it_is_needed() -> None:
    renamed = dt.date(2018, 2, 27)
    lists = members((renamed - dt.timedelta(days=1), "BKNG"), (renamed, "BKNG"), (renamed, "BRK-B"))
    symbols = pl.Series(["PCLN", "BRK.B", "BRK-B"])
    audit = audit_survivorship(lists, symbols, bundled_aliases())
    assert audit.joined.rows() == [("BKNG", "PCLN", "rename")]  # BRK-B has bars of its own
    assert audit.without.select(SYMBOL, "first", "last").rows() == [("BKNG", *[renamed - dt.timedelta(days=1)] * 2)]
    assert audit_survivorship(lists, pl.Series(["AAA"]), bundled_aliases()).joined.is_empty()


def test_the_bundled_aliases_are_whole() -> None:
    aliases = bundled_aliases()
    assert dict(aliases.schema) == ALIASES
    assert set(aliases["kind"]) <= {"spelling", "rename"}
    assert not aliases.select("alias", "first").is_duplicated().any()


@pytest.mark.parametrize("faults", [False, True])
def test_coverage_agrees_with_a_slow_count(faults: bool) -> None:
    source = synthetic(seed=3, symbols=40, days=200, faults=faults)
    bars, days = source.bars(None, source.last_day()), trading_days("XNYS", source.first_day(), source.last_day())
    slow = []
    for symbol in sorted(set(bars[SYMBOL])):
        own = bars.filter(pl.col(SYMBOL) == symbol)
        seen = own[DATE].to_list()
        life = [day for day in days if seen[0] <= day <= seen[-1]]
        idle = sum(volume == 0 for volume in own["volume"])
        behind = sum(day > seen[-1] for day in days)
        slow.append((symbol, seen[0], seen[-1], len(seen), len(life) - len(seen), idle, behind))
    assert_frame_equal(coverage(bars, days), pl.DataFrame(slow, schema=COVERAGE, orient="row"))
    if not faults:
        assert coverage(bars, days).filter((pl.col("missing") > 0) | (pl.col("behind") > 0)).is_empty()


def test_freshness_counts_trading_days_not_calendar_days() -> None:
    source = synthetic(seed=3, symbols=2, days=10)
    bars, days = source.bars(None, source.last_day()), trading_days("XNYS", source.first_day(), source.last_day())
    late = bars.filter((pl.col(SYMBOL) == "SYN0001") | (pl.col(DATE) <= days[6]))
    assert coverage(late, days).select(SYMBOL, "behind").rows() == [("SYN0001", 0), ("SYN0002", 3)]
    assert coverage(bars.clear(), days).is_empty()
