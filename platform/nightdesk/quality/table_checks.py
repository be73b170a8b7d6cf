"""Runs a table's suite on its rows: one finding a rule, with the first row that breaks it and how many do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import polars as pl

from nightdesk.errors import DataRefused
from nightdesk.quality.expectations import REASON, ROW, column_mismatch, failed_rows
from nightdesk.quality.finding import Finding, Severity
from nightdesk.quality.table_suites import TableSuite

_READ: Final = ("column", "column_A", "column_B")


def table_findings(suite: TableSuite, rows: pl.DataFrame) -> tuple[Finding, ...]:
    """What `rows` break of `suite`, in the order of its rules; rows of no number break nothing but the columns' rule.

    A finding names the first row (by key) that breaks its rule, and counts them all; those of the suite's notes refuse
    nothing, all others the whole batch or file. Raises DataRefused where a rule could not be run.
    """
    columns = _column_findings(suite, rows)
    if columns or rows.is_empty():
        return columns
    ordered = suite.measured(rows.select(*suite.columns).sort(*suite.key, maintain_order=True))
    read = [rule.arguments[name] for rule in suite.rules for name in _READ if name in rule.arguments]
    listed = [name for rule in suite.rules for name in rule.arguments.get("column_list", ())]
    failures = failed_rows(ordered.select(*dict.fromkeys([*read, *listed])), suite.rules)
    counts = dict(failures.group_by(REASON).len().iter_rows())
    firsts = dict(failures.group_by(REASON).agg(pl.col(ROW).min()).iter_rows())
    found = []
    for code, meaning in meanings(suite):
        if code in counts:
            row, more = ordered.row(firsts[code], named=True), counts[code] - 1
            value = suite.told(code, row) + (f", and {more:,} more" if more else "")
            name, day = (row[column] for column in suite.place)
            severity: Severity = "note" if code in suite.notes else "batch"
            found.append(Finding(code, severity, name, day, value, meaning, counts[code]))
    return tuple(found)


def meanings(suite: TableSuite) -> list[tuple[str, str]]:
    """Each rule of rows once, by its code, with what it means; in their order."""
    return list(dict.fromkeys((rule.code, rule.meaning) for rule in suite.rules))


def refuse_findings(findings: Iterable[Finding], what: str, name: str) -> None:
    """Raise DataRefused, naming every finding that refuses, where there is one: of `what`, in the file `name`."""
    refusals: Sequence[Finding] = [one for one in findings if one.severity == "batch"]
    if refusals:
        told = "; ".join(map(str, refusals))
        raise DataRefused(
            f"a file of {what} must hold every rule of its table, {name} breaks {len(refusals)}: {told}: nothing of it "
            "was written, mend the file"
        )


def _column_findings(suite: TableSuite, rows: pl.DataFrame) -> tuple[Finding, ...]:
    if dict(rows.schema) == dict(suite.columns):
        return ()
    rule = suite.schema
    missing, unexpected = column_mismatch(rows, rule)
    wrong = [
        f"{name} {rows.schema[name]} instead of {kind}"
        for name, kind in suite.columns.items()
        if name in rows.columns and rows.schema[name] != kind
    ]
    got = [*(f"no {name}" for name in missing), *(f"also {name}" for name in unexpected), *wrong]
    if not got:  # the columns of the table, in another order
        return ()
    return (Finding(rule.code, "batch", None, None, ", ".join(got), rule.meaning, len(got)),)
