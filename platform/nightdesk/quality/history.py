"""Days against the exchange's calendar: days missing or thin, and gaps within the life of single symbols."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import polars as pl

from nightdesk.quality.finding import Finding
from nightdesk.quality.thresholds import Thresholds
from nightdesk.tables import DATE, SYMBOL


def day_findings(
    present: pl.DataFrame, days: Sequence[dt.date], thresholds: Thresholds, symbols_before: int | None
) -> list[Finding]:
    """Days of `days` without any row, and days with fewer symbols than the one before.

    `present` holds symbol and date, sorted, each pair once, of trading days only; `symbols_before` counts the
    symbols of the day before the first. A missing day refuses the batch; a thin one does below the threshold,
    and is a note above it.
    """
    counts = dict(present.group_by(DATE).len().iter_rows())
    missing = [day for day in days if day not in counts]
    found = []
    if missing:
        first = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
        value = f"{len(missing)} of {len(days)} trading days have no bars: {first}"
        found.append(
            Finding(
                "missing_day",
                "batch",
                None,
                missing[0],
                value,
                "every trading day must have bars",
                len(missing),
            )
        )
    before = symbols_before
    for day in (day for day in days if day in counts):
        now = counts[day]
        if before is not None and now < before:
            thin = thresholds.too_many(before - now, before, 1 - thresholds.thin_day_share)
            meaning = (
                f"a day must have at least {thresholds.thin_day_share:.0%} of the symbols of the day before"
                if thin
                else "fewer symbols than the day before"
            )
            value = f"{now} symbols, {before} the day before"
            found.append(Finding("thin_day", "batch" if thin else "note", None, day, value, meaning, before - now))
        before = now
    return found


def symbol_findings(present: pl.DataFrame, days: Sequence[dt.date], since: dt.date) -> list[Finding]:
    """Notes on days that single symbols lack: gaps (`missing_row`), a late first bar, no bar any more.

    `present` as above, of `days`: those of the batch, and the days before it that are known; `since` is the batch's
    first day. Told once, on the day that shows it: a gap on the day on which bars come again, at its first day;
    `late_listing` at the first bar; `delisting` at the last one, on the first day without. Which of a gap and a
    delisting it is, only the days after can say. `count` is the number of trading days without a bar.
    """
    position = pl.Series(days, dtype=pl.Date).search_sorted(present.get_column(DATE)).cast(pl.Int64)
    new = pl.Series(days, dtype=pl.Date).search_sorted(since)
    placed = present.with_columns(position.alias("position"))
    gap = pl.col("position").shift(-1) - pl.col("position") - 1
    same = pl.col(SYMBOL) == pl.col(SYMBOL).shift(-1)
    shown = pl.col("position").shift(-1) >= new
    gaps = placed.with_columns(gap.alias("gap")).filter(same & shown & (pl.col("gap") > 0))
    found = [
        Finding(
            "missing_row",
            "note",
            symbol,
            days[at + 1],
            f"{size} trading days",
            "no bar between two bars",
            size,
        )
        for symbol, at, size in gaps.select(SYMBOL, "position", "gap").iter_rows()
    ]
    ends = placed.group_by(SYMBOL, maintain_order=True).agg(
        pl.col("position").min().alias("first"), pl.col("position").max().alias("last")
    )
    early, late = pl.col("first") >= max(new, 1), pl.col("last").is_between(new - 1, len(days) - 2)
    for symbol, first in ends.filter(early).select(SYMBOL, "first").iter_rows():
        value, meaning = f"first bar {days[first]}", "no bar on the days before that were looked at"
        found.append(Finding("late_listing", "note", symbol, days[first], value, meaning, first))
    for symbol, last in ends.filter(late).select(SYMBOL, "last").iter_rows():
        value, meaning = f"last bar {days[last]}", "no bar since: delisted, or a gap that a later bar will close"
        found.append(Finding("delisting", "note", symbol, days[last], value, meaning, len(days) - 1 - last))
    return found
