"""Bars of hours or minutes: placed in their exchange's sessions, judged one by one, and made into daily bars."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

import polars as pl

from nightdesk.errors import BadDate, SourceBroken
from nightdesk.sessions import session_spans
from nightdesk.sources.bar_files import FILE, divided
from nightdesk.sources.bar_form import BarForm
from nightdesk.sources.raw_tables import LINE
from nightdesk.tables import BARS, CLOSE, DATE, HIGH, INTRADAY_BARS, LOW, OPEN, PRICES, SYMBOL, VOLUME

START: Final = "start"
FAULT: Final = "fault"

_ROUNDING: Final = 1e-4  # of prices, as in the checks of daily bars
_DAY: Final = dt.timedelta(days=1)


def placed(parts: Sequence[pl.DataFrame], form: BarForm, minutes: int, *, stamped_at_end: bool) -> pl.DataFrame:
    """Located bars of `minutes` each (instants in their column of dates) in the sessions of the form's exchange.

    Returns `tables.INTRADAY_BARS`. A bar belongs to the session that it overlaps; one before the open or after the
    close is left out, equal ones are kept once. Raises SourceBroken for an instant outside the calendar, for no bar in
    any session, and, where the form asks for it, for a faulty bar.
    """
    length = pl.duration(minutes=minutes)
    whole = pl.concat(parts, rechunk=True).with_columns(pl.col(form.values).fill_nan(None)).rename({DATE: START})
    if stamped_at_end:
        whole = whole.with_columns(pl.col(START) - length)
    if form.first_day is not None:  # a day of the exchange may begin on the evening before, in UTC
        whole = whole.filter(pl.col(START).dt.date() >= form.first_day - _DAY)
    if form.price_divisor != 1:
        whole = whole.with_columns(divided(whole.get_column(price), form.price_divisor) for price in PRICES)
    ends = (pl.col(START) + length).alias("ends")
    met = (
        whole.sort(START)
        .with_columns(ends)
        .join_asof(_sessions(whole, form.calendar), left_on="ends", right_on="opens", allow_exact_matches=False)
        .filter(pl.col(START) < pl.col("closes"))
    )
    if form.first_day is not None:
        met = met.filter(pl.col(DATE) >= form.first_day)
    if met.is_empty():
        raise SourceBroken(
            f"bars must lie in sessions of {form.calendar}, got {whole.height} bars and none that does: set calendar, "
            "zone, or stamped"
        )
    named = [SYMBOL, START, *form.values]
    once = met.unique(named, keep="first", maintain_order=True).with_columns(_fault())
    if form.row_faults == "refuse":
        for start, fault, line, name in once.drop_nulls(FAULT).select(START, FAULT, LINE, FILE).head(1).iter_rows():
            raise SourceBroken(
                f"a bar must be sound, got {fault} at {start:%Y-%m-%d %H:%M} UTC in line {line} of {name}: mend it, or "
                "set row_faults to quarantine"
            )
    return once.select(*INTRADAY_BARS).sort(SYMBOL, START, maintain_order=True)


def daily(bars: pl.DataFrame) -> pl.DataFrame:
    """`tables.INTRADAY_BARS` as `tables.BARS`: first open, highest, lowest, last close, volume traded in all.

    A day with a faulty bar has no price: what its high would have been nobody knows, and the checks hold it back.
    """
    sound = pl.col(FAULT).null_count() == pl.len()
    made = {
        OPEN: pl.col(OPEN).first(),
        HIGH: pl.col(HIGH).max(),
        LOW: pl.col(LOW).min(),
        CLOSE: pl.col(CLOSE).last(),
        VOLUME: pl.col(VOLUME).sum(),
    }
    days = bars.group_by(SYMBOL, DATE, maintain_order=True).agg(
        pl.when(sound).then(value).alias(name) for name, value in made.items()
    )
    return days.select(*BARS).sort(SYMBOL, DATE)


def _sessions(bars: pl.DataFrame, calendar: str) -> pl.DataFrame:
    first, last = bars.select(pl.col(START).min().alias("first"), pl.col(START).max().alias("last")).row(0)
    if first is None:
        raise SourceBroken("there must be one bar at least, got none: correct the folder or first_day")
    try:
        spans = session_spans(calendar, first.date() - _DAY, last.date() + _DAY)
    except BadDate as error:
        raise SourceBroken(f"{error}: correct the date, or set first_day to leave older bars out") from None
    instant = pl.Datetime("us", "UTC")
    return pl.DataFrame(spans, schema={DATE: pl.Date, "opens": instant, "closes": instant}, orient="row")


def _fault() -> pl.Expr:
    """What makes a bar unusable, in words; null for a sound one."""
    absent = [pl.col(name).is_null() for name in (*PRICES, VOLUME)]
    above = pl.col(HIGH) * (1 + _ROUNDING) < pl.max_horizontal(OPEN, LOW, CLOSE)
    below = pl.col(LOW) * (1 - _ROUNDING) > pl.min_horizontal(OPEN, HIGH, CLOSE)
    return (
        pl.when(pl.any_horizontal(absent))
        .then(pl.lit("a missing price or volume"))
        .when(pl.min_horizontal(*PRICES) <= 0)
        .then(pl.lit("a price not above zero"))
        .when(pl.col(VOLUME) < 0)
        .then(pl.lit("a volume below zero"))
        .when(above | below)
        .then(pl.lit("prices out of order"))
        .when(pl.struct(SYMBOL, START).is_duplicated())
        .then(pl.lit("a second bar of the same time"))
        .alias(FAULT)
    )
