"""Each rule of the tables beside the bars fires on a planted fault, with its count, and is silent on recorded files."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from apple_samples import apple_actions

from nightdesk.errors import DataRefused
from nightdesk.quality.finding import Finding
from nightdesk.quality.table_checks import meanings, refuse_findings, table_findings
from nightdesk.quality.table_suites import (
    TableSuite,
    actions_suite,
    factors_suite,
    fundamentals_suite,
    membership_suite,
)
from nightdesk.sources import open_source
from nightdesk.sources.cell_form import CellForm
from nightdesk.sources.fama_french import factor_returns
from nightdesk.sources.fundamentals import FILED, fundamentals
from nightdesk.sources.member_lists import member_lists
from nightdesk.sources.sample import DATA, MEMBERSHIP_FILE
from nightdesk.tables import FACTOR_RETURNS, FUNDAMENTALS, MEMBERSHIP

RECORDED = Path(__file__).parents[1] / "sources/recorded"
NOW = dt.date(2025, 6, 2)
FIRST, SECOND = dt.date(2024, 1, 2), dt.date(2024, 2, 1)
INF = float("inf")


def table(schema: dict[str, pl.DataType], *rows: tuple[object, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema, orient="row")


def members(*rows: tuple[object, ...]) -> pl.DataFrame:
    lists = [("SP500", day, f"M{n}", f"Name {n}", "Energy") for day in (FIRST, SECOND) for n in range(12)]
    return table(dict(MEMBERSHIP), *lists, *rows)


def figures(*rows: tuple[object, ...]) -> pl.DataFrame:
    good = [("A", dt.date(2023, 12, 31), "Sales", -1e11, dt.date(2023, 12, 31)), ("A", FIRST, "Sales", None, None)]
    return table({**FUNDAMENTALS, FILED: pl.Date()}, *good, *rows)


def returns(*rows: tuple[object, ...]) -> pl.DataFrame:
    good = [("F", "SMB", FIRST, 0.01), ("F", "SMB", SECOND, None), ("F", "SMB", dt.date(1930, 1, 4), -0.2)]
    return table(dict(FACTOR_RETURNS), *good, *rows)


Made = Callable[..., pl.DataFrame]
TABLES: dict[str, tuple[TableSuite, Made]] = {
    "members": (membership_suite(NOW), members),
    "fundamentals": (fundamentals_suite(), figures),
    "factors": (factors_suite(NOW), returns),
}
PLANTED: dict[str, list[tuple[str, tuple[object, ...]]]] = {
    "members": [
        ("member_key", (None, FIRST, "A", None, None)),
        ("member_key", ("SP500", None, "A", None, None)),
        ("member_key", ("SP500", FIRST, None, None, None)),
        ("member_symbol", ("SP500", FIRST, "A\x07", None, None)),
        ("member_symbol", ("SP500", FIRST, "", None, None)),
        ("member_symbol", ("SP500", FIRST, "A" * 65, None, None)),
        ("member_twice", ("SP500", FIRST, "M3", None, None)),
        ("list_date", ("OTHER", dt.date(2025, 6, 3), "A", None, None)),
        ("sector_name", ("SP500", SECOND, "A", "A", "Enrgy")),
    ],
    "fundamentals": [
        ("figure_key", (None, FIRST, "Sales", 1.0, None)),
        ("figure_key", ("B", None, "Sales", 1.0, None)),
        ("figure_key", ("B", FIRST, None, 1.0, None)),
        ("figure_twice", ("A", FIRST, "Sales", 3.0, None)),
        ("figure_value", ("B", FIRST, "Sales", INF, None)),
        ("figure_value", ("C", FIRST, "Sales", -INF, None)),
        ("figure_filed", ("D", FIRST, "Sales", 1.0, dt.date(2024, 1, 1))),
    ],
    "factors": [
        ("factor_key", (None, "Mom", FIRST, 0.0)),
        ("factor_key", ("F", None, FIRST, 0.0)),
        ("factor_key", ("F", "Mom", None, 0.0)),
        ("factor_twice", ("F", "SMB", FIRST, 0.02)),
        ("factor_value", ("F", "Mom", FIRST, 1.0)),
        ("factor_value", ("F", "RF", FIRST, -1.5)),
        ("factor_value", ("F", "CMA", FIRST, INF)),
        ("factor_missing_code", ("F", "HML", FIRST, -99.99 / 100)),
        ("factor_day", ("F", "Mom", dt.date(2024, 1, 1), 0.0)),  # New Year
        ("factor_day", ("F", "Mom", dt.date(2025, 6, 3), 0.0)),  # still to come
        ("factor_day", ("F", "Mom", dt.date(1930, 1, 5), 0.0)),  # a Sunday
    ],
}


@pytest.mark.parametrize("name", TABLES)
def test_each_rule_fires_on_its_faults_and_on_nothing_else(name: str) -> None:
    suite, made = TABLES[name]
    planted = Counter(rule for rule, _ in PLANTED[name])
    planted[f"{suite.prefix}_twice"] += 1  # both of them
    found = table_findings(suite, made(*(row for _, row in PLANTED[name])))
    assert {one.rule: one.count for one in found} == planted
    assert {one.rule for one in found if one.severity == "note"} == planted.keys() & {"sector_name"}
    # Nothing but the size of a list, which has a test of its own, is left without a fault.
    assert {code for code, _ in meanings(suite)} - planted.keys() <= {"thin_list"}


@pytest.mark.parametrize("name", TABLES)
def test_good_rows_break_nothing(name: str) -> None:
    suite, made = TABLES[name]
    assert table_findings(suite, made()) == ()
    assert table_findings(suite, made().clear()) == ()


@pytest.mark.parametrize("name", TABLES)
def test_other_columns_are_found(name: str) -> None:
    suite, made = TABLES[name]
    lacking = made().drop(suite.key[0]).with_columns(pl.lit(1).alias("more"))
    (found,) = table_findings(suite, lacking)
    assert (found.rule, found.severity) == (f"{suite.prefix}_columns", "batch")
    assert found.value == f"no {suite.key[0]}, also more"


def test_a_list_of_less_than_half_of_the_one_before_is_found_in_a_file_and_beside_what_is_known() -> None:
    later = dt.date(2024, 3, 1)
    half = [("SP500", later, f"M{n}", None, None) for n in range(6)]
    assert table_findings(membership_suite(NOW), members(*half)) == ()
    (found,) = table_findings(membership_suite(NOW), members(*half[:5]))
    assert (found.rule, found.date, found.count) == ("thin_list", later, 1)
    assert found.value == f"5 members, 12 on the list of {SECOND}"
    alone = table(dict(MEMBERSHIP), *half[:5])
    assert table_findings(membership_suite(NOW), alone) == ()
    (found,) = table_findings(membership_suite(NOW, members()), alone)
    assert found.rule == "thin_list"
    # One member of a list that is known already, mended: the list is as long as it was.
    mended = table(dict(MEMBERSHIP), ("SP500", SECOND, "M3", "Another name", "Energy"))
    assert table_findings(membership_suite(NOW, members()), mended) == ()
    # And a handful says nothing.
    few = [("TINY", day, f"M{n}", None, None) for day, count in ((FIRST, 9), (SECOND, 1)) for n in range(count)]
    assert table_findings(membership_suite(NOW), table(dict(MEMBERSHIP), *few)) == ()


def test_every_finding_comes_at_once_with_the_first_row_and_how_many() -> None:
    bad = figures(
        ("B", FIRST, "Sales", INF, dt.date(2024, 1, 1)),
        ("C", FIRST, "Sales", INF, None),
        ("D", FIRST, "Sales", 1.0, None),
        ("D", FIRST, "Sales", 2.0, None),
    )
    found = table_findings(fundamentals_suite(), bad)
    assert [(one.rule, one.symbol, one.date, one.count) for one in found] == [
        ("figure_twice", "D", FIRST, 2),
        ("figure_value", "B", FIRST, 2),
        ("figure_filed", "B", FIRST, 1),
    ]
    assert found[1].value == "Sales inf, and 1 more"
    with pytest.raises(
        DataRefused, match=r"f.csv breaks 3: figure_twice D 2024-01-02: .*figure_filed B .*mend"
    ) as told:
        refuse_findings(found, "fundamentals", "f.csv")
    assert "\n" not in str(told.value)


def test_a_note_refuses_nothing() -> None:
    refuse_findings([Finding("sector_name", "note", "A", FIRST, "Enrgy", "...")], "members", "m.csv")


def recorded(name: str) -> tuple[TableSuite, pl.DataFrame]:
    if name == "actions":
        return actions_suite(), apple_actions()
    if name == "fundamentals":
        form = CellForm(date_format="%m/%d/%Y")
        return fundamentals_suite(), fundamentals((RECORDED / "annual_fundamentals.csv").read_bytes(), "a.csv", form)
    return factors_suite(NOW), factor_returns((RECORDED / name).read_bytes(), name, CellForm())


@pytest.mark.parametrize(
    "name",
    ["actions", "fundamentals", "F-F_Momentum_Factor_daily_CSV.zip", "F-F_Research_Data_5_Factors_2x3_daily.CSV"],
)
def test_recorded_files_break_nothing(name: str) -> None:
    suite, rows = recorded(name)
    assert rows.height > 10
    assert table_findings(suite, rows) == ()


def test_the_bundled_lists_break_nothing_and_their_odd_sectors_are_noted() -> None:
    content = (DATA / MEMBERSHIP_FILE).read_bytes()
    for lists in (
        member_lists(content, "m.csv", "SP500", CellForm()),
        open_source("sample").membership(dt.date(2018, 4, 2)),
    ):
        (found,) = table_findings(membership_suite(dt.date(2018, 4, 2)), lists)
        assert (found.rule, found.severity) == ("sector_name", "note")
        assert found.count < 200
