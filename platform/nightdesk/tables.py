"""Every column and table once: name, dtype, unit, key; the store's schema and every frame are made from these.

Input tables are bitemporal: `known_at` is the instant (UTC) from which a row could have been used, `ingested_at`
the instant it arrived here, `basis` how `known_at` came about (`rule`: the source's publication rule, for a declared
load of history; `observed`: the later of rule and arrival). Rows are added, never changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

SYMBOL: Final = "symbol"
DATE: Final = "date"
OPEN: Final = "open"
HIGH: Final = "high"
LOW: Final = "low"
CLOSE: Final = "close"
VOLUME: Final = "volume"
PRICES: Final = (OPEN, HIGH, LOW, CLOSE)
EX_DATE: Final = "ex_date"
KIND: Final = "kind"
VALUE: Final = "value"
SPLIT: Final = "split"
DIVIDEND: Final = "dividend"
HORIZON: Final = "horizon"
MARKET: Final = "market"
CURRENCY: Final = "currency"
BAR_DATE: Final = "bar_date"
MODEL: Final = "model"
SCORE: Final = "score"
FORWARD_RETURN: Final = "forward_return"
KNOWN_AT: Final = "known_at"
INGESTED_AT: Final = "ingested_at"
BASIS: Final = "basis"
RULE: Final = "rule"
OBSERVED: Final = "observed"

BARS: Final[Mapping[str, pl.DataType]] = {
    SYMBOL: pl.String(),
    DATE: pl.Date(),
    OPEN: pl.Float64(),
    HIGH: pl.Float64(),
    LOW: pl.Float64(),
    CLOSE: pl.Float64(),
    VOLUME: pl.Float64(),
}
"""A frame of bars: one row a symbol and trading day, sorted by both; prices in the instrument's currency, volume in
units traded (shares, coins); a value the source does not have is null."""

INTRADAY_BARS: Final[Mapping[str, pl.DataType]] = {
    SYMBOL: pl.String(),
    DATE: pl.Date(),
    "start": pl.Datetime("us", "UTC"),
    OPEN: pl.Float64(),
    HIGH: pl.Float64(),
    LOW: pl.Float64(),
    CLOSE: pl.Float64(),
    VOLUME: pl.Float64(),
    "fault": pl.String(),
}
"""Bars of hours or minutes inside their exchange's session: `date` is its trading day, `start` the instant at which the
bar begins; `fault` says what makes it unusable, null for a sound one. Sorted by symbol and start."""

REALIZED_VARIANCE: Final = "realized_variance"
DOWNSIDE_SEMIVARIANCE: Final = "downside_semivariance"
BIPOWER_VARIATION: Final = "bipower_variation"
REALIZED_SKEWNESS: Final = "realized_skewness"
FIRST_RETURN: Final = "first_return"
LAST_RETURN: Final = "last_return"
VWAP_GAP: Final = "vwap_gap"
FIRST_VOLUME_SHARE: Final = "first_volume_share"
LAST_VOLUME_SHARE: Final = "last_volume_share"
HOUR_REALIZED_VARIANCE: Final = "hour_realized_variance"
HOUR_FIRST_RETURN: Final = "hour_first_return"
HOUR_LAST_RETURN: Final = "hour_last_return"
HOUR_MEASURES: Final = (HOUR_REALIZED_VARIANCE, HOUR_FIRST_RETURN, HOUR_LAST_RETURN)
MEASURES: Final = (
    *(REALIZED_VARIANCE, DOWNSIDE_SEMIVARIANCE, BIPOWER_VARIATION, REALIZED_SKEWNESS, FIRST_RETURN, LAST_RETURN),
    *(VWAP_GAP, FIRST_VOLUME_SHARE, LAST_VOLUME_SHARE, *HOUR_MEASURES),
)

SESSION_MEASURES: Final[Mapping[str, pl.DataType]] = {
    SYMBOL: pl.String(),
    DATE: pl.Date(),
    **{measure: pl.Float64() for measure in MEASURES},
}
"""What the bars of hours or minutes say of their session (`sources.session_measures` defines each), one row a symbol
and trading day, sorted by both. All are fractions without a scale, which a split leaves as they are; null where a bar
of the day is faulty. Those that begin with `hour_` are of hours counted from the open, null where bars are as long."""

DECIDED: Final[Mapping[str, pl.DataType]] = {
    MARKET: pl.String(),
    DATE: pl.Date(),
    BAR_DATE: pl.Date(),
    "entry_date": pl.Date(),
}
"""What a night of several markets decides on, a row a market and night: `date` is the night's, a trading day of the
lead; `bar_date` the market's own newest trading day known then, `entry_date` its own first open that a decision of that
night can still be filled at. Sorted by market and date; `bar_date` never falls within a market."""

MEMBERSHIP: Final[Mapping[str, pl.DataType]] = {
    "index_name": pl.String(),
    "snapshot_date": pl.Date(),
    SYMBOL: pl.String(),
    "name": pl.String(),
    "sector": pl.String(),
}
"""Members of an index as its list was published on `snapshot_date`; `symbol` as that list spells it."""

FUNDAMENTALS: Final[Mapping[str, pl.DataType]] = {
    SYMBOL: pl.String(),
    "period_end": pl.Date(),
    "item": pl.String(),
    "value": pl.Float64(),
}
"""Figures of financial statements, one row a symbol, end of period and item (`Total Revenue`, as its file calls it);
`value` in the statement's own unit (its currency, a share, a number of shares), null where the statement has none."""

FACTOR_RETURNS: Final[Mapping[str, pl.DataType]] = {
    "dataset": pl.String(),
    "factor": pl.String(),
    DATE: pl.Date(),
    "value": pl.Float64(),
}
"""Daily returns of factor portfolios and of the riskless rate, as fractions (0.01 is 1 %), null where missing; a
factor of one name (SMB) differs between datasets (three factors, five factors)."""

CORPORATE_ACTIONS: Final[Mapping[str, pl.DataType]] = {
    SYMBOL: pl.String(),
    EX_DATE: pl.Date(),
    KIND: pl.String(),
    VALUE: pl.Float64(),
}
"""What happened to a share, one row a symbol, ex-date and kind: `split` (value: new shares for one old) or `dividend`
(value: the instrument's currency a share, of the shares of that day); prices from the open of `ex_date` on are without
it. One that was called off comes again with the value that changes nothing: a split of 1, a dividend of 0."""
