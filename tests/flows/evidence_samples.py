"""Evidence planted in a small desk: scores, forecasts and nights of a past that it never ran."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cache

import numpy as np
import polars as pl
import sqlalchemy as sa
from small_nights import OPTIONS, market_days

from nightdesk.evaluation.e_process import e_path
from nightdesk.labels.forward import forward_returns
from nightdesk.operations.night import Night, plan_night
from nightdesk.sessions import session_close
from nightdesk.settings import read_settings
from nightdesk.sources import open_source
from nightdesk.store import schema
from nightdesk.store.bulk import append_all
from nightdesk.store.decisions import newest_walk_forward, serving_on
from nightdesk.store.forecasts import log_forecasts
from nightdesk.store.trials import LOOK, NOTEBOOK, Trial, log_trials

NOW = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
*PAST, LOGGED, TRAINED, NEXT, THIRD, FOURTH = market_days(60)
"""Seeded nights; the one whose forecasts mature on NEXT; the one that is run and trains; those that come after it."""


@dataclass(frozen=True)
class Fit:
    """A registered fit of night TRAINED."""

    model: str
    recipe: str | None
    content: str
    version: str


def night_of(day: dt.date, realm: str = "live") -> Night:
    return plan_night(read_settings(), realm, day, "auto", NOW)


def engine() -> sa.Engine:
    return night_of(TRAINED).engine


def champion_and_rival() -> tuple[Fit, Fit]:
    """Whom night TRAINED put in place, and the other recipe's fit."""
    (served,) = serving_on(engine(), "live", TRAINED)
    rows = newest_walk_forward(engine(), "live", TRAINED).filter(pl.col("version").is_not_null())
    fits = [Fit(*row) for row in rows.select("model", "recipe", "model_content", "version").iter_rows()]
    (champion,) = [one for one in fits if one.content == served.content]
    (rival,) = [one for one in fits if one.content != served.content]
    return champion, rival


def nights_to_the_brink(needed: float) -> int:
    """How many nights of the largest difference that counts bring the evidence just below `needed`."""
    return int((e_path(np.full(100, 0.4), 1) < needed).sum())


def plant_scores(better: Fit, worse: Fit, nights: list[dt.date]) -> None:
    """Scores of nights at a horizon of a day on which one recipe was far better than the other."""
    plant(better, 0.3, nights)
    plant(worse, -0.3, nights)


def plant(fit: Fit, rank_ic: float, nights: list[dt.date]) -> None:
    """The same score of each of these nights."""
    rows = [("live", day, 1, fit.model, False, day, day, rank_ic, 30, fit.recipe, fit.content) for day in nights]
    columns = [column.name for column in schema.matured.columns]
    append_all(engine(), [(schema.matured, pl.DataFrame(rows, schema=columns, orient="row"))])


def plant_forecasts(right: Fit, wrong: Fit) -> None:
    """The log of night LOGGED: one fit said what came, the other its opposite; scored on the night NEXT."""
    came = _came()
    parts = [
        came.select(
            pl.lit(1, pl.Int64).alias("horizon"),
            pl.lit(fit.model).alias("model"),
            "symbol",
            (pl.col("forward_return") * sign).alias("score"),
            pl.lit(False).alias("served"),
            pl.lit(fit.content).alias("model_content"),
        )
        for fit, sign in ((right, 1.0), (wrong, -1.0))
    ]
    log_forecasts(engine(), "live", LOGGED, pl.concat(parts))


def plant_nights(nights: list[dt.date], late: bool = False) -> None:
    """Nights that were done three hours after their close, before anybody could know what came of them.

    `late`: years after, but one after the other.
    """
    with engine().begin() as connection:
        for number, day in enumerate(nights):
            at = session_close("XNYS", day) + dt.timedelta(hours=3)
            at = NOW + dt.timedelta(minutes=number) if late else at
            connection.execute(
                sa.insert(schema.nights).values(
                    night_id=f"planted-{day}", realm="live", as_of=day, content="planted", status="done", kind="night",
                    started_at=at, ended_at=at,
                )
            )  # fmt: skip


def look_at(last: dt.date, at: dt.datetime) -> None:
    """Somebody scored a model on days up to `last`."""
    trial = Trial(NOTEBOOK, LOOK, "mine", "mine", 1, TRAINED, PAST[0], last, 7)
    log_trials(engine(), [trial], "Ada", at)


def freeze_long_ago() -> None:
    """Let every recipe be older than the nights: then what is forecast afterwards counts too."""
    with engine().begin() as connection:
        connection.execute(sa.update(schema.recipes).values(frozen_at=dt.datetime(2010, 1, 1, tzinfo=dt.UTC)))


@cache
def _came() -> pl.DataFrame:
    source = open_source("synthetic", **OPTIONS)
    bars = source.bars(None, source.last_day()).sort("symbol", "date")
    days = [*PAST, LOGGED, TRAINED, NEXT]
    labels = forward_returns(bars.filter(pl.col("date").is_in(days)), days, [1])
    return labels.filter(pl.col("date") == LOGGED).drop_nulls("forward_return").select("symbol", "forward_return")
