"""The bundled real sample: daily bars of the S&P 500 of 2018 from 2013 to 2017, and its dated members."""

from __future__ import annotations

import datetime as dt
import hashlib
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Final

import polars as pl

from nightdesk.errors import SourceBroken
from nightdesk.sources.source import SourceFacts
from nightdesk.tables import BARS, CORPORATE_ACTIONS, DATE, MEMBERSHIP, RULE, SYMBOL

DATA: Final = Path(__file__).parent / "data"
BARS_FILE: Final = "sp500_daily_2013_2017.parquet"
MEMBERSHIP_FILE: Final = "sp500_membership_2012_2018.csv"
SHA256: Final = {
    BARS_FILE: "00e2facdaec45b8e73f61a33e90c5369a3c4f6aa6f372ceda2f64ee5ab485a4e",
    MEMBERSHIP_FILE: "02b45b272f5b26831a5c965094f834828d8a71cfba88a37c6d34559c25fc0b4b",
}


class SampleSource:
    """Real bars that need no network; faults left in, survivors only, adjusted for splits up to 2018."""

    @property
    def facts(self) -> SourceFacts:
        """What the sample declares about its data."""
        return SourceFacts(
            name="sample",
            calendar="XNYS",
            currency="USD",
            price_basis="adjusted_later",
            publication_lag=dt.timedelta(hours=2),
            basis=RULE,
            index_name="SP500",
        )

    def fingerprint(self) -> str:
        """Hash of both files' hashes, which reading verifies."""
        return hashlib.sha256("".join(SHA256.values()).encode()).hexdigest()

    def first_day(self) -> dt.date:
        """The oldest trading day in the bars."""
        return _span(DATA)[0]

    def last_day(self) -> dt.date:
        """The newest trading day in the bars."""
        return _span(DATA)[1]

    def bars(self, first: dt.date | None, last: dt.date) -> pl.DataFrame:
        """Bars from `first` to `last`, both included: `tables.BARS`, USD, shares; raises SourceBroken."""
        start = self.first_day() if first is None else first
        return _bars(DATA).filter(pl.col(DATE).is_between(start, last))

    def membership(self, last: dt.date) -> pl.DataFrame:
        """Lists of members published up to `last`: `tables.MEMBERSHIP`; raises SourceBroken."""
        return _membership(DATA).filter(pl.col("snapshot_date") <= last)

    def actions(self, last: dt.date) -> pl.DataFrame:
        """No rows: the prices are adjusted already, with later knowledge, and the actions were not kept."""
        return pl.DataFrame(schema=CORPORATE_ACTIONS)


def _verified(path: Path) -> BytesIO:
    if not path.is_file():
        raise SourceBroken(f"the sample's file must be there, got no {path}: install nightdesk again")
    content = path.read_bytes()
    found, expected = hashlib.sha256(content).hexdigest(), SHA256[path.name]
    if found != expected:
        raise SourceBroken(
            f"the sample's {path.name} must have sha256 {expected}, got {found}: install nightdesk again"
        )
    return BytesIO(content)


@lru_cache(maxsize=2)
def _bars(folder: Path) -> pl.DataFrame:
    bars = pl.read_parquet(_verified(folder / BARS_FILE))
    return bars.select(pl.col(name).cast(dtype) for name, dtype in BARS.items()).sort(SYMBOL, DATE)


@lru_cache(maxsize=2)
def _span(folder: Path) -> tuple[dt.date, dt.date]:
    bars = _bars(folder).lazy()
    first, last = bars.select(pl.col(DATE).min().alias("first"), pl.col(DATE).max().alias("last")).collect().row(0)
    return first, last


@lru_cache(maxsize=2)
def _membership(folder: Path) -> pl.DataFrame:
    lists = pl.read_csv(_verified(folder / MEMBERSHIP_FILE), try_parse_dates=True)
    return (
        lists.with_columns(pl.lit("SP500").alias("index_name"))
        .select(pl.col(name).cast(dtype) for name, dtype in MEMBERSHIP.items())
        .sort("snapshot_date", SYMBOL)
    )
