"""Notes on days whose shorter bars do not add up: a session not covered, or a bar that cannot be used."""

from __future__ import annotations

import datetime as dt

import polars as pl

from nightdesk.quality.finding import Finding
from nightdesk.tables import DATE, SYMBOL


def hour_findings(
    bars: pl.DataFrame, spans: list[tuple[dt.date, dt.datetime, dt.datetime]], minutes: int
) -> list[Finding]:
    """Notes on `bars` (`tables.INTRADAY_BARS`, of `minutes` each) against the sessions `spans`: day, open and close.

    A day is whole where its bars cover its session, from the open to the close of that very day: half days too.
    """
    instant = pl.Datetime("us", "UTC")
    sessions = pl.DataFrame(spans, schema={DATE: pl.Date, "opens": instant, "closes": instant}, orient="row")
    inside = pl.min_horizontal(pl.col("start") + pl.duration(minutes=minutes), "closes") - pl.max_horizontal(
        "start", "opens"
    )
    once = bars.unique([SYMBOL, "start"], keep="first", maintain_order=True).join(sessions, on=DATE)
    days = once.group_by(SYMBOL, DATE, maintain_order=True).agg(
        inside.dt.total_minutes().sum().alias("covered"),
        (pl.col("closes") - pl.col("opens")).dt.total_minutes().first().alias("session"),
        pl.col("start").max().alias("last"),
    )
    lacking = days.filter(pl.col("covered") != pl.col("session"))
    whole = "the bars of a day must cover its session once, from open to close"
    faulty = bars.drop_nulls("fault")
    sound = "a bar that goes into its day must be sound; its day is held back"
    return [
        *(
            Finding(
                "incomplete_hours",
                "note",
                symbol,
                day,
                f"{covered} of {session} minutes covered, the last bar from {last:%H:%M} UTC",
                whole,
            )
            for symbol, day, covered, session, last in lacking.iter_rows()
        ),
        *(
            Finding("broken_hour", "note", symbol, day, f"{fault} at {start:%H:%M} UTC", sound)
            for symbol, day, start, fault in faulty.select(SYMBOL, DATE, "start", "fault").iter_rows()
        ),
    ]
