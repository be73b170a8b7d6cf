"""The suites of the tables beside the bars, declared: each rule's code, its meaning, its expectation, what it reads.

Nothing runs here, and Great Expectations is not imported: `table_checks.py` runs them.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from nightdesk.quality.suite import Rule
from nightdesk.sessions import trading_days
from nightdesk.sources.fama_french import CALENDAR, MISSING
from nightdesk.sources.fundamentals import FILED
from nightdesk.sources.keyed_tables import LONGEST_NAME
from nightdesk.tables import (
    CORPORATE_ACTIONS,
    DATE,
    DIVIDEND,
    EX_DATE,
    FACTOR_RETURNS,
    FUNDAMENTALS,
    KIND,
    MEMBERSHIP,
    SPLIT,
    SYMBOL,
    VALUE,
)

SNAPSHOT: Final = "snapshot_date"
PERIOD: Final = "period_end"
SECTOR: Final = "sector"
LEAST_OF_BEFORE: Final = 0.5
HANDFUL: Final = 10
"""Members of the list before, below which its size says nothing."""

_NOT_NULL: Final = "ExpectColumnValuesToNotBeNull"
_BETWEEN: Final = "ExpectColumnValuesToBeBetween"
_IN_SET: Final = "ExpectColumnValuesToBeInSet"
_NOT_IN_SET: Final = "ExpectColumnValuesToNotBeInSet"
_UNIQUE: Final = "ExpectCompoundColumnsToBeUnique"
_ABOVE: Final = "ExpectColumnPairValuesAToBeGreaterThanB"
_CALENDAR_BEGINS: Final = dt.date(1990, 1, 2)
_DAY: Final = "day_number"
_SUNDAY: Final = 7

Measured = Callable[[pl.DataFrame], pl.DataFrame]
Told = Callable[[str, Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True, eq=False)
class TableSuite:
    """The rules of one table beside the bars.

    Attributes
    ----------
    table
        What its rows are, in words (`corporate actions`).
    prefix
        How the codes of its rules begin (`action`).
    columns
        Its columns and types: all of them and no others.
    key
        What makes a row one row of a version, as it is sorted.
    place
        The columns whose values say where a finding is: a name, and a date.
    rules
        One for each expectation; several may share a code and a meaning.
    notes
        Codes that refuse nothing.
    measured
        Adds the columns that the rules read to rows of the table, in their order.
    told
        How a broken row reads under a code.
    """

    table: str
    prefix: str
    columns: Mapping[str, pl.DataType]
    key: tuple[str, ...]
    place: tuple[str, str]
    rules: tuple[Rule, ...]
    measured: Measured
    told: Told
    notes: frozenset[str] = frozenset()

    @property
    def schema(self) -> Rule:
        """The rule of the columns: whatever breaks it, nothing else can be checked."""
        return Rule(
            f"{self.prefix}_columns",
            f"{self.table} must have the columns and types of their table, and no others",
            "ExpectTableColumnsToMatchSet",
            {"column_set": list(self.columns), "exact_match": True},
        )


def actions_suite() -> TableSuite:
    """Corporate actions (`tables.CORPORATE_ACTIONS`): one that cannot be applied would bend a share's whole history."""
    value = "a split must be above 0 new shares for an old one, a dividend must not be below 0"
    key = (SYMBOL, EX_DATE, KIND)
    return TableSuite(
        "corporate actions",
        "action",
        CORPORATE_ACTIONS,
        key,
        (SYMBOL, EX_DATE),
        (
            *_there("action_key", "an action must have a symbol, an ex-date and a kind", (SYMBOL, _DAY, KIND)),
            Rule(
                "action_kind",
                f"an action must be a {SPLIT} or a {DIVIDEND}",
                _IN_SET,
                {"column": KIND, "value_set": [SPLIT, DIVIDEND]},
            ),
            Rule("action_value", value, _NOT_NULL, {"column": "finite"}),
            Rule("action_value", value, _BETWEEN, {"column": SPLIT, "min_value": 0, "strict_min": True}),
            Rule("action_value", value, _BETWEEN, {"column": DIVIDEND, "min_value": 0}),
            _once("action_twice", "a symbol must have one action of a kind on an ex-date", (SYMBOL, _DAY, KIND)),
        ),
        _measured_actions,
        lambda _, row: f"{row[KIND]} of {row[VALUE]}",
    )


def membership_suite(latest: dt.date, known: pl.DataFrame | None = None) -> TableSuite:
    """Lists of an index's members (`tables.MEMBERSHIP`), none of a day after `latest`.

    `known` are lists that the store has: a list is compared to the one before it, in whichever of the two that is.
    """
    lists = pl.DataFrame(schema=MEMBERSHIP) if known is None else known.select(*MEMBERSHIP)
    keyed = ("index_name", _DAY, SYMBOL)
    return TableSuite(
        "members",
        "member",
        MEMBERSHIP,
        ("index_name", SNAPSHOT, SYMBOL),
        (SYMBOL, SNAPSHOT),
        (
            *_there("member_key", "a member must have an index, a list's date and a symbol", keyed),
            Rule(
                "member_symbol",
                f"a symbol must be 1 to {LONGEST_NAME} printable letters",
                "ExpectColumnValuesToMatchRegex",
                {"column": SYMBOL, "regex": rf"^[^\x00-\x1f\x7f]{{1,{LONGEST_NAME}}}$"},
            ),
            _once("member_twice", "a list must name a symbol once", keyed),
            Rule(
                "list_date",
                "a list must not be of a day that is still to come",
                _BETWEEN,
                {"column": _DAY, "max_value": _number(latest)},
            ),
            Rule(
                "thin_list",
                f"a list must have at least {LEAST_OF_BEFORE:.0%} of the members of the list before it",
                _BETWEEN,
                {"column": "of_before", "min_value": LEAST_OF_BEFORE},
            ),
            Rule(
                "sector_name",
                "a sector has a name that the list before it does not use",
                _NOT_IN_SET,
                {"column": "new_sector", "value_set": [1]},
            ),
        ),
        lambda members: _measured_members(members, lists),
        _told_member,
        frozenset({"sector_name"}),
    )


def fundamentals_suite(*, stored: bool = False) -> TableSuite:
    """Figures of statements (`tables.FUNDAMENTALS` and `filed`), as a file has them; or, `stored`, without `filed`."""
    keyed = (SYMBOL, _DAY, "item")
    filed = Rule(
        "figure_filed",
        "a statement must not be filed before its period's end",
        _ABOVE,
        {"column_A": "filed_number", "column_B": _DAY, "or_equal": True, "ignore_row_if": "either_value_is_missing"},
    )
    return TableSuite(
        "fundamentals",
        "figure",
        FUNDAMENTALS if stored else {**FUNDAMENTALS, FILED: pl.Date()},
        (SYMBOL, PERIOD, "item"),
        (SYMBOL, PERIOD),
        (
            *_there("figure_key", "a figure must have a symbol, a period's end and an item", keyed),
            _once("figure_twice", "a symbol must have one figure of an item in a period", keyed),
            Rule(
                "figure_value",
                "a figure must be a finite number, or missing",
                _BETWEEN,
                {"column": VALUE, "min_value": -sys.float_info.max, "max_value": sys.float_info.max},
            ),
            *(() if stored else (filed,)),
        ),
        _measured_figures,
        lambda code, row: f"{FILED} {row[FILED]}" if code == filed.code else f"{row['item']} {row[VALUE]}",
    )


def factors_suite(latest: dt.date) -> TableSuite:
    """Daily factor returns (`tables.FACTOR_RETURNS`), none of a day after `latest`."""
    keyed = ("dataset", "factor", _DAY)
    day = "a return must be of a trading day of New York that is over (before 1990: of no Sunday)"
    days = trading_days(CALENDAR, _CALENDAR_BEGINS, latest) if latest >= _CALENDAR_BEGINS else []
    return TableSuite(
        "factor returns",
        "factor",
        FACTOR_RETURNS,
        ("dataset", "factor", DATE),
        ("factor", DATE),
        (
            *_there("factor_key", "a return must have a dataset, a factor and a day", keyed),
            _once("factor_twice", "a factor of a dataset must have one return a day", keyed),
            Rule(
                "factor_value",
                "a daily return must be a finite number between -1 and 1 (0.01 is 1 %), or missing",
                _BETWEEN,
                {"column": VALUE, "min_value": -1, "max_value": 1, "strict_min": True, "strict_max": True},
            ),
            Rule(
                "factor_missing_code",
                "a missing return must be missing, not the library's code for it",
                _NOT_IN_SET,
                {"column": "rounded", "value_set": [round(code / 100, 6) for code in MISSING]},
            ),
            Rule("factor_day", day, _IN_SET, {"column": "session", "value_set": [_number(one) for one in days]}),
            Rule("factor_day", day, _NOT_IN_SET, {"column": "early_weekday", "value_set": [_SUNDAY]}),
        ),
        _measured_returns,
        lambda _, row: f"{VALUE} {row[VALUE]} in {row['dataset']}",
    )


def _there(code: str, meaning: str, columns: tuple[str, ...]) -> tuple[Rule, ...]:
    return tuple(Rule(code, meaning, _NOT_NULL, {"column": column}) for column in columns)


def _once(code: str, meaning: str, columns: tuple[str, ...]) -> Rule:
    return Rule(code, meaning, _UNIQUE, {"column_list": list(columns), "ignore_row_if": "any_value_is_missing"})


def _measured_actions(actions: pl.DataFrame) -> pl.DataFrame:
    finite = pl.when(pl.col(VALUE).is_finite()).then(VALUE)
    return actions.with_columns(
        pl.col(EX_DATE).to_physical().alias(_DAY),
        finite.alias("finite"),
        *(pl.when(pl.col(KIND) == kind).then(finite).alias(kind) for kind in (SPLIT, DIVIDEND)),
    )


def _measured_members(members: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Each row's list's share of the list before (on its first row alone), and whether its sector is new (0, 1)."""
    whole = pl.concat([known, members]).unique(["index_name", SNAPSHOT, SYMBOL], keep="last", maintain_order=True)
    one = ("index_name", SNAPSHOT)
    sizes = whole.drop_nulls(one).group_by(one).agg(pl.len().alias("size")).sort(one)
    sizes = sizes.with_columns(pl.col("size", SNAPSHOT).shift(1).over("index_name").name.suffix("_before"))
    sectors = whole.select("index_name", pl.col(SNAPSHOT).alias(f"{SNAPSHOT}_before"), SECTOR).unique()
    there = ("index_name", f"{SNAPSHOT}_before", SECTOR)
    judged = pl.col("size_before") >= HANDFUL
    share = pl.when(judged & (pl.int_range(pl.len()).over(one) == 0)).then(pl.col("size") / pl.col("size_before"))
    new = pl.col("called").is_null() & pl.col(SECTOR).is_not_null() & pl.col("size_before").is_not_null()
    return (
        members.join(sizes, on=one, how="left", maintain_order="left")
        .join(sectors.with_columns(called=True), on=there, how="left", maintain_order="left")
        .with_columns(
            pl.col(SNAPSHOT).to_physical().alias(_DAY),
            share.alias("of_before"),
            new.cast(pl.Int8).alias("new_sector"),
        )
    )


def _told_member(code: str, row: Mapping[str, Any]) -> str:
    if code == "thin_list":
        return f"{row['size']} members, {row['size_before']} on the list of {row[f'{SNAPSHOT}_before']}"
    return str(row[SECTOR] if code == "sector_name" else row["index_name"])


def _measured_figures(figures: pl.DataFrame) -> pl.DataFrame:
    filed = [pl.col(FILED).to_physical().alias("filed_number")] if FILED in figures.columns else []
    return figures.with_columns(pl.col(PERIOD).to_physical().alias(_DAY), pl.col(VALUE).fill_nan(None), *filed)


def _measured_returns(returns: pl.DataFrame) -> pl.DataFrame:
    early = pl.col(DATE) < _CALENDAR_BEGINS
    return returns.with_columns(
        pl.col(DATE).to_physical().alias(_DAY),
        pl.col(VALUE).fill_nan(None),
        pl.col(VALUE).fill_nan(None).round(6).alias("rounded"),
        pl.when(~early).then(pl.col(DATE).to_physical()).alias("session"),
        pl.when(early).then(pl.col(DATE).dt.weekday()).alias("early_weekday"),
    )


def _number(day: dt.date) -> int:
    return day.toordinal() - dt.date(1970, 1, 1).toordinal()
