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
    """Score forecasts whose label has matured by the last of `days`: `met_by` and then `score`."""
    return score(met_by(waiting, bars, days), days[-1], realm)


def met_by(waiting: pl.DataFrame, bars: pl.DataFrame, days: Sequence[dt.date]) -> pl.DataFrame:
    """Put beside forecasts whose label has matured by the last of `days` what came of them.

    Parameters
    ----------
    waiting
        as_of, horizon, model, symbol, score, served of forecasts without a score.
    bars
        Bars known now, from the first waiting date on at least.
    days
        Trading days from the first bar to tonight.

    Returns
    -------
    DataFrame
        date (of the forecast), horizon, model, symbol, score, served, exit_date, forward_return (null: no price),
        known_date; no row of those still waiting.
    """
    ready = _matured(waiting, days)
    if ready.is_empty():
        empty = {FORWARD_RETURN: pl.Float64, "known_date": pl.Date}
        return ready.rename({"as_of": DATE}).with_columns(
            pl.lit(None, kind).alias(name) for name, kind in empty.items()
        )
    oldest = min(ready["as_of"].to_list())
    recent = [day for day in days if day >= oldest]
    horizons = sorted(ready[HORIZON].unique())
    labels = forward_returns(bars.filter(pl.col(DATE) >= recent[0]), recent, horizons)
    met = ready.rename({"as_of": DATE}).join(
        labels.select(SYMBOL, DATE, pl.col(HORIZON).cast(pl.Int64), FORWARD_RETURN, "known_date"),
        on=[SYMBOL, DATE, HORIZON],
        how="left",
    )
    return met.filter(_settled(days))


def met_in_markets(waiting: pl.DataFrame, labels: pl.DataFrame, exits: pl.DataFrame) -> pl.DataFrame:
    """Put beside forecasts of several markets what came of them, a night once all its markets' labels have matured.

    Parameters
    ----------
    waiting
        As for `met_by`, with a column market; a symbol whose market is null (its market was taken off the desk) takes
        no part.
    labels
        symbol, date, horizon, forward_return, known_date of those nights, as `labels.forward` gives them.
    exits
        market, date, horizon, exit_date (the market's own), over (whether so long ago that no later label can come):
        a row for each night and horizon whose exit day has come.

    Returns
    -------
    DataFrame
        As `met_by`, with market: exit_date the last of theirs.
    """
    places = pl.col(HORIZON).cast(pl.Int64)
    placed = (
        waiting.rename({"as_of": DATE})
        .drop_nulls(MARKET)
        .join(exits.with_columns(places), on=[MARKET, DATE, HORIZON], how="left")
        .join(labels.select(SYMBOL, DATE, places, FORWARD_RETURN, "known_date"), on=[SYMBOL, DATE, HORIZON], how="left")
    )
    settled = pl.col("exit_date").is_not_null() & (pl.col("known_date").is_not_null() | pl.col("over"))
    return placed.filter(settled.all().over(DATE, HORIZON)).with_columns(pl.col("exit_date").max().over(DATE, HORIZON))


def score(met: pl.DataFrame, tonight: dt.date, realm: str) -> pl.DataFrame:
    """Score what `met_by` or `met_in_markets` gave, on the night `tonight` of `realm`.

    Returns
    -------
    DataFrame
        realm, as_of, horizon, model, served, exit_date, scored_on, rank_ic (null where undefined; within markets, where
        there are several), symbols; one row a forecast night, horizon and model.
    """
    if met.is_empty():
        return met.select(pl.lit(realm).alias("realm"), pl.col(DATE).alias("as_of"), HORIZON, MODEL).clear()
    return (
        rank_ic_within_markets(met, by=(HORIZON, MODEL, "served", "exit_date"))
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
