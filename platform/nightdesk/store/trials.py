"""The ledger of trials: every fit and every look at a score, and every opening of the sealed stretch."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import polars as pl
import sqlalchemy as sa

from nightdesk.store.bulk import append_all, read
from nightdesk.store.files import content_of
from nightdesk.store.schema import openings, trials

NOTEBOOK = "notebook"
"""The realm of trials that no night made."""

FIT, LOOK, TUNE = "fit", "look", "tune"
"""How a trial came about: a night's walk-forward or another seed's; somebody looked at a score; a search tried it."""

_NAME_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Trial:
    """One scored fit.

    Attributes
    ----------
    recipe
        What was fitted, by its content: the same for every fit of one recipe.
    first_day, last_day
        The days whose forecasts were scored.
    seed
        Of every random choice.
    sharpe
        Sharpe ratio of one day, net of costs, of what its ranking would have earned; None where nobody reckoned it.
    """

    realm: str
    kind: str
    name: str
    recipe: str
    horizon: int
    as_of: dt.date
    first_day: dt.date
    last_day: dt.date
    seed: int
    sharpe: float | None = None

    @property
    def trial_id(self) -> str:
        """16 hex digits: the same trial, made again by a night that was killed, or looked at twice, is one."""
        return content_of(*(value for name, value in asdict(self).items() if name != "sharpe"))


@dataclass(frozen=True, slots=True)
class Opening:
    """Somebody scored on sealed days: which model, at which horizon, on data up to when, and why."""

    name: str
    horizon: int
    as_of: dt.date
    sealed_from: dt.date
    reason: str
    by: str
    opened_at: dt.datetime


def log_trials(engine: sa.Engine, tried: Iterable[Trial], by: str, at: dt.datetime) -> int:
    """Enter trials as made by `by` at `at` (UTC), in one write; returns how many were new.

    One that stands already stays as it was entered.
    """
    rows = {one.trial_id: {**asdict(one), "name": one.name[:_NAME_LENGTH]} for one in tried}
    if not rows:
        return 0
    with engine.connect() as connection:
        known = set(connection.scalars(sa.select(trials.c.trial_id).where(trials.c.trial_id.in_(rows))))
    new = [{"trial_id": key, **row, "by": by[:_NAME_LENGTH], "tried_at": at} for key, row in rows.items()]
    new = [row for row in new if row["trial_id"] not in known]
    if not new:
        return 0
    schema = {"sharpe": pl.Float64(), "tried_at": pl.Datetime("us", "UTC")}
    return append_all(engine, [(trials, pl.DataFrame(new, schema_overrides=schema, infer_schema_length=None))])


def trials_over(engine: sa.Engine, first: dt.date, last: dt.date) -> pl.DataFrame:
    """Every trial of any realm, recipe and horizon that was scored on a day from `first` to `last`, oldest first.

    Columns of the table. All count: whoever picks the best picks among them, whatever they were called.
    """
    wanted = sa.select(trials).where(trials.c.first_day <= last, trials.c.last_day >= first)
    return read(engine, wanted.order_by(trials.c.tried_at, trials.c.trial_id))


def all_trials(engine: sa.Engine) -> pl.DataFrame:
    """Every trial, oldest first: columns of the table."""
    return read(engine, sa.select(trials).order_by(trials.c.tried_at, trials.c.trial_id))


def log_opening(engine: sa.Engine, opening: Opening) -> None:
    """Enter that somebody scores on sealed days; before anything is scored, so that no look goes unlogged."""
    values = {**asdict(opening), "name": opening.name[:_NAME_LENGTH], "by": opening.by[:_NAME_LENGTH]}
    with engine.begin() as connection:
        connection.execute(sa.insert(openings).values(opening_id=content_of(*map(str, values.values())), **values))


def openings_by(engine: sa.Engine, moment: dt.datetime) -> tuple[Opening, ...]:
    """Every opening of the sealed stretch up to `moment` (UTC), oldest first."""
    columns = [openings.c[name] for name in Opening.__slots__]
    wanted = sa.select(*columns).where(openings.c.opened_at <= moment)
    with engine.connect() as connection:
        rows = connection.execute(wanted.order_by(openings.c.opened_at, openings.c.opening_id)).mappings().all()
    return tuple(Opening(**row) for row in rows)
