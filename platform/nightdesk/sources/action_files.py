"""A file of corporate actions, read into the canonical frame; what cannot be read is refused whole."""

from __future__ import annotations

import polars as pl

from nightdesk.errors import SourceBroken
from nightdesk.sources.bar_form import BarForm
from nightdesk.sources.cells import days_of, numbers_of, text_of
from nightdesk.sources.raw_tables import raw_table, shown
from nightdesk.tables import CORPORATE_ACTIONS, EX_DATE, KIND, SYMBOL, VALUE


def actions_in(content: bytes, name: str, form: BarForm) -> pl.DataFrame:
    """The actions in one file (CSV or Parquet): `tables.CORPORATE_ACTIONS`, sorted; an empty cell is null.

    Its columns are symbol, ex_date, kind and value, in any case and order; dates, numbers and symbols are written as in
    the files of bars. Raises SourceBroken where a column is missing, or a cell is no date or number.
    """
    table = raw_table(content, name, separator=form.separator, encoding=form.encoding)
    folded = {header.casefold(): header for header in table.headers}
    missing = [column for column in CORPORATE_ACTIONS if column not in folded]
    if missing:
        raise SourceBroken(
            f"a file of corporate actions must have columns {', '.join(CORPORATE_ACTIONS)}, got "
            f"{shown(', '.join(table.headers))} in {name}: add {', '.join(missing)}"
        )
    symbols = text_of(table, folded[SYMBOL])
    actions = table.cells.select(
        (symbols.str.to_uppercase() if form.symbol_case == "upper" else symbols).alias(SYMBOL),
        days_of(table, folded[EX_DATE], form.date_format).alias(EX_DATE),
        text_of(table, folded[KIND]).str.to_lowercase().alias(KIND),
        *numbers_of(table, {VALUE: folded[VALUE]}, form),
    )
    return actions.sort(SYMBOL, EX_DATE, KIND, maintain_order=True)
