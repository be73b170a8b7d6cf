"""What a person holds, from the file that settings name: looked at before a night, and read when it recommends."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from nightdesk.errors import BadSetting
from nightdesk.recommend.holdings import read_holdings
from nightdesk.settings import Settings


def held_by(settings: Settings, known: Collection[str] | None = None) -> pl.DataFrame | None:
    """The holdings in the file of `recommend.holdings` (`recommend.holdings.HOLDINGS`); None where none is named.

    `known` are the symbols there are bars of; None where that is not asked yet. Raises BadSetting where the file is not
    there, BadInput or UnknownName where it breaks a rule.
    """
    file = settings.recommend.holdings
    if file is None:
        return None
    if not file.is_file():
        raise BadSetting(f"recommend.holdings must name a file, got no {file}: make it, or remove the setting")
    return read_holdings(file.read_bytes(), file.name, known)
