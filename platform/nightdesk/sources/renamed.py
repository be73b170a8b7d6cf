"""A source under a name of its own: markets of one kind of source are kept apart by name."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

import polars as pl

from nightdesk.sources.source import IntradaySource, Source, SourceFacts
from nightdesk.tables import INTRADAY_BARS


@dataclass(frozen=True, slots=True)
class Renamed:
    """What `source` delivers, declared under `name`."""

    source: Source
    name: str

    @property
    def facts(self) -> SourceFacts:
        """What the source declares, but for the name."""
        return replace(self.source.facts, name=self.name)

    def fingerprint(self) -> str:
        """As the source's: a name changes nothing of what is delivered."""
        return self.source.fingerprint()

    def first_day(self) -> dt.date:
        """As the source's."""
        return self.source.first_day()

    def last_day(self) -> dt.date:
        """As the source's."""
        return self.source.last_day()

    def bars(self, first: dt.date | None, last: dt.date) -> pl.DataFrame:
        """As the source's."""
        return self.source.bars(first, last)

    def intraday(self, first: dt.date | None, last: dt.date) -> pl.DataFrame:
        """As the source's; no rows where its bars are daily."""
        if isinstance(self.source, IntradaySource):
            return self.source.intraday(first, last)
        return pl.DataFrame(schema=INTRADAY_BARS)

    def membership(self, last: dt.date) -> pl.DataFrame:
        """As the source's."""
        return self.source.membership(last)

    def actions(self, last: dt.date) -> pl.DataFrame:
        """As the source's."""
        return self.source.actions(last)
