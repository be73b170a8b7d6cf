"""What files of the tables beside bars share: their columns found, their names checked, never empty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from nightdesk.errors import SourceBroken
from nightdesk.sources.cells import text_of
from nightdesk.sources.raw_tables import LINE, RawTable, shown

LONGEST_NAME: Final = 64
"""Letters of a symbol or another name in the store."""

_CONTROL: Final = r"[\x00-\x1f\x7f]"


def header_of(table: RawTable, names: Sequence[str], what: str) -> str:
    """The header, in any case, that is the first of `names` there is; raises SourceBroken where none is there."""
    found = header_if_any(table, names)
    if found is None:
        raise SourceBroken(
            f"a file of {what} must have a column {shown(names[0])}, got {shown(', '.join(table.headers))} in "
            f"{table.name}: name it so, or set the separator"
        )
    return found


def header_if_any(table: RawTable, names: Sequence[str]) -> str | None:
    """The header, in any case, that is the first of `names` there is; None where none is there."""
    folded = {header.strip().casefold(): header for header in table.headers}
    return next((folded[name.casefold()] for name in names if name.casefold() in folded), None)


def refuse_empty(table: RawTable, what: str) -> None:
    """Raise SourceBroken where the file has headers and no row."""
    if table.cells.is_empty():
        raise SourceBroken(
            f"a file of {what} must hold one row at least, got headers alone in {table.name}: fetch it again"
        )


def names_of(table: RawTable, column: str) -> pl.Series:
    """Cells as names (symbols); raises SourceBroken for one that is empty, longer than 64 letters or not printable."""
    names = table.cells.select(LINE, text_of(table, column).alias("name"))
    wrong = pl.col("name").is_null() | (pl.col("name").str.len_chars() > LONGEST_NAME)
    for line, name in names.filter(wrong | pl.col("name").str.contains(_CONTROL)).head(1).iter_rows():
        got = "an empty cell" if name is None else shown(name)
        raise SourceBroken(
            f"{column} must be a name of 1 to {LONGEST_NAME} letters, got {got} in {table.place(line)}: mend it"
        )
    return names.get_column("name")
