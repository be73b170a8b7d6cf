"""Corporate actions that cannot be applied refuse the batch; those that can explain a jump of raw prices."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from apple_samples import SPLIT_2014, apple_actions, apple_bars

from nightdesk.errors import DataRefused
from nightdesk.quality.bars import check_bars
from nightdesk.quality.finding import Finding
from nightdesk.quality.gate import refuse_unless_accepted
from nightdesk.quality.table_checks import table_findings
from nightdesk.quality.table_suites import actions_suite
from nightdesk.tables import CORPORATE_ACTIONS, DATE, DIVIDEND, EX_DATE, KIND, SPLIT, SYMBOL, VALUE

DAY = dt.date(2014, 6, 9)
AROUND = apple_bars().filter(pl.col(DATE).is_between(dt.date(2014, 1, 2), dt.date(2014, 8, 29)))
DAYS = AROUND[DATE].to_list()

Row = tuple[str | None, dt.date | None, str | None, float | None]


def action_findings(given: pl.DataFrame) -> tuple[Finding, ...]:
    return table_findings(actions_suite(), given)


def actions(*rows: Row) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=CORPORATE_ACTIONS, orient="row")


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        (("A", DAY, "merger", 1.0), "action_kind"),
        (("A", DAY, SPLIT, 0.0), "action_value"),
        (("A", DAY, SPLIT, -2.0), "action_value"),
        (("A", DAY, SPLIT, None), "action_value"),
        (("A", DAY, SPLIT, float("nan")), "action_value"),
        (("A", DAY, SPLIT, float("inf")), "action_value"),
        (("A", DAY, DIVIDEND, -0.1), "action_value"),
        ((None, DAY, SPLIT, 2.0), "action_key"),
        (("A", None, SPLIT, 2.0), "action_key"),
        (("A", DAY, None, 2.0), "action_key"),
    ],
)
def test_one_that_cannot_be_applied_is_found_by_name(row: Row, rule: str) -> None:
    good = actions(("A", DAY, SPLIT, 2.0), ("A", DAY, DIVIDEND, 0.0), ("B", DAY, SPLIT, 0.1))
    assert action_findings(good) == ()
    other = pl.concat([good.filter(pl.col(SYMBOL) == "B"), actions(row)])
    assert [(one.rule, one.severity, one.count) for one in action_findings(other)] == [(rule, "batch", 1)]


def test_all_of_them_are_counted_and_a_second_one_of_a_day_is_found() -> None:
    rows = [("A", DAY, SPLIT, 2.0), ("A", DAY, SPLIT, 3.0), ("B", DAY, SPLIT, 0.0), ("C", DAY, SPLIT, 0.0)]
    assert [(one.rule, one.symbol, one.count) for one in action_findings(actions(*rows))] == [
        ("action_value", "B", 2),
        ("action_twice", "A", 2),
    ]


def test_other_columns_are_refused() -> None:
    (found,) = action_findings(actions(("A", DAY, SPLIT, 2.0)).cast({VALUE: pl.Float32}))
    assert (found.rule, found.severity) == ("action_columns", "batch")
    assert "value Float32" in found.value


@pytest.mark.parametrize("bars", [AROUND, AROUND.clear()])
def test_a_batch_with_such_an_action_is_refused_whatever_its_bars(bars: pl.DataFrame) -> None:
    wrong = actions(("AAPL", DAY, SPLIT, 0.0))
    verdict = check_bars(bars, DAYS if bars.height else [], actions=wrong, beside=action_findings(wrong))
    with pytest.raises(DataRefused, match=r"action_value AAPL 2014-06-09: split of 0\.0"):
        refuse_unless_accepted(verdict)


def test_a_split_that_is_known_is_no_suspicion() -> None:
    alone = check_bars(AROUND, DAYS)
    assert [(one.rule, one.date) for one in alone.findings] == [("suspected_action", SPLIT_2014)]
    told = check_bars(AROUND, DAYS, actions=apple_actions())
    assert told.findings == ()
    assert told.good.equals(AROUND)  # what goes on is as traded


def test_nor_on_its_own_night_beside_the_days_before_it() -> None:
    before, tonight = AROUND.filter(pl.col(DATE) < SPLIT_2014), AROUND.filter(pl.col(DATE) == SPLIT_2014)
    alone = check_bars(tonight, [SPLIT_2014], before=before)
    assert [one.rule for one in alone.findings] == ["suspected_action"]
    known = apple_actions().filter(pl.col(EX_DATE) <= SPLIT_2014)
    assert check_bars(tonight, [SPLIT_2014], before=before, actions=known).findings == ()
    assert known.filter(pl.col(KIND) == SPLIT).height == 3
