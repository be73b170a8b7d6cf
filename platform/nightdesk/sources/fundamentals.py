"""Figures of financial statements from a user's own file: a row a company and period, a column an item."""

from __future__ import annotations

from typing import Final

import polars as pl

from nightdesk.errors import SourceBroken
from nightdesk.sources.cell_form import CellForm
from nightdesk.sources.cells import days_of, numbers_of, text_of
from nightdesk.sources.keyed_tables import LONGEST_NAME, header_if_any, header_of, names_of, refuse_empty
from nightdesk.sources.raw_tables import LINE, RawTable, raw_table, shown
from nightdesk.tables import FUNDAMENTALS, SYMBOL

FILED: Final = "filed"
"""Day on which a statement was filed; null where its file does not say."""

_WHAT: Final = "fundamentals"
_KEY: Final = (SYMBOL, "period_end")
_SYMBOLS: Final = (SYMBOL, "Ticker Symbol", "Ticker")
_PERIODS: Final = ("period_end", "Period Ending", "Period End")
_FILED: Final = ("filing_date", "Filing Date", FILED)


def fundamentals(content: bytes, name: str, form: CellForm) -> pl.DataFrame:
    """The figures in one file, `tables.FUNDAMENTALS` and `FILED`, sorted by key.

    Its columns are `symbol` (or Ticker Symbol), `period_end` (or Period Ending), where there is one `filing_date`, and
    numbers: every other column is an item, called as its header. Scientific notation is a number like any other; an
    empty cell is null. Raises SourceBroken where the file cannot be read, lacks a column, or has a date, symbol or
    number that is none.
    """
    table = raw_table(content, name, separator=form.separator, encoding=form.encoding)
    symbol, period = header_of(table, _SYMBOLS, _WHAT), header_of(table, _PERIODS, _WHAT)
    filing = header_if_any(table, _FILED)
    items = [header for header in table.headers if header not in (symbol, period, filing)]
    _refuse_items(items, table)
    refuse_empty(table, _WHAT)
    rows = table.cells.select(
        names_of(table, symbol).alias(SYMBOL),
        days_of(table, period, form.date_format, of_bars=False).alias("period_end"),
        _filed(table, filing, form).alias(FILED),
        *numbers_of(table, {item: item for item in items}, form),
    )
    long = rows.unpivot(items, index=[*_KEY, FILED], variable_name="item", value_name="value")
    return long.select(*FUNDAMENTALS, FILED).with_columns(pl.col("value").fill_nan(None)).sort(*_KEY, "item")


def _refuse_items(items: list[str], table: RawTable) -> None:
    if not items:
        raise SourceBroken(
            f"a file of {_WHAT} must have a column of figures, got {shown(', '.join(table.headers))} in {table.name}: "
            "add it, or set the separator"
        )
    for item in items:
        if len(item.strip()) > LONGEST_NAME:
            raise SourceBroken(
                f"a header must have at most {LONGEST_NAME} letters, got {shown(item)} in {table.name}: shorten it"
            )


def _filed(table: RawTable, header: str | None, form: CellForm) -> pl.Series:
    """The filing dates, null where the cell is empty or the file has no such column."""
    nothing = pl.Series(FILED, [None] * table.cells.height, dtype=pl.Date)
    if header is None:
        return nothing
    given = table.cells.filter(text_of(table, header).is_not_null())
    days = days_of(RawTable(table.name, given, table.unit), header, form.date_format, of_bars=False)
    dated = given.select(LINE).with_columns(days.alias(FILED))
    return table.cells.select(LINE).join(dated, on=LINE, how="left", maintain_order="left").get_column(FILED)
