"""Scores forecasts the night their exit prices are known."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import polars as pl

from nightdesk.labels.exits import GONE_AFTER
from nightdesk.labels.forward import forward_returns
from nightdesk.scoring.rank_ic import rank_ic_within_markets
from nightdesk.tables import DATE, FORWARD_RETURN, HORIZON, MARKET, MODEL, SYMBOL


def score_matured(waiting: pl.DataFrame, bars: pl.DataFrame, days: Sequence[dt.date], realm: str) -> pl.DataFrame:
    """Score forecasts whose label has matured by the last of `days`.

    Parameters
    ----------
    waiting
        as_of, horizon, model, symbol, score, served of forecasts without a score.
    bars
        Bars known now, from the first waiting date on at least.
    days
        Trading days from the first bar to tonight.
    realm
        The nights' realm, for the rows that come out.

    Returns
    -------
    DataFrame
        realm, as_of, horizon, model, served, exit_date, scored_on, rank_ic (null where undefined), symbols; one row a
        forecast night, horizon and model, none for those still waiting.
    """
    ready = _matured(waiting, days)
    if ready.is_empty():
        return ready.select(pl.lit(realm).alias("realm"), "as_of", HORIZON, MODEL).clear()
    oldest = min(ready["as_of"].to_list())
    recent = [day for day in days if day >= oldest]
    horizons = sorted(ready[HORIZON].unique())
    labels = forward_returns(bars.filter(pl.col(DATE) >= recent[0]), recent, horizons)
    met = ready.rename({"as_of": DATE}).join(
        labels.select(SYMBOL, DATE, pl.col(HORIZON).cast(pl.Int64), FORWARD_RETURN, "known_date"),
        on=[SYMBOL, DATE, HORIZON],
        how="left",
    )
    return _scored(met.filter(_settled(days)), days[-1], realm)


def score_matured_markets(
    waiting: pl.DataFrame, labels: pl.DataFrame, exits: pl.DataFrame, tonight: dt.date, realm: str
) -> pl.DataFrame:
    """Score forecasts of several markets, a night once the labels of all its markets have matured by `tonight`.

    Parameters
    ----------
    waiting
        As for `score_matured`, with a column market; a symbol whose market is null (its market was taken off the desk)
        takes no part.
    labels
        symbol, date, horizon, forward_return, known_date of those nights, as `labels.forward` gives them.
    exits
        market, date, horizon, exit_date (the market's own), over (whether so long ago that no later label can come):
        a row for each night and horizon whose exit day has come.
    tonight, realm
        Where the rows that come out belong.

    Returns
    -------
    DataFrame
        As `score_matured`: rank_ic within markets, exit_date the last of theirs.
    """
    places = pl.col(HORIZON).cast(pl.Int64)
    placed = (
        waiting.rename({"as_of": DATE})
        .drop_nulls(MARKET)
        .join(exits.with_columns(places), on=[MARKET, DATE, HORIZON], how="left")
        .join(labels.select(SYMBOL, DATE, places, FORWARD_RETURN, "known_date"), on=[SYMBOL, DATE, HORIZON], how="left")
    )
    settled = pl.col("exit_date").is_not_null() & (pl.col("known_date").is_not_null() | pl.col("over"))
    ready = placed.filter(settled.all().over(DATE, HORIZON)).with_columns(pl.col("exit_date").max().over(DATE, HORIZON))
    return _scored(ready, tonight, realm)


def _scored(ready: pl.DataFrame, tonight: dt.date, realm: str) -> pl.DataFrame:
    return (
        rank_ic_within_markets(ready, by=(HORIZON, MODEL, "served", "exit_date"))
        .rename({DATE: "as_of"})
        .with_columns(realm=pl.lit(realm), scored_on=pl.lit(tonight), symbols=pl.col("symbols").cast(pl.Int64))
        .sort("as_of", HORIZON, MODEL)
    )


def _settled(days: Sequence[dt.date]) -> pl.Expr:
    """Whether a forecast night can be scored: every label known, or so long after the exit that no more will be.

    A symbol that stopped trading inside the holding is known to have gone only days after the exit. Scored at once, the
    night would lose it for good, and the live record would hold survivors only.
    """
    latest_exit = days[-1 - GONE_AFTER] if len(days) > GONE_AFTER else dt.date.min
    return pl.col("known_date").is_not_null().all().over(DATE, HORIZON) | (pl.col("exit_date") <= latest_exit)


def _matured(waiting: pl.DataFrame, days: Sequence[dt.date]) -> pl.DataFrame:
    """The forecasts whose exit day (t+1+h) is among `days`, with that day."""
    position = pl.DataFrame({"as_of": days}, schema={"as_of": pl.Date}).with_row_index("position")
    calendar = position.select(pl.col("position").cast(pl.Int64), exit_date="as_of")
    placed = waiting.join(position, on="as_of", how="inner")
    exits = placed.with_columns(position=pl.col("position").cast(pl.Int64) + 1 + pl.col(HORIZON))
    return exits.join(calendar, on="position", how="inner").drop("position")
