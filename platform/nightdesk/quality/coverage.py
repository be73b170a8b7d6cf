"""Audits of what the bars hold: each symbol's life, gaps and freshness, and the members of an index without any bar."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from nightdesk.sources.aliases import followed_aliases, named_as_bars
from nightdesk.tables import DATE, SYMBOL, VOLUME

COVERAGE: Final = {
    SYMBOL: pl.String(),
    "first": pl.Date(),
    "last": pl.Date(),
    "bars": pl.Int64(),
    "missing": pl.Int64(),
    "untraded": pl.Int64(),
    "behind": pl.Int64(),
}
"""One row a symbol: its first and last bar, how many there are, trading days between them without one, days without
volume, and how many trading days its last bar lies behind the newest day (0: it is fresh)."""


def coverage(bars: pl.DataFrame, days: Sequence[dt.date]) -> pl.DataFrame:
    """Each symbol's life in `bars` (`tables.BARS`) against the trading days `days`, ascending: `COVERAGE`, sorted."""
    order = pl.DataFrame({DATE: days}, schema={DATE: pl.Date}).with_row_index("at")
    lives = bars.group_by(SYMBOL).agg(
        pl.col(DATE).min().alias("first"),
        pl.col(DATE).max().alias("last"),
        pl.col(DATE).n_unique().cast(pl.Int64).alias("bars"),
        (pl.col(VOLUME) <= 0).sum().cast(pl.Int64).alias("untraded"),
    )
    for end in ("first", "last"):
        lives = lives.join(order.rename({DATE: end, "at": f"{end}_at"}), on=end, how="left")
    lived = pl.col("last_at").cast(pl.Int64) - pl.col("first_at").cast(pl.Int64) + 1
    return (
        lives.with_columns(
            (lived - pl.col("bars")).alias("missing"),
            (len(days) - 1 - pl.col("last_at").cast(pl.Int64)).alias("behind"),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in COVERAGE.items())
        .sort(SYMBOL)
    )


@dataclass(frozen=True, slots=True, eq=False)
class SurvivorshipAudit:
    """Members of an index at any time, and those without a bar, as the lists spell them and with aliases joined.

    `without` has a row for each symbol without a bar after the joining: symbol, name, sector, first, last (the first
    and the last list that names it). `joined` has a row for each alias that was followed: alias, symbol, kind.
    """

    members_as_spelt: int
    without_as_spelt: int
    members: int
    without: pl.DataFrame
    joined: pl.DataFrame


def audit_survivorship(members: pl.DataFrame, symbols: pl.Series, aliases: pl.DataFrame) -> SurvivorshipAudit:
    """Hold the members of an index (`tables.MEMBERSHIP`) against the symbols that have bars.

    `aliases` has alias, symbol, first, last (null: no bound), kind. One is followed on the lists of its days alone, and
    only where the bars lack the list's own spelling and have the alias's symbol.
    """
    have = symbols.unique()
    spelt = members.get_column(SYMBOL).unique()
    followed = followed_aliases(members, have, aliases)
    named = named_as_bars(members, have, aliases)
    joined = followed.select("alias", pl.col("of").alias(SYMBOL), "kind").unique().sort("alias")
    without = (
        named.filter(~pl.col("of").is_in(have.implode()))
        .sort("snapshot_date")
        .group_by(SYMBOL)
        .agg(
            pl.col("name", "sector").last(),
            pl.col("snapshot_date").min().alias("first"),
            pl.col("snapshot_date").max().alias("last"),
        )
        .sort(SYMBOL)
    )
    return SurvivorshipAudit(
        len(spelt),
        len(spelt.filter(~spelt.is_in(have.implode()))),
        named.get_column("of").n_unique(),
        without,
        joined,
    )
