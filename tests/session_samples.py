"""Half-hours of New York made of random walks, and what they say of their sessions, worked out in plain Python."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Mapping, Sequence

import polars as pl

from nightdesk.evaluation.audit_sessions import half_hours
from nightdesk.sessions import session_spans
from nightdesk.tables import CLOSE, DATE, HIGH, INTRADAY_BARS, LOW, MEASURES, OPEN, SYMBOL, VOLUME

HALF_HOUR = 30
Measured = dict[str, float | None]
Sessions = dict[tuple[str, dt.date], Measured]


def of_new_york(daily: pl.DataFrame, seed: int = 3) -> pl.DataFrame:
    """Half-hours (`tables.INTRADAY_BARS`) of `daily` bars in the sessions of New York, a half day's fewer."""
    days = daily[DATE]
    instant = pl.Datetime("us", "UTC")
    spans = session_spans("XNYS", days.min(), days.max())  # type: ignore[arg-type]
    sessions = pl.DataFrame(spans, schema={DATE: pl.Date, "opens": instant, "closes": instant}, orient="row")
    place = pl.int_range(pl.len()).over(SYMBOL, DATE)
    placed = half_hours(daily, seed).join(sessions, on=DATE, maintain_order="left")
    moved = placed.with_columns((pl.col("opens") + place * pl.duration(minutes=HALF_HOUR)).alias("start"))
    return moved.filter(pl.col("start") < pl.col("closes")).select(*INTRADAY_BARS)


def as_csv(bars: pl.DataFrame) -> bytes:
    """The half-hours as a file with times in UTC."""
    written = bars.select(
        SYMBOL, pl.col("start").dt.strftime("%Y-%m-%d %H:%MZ").alias(DATE), OPEN, HIGH, LOW, CLOSE, VOLUME
    )
    return written.write_csv().encode()


def slow_measures(bars: pl.DataFrame, calendar: str = "XNYS", minutes: int = HALF_HOUR) -> Sessions:
    """The measures of each session of `bars` (`tables.INTRADAY_BARS`), by symbol and day."""
    days = bars[DATE]
    opens = {day: opened for day, opened, _ in session_spans(calendar, days.min(), days.max())}  # type: ignore[arg-type]
    sessions: dict[tuple[str, dt.date], list[dict[str, object]]] = {}
    for row in bars.sort(SYMBOL, "start").iter_rows(named=True):
        sessions.setdefault((row[SYMBOL], row[DATE]), []).append(row)
    return {key: _measured(rows, opens[key[1]], minutes) for key, rows in sessions.items()}


def _measured(rows: Sequence[Mapping[str, object]], opened: dt.datetime, minutes: int) -> Measured:
    found: Measured = dict.fromkeys(MEASURES)
    if any(row["fault"] is not None for row in rows):
        return found
    bars = [{name: float(row[name]) for name in (OPEN, HIGH, LOW, CLOSE, VOLUME)} for row in rows]  # type: ignore[arg-type]
    levels = [bars[0][OPEN], *(bar[CLOSE] for bar in bars)]
    steps = _steps(levels)
    count, variance = len(steps), math.fsum(step**2 for step in steps)
    found["realized_variance"] = variance
    found["downside_semivariance"] = math.fsum(step**2 for step in steps if step < 0)
    cubes = math.fsum(step**3 for step in steps)
    found["realized_skewness"] = math.sqrt(count) * cubes / variance**1.5 if variance else 0.0
    found["first_return"] = levels[1] / levels[0] - 1
    if count > 1:
        products = math.fsum(abs(one) * abs(other) for one, other in itertools.pairwise(steps))
        found["bipower_variation"] = math.pi / 2 * count / (count - 1) * products
        found["last_return"] = levels[-1] / levels[-2] - 1
    volume = math.fsum(bar[VOLUME] for bar in bars)
    worth = math.fsum((bar[HIGH] + bar[LOW] + bar[CLOSE]) / 3 * bar[VOLUME] for bar in bars)
    found["vwap_gap"] = bars[-1][CLOSE] / (worth / volume) - 1 if volume else 0.0
    found["first_volume_share"] = bars[0][VOLUME] / volume if volume else 0.0
    found["last_volume_share"] = bars[-1][VOLUME] / volume if volume else 0.0
    if minutes < 60:
        closes: dict[int, float] = {}
        for row, bar in zip(rows, bars, strict=True):
            begun = max(row["start"], opened) - opened  # type: ignore[type-var, operator]
            closes[int(begun.total_seconds()) // 3600] = bar[CLOSE]
        hours = [bars[0][OPEN], *closes.values()]
        found["hour_realized_variance"] = math.fsum(step**2 for step in _steps(hours))
        found["hour_first_return"] = hours[1] / hours[0] - 1
        found["hour_last_return"] = hours[-1] / hours[-2] - 1 if len(hours) > 2 else None
    return found


def _steps(levels: Sequence[float]) -> list[float]:
    return [math.log(now / before) for before, now in itertools.pairwise(levels)]
