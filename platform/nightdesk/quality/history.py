"""What only several days of bars show: days missing or thin, gaps in symbols, odd moves of prices."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import polars as pl

from nightdesk.quality.finding import Finding
from nightdesk.quality.thresholds import Thresholds
from nightdesk.tables import CLOSE, DATE, SYMBOL


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


def symbol_findings(present: pl.DataFrame, days: Sequence[dt.date]) -> list[Finding]:
    """Notes on days that single symbols lack: gaps (`missing_row`), a late first bar, an early last one.

    `present` as above. A gap stands at its first day, `late_listing` at the first bar, `delisting` at the
    last one; `count` is the number of trading days without a bar.
    """
    position = pl.Series(days, dtype=pl.Date).search_sorted(present.get_column(DATE)).cast(pl.Int64)
    placed = present.with_columns(position.alias("position"))
    gap = pl.col("position").shift(-1) - pl.col("position") - 1
    same = pl.col(SYMBOL) == pl.col(SYMBOL).shift(-1)
    gaps = placed.with_columns(gap.alias("gap")).filter(same & (pl.col("gap") > 0))
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
    for symbol, first, last in ends.iter_rows():
        if first > 0:
            value, meaning = f"first bar {days[first]}", "the first bar comes after the batch's first day"
            found.append(Finding("late_listing", "note", symbol, days[first], value, meaning, first))
        if last < len(days) - 1:
            value, meaning = f"last bar {days[last]}", "the last bar comes before the batch's last day"
            found.append(Finding("delisting", "note", symbol, days[last], value, meaning, len(days) - 1 - last))
    return found


def price_findings(good: pl.DataFrame, thresholds: Thresholds) -> list[Finding]:
    """Notes on closes of `good` (`tables.BARS`, sorted by symbol and date): large moves and stale prices.

    A move is from a symbol's good bar to its next good one; a large one may be news, or a split or spin-off
    that nobody adjusted for. `stale_price` stands at the first of at least `stale_days` equal closes, which
    `count` counts.
    """
    move = pl.col(CLOSE) / pl.col(CLOSE).shift(1).over(SYMBOL) - 1
    moves = good.select(SYMBOL, DATE, move.alias("move")).filter(pl.col("move").abs() > thresholds.large_move)
    meaning = "news, or a corporate action that is not in the prices"
    found = [
        Finding("large_move", "note", symbol, day, f"{size:+.1%} from close to close", meaning)
        for symbol, day, size in moves.iter_rows()
    ]
    run = pl.struct(SYMBOL, CLOSE).rle_id().alias("run")
    stale = (
        good.select(SYMBOL, DATE, CLOSE, run)
        .group_by("run", maintain_order=True)
        .agg(pl.col(SYMBOL, DATE, CLOSE).first(), pl.len().alias("length"))
        .filter(pl.col("length") >= thresholds.stale_days)
    )
    return found + [
        Finding(
            "stale_price",
            "note",
            symbol,
            day,
            f"{length} closes of {close}",
            "the close does not move",
            length,
        )
        for symbol, day, close, length in stale.select(SYMBOL, DATE, CLOSE, "length").iter_rows()
    ]
