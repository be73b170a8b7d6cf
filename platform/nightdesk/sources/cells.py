"""Cells of a raw table as symbols, days and numbers; one that is none of these refuses the file, with its line."""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from nightdesk.errors import SourceBroken
from nightdesk.sources.bar_form import BarForm
from nightdesk.sources.raw_tables import LINE, RawTable, shown

_MIDNIGHT: Final = r"[T ]00:00(:00(\.0+)?)?(Z|[+-]00:?00)?$"
_TIMED: Final = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}")


def text_of(table: RawTable, column: str) -> pl.Expr:
    """Cells as text without blanks around them; an empty one is null."""
    text = pl.col(column).cast(pl.String).str.strip_chars()
    return pl.when(text != "").then(text)


def days_of(table: RawTable, column: str, date_format: str | None) -> pl.Series:
    """Cells as dates: of type Date, at midnight of any time zone, or text in `date_format` (None: 2024-03-05).

    Raises SourceBroken for a cell that is empty or no date, and for a time of day: bars of hours have no table yet.
    """
    dtype = table.cells.schema[column]
    if dtype == pl.Date:
        day = moment = pl.col(column)
    elif isinstance(dtype, pl.Datetime):
        day, moment = pl.col(column).dt.date(), pl.col(column).dt.replace_time_zone(None)
    else:
        text = text_of(table, column)
        if date_format is None:
            day = text.str.replace(_MIDNIGHT, "").str.to_date("%Y-%m-%d", strict=False)
            moment = day
        else:
            moment = text.str.to_datetime(date_format, strict=False).dt.replace_time_zone(None)
            day = moment.dt.date()
    read = table.cells.select(LINE, text_of(table, column).alias("got"), day.alias("day"), moment.alias("at"))
    for line, got in read.filter(pl.col("day").is_null()).select(LINE, "got").head(1).iter_rows():
        if got is not None and date_format is None and _TIMED.match(got):
            raise _of_hours(table, line, got)
        raise SourceBroken(
            f"a date must be written as {date_format or 'YYYY-MM-DD'}, got "
            f"{'an empty cell' if got is None else shown(got)} in {table.place(line)}: mend it, or set date_format"
        )
    midnight = pl.col("at").cast(pl.Datetime("us")) == pl.col("day").cast(pl.Datetime("us"))
    for line, got in read.filter(~midnight).select(LINE, "got").head(1).iter_rows():
        raise _of_hours(table, line, got)
    return read.get_column("day")


def numbers_of(table: RawTable, column: str, form: BarForm) -> pl.Series:
    """Cells as Float64: numbers, or text in the form's way of writing them; empty and `missing` ones are null.

    Scientific notation is a number like any other (1.2E+06). Raises SourceBroken for text that is no number, and says
    so where it is one with thousands separators that the form does not know.
    """
    dtype = table.cells.schema[column]
    if dtype.is_numeric():
        return table.cells.get_column(column).cast(pl.Float64)
    if not isinstance(dtype, pl.String | pl.Categorical | pl.Null):
        raise SourceBroken(
            f"column {shown(column)} of {table.name} must hold numbers, got {dtype}: map another column, or mend it"
        )
    text = text_of(table, column)
    text = pl.when(~text.is_in(list(form.missing))).then(text)
    plain: pl.Expr = text
    if form.thousands is not None:
        plain = plain.str.replace_all(form.thousands, "", literal=True)
    if form.decimal != ".":
        # A point in such a file is no decimal sign: 1.234 would be read as a thousandth of what it says.
        plain = pl.when(~plain.str.contains(".", literal=True)).then(plain.str.replace(form.decimal, ".", literal=True))
    read = table.cells.select(LINE, text.alias("got"), plain.cast(pl.Float64, strict=False).alias("number"))
    for line, got in (
        read.filter(pl.col("got").is_not_null() & pl.col("number").is_null()).head(1).select(LINE, "got").iter_rows()
    ):
        raise _no_number(table, column, line, got, form)
    return read.get_column("number")


def _no_number(table: RawTable, column: str, line: int, got: str, form: BarForm) -> SourceBroken:
    place = f"{shown(got)} under {shown(column)} in {table.place(line)}"
    grouped = re.fullmatch(r"[+-]?\d{1,3}(?:([,.' \u00a0\u202f])\d{3})+(?:[.,]\d+)?", got)
    if grouped is not None and grouped[1] != form.decimal:
        return SourceBroken(
            f"a number must have no thousands separators, got {place}: set thousands to {grouped[1]!r}, or remove them"
        )
    return SourceBroken(
        f"a price or volume must be a number with decimal sign {form.decimal!r}, got {place}: mend it, set decimal, or "
        "add the text to missing if it means a missing value"
    )


def _of_hours(table: RawTable, line: int, got: str) -> SourceBroken:
    return SourceBroken(
        f"bars must be daily, for their table has one row a symbol and day, got a time of day, {shown(got)}, in "
        f"{table.place(line)}: make daily bars of them, or give the time in date_format where it is the same every day"
    )
