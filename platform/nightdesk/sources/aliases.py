"""The bundled aliases: spellings and ticker changes by which member lists name what the bars name otherwise."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

import polars as pl

from nightdesk.errors import SourceBroken

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
