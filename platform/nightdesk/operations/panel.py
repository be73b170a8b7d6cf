"""The bars of a night, of one market or of several together: the panel, what it decides on, its labels and closes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import polars as pl

from nightdesk.ensemble.trailing import trailing_volatility
from nightdesk.labels.columns import DAILY_VOLATILITY
from nightdesk.labels.exits import GONE_AFTER
from nightdesk.labels.forward import decided_returns, forward_returns
from nightdesk.monitoring.matured import met_by, met_in_markets
from nightdesk.operations.markets import decisions
from nightdesk.operations.night import Night
from nightdesk.sources import Source
from nightdesk.store.adjusted import panel_as_known
from nightdesk.tables import BAR_DATE, BARS, CLOSE, CURRENCY, DATE, HORIZON, MARKET, SYMBOL


def panel_of(night: Night) -> pl.DataFrame:
    """All bars known at tonight's cut-off, raw ones adjusted: `tables.BARS`, sorted by symbol and date.

    With `tables.MEASURES` where a market's bars are made of shorter ones, null of others. Of several markets each up to
    its own newest day that tonight may know, with a column market.
    """
    sources = night.markets
    parts = [panel_as_known(night.engine, one.facts, night.cutoff, night.newest_of(one)) for one in sources]
    if len(parts) == 1:
        return parts[0]
    named = [bars.with_columns(pl.lit(one.facts.name).alias(MARKET)) for one, bars in zip(sources, parts, strict=True)]
    return pl.concat(named, how="diagonal").sort(SYMBOL, DATE)


def first_day(night: Night, bars: pl.DataFrame) -> dt.date:
    """The first day of the panel `bars`; of several markets the lead's, from which on there are nights."""
    first: dt.date = bars_of(night.source, bars).get_column(DATE).min()  # type: ignore[assignment]
    return first


def bars_of(market: Source, bars: pl.DataFrame) -> pl.DataFrame:
    """The bars (`tables.BARS`) of `market` in the panel `bars`: all, where that is of one market."""
    own = bars if MARKET not in bars.columns else bars.filter(pl.col(MARKET) == market.facts.name)
    return own.select(*BARS)


def decided_by(night: Night, bars: pl.DataFrame) -> pl.DataFrame | None:
    """What every night up to tonight decides on (`tables.DECIDED`); None of one market, where it is the day's bars."""
    if MARKET not in bars.columns:
        return None
    return decisions(night.source.facts, [one.facts for one in night.markets], night.days(first_day(night, bars)))


def labels_of(night: Night, bars: pl.DataFrame, horizons: Sequence[int], since: dt.date | None = None) -> pl.DataFrame:
    """Forward returns of what every night (from `since` on) decided, each market's over its own trading days.

    As `labels.forward.forward_returns` gives them; of several markets with a column market.
    """
    decided = decided_by(night, bars)
    if decided is None:
        days = night.days(first_day(night, bars))
        return forward_returns(bars, days, horizons)
    parts = []
    for market in night.markets:
        name = market.facts.name
        own = bars_of(market, bars)
        nights = decided.filter(pl.col(MARKET) == name, pl.col(DATE) >= (since or dt.date.min)).drop_nulls(BAR_DATE)
        own = own.filter(pl.col(DATE) >= nights[BAR_DATE].min()) if nights.height else own.clear()
        if own.is_empty():
            continue
        days = night.days_of(market, own[DATE].min())  # type: ignore[arg-type]
        parts.append(decided_returns(own, days, horizons, nights).with_columns(pl.lit(name).alias(MARKET)))
    return pl.concat(parts)


def closes_of(night: Night, bars: pl.DataFrame) -> pl.DataFrame:
    """Tonight's symbols with their newest close, in their own currency: symbol, close.

    Of several markets also market, bar_date (the day of that close) and currency.
    """
    decided = decided_by(night, bars)
    if decided is None:
        return bars.filter(pl.col(DATE) == night.as_of).select(SYMBOL, CLOSE)
    currencies = {one.facts.name: one.facts.currency for one in night.markets}
    tonight = decided.filter(pl.col(DATE) == night.as_of).select(MARKET, BAR_DATE)
    return (
        bars.rename({DATE: BAR_DATE})
        .join(tonight, on=[MARKET, BAR_DATE])
        .select(SYMBOL, CLOSE, MARKET, BAR_DATE, pl.col(MARKET).replace_strict(currencies).alias(CURRENCY))
        .sort(SYMBOL)
    )


def volatility_of(night: Night, bars: pl.DataFrame) -> pl.DataFrame:
    """How much each symbol had been moving on every night: symbol, date of the night, daily_volatility.

    As `ensemble.trailing.trailing_volatility`; of several markets by the bars that each night decided on.
    """
    moved, decided = trailing_volatility(bars), decided_by(night, bars)
    if decided is None:
        return moved
    nights = decided.select(MARKET, DATE, BAR_DATE).drop_nulls(BAR_DATE)
    homes = bars.select(SYMBOL, MARKET).unique()
    on_its_day = moved.rename({DATE: BAR_DATE}).join(homes, on=SYMBOL)
    return on_its_day.join(nights, on=[MARKET, BAR_DATE]).select(SYMBOL, DATE, DAILY_VOLATILITY).sort(SYMBOL, DATE)


def met_tonight(night: Night, waiting: pl.DataFrame, bars: pl.DataFrame) -> pl.DataFrame:
    """The forecasts `waiting` (`store.forecasts.awaiting`) whose exit prices are known tonight, and what came of them.

    As `monitoring.matured.met_by` gives them; of several markets with a column market.
    """
    decided = decided_by(night, bars)
    if decided is None or waiting.is_empty():
        return met_by(waiting, bars, night.days(first_day(night, bars)))
    homes = bars.select(SYMBOL, MARKET).unique()
    horizons = sorted(waiting[HORIZON].unique())
    oldest: dt.date = waiting["as_of"].min()  # type: ignore[assignment]
    return met_in_markets(
        waiting.join(homes, on=SYMBOL, how="left"),
        labels_of(night, bars, horizons, oldest),
        _exits(night, decided.filter(pl.col(DATE) >= oldest), horizons),
    )


def _exits(night: Night, decided: pl.DataFrame, horizons: Sequence[int]) -> pl.DataFrame:
    """When what was decided ends, of what has ended: market, date, horizon, exit_date, over (no later label comes)."""
    parts = []
    for market in night.markets:
        own = decided.filter(pl.col(MARKET) == market.facts.name)
        first: dt.date = own["entry_date"].min()  # type: ignore[assignment]
        days = pl.DataFrame({"exit_date": night.days_of(market, first)}, schema={"exit_date": pl.Date})
        placed = days.with_row_index("position").with_columns(pl.col("position").cast(pl.Int64))
        over = pl.col("position") < days.height - GONE_AFTER
        entered = own.join(placed, left_on="entry_date", right_on="exit_date").select(MARKET, DATE, "position")
        for horizon in horizons:
            ends = entered.with_columns(pl.col("position") + horizon, pl.lit(horizon, pl.Int64).alias(HORIZON))
            parts.append(
                ends.join(placed, on="position").select(MARKET, DATE, HORIZON, "exit_date", over.alias("over"))
            )
    return pl.concat(parts)
