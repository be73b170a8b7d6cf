"""Checks a batch of bars: broken rows to quarantine, notes on what is odd, reasons to refuse it all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from nightdesk.quality.expectations import REASON, ROW, column_mismatch, failed_rows
from nightdesk.quality.finding import Finding, Severity
from nightdesk.quality.history import day_findings, symbol_findings
from nightdesk.quality.jumps import jump_findings
from nightdesk.quality.prices import repeated_findings, stale_findings
from nightdesk.quality.suite import SCHEMA, ZERO_VOLUME, measured, row_rules
from nightdesk.quality.thresholds import DEFAULTS, Thresholds
from nightdesk.store.adjusted import adjusted
from nightdesk.tables import BARS, CORPORATE_ACTIONS, DATE, SYMBOL

REASONS: Final = "reasons"
BROKEN: Final = {**BARS, REASONS: pl.List(pl.String)}
"""Bars in quarantine: `tables.BARS` and the codes of the rules that a row broke, sorted."""

_LISTED: Final = 1000  # rows of one rule with a finding of their own; the rest share one


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What came of checking a batch; its rows are those of `good` and `broken` and the `collapsed` ones.

    Attributes
    ----------
    good
        Rows to go on with: `tables.BARS`, sorted by symbol and date, each pair once.
    broken
        Rows for quarantine: `BROKEN`, sorted alike.
    collapsed
        Number of rows left out because an equal row is there.
    findings
        Rows in quarantine, and notes, each with its reason code.
    refusals
        What refuses the batch as a whole; where its columns or types are wrong, nothing else was checked, and
        `good` and `broken` have no rows.
    """

    good: pl.DataFrame
    broken: pl.DataFrame
    collapsed: int
    findings: tuple[Finding, ...]
    refusals: tuple[Finding, ...]

    @property
    def accepted(self) -> bool:
        """Whether the good rows may go on."""
        return not self.refusals


def check_bars(
    bars: pl.DataFrame,
    days: Sequence[dt.date],
    thresholds: Thresholds = DEFAULTS,
    *,
    symbols_before: int | None = None,
    before: pl.DataFrame | None = None,
    actions: pl.DataFrame | None = None,
    beside: Sequence[Finding] = (),
) -> Verdict:
    """Check `bars` of the trading days `days`.

    Parameters
    ----------
    bars
        `tables.BARS` in any order, as a source delivered them. Null, NaN and infinity count as missing.
    days
        The trading days that the batch should hold, ascending.
    thresholds
        From where on the batch is refused.
    symbols_before
        Number of symbols on the trading day before the first of `days`; None where that is not known: then
        the first day cannot be found thin.
    before
        Good bars of the days before the batch, as known on its night (`tables.BARS`): what a day is compared to.
        None: the batch is looked at by itself. They give no finding of their own.
    actions
        Corporate actions of raw bars (`tables.CORPORATE_ACTIONS`), known on the batch's night: a jump that a split
        explains is none.
    beside
        What was found in the tables that came with the bars (`table_checks.table_findings`): what refuses one of them
        refuses the batch, and `actions` are not applied then.

    Returns
    -------
    Verdict
        Every finding at once; nothing is raised for bad data (`gate.refuse_unless_accepted` does).

    Raises
    ------
    DataRefused
        A check itself could not be run.
    """
    actions = pl.DataFrame(schema=CORPORATE_ACTIONS) if actions is None else actions
    refused_beside = tuple(one for one in beside if one.severity == "batch")
    noted_beside = tuple(one for one in beside if one.severity != "batch")
    refusals = _schema(bars) or _empty(bars, days)
    if refusals or bars.is_empty():
        refusals = (*refusals, *refused_beside)
        return Verdict(pl.DataFrame(schema=BARS), pl.DataFrame(schema=BROKEN), 0, noted_beside, refusals)
    bars = bars.select(*BARS).sort(SYMBOL, DATE)
    same_key = pl.all_horizontal(pl.col(key).eq_missing(pl.col(key).shift(1)) for key in (SYMBOL, DATE))
    once = bars.unique(maintain_order=True) if bars.select(same_key.any()).item() else bars
    failures = failed_rows(measured(once, thresholds.ohlc_tolerance), (*row_rules(days), ZERO_VOLUME))
    breaking = failures.filter(pl.col(REASON) != ZERO_VOLUME.code)
    held = breaking.group_by(ROW).agg(pl.col(REASON).alias(REASONS))
    rows = once.with_row_index(ROW).join(held, on=ROW, how="left", maintain_order="left")
    good = rows.filter(pl.col(REASONS).is_null()).select(*BARS)
    broken = rows.filter(pl.col(REASONS).is_not_null()).select(*BROKEN)

    keyed = once.filter(pl.col(SYMBOL).is_not_null() & pl.col(DATE).is_in(list(days)) & ~same_key)
    shares = keyed
    if not (refused_beside or actions.is_empty()):
        shares = adjusted(keyed, actions, days[-1])
        before = None if before is None else adjusted(before, actions, days[-1])
    found = (
        *_row_findings(once, failures, days),
        *_copies(bars, once),
        *history_findings(shares, days, thresholds, before),
        *day_findings(keyed.select(SYMBOL, DATE), days, thresholds, symbols_before),
    )
    return Verdict(
        good,
        broken,
        bars.height - once.height,
        (*(one for one in found if one.severity != "batch"), *noted_beside),
        (
            *_too_broken(broken, once.height, thresholds),
            *(one for one in found if one.severity == "batch"),
            *refused_beside,
        ),
    )


def history_findings(
    rows: pl.DataFrame, days: Sequence[dt.date], thresholds: Thresholds = DEFAULTS, before: pl.DataFrame | None = None
) -> list[Finding]:
    """Notes on what only several days show: gaps, prices that stand still, jumps; nothing of it holds a row back.

    `rows` (`tables.BARS`, each symbol's together, by date, each pair once, all of `days`) may hold broken ones: a wrong
    price is told by the bars around it. `days` and `before` as in `check_bars`.
    """
    if rows.is_empty():
        return []
    known, earlier = rows, []
    if before is not None and not before.is_empty():
        known = pl.concat([before.select(*BARS).filter(pl.col(DATE) < days[0]), rows]).sort(SYMBOL, DATE)
        earlier = known.filter(pl.col(DATE) < days[0]).get_column(DATE).unique().sort().to_list()
    return [
        *symbol_findings(known.select(SYMBOL, DATE), [*earlier, *days], days[0]),
        *jump_findings(known, days[0], thresholds),
        *stale_findings(known, days[0], thresholds),
        *repeated_findings(known, days[0]),
    ]


def _schema(bars: pl.DataFrame) -> tuple[Finding, ...]:
    """Columns too few, too many or of another type: nothing more can be checked then."""
    (rule,) = SCHEMA
    missing, unexpected = column_mismatch(bars, rule)
    wrong = [name for name in bars.columns if name in BARS and bars.schema[name] != BARS[name]]
    cases = (
        ("missing_column", missing, "the columns must all be there"),
        ("unexpected_column", unexpected, "there must be no other columns"),
        (
            "wrong_type",
            [f"{name} {bars.schema[name]} instead of {BARS[name]}" for name in wrong],
            "each column must have its type",
        ),
    )
    return tuple(
        Finding(code, "batch", None, None, ", ".join(names), meaning, len(names))
        for code, names, meaning in cases
        if names
    )


def _empty(bars: pl.DataFrame, days: Sequence[dt.date]) -> tuple[Finding, ...]:
    if not bars.is_empty() or not days:
        return ()
    value = f"no bars at all for {len(days)} trading days"
    return (Finding("empty_batch", "batch", None, days[0], value, "a trading day must have bars", len(days)),)


def _too_broken(broken: pl.DataFrame, total: int, thresholds: Thresholds) -> tuple[Finding, ...]:
    if not thresholds.too_many(broken.height, total, thresholds.broken_share):
        return ()
    counts = broken.select(pl.col(REASONS).explode().value_counts(sort=True)).unnest(REASONS).rows()
    reasons = ", ".join(f"{code} {count}" for code, count in counts)
    value = f"{broken.height} of {total} rows, {broken.height / total:.1%}: {reasons}"
    meaning = f"at most {thresholds.broken_share:.1%} of the rows may be broken"
    return (Finding("broken_share", "batch", None, None, value, meaning, broken.height),)


def _row_findings(once: pl.DataFrame, failures: pl.DataFrame, days: Sequence[dt.date]) -> list[Finding]:
    """One finding for each row and rule it breaks; of more than `_LISTED` for one rule, the rest together."""
    meanings = {rule.code: rule.meaning for rule in (*row_rules(days), ZERO_VOLUME)}
    listed = failures.filter(pl.int_range(pl.len()).over(REASON) < _LISTED)
    shown = once.with_row_index(ROW).join(listed, on=ROW)
    columns = [name for name in BARS if name not in (SYMBOL, DATE)]
    found = [
        Finding(
            row[REASON],
            _severity(row[REASON]),
            row[SYMBOL],
            row[DATE],
            ", ".join(f"{name} {row[name]}" for name in columns),
            meanings[row[REASON]],
        )
        for row in shown.sort(REASON, SYMBOL, DATE).iter_rows(named=True)
    ]
    for code, count in failures.group_by(REASON, maintain_order=True).len().rows():
        if count > _LISTED:
            value = f"{count - _LISTED} more rows"
            found.append(Finding(code, _severity(code), None, None, value, meanings[code], count - _LISTED))
    return found


def _severity(code: str) -> Severity:
    return "note" if code == ZERO_VOLUME.code else "row"


def _copies(bars: pl.DataFrame, once: pl.DataFrame) -> list[Finding]:
    if once.height == bars.height:
        return []
    copies = bars.group_by(*BARS).len("rows").filter(pl.col("rows") > 1).sort(SYMBOL, DATE)
    meaning = "a symbol must have one bar a day; equal ones are kept once"
    return [
        Finding("identical_rows", "note", symbol, day, f"{rows} equal rows", meaning, rows - 1)
        for symbol, day, rows in copies.select(SYMBOL, DATE, "rows").iter_rows()
    ]
