"""How a holding ends: at the scheduled open, at the last close of a symbol that has gone, or without a price.

A symbol has gone when it had no bar for 10 trading days in a row; a shorter absence is a gap. Which of the
two a missing exit day is, shows only later, so the label waits until then. By that a label, once known, never
changes: even a symbol that comes back after 10 days or more had gone for whoever held it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from nightdesk.labels.wide import BoolArray, FloatArray, IntArray, Wide
from nightdesk.tables import CLOSE, OPEN

GONE_AFTER: Final = 10


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """What exits are read from, each of shape (symbols, days).

    Attributes
    ----------
    opens, closes
        Prices, NaN where none could be traded at.
    last_bar, last_close
        Position of the newest bar, and of the newest close, up to each day; -1 where there is none.
    next_bar
        Position of the first bar from each day on; the number of days where there is none yet.
    """

    opens: FloatArray
    closes: FloatArray
    last_bar: IntArray
    last_close: IntArray
    next_bar: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Exits:
    """Scheduled exits of holdings, each of shape (holdings,).

    Attributes
    ----------
    price
        Fill price, in the instrument's currency; NaN where there is none.
    position
        Trading day of that fill: the scheduled one, or that of the last close of a symbol that has gone.
    known
        First trading day on whose close all this is known; the number of days where that has not come yet.
    delisted
        Whether the symbol had gone, and the last available close stands in.
    """

    price: FloatArray
    position: IntArray
    known: IntArray
    delisted: BoolArray


def market(wide: Wide) -> Market:
    """Read from bars what exits need: columns open and close."""
    opens, closes = wide.prices(OPEN), wide.prices(CLOSE)
    days = wide.present.shape[1]
    ahead = np.where(wide.present, np.arange(days), days)[:, ::-1]
    return Market(
        opens=opens,
        closes=closes,
        last_bar=_newest(wide.present),
        last_close=_newest(~np.isnan(closes)),
        next_bar=np.minimum.accumulate(ahead, axis=1)[:, ::-1],
    )


def scheduled_exits(of: Market, symbol: IntArray, entry: IntArray, scheduled: IntArray) -> Exits:
    """End holdings of `symbol`, entered at the open of position `entry`, at the open of position `scheduled`.

    A missing open on a scheduled day on which the symbol traded, or soon traded again, leaves no price (NaN):
    a later fill would be another holding. All three have shape (holdings,), `scheduled` within the days.
    """
    days = of.opens.shape[1]
    last, following = of.last_bar[symbol, scheduled], of.next_bar[symbol, scheduled]
    decided = np.minimum(following, last + GONE_AFTER)
    delisted = (decided < following) & (last < scheduled) & ~np.isnan(of.opens[symbol, entry])
    close = of.last_close[symbol, scheduled]
    last_price = np.where(close >= entry, of.closes[symbol, close], np.nan)
    return Exits(
        price=np.where(delisted, last_price, of.opens[symbol, scheduled]),
        position=np.where(delisted & (close >= entry), close, scheduled),
        known=np.minimum(np.maximum(scheduled, decided), days),
        delisted=delisted,
    )


def _newest(there: BoolArray) -> IntArray:
    return np.maximum.accumulate(np.where(there, np.arange(there.shape[1]), -1), axis=1)
