"""Files of daily bars in the three usual layouts, read into the canonical frame; what cannot be read is refused whole.

One row that can be read and is wrong (a price below zero, two bars of a day, a price that is not there) is not judged
here: it goes on, and the checks hold it back with its reason. What cannot be read as a bar at all (no such column, a
date or number that is none) refuses the file: a row left out here would be lost without a word.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import polars as pl

from nightdesk.errors import BadDate, SourceBroken
from nightdesk.sessions import trading_days
from nightdesk.sources.bar_form import BarForm
from nightdesk.sources.cells import days_of, numbers_of, text_of
from nightdesk.sources.member_lists import members_of
from nightdesk.sources.raw_tables import LINE, RawTable, nameless, raw_table, shown
from nightdesk.tables import BARS, DATE, PRICES, SYMBOL

FILE: Final = "__file__"
_ENDINGS: Final = re.compile(r"(\.(csv|txt|parquet|gz|zip))+$", re.IGNORECASE)
_KEY: Final = (SYMBOL, DATE)

ReadTimes = Callable[[RawTable, str, str | None], pl.Series]
"""Reads a column of a table in a date format (None: ISO)."""


def located_bars(
    content: bytes, name: str, form: BarForm, *, may_be_empty: bool = False, read_times: ReadTimes | None = None
) -> pl.DataFrame:
    """The bars in one file of layout long or symbol, each with its `FILE` and `LINE`; prices as written.

    `may_be_empty` lets a file pass that has headers and no row. `read_times` reads the dates as what they are where
    they are no days. Raises SourceBroken where it cannot be read.
    """
    table = raw_table(content, name, separator=form.separator, encoding=form.encoding)
    _refuse_empty(table, may_be_empty)
    columns = {column: _header(table, form, column) for column in form.needed()}
    symbols = text_of(table, columns[SYMBOL]) if form.layout == "long" else _symbol_of(table, form)
    return table.cells.select(
        _cased(symbols, form).alias(SYMBOL),
        (read_times or _days)(table, columns[DATE], form.date_format).alias(DATE),
        *numbers_of(table, {column: columns[column] for column in form.values}, form),
        pl.lit(name).alias(FILE),
        LINE,
    )


def _days(table: RawTable, column: str, date_format: str | None) -> pl.Series:
    return days_of(table, column, date_format)


def located_wide_bars(files: Iterable[tuple[str, bytes]], form: BarForm) -> pl.DataFrame:
    """The bars in files of one field each (their names say which), a column a symbol; as `located_bars`.

    A day on which a symbol's cell is empty in every file has no bar; one that only some files have lacks the others'
    values. Raises SourceBroken where a field has no file or two, a day stands twice, or a file cannot be read.
    """
    fields = {form.header(field).casefold(): field for field in form.values}
    known = [(fields.get(stem(name).casefold()), name, content) for name, content in files]
    found = [(field, name, content) for field, name, content in known if field is not None]
    names = {field: [name for other, name, _ in found if other == field] for field in form.values}
    for field, named in names.items():
        if len(named) != 1:
            raise SourceBroken(
                f"layout wide needs one file for {field}, named {shown(form.header(field))} and its ending, got "
                f"{', '.join(named) or 'none'}: add it, or map it with columns.{field}"
            )
    parts = [_wide(field, content, name, form) for field, name, content in found]
    keys = [*_KEY]
    whole = functools.reduce(lambda left, right: left.join(right, on=keys, how="full", coalesce=True), parts)
    files_of = pl.coalesce(f"{FILE} {field}" for field in form.values).alias(FILE)
    lines_of = pl.coalesce(f"{LINE} {field}" for field in form.values).alias(LINE)
    return whole.select(*_KEY, *form.values, files_of, lines_of)


def settled(parts: Sequence[pl.DataFrame], form: BarForm) -> pl.DataFrame:
    """All located bars as one frame, `tables.BARS`, sorted: prices divided, days before the form's first left out.

    Raises SourceBroken for a day outside the calendar, and, where the form asks for it, for a price that is not above
    zero and a second bar of a symbol and day, which are otherwise left to the checks.
    """
    whole = pl.concat(parts, rechunk=True).with_columns(pl.col(form.values).fill_nan(None))
    if form.first_day is not None:
        whole = whole.filter(pl.col(DATE) >= form.first_day)
    if form.row_faults == "refuse":
        _refuse_row_faults(whole)
    if form.price_divisor != 1:
        whole = whole.with_columns(divided(whole.get_column(price), form.price_divisor) for price in PRICES)
    bars = whole.select(*BARS).sort(*_KEY, maintain_order=True)
    if not bars.is_empty():
        span(bars, form.calendar)
    return bars


def span(bars: pl.DataFrame, calendar: str) -> tuple[dt.date, dt.date]:
    """The first and the last trading day between the bars' first date and their last; raises SourceBroken if none."""
    first, last = bars.select(pl.col(DATE).min().alias("first"), pl.col(DATE).max().alias("last")).row(0)
    if first is None:
        raise SourceBroken("there must be one bar at least, got none: correct the folder, the URL or first_day")
    try:
        days = trading_days(calendar, first, last)
    except BadDate as error:
        raise SourceBroken(f"{error}: correct the date, or set first_day to leave older bars out") from None
    if not days:
        raise SourceBroken(
            f"bars must be of trading days of {calendar}, got {first} to {last}: set the calendar of their exchange"
        )
    return days[0], days[-1]


def fingerprint(bars: pl.DataFrame, form: BarForm) -> str:
    """Hexadecimal hash of the bars, of the members where there are any, and of what is declared about them."""
    declared = f"{form.calendar} {form.currency} {form.price_basis} {form.publication_lag_minutes} {form.basis}"
    if form.membership is not None:
        declared += f" {members_of(form, dt.date.max).write_csv()}"
    return hashlib.sha256(f"{declared}\n{bars.write_csv()}".encode()).hexdigest()


def stem(name: str) -> str:
    """A file's name without the endings that say how it is packed and written."""
    return _ENDINGS.sub("", name)


def divided(prices: pl.Series, divisor: float) -> pl.Series:
    """Divide by numpy: polars multiplies by the reciprocal, and 165600 / 10000 would be 16.560000000000002."""
    return pl.Series(prices.name, prices.fill_null(math.nan).to_numpy() / divisor).fill_nan(None)


def _header(table: RawTable, form: BarForm, column: str) -> str:
    wanted = form.header(column)
    folded = {header.casefold(): header for header in table.headers}
    found = folded.get(wanted.strip().casefold())
    if found is None:
        raise SourceBroken(
            f"a file of bars must have a column {shown(wanted)}, got {shown(', '.join(table.headers))} in "
            f"{table.name}: set columns.{column} to its header, or the separator"
        )
    return found


def _refuse_empty(table: RawTable, allowed: bool) -> None:
    if table.cells.is_empty() and not allowed:
        raise SourceBroken(f"a file of bars must hold one bar at least, got headers alone in {table.name}: mend it")


def _symbol_of(table: RawTable, form: BarForm) -> pl.Expr:
    """The symbol in the file's name; a column of symbols, where there is one, must say the same in every row."""
    before, _, after = form.file_symbol.partition("{symbol}")
    found = re.fullmatch(f"{re.escape(before)}(.+){re.escape(after)}", stem(table.name))
    if found is None:
        raise SourceBroken(
            f"a file of one symbol must be named {shown(form.file_symbol)}, got {table.name}: rename it, or set "
            "file_symbol"
        )
    symbol = found[1]
    folded = {header.casefold(): header for header in table.headers}
    column = folded.get(form.header(SYMBOL).casefold())
    if column is not None:
        others = table.cells.select(LINE, text_of(table, column).alias(SYMBOL)).filter(
            pl.col(SYMBOL).str.to_uppercase().ne_missing(symbol.upper())
        )
        for line, other in others.head(1).iter_rows():
            raise SourceBroken(
                f"a file of one symbol must hold no other, got {shown(other)} in {table.place(line)}: split the file, "
                "or choose layout long"
            )
    return pl.lit(symbol)


def _cased(symbols: pl.Expr, form: BarForm) -> pl.Expr:
    return symbols.str.to_uppercase() if form.symbol_case == "upper" else symbols


def _wide(field: str, content: bytes, name: str, form: BarForm) -> pl.DataFrame:
    table = raw_table(content, name, separator=form.separator, encoding=form.encoding)
    _refuse_empty(table, allowed=False)
    date = _header(table, form, DATE)
    days = table.cells.select(days_of(table, date, form.date_format).alias(DATE), LINE)
    for day, line in days.filter(pl.col(DATE).is_duplicated()).slice(1, 1).iter_rows():
        raise SourceBroken(
            f"layout wide has one line a day, got {day} again in {table.place(line)}: remove the one that is wrong"
        )
    symbols = [header for header in table.headers if header != date]
    for number, header in enumerate(table.headers, 1):
        if header == nameless(number):
            raise SourceBroken(
                f"layout wide needs a symbol above each column, got none above {number} of {name}: add it"
            )
    if not symbols:
        raise SourceBroken(f"layout wide needs a column a symbol, got none in {name}: choose another layout")
    long = table.cells.with_columns(days.get_column(DATE).alias(date)).unpivot(
        symbols, index=[date, LINE], variable_name=SYMBOL, value_name=field
    )
    unfolded = RawTable(name, long, table.unit)
    return long.select(
        _cased(pl.col(SYMBOL), form).alias(SYMBOL),
        pl.col(date).alias(DATE),
        *numbers_of(unfolded, {field: field}, form),
        pl.lit(name).alias(f"{FILE} {field}"),
        pl.col(LINE).alias(f"{LINE} {field}"),
    ).filter(pl.col(field).is_not_null())


def _refuse_row_faults(whole: pl.DataFrame) -> None:
    """Refuse what the checks would otherwise hold back row by row, at the first row of it."""
    for column in PRICES:
        below = whole.filter(pl.col(column) <= 0).select(column, LINE, FILE)
        for value, line, name in below.head(1).iter_rows():
            raise SourceBroken(
                f"a price must be above zero, got {column} {value} in line {line} of {name}: mend it, or set "
                "row_faults to quarantine"
            )
    twice = whole.filter(pl.struct(*_KEY).is_duplicated()).sort(*_KEY, maintain_order=True)
    for symbol, day, line, name in twice.select(*_KEY, LINE, FILE).slice(1, 1).iter_rows():
        raise SourceBroken(
            f"a symbol must have one bar a day, got {symbol} {day} again in line {line} of {name}: remove the one that "
            "is wrong, or set row_faults to quarantine"
        )
