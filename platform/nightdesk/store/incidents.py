"""Incidents: what people must be told, and whether it reached them; entered before anything is sent."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl
import sqlalchemy as sa

from nightdesk.store.bulk import read
from nightdesk.store.schema import incidents


@dataclass(frozen=True, slots=True)
class Incident:
    """One thing that people must be told.

    Attributes
    ----------
    key
        What it is about, at most 200 characters, for example `night-failed/live/2017-06-30`: raised again while it is
        open, it is the same incident; raised again after it was closed, it is the next occurrence of it.
    kind
        The word before the key's first slash: lowercase letters and dashes.
    title, reason, cure
        What happened, why as far as known, and what to do: plain text, no secrets.
    link
        Where to look: a page's URL.
    """

    key: str
    kind: str
    title: str
    reason: str
    cure: str
    link: str


@dataclass(frozen=True, slots=True)
class Raised:
    """An incident as entered: its occurrence (from 1), when (UTC) raised and last tried, and which channels took it."""

    incident: Incident
    occurrence: int
    raised_at: dt.datetime
    tried_at: dt.datetime | None
    attempts: int
    delivered_to: frozenset[str]


def enter(engine: sa.Engine, incident: Incident, at: dt.datetime) -> bool:
    """Enter `incident` as raised at `at` (UTC); False where it is open already, and nothing was entered."""
    of_key = incidents.c.key == incident.key
    values = {name: getattr(incident, name) for name in Incident.__slots__}
    try:
        with engine.begin() as connection:
            # One look at both: between two of them another process could enter the occurrence that the first missed.
            still_open = sa.func.count().filter(incidents.c.closed_at.is_(None))
            look = sa.select(sa.func.max(incidents.c.occurrence), still_open).where(of_key)
            before, standing = connection.execute(look).one()
            if standing:
                return False
            new = {**values, "occurrence": (before or 0) + 1, "raised_at": at, "delivered_to": "", "attempts": 0}
            connection.execute(sa.insert(incidents).values(**new))
    except sa.exc.IntegrityError:
        return False  # another process entered the same occurrence just now
    return True


def waiting(engine: sa.Engine) -> list[Raised]:
    """Incidents that have not reached every channel, oldest first.

    One that was closed before anybody tried to send it is left out: there was no channel then, and it is over.
    """
    tried_or_open = incidents.c.closed_at.is_(None) | (incidents.c.attempts > 0)
    wanted = sa.select(incidents).where(incidents.c.delivered_at.is_(None), tried_or_open)
    with engine.connect() as connection:
        rows = connection.execute(wanted.order_by(incidents.c.raised_at, incidents.c.key)).mappings().all()
    return [
        Raised(
            Incident(**{name: row[name] for name in Incident.__slots__}),
            row["occurrence"],
            row["raised_at"],
            row["tried_at"],
            row["attempts"],
            frozenset(filter(None, row["delivered_to"].split(","))),
        )
        for row in rows
    ]


def attempted(engine: sa.Engine, raised: Raised, at: dt.datetime, took: Iterable[str], *, delivered: bool) -> None:
    """Enter an attempt at `at` (UTC) to send: which channels `took` it, and whether that is all of them."""
    _change(engine, raised, at, took, delivered, {"tried_at": at, "attempts": incidents.c.attempts + 1})


def learned(engine: sa.Engine, raised: Raised, at: dt.datetime, took: Iterable[str], *, delivered: bool) -> None:
    """Enter what is known since `at` (UTC) of an attempt made before."""
    _change(engine, raised, at, took, delivered, {})


def _change(
    engine: sa.Engine, raised: Raised, at: dt.datetime, took: Iterable[str], delivered: bool, more: dict[str, object]
) -> None:
    this = (incidents.c.key == raised.incident.key, incidents.c.occurrence == raised.occurrence)
    with engine.begin() as connection:
        # A change of nothing takes the row's lock first: what another sender entered meanwhile is kept.
        connection.execute(sa.update(incidents).where(*this).values(delivered_to=incidents.c.delivered_to))
        standing = connection.execute(sa.select(incidents.c.delivered_to, incidents.c.delivered_at).where(*this)).one()
        took = raised.delivered_to | set(took) | set(filter(None, standing.delivered_to.split(",")))
        delivered_at = standing.delivered_at or (at if delivered else None)
        values = {"delivered_to": ",".join(sorted(took)), "delivered_at": delivered_at, **more}
        connection.execute(sa.update(incidents).where(*this).values(**values))


def close(engine: sa.Engine, at: dt.datetime, *keys: str) -> int:
    """Close the open incidents of `keys` at `at` (UTC): what they tell of is over. Returns how many there were."""
    return _close(engine, at, incidents.c.key.in_(keys))


def close_below(engine: sa.Engine, at: dt.datetime, prefix: str) -> int:
    """Close every open incident whose key begins with `prefix` at `at` (UTC); returns how many there were."""
    return _close(engine, at, incidents.c.key.startswith(prefix, autoescape=True))


def _close(engine: sa.Engine, at: dt.datetime, which: sa.ColumnElement[bool]) -> int:
    with engine.begin() as connection:
        change = sa.update(incidents).where(which, incidents.c.closed_at.is_(None)).values(closed_at=at)
        return connection.execute(change).rowcount


def any_open_below(engine: sa.Engine, prefix: str) -> bool:
    """Whether an incident is open whose key begins with `prefix`."""
    below = (incidents.c.key.startswith(prefix, autoescape=True), incidents.c.closed_at.is_(None))
    with engine.connect() as connection:
        return bool(connection.scalar(sa.select(sa.func.count()).where(*below)))


def ever_entered(engine: sa.Engine, key: str) -> bool:
    """Whether an incident of `key` was entered at any time."""
    with engine.connect() as connection:
        return bool(connection.scalar(sa.select(sa.func.count()).where(incidents.c.key == key)))


def all_incidents(engine: sa.Engine) -> pl.DataFrame:
    """Every incident, oldest first: key, occurrence, title, raised_at, closed_at, delivered_at, attempts."""
    names = ("key", "occurrence", "title", "raised_at", "closed_at", "delivered_at", "attempts")
    wanted = sa.select(*(incidents.c[name] for name in names))
    return read(engine, wanted.order_by(incidents.c.raised_at, incidents.c.key))
