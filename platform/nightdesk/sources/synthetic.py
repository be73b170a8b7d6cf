"""The synthetic market as a source: its bars, its oracle, its regimes and the faults planted in it."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import fields
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl

from nightdesk.errors import BadSetting
from nightdesk.sessions import trading_days
from nightdesk.sources.faults import Faulty, plant
from nightdesk.sources.market import CODE_VERSION, SyntheticMarket, simulate
from nightdesk.sources.source import SourceFacts, refuse_unknown_options
from nightdesk.tables import BARS, CORPORATE_ACTIONS, DATE, MEMBERSHIP, PRICES, RULE, SCORE, SYMBOL, VOLUME

__all__ = ["SyntheticMarket", "SyntheticSource", "synthetic"]


class SyntheticSource:
    """A market whose truth is known: for proofs, tests and quick training. No network, no files, no clock."""

    def __init__(self, market: SyntheticMarket) -> None:
        """Take the settings; bars are drawn when first asked for, and kept."""
        self.market = market

    @property
    def facts(self) -> SourceFacts:
        """What the synthetic market declares about its data."""
        return SourceFacts(
            name="synthetic",
            calendar=self.market.calendar,
            currency="USD",
            price_basis="raw",
            publication_lag=dt.timedelta(0),
            basis=RULE,
        )

    def fingerprint(self) -> str:
        """Hash of the settings and of the version of the code that draws from them."""
        return hashlib.sha256(f"{CODE_VERSION} {self.market}".encode()).hexdigest()

    def first_day(self) -> dt.date:
        """The first trading day drawn: the setting's, or the next one where that is none."""
        return _days(self.market)[0]

    def last_day(self) -> dt.date:
        """The last trading day drawn."""
        return _days(self.market)[-1]

    def bars(self, first: dt.date | None, last: dt.date) -> pl.DataFrame:
        """Bars from `first` to `last`, both included: `tables.BARS`; null where a fault took the price."""
        start = self.first_day() if first is None else first
        return _bars(self.market).filter(pl.col(DATE).is_between(start, last))

    def membership(self, last: dt.date) -> pl.DataFrame:
        """No rows: the market has no index."""
        return pl.DataFrame(schema=MEMBERSHIP)

    def actions(self, last: dt.date) -> pl.DataFrame:
        """No rows: the market has no corporate actions."""
        return pl.DataFrame(schema=CORPORATE_ACTIONS)

    def oracle(self, first: dt.date | None = None, last: dt.date | None = None) -> pl.DataFrame:
        """The planted signal itself, as known at the close of each day: the best forecast anyone could make.

        Its mean daily Spearman correlation with open-to-open labels of the setting's `horizon` is
        `signal_ic`, but for sampling error. The bars show it: log(volume of the day / mean volume of the
        symbol's last 60 days) has five sixths of that correlation.

        Returns
        -------
        DataFrame
            symbol, date, score (unit variance, no unit), one row for each bar and sorted alike, no nulls.
        """
        start, end = first or self.first_day(), last or self.last_day()
        scores = _frame(self.market, _faulty(self.market), (SCORE,))
        return scores.filter(pl.col(DATE).is_between(start, end))

    def regimes(self) -> pl.DataFrame:
        """The true volatility regime of each day: date, regime (Int64; 0 is the calmest)."""
        regime = _faulty(self.market).panel.regime
        return pl.DataFrame({DATE: pl.Series(_days(self.market), dtype=pl.Date), "regime": regime})

    def planted_faults(self) -> pl.DataFrame:
        """Exactly what was planted: symbol, date, fault (the reason code that a check should give), sorted.

        `late_listing` stands at a symbol's first bar, `delisting` at its last. A row missing on the last day
        of all is `missing_row` here, though bars that end there cannot tell it from a delisting.
        """
        planted, days, names = _faulty(self.market).planted, _days(self.market), _names(self.market)
        rows = [(names[one.symbol], days[one.day], one.fault) for one in planted]
        return pl.DataFrame(rows, schema={SYMBOL: pl.String, DATE: pl.Date, "fault": pl.String}, orient="row")


def synthetic(**options: Any) -> SyntheticSource:
    """Open a synthetic market from the options of `SyntheticMarket`; `first_day` may be text (2016-01-04).

    Raises BadSetting for an option that there is not, or whose value does not hold.
    """
    refuse_unknown_options("synthetic", options, [field.name for field in fields(SyntheticMarket)])
    first_day = options.get("first_day")
    if isinstance(first_day, str):
        try:
            options["first_day"] = dt.date.fromisoformat(first_day)
        except ValueError as error:
            raise BadSetting(f"synthetic first_day must be a date like 2016-01-04, got {first_day!r}") from error
    return SyntheticSource(SyntheticMarket(**options))


def _names(market: SyntheticMarket) -> list[str]:
    return [f"SYN{n:04d}" for n in range(1, market.symbols + 1)]


@lru_cache(maxsize=4)
def _days(market: SyntheticMarket) -> list[dt.date]:
    span = market.days if market.calendar == "24/7" else int(1.5 * market.days) + 15
    days = trading_days(market.calendar, market.first_day, market.first_day + dt.timedelta(days=span))
    if len(days) < market.days:
        raise BadSetting(
            f"synthetic calendar {market.calendar} must have {market.days} trading days within {span} days "
            f"from {market.first_day} on, got {len(days)}: ask for fewer days"
        )
    return days[: market.days]


@lru_cache(maxsize=2)
def _faulty(market: SyntheticMarket) -> Faulty:
    return plant(market, simulate(market))


@lru_cache(maxsize=2)
def _bars(market: SyntheticMarket) -> pl.DataFrame:
    bars = _frame(market, _faulty(market), (*PRICES, VOLUME))
    return bars.select(pl.col(name).cast(dtype) for name, dtype in BARS.items()).with_columns(
        pl.col(*PRICES).fill_nan(None)
    )


def _frame(market: SyntheticMarket, faulty: Faulty, columns: tuple[str, ...]) -> pl.DataFrame:
    """One row for each shown cell, by symbol and date: arrays are turned, so that a symbol's days follow."""
    shown = faulty.shown.T
    symbol, day = np.nonzero(shown)
    panel = faulty.panel
    arrays = {SCORE: panel.drift} | {name: getattr(panel, name) for name in (*PRICES, VOLUME)}
    return pl.DataFrame(
        {
            SYMBOL: pl.Series(_names(market)).gather(symbol),
            DATE: pl.Series(_days(market), dtype=pl.Date).gather(day),
            **{name: arrays[name].T[shown] for name in columns},
        }
    )
