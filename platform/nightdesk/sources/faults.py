"""Faults planted in a synthetic market, and their exact list; a day's faults never depend on later days."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nightdesk.sources.market import Panel, SyntheticMarket, stream

OHLC_ORDER: Final = "ohlc_order"
MISSING_PRICE: Final = "missing_price"
ZERO_VOLUME: Final = "zero_volume"
MISSING_ROW: Final = "missing_row"
LATE_LISTING: Final = "late_listing"
DELISTING: Final = "delisting"

_ROW_FAULTS: Final = (OHLC_ORDER, MISSING_PRICE, ZERO_VOLUME, MISSING_ROW)
_RATE: Final = 2.5e-4  # share of rows that carry each of the row faults
_LATE_SHARE: Final = 0.1
_LATEST_LISTING: Final = 120  # trading days after the first
_DELISTED_A_DAY: Final = 0.05 / 252
_MIN_LIFE: Final = 20  # days between a listing and a delisting


@dataclass(frozen=True, slots=True)
class Planted:
    """One fault: the positions of its symbol and day, and its name, which is also the check's reason code.

    The day of `late_listing` is the symbol's first bar, that of `delisting` its last.
    """

    symbol: int
    day: int
    fault: str


@dataclass(frozen=True, slots=True)
class Faulty:
    """A panel with faults (NaN: missing price), the rows there are (days, symbols), and what was planted."""

    panel: Panel
    shown: NDArray[np.bool_]
    planted: tuple[Planted, ...]


def plant(market: SyntheticMarket, panel: Panel) -> Faulty:
    """Plant faults in a copy of `panel`, or none where the settings say so."""
    if not market.faults:
        return Faulty(panel, np.ones(panel.open.shape, dtype=np.bool_), ())
    listed, alive = _lives(market)
    # A row fault never falls on a symbol's first bar: a missing one would only be a later listing.
    inner = alive & (np.arange(market.days)[:, None] > listed)
    draws = stream(market, "faults").random((market.days, 2, market.symbols))
    kinds = np.where(inner, np.floor(draws[:, 0] / _RATE), len(_ROW_FAULTS)).astype(np.int64)

    broken, lacking, idle, hidden = (kinds == kind for kind in range(len(_ROW_FAULTS)))
    open_, high, low, close = panel.open, panel.high, panel.low, panel.close
    which = np.floor(draws[:, 1] * 4).astype(np.int64)
    high = np.where(broken, 0.97 * np.minimum(open_, close), high)
    prices = [np.where(lacking & (which == n), np.nan, price) for n, price in enumerate((open_, high, low, close))]
    faulty = replace(
        panel,
        open=prices[0],
        high=prices[1],
        low=prices[2],
        close=prices[3],
        volume=np.where(idle, 0.0, panel.volume),
    )
    shown = alive & ~hidden
    return Faulty(faulty, shown, _list(kinds, listed, alive, shown))


def _lives(market: SyntheticMarket) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Listing day of each symbol, and where (days, symbols) it is alive."""
    late, when = stream(market, "listing").random((market.symbols, 2)).T
    listed = np.where(late < _LATE_SHARE, np.ceil(when * _LATEST_LISTING), 0).astype(np.int64)
    days = np.arange(market.days)[:, None]
    struck = stream(market, "delisting").random((market.days, market.symbols)) < _DELISTED_A_DAY
    gone = np.logical_or.accumulate(struck & (days > listed + _MIN_LIFE), axis=0)
    return listed, (days >= listed) & ~gone


def _list(
    kinds: NDArray[np.int64], listed: NDArray[np.int64], alive: NDArray[np.bool_], shown: NDArray[np.bool_]
) -> tuple[Planted, ...]:
    days = len(kinds)
    ever = shown.any(axis=0)
    last = days - 1 - np.argmax(shown[::-1], axis=0)
    # Rows hidden just before a delisting make it one day earlier, and are nothing else.
    seen = (kinds < len(_ROW_FAULTS)) & (alive[-1] | (np.arange(days)[:, None] <= last))
    found = [Planted(int(n), int(day), _ROW_FAULTS[kinds[day, n]]) for day, n in np.argwhere(seen)]
    found += [Planted(int(n), int(listed[n]), LATE_LISTING) for n in np.flatnonzero(ever & (listed > 0))]
    found += [Planted(int(n), int(last[n]), DELISTING) for n in np.flatnonzero(ever & ~alive[-1])]
    return tuple(sorted(found, key=lambda one: (one.symbol, one.day, one.fault)))
