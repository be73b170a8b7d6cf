"""Scores of several models on one footing: where each symbol stands on its date, whatever a model's own scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from nightdesk.scoring.checks import check_columns
from nightdesk.tables import DATE, MARKET

PLACE: Final = "place"


def among(frame: pl.DataFrame) -> list[str]:
    """The columns whose groups are compared with each other: the date and, of several markets, the market."""
    return [DATE, *([MARKET] if MARKET in frame.columns else [])]


def place_of(column: str, groups: Sequence[str]) -> pl.Expr:
    """The rank of `column` within its group, from -0.5 to 0.5 (ties share theirs); null where it is null or not finite.

    The middle of a group is 0, and a group's places average 0.
    """
    known = pl.when(pl.col(column).is_finite()).then(pl.col(column))
    return ((known.rank("average").over(groups) - 0.5) / known.count().over(groups) - 0.5).alias(column)


def standardised(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Replace `columns` by their place on the date, scaled to unit variance there.

    Parameters
    ----------
    frame
        date, of several markets market, and the columns (any unit: only their order counts); one row a symbol.

    Returns
    -------
    DataFrame
        The frame, `columns` with mean 0 and variance 1 within each date and market. Null and NaN become null. A column
        that says the same of every symbol of a date ranks none, and is 0 there.

    Raises
    ------
    BadInput
        A column is missing.
    """
    check_columns(frame, [DATE, *columns])
    groups = among(frame)
    placed = frame.with_columns(place_of(name, groups) for name in columns)
    spread = {name: pl.col(name).std(ddof=0).over(groups) for name in columns}
    return placed.with_columns(
        pl.when(pl.col(name).is_not_null())
        .then(pl.when(spread[name] > 0.0).then(pl.col(name) / spread[name]).otherwise(0.0))
        .alias(name)
        for name in columns
    )
