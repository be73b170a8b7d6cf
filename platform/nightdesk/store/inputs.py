"""Input tables as versions: rows are added, never changed, and read as they were known at a cut-off."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import polars as pl
import polars.selectors as cs
import sqlalchemy as sa
from filelock import FileLock

from nightdesk.sessions import session_closes
from nightdesk.store import schema
from nightdesk.store.bulk import Place, append_all, read
from nightdesk.store.differing import FOLLOWED, Compared, differing_rows, newest
from nightdesk.store.files import content_of, frame_content
from nightdesk.store.rebasing import (
    CHANGED,
    ENOUGH,
    NAMED,
    REBASED,
    REBASES,
    all_rebases,
    as_versions,
    in_one_basis,
    met_with,
    new_rebases,
    newest_bars,
    seen_by,
)
from nightdesk.tables import (
    BARS,
    BASIS,
    CORPORATE_ACTIONS,
    DATE,
    EX_DATE,
    INGESTED_AT,
    KIND,
    KNOWN_AT,
    MEASURES,
    MEMBERSHIP,
    OBSERVED,
    SYMBOL,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_VALUES = {
    schema.bars.name: ("open", "high", "low", "close", "volume"),
    schema.session_measures.name: MEASURES,
    schema.membership.name: ("name", "sector"),
    schema.corporate_actions.name: ("value",),
    schema.fundamentals.name: ("value",),
    schema.factor_returns.name: ("value",),
}


_ONE_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Arrival:
    """How rows came: from which source, when they arrived here (UTC), and known by which basis after which lag."""

    source: str
    calendar: str
    lag: dt.timedelta
    basis: str
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a batch of bars did to the store: rows offered, new or changed, put into quarantine; symbols rebased."""

    rows_in: int
    rows_new: int
    rows_quarantined: int
    rebased: int = 0


@dataclass(frozen=True, slots=True)
class Added:
    """What a load of another input table did: rows offered, rows without a version before, rows with other values."""

    rows_in: int
    new: int
    restated: int


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as the store remembers it: its content, rows offered and new, and notes as (rule, count, meaning)."""

    content: str
    rows_in: int
    rows_new: int
    notes: tuple[tuple[str, int, str], ...]


def load_bars(
    engine: sa.Engine,
    good: pl.DataFrame,
    broken: pl.DataFrame,
    findings: Sequence[DataclassInstance],
    arrival: Arrival,
) -> Loaded:
    """Add a checked batch: `good` rows to bars, `broken` ones (with `reasons`) to quarantine, in one transaction.

    Only rows that are new, or differ from their newest version, are added; an unchanged batch adds nothing. A changed
    row is known from its arrival, and so are one released from quarantine and every row of a source whose basis is
    observed. A symbol whose bars all differ by one factor was rebased: that is one row, known from its arrival, in the
    place of a version of each bar. NaN counts as null.
    """
    held = _quarantined(broken, arrival)
    with one_writer(engine) as place:
        told = all_rebases(place, arrival.source)
        differing, found = _differing_bars(place, good, arrival.source, told)
        fresh = _versions(_released(place, _stamped(differing, arrival, DATE), arrival))
        fresh = seen_by(fresh, pl.concat([told.select(*REBASES), found]))
        rebased = as_versions(found, told, arrival.source, arrival.at)
        new_held = held.join(_held_already(place, arrival.source), on="row_hash", how="anti")
        batch = _batch(good, broken, findings, fresh.height, arrival)
        batch = batch.join(_batches_already(place, arrival.source), on="content", how="anti")
        tables = [(schema.bars, fresh), (schema.rebases, rebased), (schema.quarantine, new_held)]
        append_all(place, [*tables, (schema.batches, batch)])
    return Loaded(good.height + broken.height, fresh.height, broken.height, found.height)


def rebases_offered(engine: sa.Engine, source: str, offered: pl.DataFrame) -> pl.DataFrame:
    """What `load_bars` would store as rebases of these bars: `rebasing.REBASES`, sorted by symbol."""
    return _differing_bars(engine, offered, source, all_rebases(engine, source))[1]


def load_membership(engine: sa.Engine, members: pl.DataFrame, arrival: Arrival) -> Added:
    """Add index members (tables.MEMBERSHIP); a list is known from the day after its snapshot.

    Where the basis is observed, it is known from its arrival if that is later.
    """
    return add_versions(engine, schema.membership, members, end_of("snapshot_date"), arrival)


def load_actions(engine: sa.Engine, actions: pl.DataFrame, arrival: Arrival) -> Added:
    """Add corporate actions (tables.CORPORATE_ACTIONS); one is known from the start (UTC) of its ex-date: exchanges
    announce it before.

    Where the basis is observed, it is known from its arrival if that is later. One whose value changed becomes a new
    version, known from its arrival.
    """
    return add_versions(engine, schema.corporate_actions, actions, end_of(EX_DATE, -1), arrival)


def add_versions(engine: sa.Engine, table: sa.Table, offered: pl.DataFrame, rule: pl.Expr, arrival: Arrival) -> Added:
    """Add rows of an input table that are new, or differ from their newest version; `rule` says when each is known.

    A changed row is known from its arrival; so is a new one where the basis is observed and the rule's instant earlier.
    NaN counts as null. `rule` may use every column of `offered`, also those that the table does not keep.
    """
    with one_writer(engine) as place:
        differing = _differing(place, table, offered, arrival.source)
        stamped = differing.with_columns(rule.alias(KNOWN_AT), *_arrived(arrival))
        fresh = _versions(_not_before_arrival(stamped, pl.lit(arrival.basis == OBSERVED)))
        append_all(place, [(table, fresh)])
    new = fresh.get_column(FOLLOWED).null_count()
    return Added(offered.height, new, fresh.height - new)


def offers_news(engine: sa.Engine, table: sa.Table, offered: pl.DataFrame, source: str) -> bool:
    """Whether `offered` has a row that a load would add to `table`: a new one, or one with other values."""
    return not _differing(engine, table, offered, source).is_empty()


def versions_by(
    engine: sa.Engine, table: sa.Table, source: str, cutoff: dt.datetime, last: dt.date
) -> tuple[int, dt.datetime]:
    """How many versions of rows of days up to `last` were known at `cutoff` (UTC), and since when the newest of them.

    Where there is none, the second is the cut-off.
    """
    day = table.c[_day_of([c.name for c in table.primary_key.columns])]
    wanted = sa.select(sa.func.count(), sa.func.max(table.c.known_at)).where(
        table.c.source == source, table.c.known_at <= cutoff, day <= last
    )
    with engine.connect() as connection:
        versions, newest_known = connection.execute(wanted).one()
    return versions, newest_known or cutoff


def end_of(day: str, days_after: int = 0) -> pl.Expr:
    """The instant (UTC) at which the day in column `day`, or one so many days after it, is over."""
    midnight = pl.col(day).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return midnight + pl.duration(days=days_after + 1)


def has_any(engine: sa.Engine, table: sa.Table, **equal: str | int) -> bool:
    """Whether `table` has a row of these values."""
    wanted = sa.select(sa.exists().where(*(table.c[name] == value for name, value in equal.items())))
    with engine.connect() as connection:
        return bool(connection.scalar(wanted))


def versions_as_known(
    engine: sa.Engine, table: sa.Table, columns: Sequence[str], cutoff: dt.datetime, **equal: str
) -> pl.DataFrame:
    """`columns` of the rows with these values as known at `cutoff` (UTC, aware), sorted by the table's key."""
    keys = [c.name for c in table.primary_key.columns if c.name != KNOWN_AT]
    wanted = sa.select(*(table.c[name] for name in dict.fromkeys((*keys, *columns)))).where(
        table.c.known_at <= cutoff, *(table.c[name] == value for name, value in equal.items())
    )
    return newest(read(engine, wanted.order_by(*table.primary_key.columns)), keys).select(columns)


def bars_as_known(
    engine: sa.Engine,
    source: str,
    cutoff: dt.datetime,
    first: dt.date | None = None,
    last: dt.date | None = None,
    symbols: Sequence[str] | None = None,
    *,
    rebased_until: dt.date | None = None,
    in_newest_basis: bool = False,
) -> pl.DataFrame:
    """Bars of `source` as they were known at `cutoff` (UTC, aware): the newest version of each row by then.

    Columns as tables.BARS, sorted by symbol and date; `first` and `last` bound the dates, both included. A few days of
    given `symbols` are found through the key, without a look at all the others. All bars of a symbol are in one basis:
    the one known at the cut-off, without rebases whose ex-date lies after `rebased_until`; or, `in_newest_basis`, the
    one in which the source states them today.
    """
    table, told = schema.bars, all_rebases(engine, source)
    columns = BARS if told.is_empty() else (*BARS, REBASED)
    wanted = sa.select(*(table.c[name] for name in columns)).where(table.c.source == source, table.c.known_at <= cutoff)
    if first is not None:
        wanted = wanted.where(table.c.date >= first)
    if last is not None:
        wanted = wanted.where(table.c.date <= last)
    if symbols is not None:
        wanted = wanted.where(table.c.symbol.in_(symbols))
    wanted = wanted.order_by(table.c.source, table.c.symbol, table.c.date, table.c.known_at)
    bars = newest(read(engine, wanted), (SYMBOL, DATE))
    if told.is_empty():
        return bars
    known = pl.lit(in_newest_basis) | (pl.col(KNOWN_AT) <= cutoff.astimezone(dt.UTC))
    if rebased_until is not None:
        known &= pl.col(EX_DATE) <= rebased_until
    return in_one_basis(bars, told, known).select(*BARS)


def actions_as_known(engine: sa.Engine, source: str, cutoff: dt.datetime, last: dt.date) -> pl.DataFrame:
    """Corporate actions with an ex-date up to `last` as known at `cutoff` (UTC): columns as tables.CORPORATE_ACTIONS.

    Sorted by symbol, ex-date and kind.
    """
    table = schema.corporate_actions
    wanted = (
        sa.select(*(table.c[name] for name in CORPORATE_ACTIONS))
        .where(table.c.source == source, table.c.known_at <= cutoff, table.c.ex_date <= last)
        .order_by(*table.primary_key.columns)
    )
    return newest(read(engine, wanted), (SYMBOL, EX_DATE, KIND))


def members_as_known(engine: sa.Engine, source: str, cutoff: dt.datetime, last: dt.date | None = None) -> pl.DataFrame:
    """Index members as known at `cutoff`: columns as tables.MEMBERSHIP, sorted by snapshot and symbol.

    `last` bounds the snapshots, included.
    """
    table = schema.membership
    wanted = sa.select(*(table.c[name] for name in MEMBERSHIP)).where(
        table.c.source == source, table.c.known_at <= cutoff
    )
    if last is not None:
        wanted = wanted.where(table.c.snapshot_date <= last)
    wanted = wanted.order_by(table.c.index_name, table.c.snapshot_date, table.c.symbol, table.c.known_at)
    return newest(read(engine, wanted), ("index_name", "snapshot_date", SYMBOL))


def last_loaded(engine: sa.Engine, source: str, before: dt.date | None = None) -> dt.date | None:
    """The newest date that a batch of `source` covered; none before the first one.

    With `before`, of the batches that end before that day.
    """
    wanted = sa.select(sa.func.max(schema.batches.c.last_date)).where(schema.batches.c.source == source)
    if before is not None:
        wanted = wanted.where(schema.batches.c.last_date < before)
    with engine.connect() as connection:
        newest: dt.date | None = connection.scalar(wanted)
    return newest


def first_known(engine: sa.Engine, source: str, day: dt.date) -> dt.datetime | None:
    """When (UTC) the first bar of `day` from `source` was known; none where it has none of that day."""
    table = schema.bars
    wanted = sa.select(sa.func.min(table.c.known_at)).where(table.c.source == source, table.c.date == day)
    with engine.connect() as connection:
        known: dt.datetime | None = connection.scalar(wanted)
    return known


def symbols_of(engine: sa.Engine, source: str) -> set[str]:
    """Every symbol that `source` ever had a bar of."""
    wanted = sa.select(schema.bars.c.symbol).where(schema.bars.c.source == source).distinct()
    with engine.connect() as connection:
        return set(connection.scalars(wanted))


def batch_ending(engine: sa.Engine, source: str, last: dt.date, after: dt.date | None = None) -> Batch:
    """The batch of `source` whose newest bar is of `last`; one of no rows where none ends there.

    With `after`, the newest one that ends after that day and up to `last`.
    """
    table = schema.batches
    wanted = sa.select(table.c.content, table.c.rows_in, table.c.rows_new, table.c.findings).where(
        table.c.source == source,
        table.c.last_date == last if after is None else table.c.last_date.between(after + _ONE_DAY, last),
    )
    with engine.connect() as connection:
        newest = wanted.order_by(table.c.last_date.desc(), table.c.ingested_at).limit(1)
        row = connection.execute(newest).one_or_none()
    if row is None:
        return Batch("", 0, 0, ())
    counts: dict[tuple[str, str], int] = {}
    for finding in json.loads(row.findings):
        if finding["severity"] == "note":
            rule = (finding["rule"], finding["meaning"])
            # A finding with a place is one row or symbol, however many days it speaks of; one without stands for many.
            placed = finding["symbol"] is not None or finding["date"] is not None
            counts[rule] = counts.get(rule, 0) + (1 if placed else finding["count"])
    notes = tuple((rule, count, meaning) for (rule, meaning), count in sorted(counts.items()))
    return Batch(row.content, row.rows_in, row.rows_new, notes)


def quarantined(engine: sa.Engine, source: str, last: dt.date, cutoff: dt.datetime | None = None) -> pl.DataFrame:
    """Rows of `source` in quarantine dated up to `last`: symbol, date, reasons (comma-separated), sorted.

    Without those that a person released or dropped by `cutoff` (UTC); None: every row that was ever held.
    """
    table, log = schema.quarantine, schema.quarantine_log
    wanted = sa.select(table.c.symbol, table.c.date, table.c.reasons).where(
        table.c.source == source, table.c.date <= last
    )
    if cutoff is not None:
        same = [log.c[name] == table.c[name] for name in ("source", "table_name", "row_hash")]
        wanted = wanted.where(~sa.exists().where(*same, log.c.decided_at <= cutoff))
    return read(engine, wanted.order_by(table.c.symbol, table.c.date, table.c.reasons))


@contextmanager
def one_writer(engine: sa.Engine) -> Iterator[Place]:
    """Hold off a second loader between looking for what differs and adding it; yields where to do both.

    On PostgreSQL that is one transaction, which holds the lock too.
    """
    if engine.dialect.name == "sqlite":
        with FileLock(f"{engine.url.database}.loading"):
            yield engine
        return
    with engine.begin() as connection:  # the lock ends with the transaction, however that ends
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended("nightdesk.loading", 0))))
        yield connection


def _arrived(arrival: Arrival) -> list[pl.Expr]:
    return [pl.lit(arrival.at).dt.cast_time_unit("us").alias(INGESTED_AT), pl.lit(arrival.basis).alias(BASIS)]


def _stamped(frame: pl.DataFrame, arrival: Arrival, day: str) -> pl.DataFrame:
    """Add known_at (close of `day` plus lag; never before arrival where the basis is observed) and the rest."""
    days = frame[day].unique().sort().to_list()
    closes = session_closes(arrival.calendar, days)
    known = pl.DataFrame(
        {day: list(closes), KNOWN_AT: [close + arrival.lag for close in closes.values()]},
        schema={day: pl.Date, KNOWN_AT: pl.Datetime("us", "UTC")},
    )
    stamped = frame.join(known, on=day, how="left", maintain_order="left").with_columns(*_arrived(arrival))
    return _not_before_arrival(stamped, pl.lit(arrival.basis == OBSERVED))


def _not_before_arrival(stamped: pl.DataFrame, these: pl.Expr) -> pl.DataFrame:
    """Let `these` rows be known from the later of rule and arrival."""
    return stamped.with_columns(
        pl.when(these).then(pl.max_horizontal(KNOWN_AT, INGESTED_AT)).otherwise(KNOWN_AT).alias(KNOWN_AT),
        pl.when(these).then(pl.lit(OBSERVED)).otherwise(BASIS).alias(BASIS),
    )


def _released(place: Place, stamped: pl.DataFrame, arrival: Arrival) -> pl.DataFrame:
    """Rows that an earlier batch had in quarantine could not have been used before they came again, whole."""
    table = schema.quarantine
    wanted = sa.select(table.c.symbol, table.c.date).where(table.c.source == arrival.source).distinct()
    held = read(place, wanted).with_columns(released=True)
    met = stamped.join(held, on=(SYMBOL, DATE), how="left", maintain_order="left")
    return _not_before_arrival(met, pl.col("released").is_not_null()).drop("released")


def _differing(place: Place, table: sa.Table, offered: pl.DataFrame, source: str) -> pl.DataFrame:
    """The rows of `offered` that have no version yet, or whose values differ from their newest one.

    With `source`, and in `FOLLOWED` when the version that they follow was known, null where there is none.
    """
    offered = offered.with_columns(cs.float().fill_nan(None), source=pl.lit(source))
    nothing = pl.lit(None, pl.Datetime("us", "UTC")).alias(FOLLOWED)
    if offered.is_empty():
        return offered.with_columns(nothing)
    keys = [c.name for c in table.primary_key.columns if c.name not in ("source", KNOWN_AT)]  # one source at a time
    values = _VALUES[table.name]
    day = _day_of(keys)
    if isinstance(place, sa.Connection):
        return differing_rows(place, table, offered, Compared(source, day, keys, values))
    known = _newest_versions(place, table, day, [*keys, *values], offered, source)
    if known.is_empty():
        return offered.with_columns(nothing)
    met = offered.join(known, on=keys, how="left", suffix="_known", maintain_order="left")
    changed = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_known")) for name in values)
    return met.rename({KNOWN_AT: FOLLOWED}).filter(pl.col(FOLLOWED).is_null() | changed)


def _day_of(keys: Sequence[str]) -> str:
    return next(name for name in ("date", "snapshot_date", "ex_date", "period_end") if name in keys)


def _differing_bars(
    place: Place, offered: pl.DataFrame, source: str, told: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """As `_differing`, of bars, of which `told` are the rebases; and the rebases that are new (`REBASES`).

    Only symbols that were rebased before, or of which many bars differ, cost more than other rows do: the latter, a
    read of all their bars.
    """
    before = pl.col(SYMBOL).is_in(told[SYMBOL].unique().implode())
    plain = _differing(place, schema.bars, offered.filter(~before), source)
    if told.is_empty() and _many_changed(plain.filter(pl.col(FOLLOWED).is_not_null())).is_empty():
        return plain, pl.DataFrame(schema=REBASES)
    offered = offered.select(*BARS).with_columns(cs.float().fill_nan(None))
    moved = offered.filter(before)
    near = newest_bars(place, source, moved[SYMBOL].unique().to_list(), moved[DATE])
    met = met_with(moved, near, told)
    changed = [plain.filter(pl.col(FOLLOWED).is_not_null()), met.filter(CHANGED)]
    suspects = pl.concat(_many_changed(one) for one in changed)
    found = pl.DataFrame(schema=REBASES)
    if not suspects.is_empty():
        apart = ~pl.col(SYMBOL).is_in(suspects.implode())
        bars, whole = offered.filter(~apart), newest_bars(place, source, suspects.to_list())
        found = new_rebases(met_with(bars, whole, told), in_one_basis(whole, told, pl.lit(value=True)))
        again = met_with(bars, whole, pl.concat([told.select(*REBASES), found]))
        plain, met = plain.filter(apart), pl.concat([met.filter(apart), again])
    differing = met.filter(pl.col(FOLLOWED).is_null() | pl.col(CHANGED)).with_columns(source=pl.lit(source))
    return pl.concat([plain, differing.select(plain.columns)]), found


def _many_changed(changed: pl.DataFrame) -> pl.Series:
    """The symbols of which enough rows changed to ask whether one factor explains them."""
    return changed.group_by(SYMBOL, maintain_order=True).len().filter(pl.col("len") >= ENOUGH)[SYMBOL]


def _versions(stamped: pl.DataFrame) -> pl.DataFrame:
    """What differs as new versions: a restated row could not have been used before it came.

    Nor may it take the instant of the version it follows.
    """
    seen = pl.col(FOLLOWED).is_not_null()
    restated_at = pl.max_horizontal(KNOWN_AT, INGESTED_AT, pl.col(FOLLOWED) + pl.duration(microseconds=1))
    return stamped.with_columns(
        pl.when(seen).then(restated_at).otherwise(pl.col(KNOWN_AT)).alias(KNOWN_AT),
        pl.when(seen).then(pl.lit(OBSERVED)).otherwise(pl.col(BASIS)).alias(BASIS),
    )


def _newest_versions(
    place: Place, table: sa.Table, day: str, columns: list[str], offered: pl.DataFrame, source: str
) -> pl.DataFrame:
    wanted = sa.select(*(table.c[name] for name in (*columns, KNOWN_AT))).where(
        table.c.source == source,
        table.c[day].between(offered[day].min(), offered[day].max()),
    )
    if SYMBOL in columns and offered[SYMBOL].n_unique() <= NAMED:
        # Through the key: without the names a day is found by a look at all the others.
        wanted = wanted.where(table.c.symbol.in_(offered[SYMBOL].unique().to_list()))
    keys = [c.name for c in table.primary_key.columns if c.name not in ("source", KNOWN_AT)]
    return newest(read(place, wanted.order_by(*table.primary_key.columns)), keys)


def _quarantined(broken: pl.DataFrame, arrival: Arrival) -> pl.DataFrame:
    payload = pl.struct(*BARS).struct.json_encode()
    held = broken.with_columns(
        pl.lit(arrival.source).alias("source"),
        pl.lit(schema.bars.name).alias("table_name"),
        payload.alias("payload"),
        pl.col("reasons").list.sort().list.join(",").alias("reasons"),
        pl.lit(arrival.at).dt.cast_time_unit("us").alias(KNOWN_AT),
        *_arrived(arrival),
    )
    # Not polars' own hash, which may change with its version: a row must be known again after an upgrade.
    named = [content_of(payload, reasons) for payload, reasons in held.select("payload", "reasons").iter_rows()]
    return held.with_columns(pl.Series("row_hash", named, dtype=pl.String)).unique("row_hash", maintain_order=True)


def _held_already(place: Place, source: str) -> pl.DataFrame:
    return read(place, sa.select(schema.quarantine.c.row_hash).where(schema.quarantine.c.source == source))


def _batches_already(place: Place, source: str) -> pl.DataFrame:
    return read(place, sa.select(schema.batches.c.content).where(schema.batches.c.source == source))


def _batch(
    good: pl.DataFrame,
    broken: pl.DataFrame,
    findings: Sequence[DataclassInstance],
    rows_new: int,
    arrival: Arrival,
) -> pl.DataFrame:
    everything = pl.concat([good.select(list(BARS)), broken.select(list(BARS))])
    return pl.DataFrame(
        {
            "source": [arrival.source],
            "content": [frame_content(everything)],
            # Of good rows only: a broken one may bear any date, and what lies before it would never be asked for.
            "first_date": [good[DATE].min()],
            "last_date": [good[DATE].max()],
            "rows_in": [everything.height],
            "rows_new": [rows_new],
            "rows_quarantined": [broken.height],
            "findings": [json.dumps([asdict(finding) for finding in findings], default=str)],
            INGESTED_AT: [arrival.at],
        },
        schema_overrides={"first_date": pl.Date, "last_date": pl.Date, INGESTED_AT: pl.Datetime("us", "UTC")},
    )
