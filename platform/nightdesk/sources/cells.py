"""Cells of a raw table as symbols, days and numbers; one that is none of these refuses the file, with its line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import polars as pl

from nightdesk.errors import SourceBroken
from nightdesk.sources.cell_form import CellForm
from nightdesk.sources.raw_tables import LINE, RawTable, shown

_MIDNIGHT: Final = r"[T ]00:00(:00(\.0+)?)?(Z|[+-]\d\d:?\d\d)?$"
_OFFSET: Final = r"(Z|[+-]\d\d:\d\d)$"
_TIMED: Final = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}")


def text_of(table: RawTable, column: str) -> pl.Expr:
    """Cells as text without blanks around them; an empty one is null."""
    text = pl.col(column).cast(pl.String).str.strip_chars()
    return pl.when(text != "").then(text)


def days_of(table: RawTable, column: str, date_format: str | None, *, of_bars: bool = True) -> pl.Series:
    """Cells as dates: of type Date, at midnight of any time zone, or text in `date_format` (None: 2024-03-05).

    Raises SourceBroken for a cell that is empty or no date, and for a time of day: bars of hours have no table yet, and
    the other tables (not `of_bars`) are of days.
    """
    dtype, text = table.cells.schema[column], text_of(table, column)
    if dtype == pl.Date:
        moment = pl.col(column)
    elif isinstance(dtype, pl.Datetime):
        moment = pl.col(column).dt.replace_time_zone(None)
    elif date_format is None:
        moment = text.str.replace(_MIDNIGHT, "").str.to_date("%Y-%m-%d", strict=False)
    else:
        moment = text.str.to_datetime(date_format, strict=False).dt.replace_time_zone(None)
    at = moment.cast(pl.Datetime("us")).alias("at")
    read = table.cells.select(at, at.dt.truncate("1d").alias("day"))
    if read.get_column("at").equals(read.get_column("day"), check_names=False) and not read["day"].has_nulls():
        return read.get_column("day").cast(pl.Date)
    wrong = read.with_columns(table.cells.select(LINE, text.alias("got"))).filter(
        pl.col("at").is_null() | (pl.col("at") != pl.col("day"))
    )
    line, got, timed = wrong.select(LINE, "got", pl.col("at").is_not_null()).row(0)
    if of_bars and (timed or (got is not None and date_format is None and _TIMED.match(got))):
        raise _of_hours(table, line, got)
    raise SourceBroken(
        f"a date must be written as {date_format or 'YYYY-MM-DD'}, got "
        f"{'an empty cell' if got is None else shown(got)} in {table.place(line)}: mend it, or set date_format"
    )


def moments_of(table: RawTable, column: str, date_format: str | None, zone: str) -> pl.Series:
    """Cells as instants, Datetime in UTC: with an offset of their own (Z, -05:00, a typed zone), or in zone `zone`.

    Text is in `date_format`, or like 2024-03-05 15:30 where that is None. Raises SourceBroken for a cell that is empty
    or none, and for a time that `zone` has twice or not at all, when clocks change.
    """
    dtype, text = table.cells.schema[column], text_of(table, column)
    if isinstance(dtype, pl.Datetime):
        local = pl.col(column)
        aware = dtype.time_zone is not None
    elif date_format is None:
        offset = text.str.extract(_OFFSET, 1).str.replace("Z", "+00:00")
        plain = text.str.replace(_OFFSET, "").str.replace("T", " ").str.replace(r"^(.{16})$", "$1:00")
        # Cells without an offset are read beside those with one: each file may hold either, not both.
        aware = table.cells.select(offset.is_not_null().any()).item()
        local = plain.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
        if aware:
            local = (plain + offset).str.to_datetime("%Y-%m-%d %H:%M:%S%.f%:z", time_unit="us", strict=False)
    else:
        aware = "%z" in date_format or "%:z" in date_format
        local = text.str.to_datetime(date_format, time_unit="us", strict=False)
    in_utc = (
        local.dt.convert_time_zone("UTC")
        if aware
        else local.dt.replace_time_zone(zone, ambiguous="null", non_existent="null").dt.convert_time_zone("UTC")
    )
    read = table.cells.select(in_utc.cast(pl.Datetime("us", "UTC")).alias("at"), text.alias("got"), LINE)
    for line, got in read.filter(pl.col("at").is_null()).select(LINE, "got").head(1).iter_rows():
        raise SourceBroken(
            f"a bar's time must be written as {date_format or 'YYYY-MM-DD HH:MM'} and be one instant in {zone}, got "
            f"{'an empty cell' if got is None else shown(got)} in {table.place(line)}: mend it, set date_format or zone"
        )
    return read.get_column("at")


def numbers_of(table: RawTable, headers: Mapping[str, str], form: CellForm) -> pl.DataFrame:
    """Columns of Float64 by the names of `headers`: numbers as they are, or text in the form's way of writing them.

    Empty cells and those that mean a missing value are null. Scientific notation is a number like any other (1.2E+06).
    Raises SourceBroken for text that is no number, and says so where it is one with thousands separators that the form
    does not know.
    """
    for header in headers.values():
        dtype = table.cells.schema[header]
        if not (dtype.is_numeric() or isinstance(dtype, pl.String | pl.Categorical | pl.Null)):
            raise SourceBroken(
                f"column {shown(header)} of {table.name} must hold numbers, got {dtype}: map another column, or mend it"
            )
    read = table.cells.select(_number(table, header, form).alias(name) for name, header in headers.items())
    texts = {name: header for name, header in headers.items() if not table.cells.schema[header].is_numeric()}
    got = table.cells.select(_present(table, header, form).alias(name) for name, header in texts.items())
    for name, header in texts.items():
        if got[name].null_count() != read[name].null_count():
            wrong = got[name].is_not_null() & read[name].is_null()
            line, text = table.cells.select(LINE, got[name].alias("got")).filter(wrong).row(0)
            raise _no_number(table, header, line, text, form)
    return read


def _present(table: RawTable, header: str, form: CellForm) -> pl.Expr:
    """The text of cells that have a value."""
    text = text_of(table, header)
    return pl.when(~text.is_in(pl.Series(form.missing, dtype=pl.String).implode())).then(text)


def _number(table: RawTable, header: str, form: CellForm) -> pl.Expr:
    if table.cells.schema[header].is_numeric():
        return pl.col(header).cast(pl.Float64)
    plain: pl.Expr = _present(table, header, form)
    if form.thousands is not None:
        # Of groups of three alone: 1,5 is no 15.
        sign = re.escape(form.thousands)
        grouped = plain.str.contains(rf"^[+-]?\d{{1,3}}({sign}\d{{3}})+([^\d{sign}].*)?$")
        plain = pl.when(grouped).then(plain.str.replace_all(form.thousands, "", literal=True)).otherwise(plain)
    if form.decimal != ".":
        # A point in such a file is no decimal sign: 1.234 would be read as a thousandth of what it says.
        plain = pl.when(~plain.str.contains(".", literal=True)).then(plain.str.replace(form.decimal, ".", literal=True))
    return plain.cast(pl.Float64, strict=False)


def _no_number(table: RawTable, column: str, line: int, got: str, form: CellForm) -> SourceBroken:
    place = f"{shown(got)} under {shown(column)} in {table.place(line)}"
    grouped = re.fullmatch(r"[+-]?\d{1,3}(?:([,.' \u00a0\u202f])\d{3})+(?:[.,]\d+)?", got)
    if grouped is not None and grouped[1] != form.decimal:
        return SourceBroken(
            f"a number must have no thousands separators, got {place}: set thousands to {grouped[1]!r}, or remove them"
        )
    return SourceBroken(
        f"a value must be a number with decimal sign {form.decimal!r}, got {place}: mend it, set decimal, or "
        "add the text to missing if it means a missing value"
    )


def _of_hours(table: RawTable, line: int, got: str) -> SourceBroken:
    return SourceBroken(
        f"bars must be daily, for their table has one row a symbol and day, got a time of day, {shown(got)}, in "
        f"{table.place(line)}: set bar_minutes (source files), or give the time in date_format where it is the same "
        "every day"
    )
