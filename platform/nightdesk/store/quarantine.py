"""What people decide about rows in quarantine: released into the bars or dropped for good, always with a reason.

The rows themselves stay where they are, as they came; a decision is a row of the log beside them.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
import sqlalchemy as sa

from nightdesk.errors import BadInput, NothingThere, UnknownName
from nightdesk.sessions import session_close
from nightdesk.store.bulk import Place, append_all, read, transaction
from nightdesk.store.inputs import Arrival, one_writer
from nightdesk.store.rebasing import REBASED, all_rebases
from nightdesk.store.schema import bars, quarantine, quarantine_log
from nightdesk.tables import BARS, BASIS, DATE, INGESTED_AT, KNOWN_AT, OBSERVED, SYMBOL

HELD, RELEASED, DROPPED = "held", "released", "dropped"

_SHORTEST = 4  # letters of a key by which a row may be named
_MICROSECOND = dt.timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Ruling:
    """One decision on a row: `released` or `dropped`, when (UTC), by whom, why; and the values that were released."""

    action: str
    at: dt.datetime
    by: str
    reason: str
    released: Mapping[str, object] | None = None
    known_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A row of bars in quarantine: its key, why it is held, its values as they came, and every ruling, oldest first."""

    key: str
    reasons: tuple[str, ...]
    since: dt.datetime
    values: Mapping[str, object]
    rulings: tuple[Ruling, ...]

    @property
    def state(self) -> str:
        """`held`, or what the newest ruling says."""
        return self.rulings[-1].action if self.rulings else HELD


def held_rows(engine: sa.Engine, source: str) -> list[HeldRow]:
    """Every row of bars of `source` that ever came into quarantine, by symbol and date."""
    table = quarantine
    wanted = sa.select(table.c.row_hash, table.c.reasons, table.c.payload, table.c.known_at).where(
        table.c.source == source, table.c.table_name == bars.name
    )
    rulings: dict[str, list[Ruling]] = {}
    for row in _log(engine, source).iter_rows(named=True):
        released = None if row["payload"] is None else _values(row["payload"])
        ruling = Ruling(row["action"], row["decided_at"], row["by"], row["reason"], released, row[KNOWN_AT])
        rulings.setdefault(row["row_hash"], []).append(ruling)
    found = [
        HeldRow(key, tuple(reasons.split(",")), since, _values(payload), tuple(rulings.get(key, ())))
        for key, reasons, payload, since in read(engine, wanted).iter_rows()
    ]
    return sorted(found, key=lambda one: (str(one.values[SYMBOL]), str(one.values[DATE]), one.key))


def held_row(engine: sa.Engine, source: str, key: str) -> HeldRow:
    """The row whose key begins with `key`.

    Raises NothingThere where nothing was ever held, BadInput for fewer than 4 letters or where several rows begin so,
    UnknownName where none does.
    """
    rows = held_rows(engine, source)
    if not rows:
        raise NothingThere(f"a key names a row in quarantine, got {key!r}: no row of {source!r} was ever held")
    if len(key) < _SHORTEST:
        raise BadInput(f"a key needs at least {_SHORTEST} letters, got {key!r}: see nightdesk quarantine list")
    met = [one for one in rows if one.key.startswith(key.lower())]
    if not met:
        raise UnknownName.among("key of a row in quarantine", key, [one.key for one in rows])
    if len(met) > 1:
        raise BadInput(f"a key must name one row, got {key!r} for {len(met)}: {', '.join(one.key for one in met)}")
    return met[0]


def release(
    engine: sa.Engine, arrival: Arrival, key: str, row: Mapping[str, object], by: str, reason: str, *, replace: bool
) -> Ruling:
    """Let `row` (the held one, with its corrections) into the bars, known from `arrival.at` on and not before.

    With `replace` it may follow a bar that the store has for its symbol and date. Its prices are of the basis on which
    it came: a rebase of its symbol since then is applied on reading. The bar and the ruling are written in
    one transaction. Raises BadInput where the row was released before, or there is a bar and no `replace`.
    """
    with one_writer(engine) as place:
        _refuse_if_released(place, arrival.source, key)
        newest = _newest_known(place, arrival.source, row)
        if newest is not None and not replace:
            raise BadInput(
                f"a row is released where the store has no bar, got one of {row[SYMBOL]} {row[DATE]} known since "
                f"{newest:%Y-%m-%d %H:%M}: drop the row, or add --replace"
            )
        day = row[DATE]
        if not isinstance(day, dt.date):
            raise BadInput(f"a released row must have a date, got {day!r}: correct it with --set date=2016-05-19")
        by_rule = session_close(arrival.calendar, day) + arrival.lag
        known = max(arrival.at, by_rule, arrival.at if newest is None else newest + _MICROSECOND)
        ruling = Ruling(RELEASED, arrival.at, by, reason, row, known)
        version = pl.DataFrame([dict(row)], schema=BARS).with_columns(
            pl.lit(arrival.source).alias("source"),
            pl.lit(known).dt.cast_time_unit("us").alias(KNOWN_AT),
            pl.lit(arrival.at).dt.cast_time_unit("us").alias(INGESTED_AT),
            pl.lit(OBSERVED).alias(BASIS),
            pl.lit(_rebases_seen(place, arrival.source, key, row)).alias(REBASED),
        )
        append_all(place, [(bars, version), (quarantine_log, _entry(arrival.source, key, ruling))])
    return ruling


def drop(engine: sa.Engine, source: str, key: str, at: dt.datetime, by: str, reason: str) -> Ruling:
    """Rule that a row never comes in. It stays readable, and may be released later after all.

    Raises BadInput where it was released before: then its bar is in use.
    """
    ruling = Ruling(DROPPED, at, by, reason)
    with one_writer(engine) as place:
        _refuse_if_released(place, source, key)
        append_all(place, [(quarantine_log, _entry(source, key, ruling))])
    return ruling


def _log(place: Place, source: str) -> pl.DataFrame:
    wanted = sa.select(quarantine_log).where(
        quarantine_log.c.source == source, quarantine_log.c.table_name == bars.name
    )
    return read(place, wanted.order_by(quarantine_log.c.row_hash, quarantine_log.c.decided_at))


def _refuse_if_released(place: Place, source: str, key: str) -> None:
    before = _log(place, source).filter(row_hash=key, action=RELEASED)
    if not before.is_empty():
        row = before.row(-1, named=True)
        raise BadInput(
            f"a row is released once, got {key}, which {row['by']} released on {row['decided_at']:%Y-%m-%d %H:%M}: "
            "see nightdesk quarantine show"
        )


def _newest_known(place: Place, source: str, row: Mapping[str, object]) -> dt.datetime | None:
    newest = sa.select(sa.func.max(bars.c.known_at)).where(
        bars.c.source == source, bars.c.symbol == row[SYMBOL], bars.c.date == row[DATE]
    )
    with transaction(place) as connection:
        found: dt.datetime | None = connection.scalar(newest)
    return found


def _rebases_seen(place: Place, source: str, key: str, row: Mapping[str, object]) -> int:
    """How many rebases of its symbol a held row has seen: those known when it came, for its values are of that day."""
    came = sa.select(quarantine.c.known_at).where(
        quarantine.c.source == source, quarantine.c.table_name == bars.name, quarantine.c.row_hash == key
    )
    with transaction(place) as connection:
        since = connection.scalar(came)
    seen = all_rebases(place, source).filter(pl.col(SYMBOL) == row[SYMBOL])
    return seen.height if since is None else seen.filter(pl.col(KNOWN_AT) <= since).height


def _entry(source: str, key: str, ruling: Ruling) -> pl.DataFrame:
    payload = None if ruling.released is None else json.dumps(dict(ruling.released), default=str)
    values = {
        "source": source,
        "table_name": bars.name,
        "row_hash": key,
        "decided_at": ruling.at,
        "action": ruling.action,
        "by": ruling.by,
        "reason": ruling.reason,
        "payload": payload,
        KNOWN_AT: ruling.known_at,
    }
    instant = pl.Datetime("us", "UTC")
    kinds: dict[str, pl.DataType] = {"decided_at": instant, KNOWN_AT: instant, "payload": pl.String()}
    return pl.DataFrame([values], schema_overrides=kinds)


def _values(payload: str) -> dict[str, object]:
    """A row of bars from its JSON: dates are dates, and what JSON cannot hold came as null."""
    row = json.loads(payload)
    day = row[DATE]
    return {name: row[name] for name in BARS} | {DATE: None if day is None else dt.date.fromisoformat(day)}
