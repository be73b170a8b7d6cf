"""Cross-sections: where a symbol stands on one date among the members of that date, by any time-series feature."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

import polars as pl

from nightdesk.features.definition import code_content, content_of_parts
from nightdesk.features.indicator import Indicator, Parameter
from nightdesk.features.periods import PeriodFeature
from nightdesk.tables import DATE, SYMBOL

Method = Literal["rank", "z_score", "sector_neutral"]
SECTOR: Final = "sector"
MEMBERS: Final[Mapping[str, pl.DataType]] = {DATE: pl.Date(), SYMBOL: pl.String(), SECTOR: pl.String()}
"""Members of each date, one row a date and symbol, as they were known on that date's evening; sector null where not
known. A date without a row has no list: there every symbol with a bar is a member."""

METHODS: Final[Mapping[Method, tuple[str, str, str]]] = {
    "rank": (
        "fraction, 0 to 1",
        "its rank from the lowest among the members of the date that have it, minus a half, over their number; equal"
        " values share the mean of their ranks",
        "percentile rank; Gu, Kelly & Xiu 2020, Review of Financial Studies 33(5)",
    ),
    "z_score": (
        "standard deviations",
        "it minus its mean over the members of the date, over their population standard deviation; 0 where all are"
        " equal",
        "Grinold & Kahn 2000, Active Portfolio Management, chapter 11",
    ),
    "sector_neutral": (
        "the feature's own",
        "it minus its mean over the members of the date in the same sector; null where the sector is not known",
        "Asness, Porter & Stevens 2000, Predicting Stock Returns Using Industry-Relative Firm Characteristics",
    ),
}
"""Unit, meaning and source of each method."""

_MEMBER: Final = "__member__"
_SECTOR: Final = "__sector__"


@dataclass(frozen=True)
class CrossSection:
    """A time-series feature relative to the members of its date; null where that is null, and for other symbols.

    It reads its own date alone: no later one, and none before beyond what its `base` reads.
    """

    base: Indicator | PeriodFeature
    method: Method

    @property
    def name(self) -> str:
        """The base's name and the method."""
        return f"{self.base.name}_{self.method}"

    @property
    def group(self) -> str:
        """The method."""
        return self.method

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns of the bars that its base reads."""
        return self.base.inputs

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Those of its base."""
        return self.base.parameters

    @property
    def warm_up(self) -> int:
        """That of its base."""
        return self.base.warm_up

    @property
    def look_back(self) -> int:
        """Bars of every member that give the value."""
        return self.base.look_back

    @property
    def tolerance(self) -> float:
        """That of its base, in the base's unit."""
        return self.base.tolerance

    @property
    def scale_free(self) -> bool:
        """Whether its base is."""
        return self.base.scale_free

    @property
    def unit(self) -> str:
        """Of the value."""
        return self.base.unit if self.method == "sector_neutral" else METHODS[self.method][0]

    @property
    def meaning(self) -> str:
        """Formula in words."""
        return f"{self.base.name}: {METHODS[self.method][1]}"

    @property
    def source(self) -> str:
        """The publication that uses it so."""
        return METHODS[self.method][2]

    @property
    def content(self) -> str:
        """16 hex digits that name this definition; they change with the base's."""
        return content_of_parts((self.name, self.base.content, _rules()))


def cross_sections(
    matrix: pl.DataFrame, features: Iterable[CrossSection], members: pl.DataFrame | None = None
) -> list[pl.Series]:
    """Compute cross-sections, one Float32 series a feature, in the order of the rows of `matrix`.

    Parameters
    ----------
    matrix : `symbol`, `date`, and the column of each base, null where unknown; whole dates.
    members : MEMBERS; None: every symbol of a date is a member, and no sector is known.
    """
    keyed = _with_membership(matrix, members)
    return [
        keyed.select(_relative(one.base.name, one.method).cast(pl.Float32).alias(one.name)).to_series()
        for one in features
    ]


def _with_membership(matrix: pl.DataFrame, members: pl.DataFrame | None) -> pl.DataFrame:
    if members is None:
        return matrix.with_columns(pl.lit(True).alias(_MEMBER), pl.lit(None, pl.String).alias(_SECTOR))
    lists = members.select(DATE, pl.col(SYMBOL).cast(matrix.schema[SYMBOL]), pl.col(SECTOR).alias(_SECTOR))
    met = matrix.join(
        lists.with_columns(pl.lit(True).alias(_MEMBER)), on=[DATE, SYMBOL], how="left", maintain_order="left"
    )
    without_list = ~pl.col(DATE).is_in(members[DATE].unique().implode())
    return met.with_columns(pl.col(_MEMBER).fill_null(without_list))


def _relative(column: str, method: Method) -> pl.Expr:
    # Of what is stored, in double precision: two prices that differ by rounding alone are equal there.
    value = pl.when(pl.col(_MEMBER)).then(pl.col(column).cast(pl.Float32).cast(pl.Float64))
    if method == "rank":
        return ((value.rank("average") - 0.5) / value.count()).over(DATE)
    if method == "z_score":
        same = value.max() == value.min()
        return (
            pl.when(value.is_null())
            .then(None)
            .when(same)
            .then(0.0)
            .otherwise((value - value.mean()) / value.std(ddof=0))
            .over(DATE)
        )
    same = value.max() == value.min()
    apart = pl.when(value.is_null()).then(None).when(same).then(0.0).otherwise(value - value.mean())
    return pl.when(pl.col(_SECTOR).is_not_null()).then(apart.over(DATE, _SECTOR))


@cache
def _rules() -> str:
    return code_content(cross_sections)
