"""Universes by rule: money traded in a window, members by the newest list, agree with slow counts."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from nightdesk.sessions import trading_days
from nightdesk.sources import open_source
from nightdesk.sources.aliases import bundled_aliases
from nightdesk.sources.synthetic import synthetic
from nightdesk.tables import BARS, DATE, KNOWN_AT, MEMBERSHIP, SYMBOL
from nightdesk.universe import members_by_day, members_on, most_traded

DAYS = trading_days("XNYS", dt.date(2024, 1, 2), dt.date(2024, 1, 12))


def bars(rows: list[tuple[str, dt.date, float | None, float | None]]) -> pl.DataFrame:
    whole = [(symbol, day, close, close, close, close, volume) for symbol, day, close, volume in rows]
    return pl.DataFrame(whole, schema=BARS, orient="row")


def members(*rows: tuple[str, dt.date, str]) -> pl.DataFrame:
    whole = [(index, day, symbol, symbol, None) for index, day, symbol in rows]
    return pl.DataFrame(whole, schema=MEMBERSHIP, orient="row")


@pytest.mark.parametrize(("count", "window"), [(5, 20), (12, 1), (40, 60)])
def test_the_most_traded_are_those_of_a_slow_count(count: int, window: int) -> None:
    source = synthetic(seed=5, symbols=40, days=120, faults=True)
    panel = source.bars(None, source.last_day())
    days = panel[DATE].unique().sort().to_list()[-window:]
    money: dict[str, float] = {}
    for symbol, day, close, volume in panel.select(SYMBOL, DATE, "close", "volume").iter_rows():
        if day in days and close is not None and volume is not None:
            money[symbol] = money.get(symbol, 0.0) + close * volume
    slow = sorted(symbol for symbol, _ in sorted(money.items(), key=lambda one: (-one[1], one[0]))[:count])
    assert most_traded(panel, days, count).to_list() == slow
    assert len(slow) >= min(count, 30)


def test_only_the_window_counts_and_a_null_is_nothing() -> None:
    panel = bars(
        [
            ("OLD", DAYS[0], 100.0, 1e9),
            ("OLD", DAYS[2], 1.0, 1.0),
            ("NEW", DAYS[2], 10.0, 10.0),
            ("GAP", DAYS[1], None, 1e9),
            ("GAP", DAYS[2], 2.0, 1.0),
            ("IDLE", DAYS[2], 5.0, 0.0),
        ]
    )
    assert most_traded(panel, DAYS[1:3], 2).to_list() == ["GAP", "NEW"]
    assert most_traded(panel, DAYS[1:3], 9).to_list() == ["GAP", "NEW", "OLD"]  # nothing was traded in IDLE
    assert most_traded(panel, DAYS[:3], 1).to_list() == ["OLD"]
    assert most_traded(panel.clear(), DAYS, 3).is_empty()


def test_a_split_that_adjusted_price_and_volume_changes_no_rank() -> None:
    panel = bars([("AAA", DAYS[0], 70.0, 100.0), ("BBB", DAYS[0], 60.0, 110.0), ("CCC", DAYS[0], 1.0, 1.0)])
    split = panel.with_columns(pl.col("close") / 7, pl.col("volume") * 7)
    assert most_traded(panel, DAYS[:1], 1).to_list() == most_traded(split, DAYS[:1], 1).to_list() == ["AAA"]


def test_of_equals_the_first_by_name_is_taken() -> None:
    panel = bars([(symbol, DAYS[0], 1.0, 1.0) for symbol in ("C", "A", "B")])
    assert most_traded(panel, DAYS[:1], 2).to_list() == ["A", "B"]


def test_members_are_those_of_the_newest_list_of_each_index() -> None:
    lists = members(("X", DAYS[0], "AAA"), ("X", DAYS[0], "BBB"), ("X", DAYS[3], "AAA"), ("Y", DAYS[1], "CCC"))
    have = pl.Series(["AAA", "BBB", "CCC"])

    def on(day: dt.date) -> list[str]:
        return members_on(lists, day, have, bundled_aliases()).to_list()

    assert on(DAYS[0] - dt.timedelta(days=1)) == []
    assert [on(DAYS[0]), on(DAYS[2]), on(DAYS[3])] == [["AAA", "BBB"], ["AAA", "BBB", "CCC"], ["AAA", "CCC"]]


def test_members_of_the_sample_find_their_bars_through_the_aliases() -> None:
    source = open_source("sample")
    have = source.bars(source.last_day(), source.last_day())[SYMBOL]
    lists = source.membership(dt.date(2018, 4, 2))
    day = dt.date(2018, 4, 2)
    found = set(members_on(lists, day, have, bundled_aliases()))
    assert {"BRK.B", "BF.B", "PCLN"} <= found
    assert found & {"BRK-B", "BF-B", "BKNG"} == set()
    without = set(members_on(lists, day, have, bundled_aliases().clear()))
    assert found - without <= {"BRK.B", "BF.B", "PCLN"}
    assert "PCLN" in found - without
    # Before Priceline was renamed the alias was not in use, and its own name needs none.
    assert "PCLN" in set(members_on(lists, dt.date(2017, 6, 30), have, bundled_aliases()))


def evening(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(22), dt.UTC)


def test_members_of_each_day_are_those_known_on_its_evening() -> None:
    before = DAYS[0] - dt.timedelta(days=1)
    rows = [
        ("X", before, "AAA", "Tech", evening(before)),
        ("X", before, "BBB", None, evening(before)),
        ("X", before, "BBB", "Energy", evening(DAYS[2])),  # a correction, which changes no day before it
        ("X", DAYS[3], "AAA", "Tech", evening(DAYS[5])),  # a list that came late: BBB stays until then
        ("Y", DAYS[1], "CCC", "Tech", evening(DAYS[1]) + dt.timedelta(minutes=1)),  # after the evening of its day
        ("Y", DAYS[1], "AAA", "Other", evening(DAYS[1]) + dt.timedelta(minutes=1)),
        ("X", DAYS[-1], "DDD", "Tech", evening(DAYS[-1]) + dt.timedelta(days=9)),  # nobody has seen it yet
    ]
    schema = {**{name: MEMBERSHIP[name] for name in ("index_name", "snapshot_date", SYMBOL, "sector")}}
    lists = pl.DataFrame(rows, schema={**schema, KNOWN_AT: pl.Datetime("us", "UTC")}, orient="row")
    versions = lists.with_columns(name=pl.lit("")).sort("index_name", "snapshot_date", SYMBOL, KNOWN_AT)
    evenings = {day: evening(day) for day in DAYS}
    found = members_by_day(versions, evenings, pl.Series(["AAA", "BBB", "CCC"]), bundled_aliases())
    on = {day: dict(found.filter(pl.col(DATE) == day).select(SYMBOL, "sector").iter_rows()) for day in DAYS}
    assert on[DAYS[0]] == on[DAYS[1]] == {"AAA": "Tech", "BBB": None}
    assert on[DAYS[2]] == on[DAYS[4]] == {"AAA": "Tech", "BBB": "Energy", "CCC": "Tech"}
    assert on[DAYS[5]] == on[DAYS[-1]] == {"AAA": "Tech", "CCC": "Tech"}
    # Whatever came later, a day's members are the same when only what was known by then is looked at.
    for count in range(1, len(DAYS)):
        known = versions.filter(pl.col(KNOWN_AT) <= evening(DAYS[count - 1]))
        then = members_by_day(known, dict(list(evenings.items())[:count]), pl.Series(["AAA"]), bundled_aliases())
        assert then.equals(found.filter(pl.col(DATE) < DAYS[count]))
    assert members_by_day(versions.clear(), evenings, pl.Series(["AAA"]), bundled_aliases()).is_empty()
