"""The bundled aliases: spellings and ticker changes by which member lists name what the bars name otherwise."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

import polars as pl

from nightdesk.errors import SourceBroken
from nightdesk.tables import SYMBOL

ALIASES_FILE: Final = Path(__file__).parent / "data" / "sp500_aliases.csv"

ALIASES: Final = {
    "alias": pl.String(),
    "symbol": pl.String(),
    "first": pl.Date(),
    "last": pl.Date(),
    "kind": pl.String(),
}
"""One row an alias: `symbol` is how the bars spell it, `first` and `last` the days on which the alias was in use, both
included (null: no bound), `kind` is `spelling` (another way to write one ticker) or `rename` (a new ticker)."""


@lru_cache(maxsize=1)
def bundled_aliases() -> pl.DataFrame:
    """The bundled aliases: `ALIASES`, sorted by alias; raises SourceBroken where the file is not there."""
    if not ALIASES_FILE.is_file():
        raise SourceBroken(f"the sample's file must be there, got no {ALIASES_FILE.name}: install nightdesk again")
    return pl.read_csv(ALIASES_FILE, schema=ALIASES).sort("alias", "first")


def followed_aliases(members: pl.DataFrame, symbols: pl.Series, aliases: pl.DataFrame) -> pl.DataFrame:
    """Which aliases lists of members (`tables.MEMBERSHIP`) need to find bars: snapshot_date, alias, of, kind.

    One of `aliases` (`ALIASES`) is followed on the lists of its days alone, and only where `symbols`, which have bars,
    lack the list's own spelling and hold the alias's symbol (`of`).
    """
    have = symbols.unique()
    usable = aliases.filter(~pl.col("alias").is_in(have.implode()) & pl.col(SYMBOL).is_in(have.implode()))
    since = pl.col("first").is_null() | (pl.col("snapshot_date") >= pl.col("first"))
    until = pl.col("last").is_null() | (pl.col("snapshot_date") <= pl.col("last"))
    return (
        members.select("snapshot_date", pl.col(SYMBOL).alias("alias"))
        .unique()
        .join(usable, on="alias")
        .filter(since & until)
        .select("snapshot_date", "alias", pl.col(SYMBOL).alias("of"), "kind")
    )


def named_as_bars(members: pl.DataFrame, symbols: pl.Series, aliases: pl.DataFrame) -> pl.DataFrame:
    """The rows of `members` with a column `of`: the symbol as the bars spell it, or as the list does if it has none."""
    followed = followed_aliases(members, symbols, aliases)
    lists, aliased = ["snapshot_date", SYMBOL], ["snapshot_date", "alias"]
    met = members.join(followed, left_on=lists, right_on=aliased, how="left", maintain_order="left")
    return met.with_columns(pl.coalesce("of", SYMBOL).alias("of")).drop("kind")
