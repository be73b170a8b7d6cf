"""Lists of an index's members and their sectors, each as it was published on its date, from a user's own file."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from nightdesk.errors import SourceBroken
from nightdesk.sources.bar_form import BarForm
from nightdesk.sources.cell_form import CellForm
from nightdesk.sources.cells import days_of, text_of
from nightdesk.sources.keyed_tables import header_of, names_of, refuse_empty
from nightdesk.sources.raw_tables import raw_table
from nightdesk.tables import MEMBERSHIP, SYMBOL

_WHAT: Final = "members"
_CONTROL: Final = r"[\x00-\x1f\x7f]"


def member_lists(content: bytes, name: str, index_name: str, form: CellForm) -> pl.DataFrame:
    """The lists in one file, `tables.MEMBERSHIP`, sorted; its columns are snapshot_date, symbol, name and sector.

    Symbols stay as the lists spell them; a name or sector that is empty is null. Raises SourceBroken where the file
    cannot be read, lacks a column, or has a date or symbol that is none.
    """
    table = raw_table(content, name, separator=form.separator, encoding=form.encoding)
    date, symbol, company, sector = (
        header_of(table, [column], _WHAT) for column in ("snapshot_date", SYMBOL, "name", "sector")
    )
    refuse_empty(table, _WHAT)
    lists = table.cells.select(
        pl.lit(index_name).alias("index_name"),
        days_of(table, date, form.date_format, of_bars=False).alias("snapshot_date"),
        names_of(table, symbol).alias(SYMBOL),
        text_of(table, company).str.replace_all(_CONTROL, " ").alias("name"),
        text_of(table, sector).str.replace_all(_CONTROL, " ").alias("sector"),
    )
    return lists.select(*MEMBERSHIP).sort("snapshot_date", SYMBOL)


def members_of(form: BarForm, last: dt.date) -> pl.DataFrame:
    """The lists up to `last` in the file that a source's option `membership` names; no rows where it names none.

    The file is written as the bars are. Raises SourceBroken.
    """
    if form.membership is None:
        return pl.DataFrame(schema=MEMBERSHIP)
    if not form.membership.is_file():
        raise SourceBroken(
            f"the option membership must name a file, got no {form.membership}: make or mount it, or mend the option"
        )
    lists = member_lists(form.membership.read_bytes(), form.membership.name, form.index_name, form)
    if form.symbol_case == "upper":
        lists = lists.with_columns(pl.col(SYMBOL).str.to_uppercase()).sort("snapshot_date", SYMBOL)
    return lists.filter(pl.col("snapshot_date") <= last)
