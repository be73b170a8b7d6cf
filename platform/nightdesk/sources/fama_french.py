"""Factor returns in the very files of Kenneth R. French's data library: text header, table, footer, all in a zip."""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from nightdesk.errors import SourceBroken
from nightdesk.sources.cell_form import CellForm
from nightdesk.sources.cells import days_of, numbers_of
from nightdesk.sources.keyed_tables import LONGEST_NAME
from nightdesk.sources.raw_tables import lines_of, raw_table, shown
from nightdesk.tables import DATE, FACTOR_RETURNS

SOURCE: Final = "fama_french"
"""Under which name the store keeps these returns."""

CALENDAR: Final = "XNYS"
"""The exchange on whose trading days there are returns."""

MISSING: Final = (-99.99, -999.0)
"""What the library writes where a return is missing, in percent."""

_PERCENT: Final = 100.0
_DAY: Final = re.compile(r"\s*\d{8}\s*,")
_PERIOD: Final = re.compile(r"\s*\d{4,8}\s*(,|$)")
_ENDING: Final = re.compile(r"(_CSV)?(\.(csv|txt|gz|zip))*$", re.IGNORECASE)


def factor_returns(content: bytes, name: str, form: CellForm) -> pl.DataFrame:
    """The returns in one daily file, `tables.FACTOR_RETURNS`, sorted; the dataset is called as the file.

    Percent become fractions, and the codes of missing values null. Raises SourceBroken where the file cannot be read,
    has no table of days or two, a factor without a name, or a date or number that is none.
    """
    lines = lines_of(content, name, form.encoding)
    header, end = _table_within(lines, name)
    # Blank lines stand for what is no table: so the table's own keep their numbers.
    text = "\n".join([""] * header + lines[header:end])
    table = raw_table(text.encode(), name)
    day, *factors = table.headers
    _refuse_nameless(lines[header], factors, name)
    rows = table.cells.select(
        days_of(table, day, form.date_format or "%Y%m%d", of_bars=False).alias(DATE),
        *numbers_of(table, {factor: factor for factor in factors}, form),
    )
    long = rows.unpivot(factors, index=DATE, variable_name="factor", value_name="value")
    return (
        long.with_columns(pl.lit(dataset_of(name)).alias("dataset"), _fractions(long.get_column("value")))
        .select(*FACTOR_RETURNS)
        .sort("factor", DATE)
    )


def dataset_of(name: str) -> str:
    """What a file's returns are called in the store: its name without endings; raises SourceBroken if too long."""
    dataset = _ENDING.sub("", name)
    if not 0 < len(dataset) <= LONGEST_NAME:
        raise SourceBroken(
            f"a factor file must have a name of 1 to {LONGEST_NAME} letters, got {shown(name)}: rename it"
        )
    return dataset


def _table_within(lines: list[str], name: str) -> tuple[int, int]:
    """The positions of the table's header and of what follows its last row."""
    first = next((number for number, line in enumerate(lines) if _DAY.match(line)), None)
    above = [number for number in range(first or 0) if lines[number].strip()]
    if first is None or not above or "," not in lines[above[-1]]:
        raise SourceBroken(
            "a factor file must have a table with a header like ,Mkt-RF,SMB and rows like 19630701,-0.67,0.02, got "
            f"none in {name}: fetch the daily file of Kenneth R. French's data library as CSV"
        )
    rest = range(first, len(lines))
    end = next((n for n in rest if not lines[n].strip() or lines[n].startswith("Copyright")), len(lines))
    for number in range(end, len(lines)):
        if _PERIOD.match(lines[number]):
            raise SourceBroken(
                f"a factor file must hold one table of days, got {shown(lines[number].strip())} in line {number + 1} "
                f"of {name}, below the end of the first: fetch the daily file, or split it"
            )
    return above[-1], end


def _refuse_nameless(header: str, factors: list[str], name: str) -> None:
    named = [cell.strip() for cell in header.split(",")[1:]]
    for factor in factors:
        if factor not in named or len(factor) > LONGEST_NAME:
            raise SourceBroken(
                f"a factor must have a name of 1 to {LONGEST_NAME} letters, got {shown(header)} in {name}: fetch it "
                "again"
            )


def _fractions(percent: pl.Series) -> pl.Series:
    """Percent as fractions, divided by numpy: polars multiplies by the reciprocal, which is another number."""
    known = percent.to_frame("value").select(pl.when(~pl.col("value").is_in(MISSING)).then("value")).to_series()
    return pl.Series("value", known.to_numpy() / _PERCENT, nan_to_null=True)
