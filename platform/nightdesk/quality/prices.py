"""Prices that stand still: closes that do not move while shares change hands, and bars that repeat the day before."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl

from nightdesk.quality.finding import Finding
from nightdesk.quality.thresholds import Thresholds
from nightdesk.tables import CLOSE, DATE, PRICES, SYMBOL, VOLUME

STALE_PRICE: Final = "stale_price"
REPEATED_BAR: Final = "repeated_bar"


def stale_findings(rows: pl.DataFrame, since: dt.date, thresholds: Thresholds) -> list[Finding]:
    """Notes on runs of at least `stale_days` equal closes with volume, told on the day on which they are that long.

    `rows` (`tables.BARS`, sorted by symbol and date) are the batch and the days before it; `since` is the batch's first
    day. A finding stands at the first of the equal closes; `count` is how many of them there are so far. Days on which
    nothing was traded make no run: those are noted as `zero_volume`.
    """
    run = pl.struct(SYMBOL, CLOSE).rle_id().alias("run")
    traded = rows.filter((pl.col(VOLUME) > 0) & pl.col(CLOSE).is_not_null())
    runs = (
        traded.select(SYMBOL, DATE, CLOSE, VOLUME, run)
        .filter(pl.len().over("run") >= thresholds.stale_days)
        .group_by("run", maintain_order=True)
        .agg(
            pl.col(SYMBOL, DATE, CLOSE).first(),
            pl.col(DATE).get(thresholds.stale_days - 1).alias("told"),
            pl.col(VOLUME).sum(),
            pl.len().alias("length"),
        )
        .filter(pl.col("told") >= since)
    )
    return [
        Finding(
            STALE_PRICE,
            "note",
            symbol,
            day,
            f"{length} closes of {close:g}, with {volume:,.0f} traded",
            "the close does not move",
            length,
        )
        for symbol, day, close, volume, length in runs.select(SYMBOL, DATE, CLOSE, VOLUME, "length").iter_rows()
    ]


def repeated_findings(rows: pl.DataFrame, since: dt.date) -> list[Finding]:
    """Notes on bars from `since` on that equal the symbol's bar before in every price and in the volume, above zero."""
    before = [pl.col(name).eq(pl.col(name).shift(1)) for name in (SYMBOL, *PRICES, VOLUME)]
    again = rows.filter(pl.all_horizontal(*before, pl.col(VOLUME) > 0)).filter(pl.col(DATE) >= since)
    return [
        Finding(
            REPEATED_BAR,
            "note",
            symbol,
            day,
            f"close {close:g}, volume {volume:,.0f}",
            "every price and the volume are those of the bar before",
        )
        for symbol, day, close, volume in again.select(SYMBOL, DATE, CLOSE, VOLUME).iter_rows()
    ]
