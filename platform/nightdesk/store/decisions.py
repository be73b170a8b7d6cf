"""Decisions about who is served: an intent, then its confirmation; who was served on any date can be read from them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

import polars as pl
import sqlalchemy as sa

from nightdesk.errors import NightLocked
from nightdesk.store.bulk import read
from nightdesk.store.evidence import PROVEN, proven_recipes
from nightdesk.store.nights import NIGHT
from nightdesk.store.schema import approvals, decisions, nights, walk_forward, walk_forward_markets
from nightdesk.tables import HORIZON, MARKET, MODEL

SERVE, REFRESH, REPLACE, KEEP, REFUSE = "serve", "refresh", "replace", "keep", "refuse"
ROLLBACK, UNDO = "rollback", "undo"
MOVING = (SERVE, REFRESH, REPLACE, ROLLBACK, UNDO)


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided on one night for one horizon; `version` and `content` name the model it speaks of, if any.

    One made outside its night counts for nights after `counts_after`: those up to it had begun without it. `number` is
    0 for what the night or retrain decided itself, and counts what persons decided after it.
    """

    realm: str
    as_of: dt.date
    horizon: int
    action: str
    model: str | None
    content: str | None
    version: str | None
    skill: str | None
    reasons: str
    moves_alias: bool
    counts_after: dt.date | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class Serving:
    """The model that is served at a horizon: its recipe, content and registry version, and its skill.

    `since` is the night that decided for it; where that was approved late, it serves from the next night on.
    """

    horizon: int
    model: str
    content: str
    version: str
    skill: str
    since: dt.date


def write_intent(engine: sa.Engine, decision: Decision, at: dt.datetime) -> None:
    """Enter a decision before it is carried out; an unconfirmed one, or a refusal, of the same night gives way."""
    given_way = decisions.c.confirmed.is_(False) | (decisions.c.action == REFUSE)
    with engine.begin() as connection:
        connection.execute(sa.delete(decisions).where(*_is(decision), given_way))
        connection.execute(sa.insert(decisions).values(**_values(decision), confirmed=False, decided_at=at))


def confirm(engine: sa.Engine, decision: Decision) -> None:
    """Enter that a decision was carried out."""
    with engine.begin() as connection:
        connection.execute(sa.update(decisions).where(*_is(decision)).values(confirmed=True))


def confirmed(place: sa.Engine | sa.Connection, realm: str, as_of: dt.date, horizon: int) -> bool:
    """Whether a decision of this night and horizon has been carried out; a refusal is asked again at the next start."""
    wanted = sa.select(decisions.c.confirmed).where(
        decisions.c.realm == realm,
        decisions.c.as_of == as_of,
        decisions.c.horizon == horizon,
        decisions.c.number == 0,
        decisions.c.action != REFUSE,
    )
    if isinstance(place, sa.Connection):
        return bool(place.scalar(wanted))
    with place.connect() as connection:
        return bool(connection.scalar(wanted))


def unconfirmed(engine: sa.Engine, realm: str) -> list[Decision]:
    """Decisions that were entered and never confirmed: their night was killed in between."""
    wanted = sa.select(decisions).where(decisions.c.realm == realm, decisions.c.confirmed.is_(False))
    with engine.connect() as connection:
        return [_decision(row) for row in connection.execute(wanted.order_by(*_IN_ORDER)).mappings()]


def serving_on(engine: sa.Engine, realm: str, as_of: dt.date) -> list[Serving]:
    """Who is served at each horizon on the night of `as_of`: by the newest confirmed decision up to it.

    A decision of a retrain or a person, or one approved late, counts for nights after those which had begun by then.
    Skill is what the evidence says of the recipe by that night.
    """
    newest = {one.serving.horizon: one for one in moves_up_to(engine, realm, as_of)}
    proven = proven_recipes(engine, realm, as_of) if newest else set()
    return [
        replace(one.serving, skill=PROVEN) if (horizon, one.recipe) in proven else one.serving
        for horizon, one in sorted(newest.items())
    ]


@dataclass(frozen=True, slots=True)
class Move:
    """A confirmed decision that put somebody in place: the first night that it counts for, the action, whom and why.

    `recipe` is that of the model (None: no walk-forward knows it). A night of the past says who would have been served
    then, and has not `moved` the alias.
    """

    first: dt.date
    action: str
    serving: Serving
    recipe: str | None
    reasons: str
    moved: bool = True


def moves_up_to(engine: sa.Engine, realm: str, as_of: dt.date, *, own: bool = True) -> list[Move]:
    """What has moved and counts for the night of `as_of`, in order; without `own`, as it was before that decided."""
    columns = [decisions.c[n] for n in ("horizon", "model", "model_content", "version", "skill", "as_of")]
    about = [decisions.c[n] for n in ("action", "counts_after", "reasons", "moves_alias")]
    wanted = sa.select(*columns, *about).where(
        decisions.c.realm == realm,
        decisions.c.as_of <= as_of,
        decisions.c.confirmed.is_(True),
        decisions.c.action.in_(MOVING),
        decisions.c.counts_after.is_(None) | (decisions.c.counts_after < as_of),
    )
    if not own:
        wanted = wanted.where((decisions.c.as_of < as_of) | decisions.c.counts_after.is_not(None))
    of_content = recipes_by_content(engine, realm)
    with engine.connect() as connection:
        rows = connection.execute(wanted.order_by(*_IN_ORDER)).all()
    moves = []
    for *serving, action, after, reasons, moved in rows:
        one = Serving(*serving)
        first = one.since if after is None else after + dt.timedelta(days=1)
        moves.append(Move(first, action, one, of_content.get((one.horizon, one.content)), reasons, moved))
    return moves


def recipes_by_content(engine: sa.Engine, realm: str) -> dict[tuple[int, str], str]:
    """The recipe behind each fitted model, by horizon and the model's content."""
    columns = (walk_forward.c.horizon, walk_forward.c.model_content, walk_forward.c.recipe)
    wanted = sa.select(*columns).where(walk_forward.c.realm == realm, walk_forward.c.model_content.is_not(None))
    with engine.connect() as connection:
        return {(horizon, content): recipe for horizon, content, recipe in connection.execute(wanted.distinct())}


def decide_outside(engine: sa.Engine, decision: Decision, at: dt.datetime) -> Decision:
    """Enter a person's decision as an intent that counts after `decision.counts_after`; returns it with its number.

    Raises NightLocked where a newer night has begun by now.
    """
    own = (
        decisions.c.realm == decision.realm,
        decisions.c.as_of == decision.as_of,
        decisions.c.horizon == decision.horizon,
    )
    with engine.begin() as connection:
        begun = sa.select(sa.func.max(nights.c.as_of)).where(nights.c.realm == decision.realm, nights.c.kind == NIGHT)
        newest = connection.scalar(begun)
        if decision.counts_after is not None and newest is not None and newest > decision.counts_after:
            raise NightLocked(f"no night may begin while a person decides, and that of {newest} has: try again")
        last = connection.scalar(sa.select(sa.func.max(decisions.c.number)).where(*own))
        numbered = replace(decision, number=(last or 0) + 1)
        connection.execute(sa.insert(decisions).values(**_values(numbered), confirmed=False, decided_at=at))
    return numbered


def decided_after(
    engine: sa.Engine, realm: str, as_of: dt.date, horizon: int, counts_after: dt.date | None = None
) -> bool:
    """Whether somebody has decided since: the alias then is no longer this night's to move.

    A later night has, or a person after this one; not so for a decision made outside its night (`counts_after`), which
    came after theirs.
    """
    later = decisions.c.as_of > as_of
    if counts_after is None:
        later |= (decisions.c.as_of == as_of) & (decisions.c.number > 0)
    wanted = sa.select(sa.func.count()).where(
        decisions.c.realm == realm,
        decisions.c.horizon == horizon,
        later,
        decisions.c.confirmed.is_(True),
        decisions.c.action.in_(MOVING),
    )
    with engine.connect() as connection:
        return bool(connection.scalar(wanted))


def all_decisions(engine: sa.Engine, realm: str) -> pl.DataFrame:
    """Every decision of a realm, oldest first: as_of, horizon, action, model, version, skill, reasons, confirmed."""
    names = ("as_of", "horizon", "action", "model", "version", "skill", "reasons", "confirmed", "moves_alias")
    wanted = sa.select(*(decisions.c[name] for name in names)).where(decisions.c.realm == realm)
    as_of, *later = _IN_ORDER
    return read(engine, wanted.order_by(as_of, decisions.c.horizon, *later))


def write_walk_forward(engine: sa.Engine, rows: pl.DataFrame) -> None:
    """Enter walk-forward results (columns of the table), in the place of earlier ones of the same night."""
    records = rows.to_dicts()
    nights = {(row["realm"], row["as_of"], row["horizon"]) for row in records}
    with engine.begin() as connection:
        for realm, as_of, horizon in nights:
            connection.execute(
                sa.delete(walk_forward).where(
                    walk_forward.c.realm == realm,
                    walk_forward.c.as_of == as_of,
                    walk_forward.c.horizon == horizon,
                )
            )
        if records:
            connection.execute(sa.insert(walk_forward), records)


MARKET_SCORES: Final = {
    HORIZON: pl.Int64(),
    MODEL: pl.String(),
    MARKET: pl.String(),
    "mean": pl.Float64(),
    "lower": pl.Float64(),
    "upper": pl.Float64(),
    "days": pl.Int64(),
}
"""A walk-forward's rank IC within one of several markets, with its 95 % interval; null where undefined."""


def write_walk_forward_markets(engine: sa.Engine, realm: str, as_of: dt.date, rows: pl.DataFrame) -> None:
    """Enter what the walk-forward of a night found in each market (`MARKET_SCORES`), in the place of what it had."""
    table = walk_forward_markets
    records = rows.with_columns(realm=pl.lit(realm), as_of=pl.lit(as_of)).to_dicts()
    with engine.begin() as connection:
        connection.execute(sa.delete(table).where(table.c.realm == realm, table.c.as_of == as_of))
        if records:
            connection.execute(sa.insert(table), records)


def walk_forward_in_markets(engine: sa.Engine, realm: str, as_of: dt.date) -> pl.DataFrame:
    """What the walk-forward of the night of `as_of` found in each market: `MARKET_SCORES`, sorted."""
    table = walk_forward_markets
    wanted = sa.select(*(table.c[name] for name in MARKET_SCORES)).where(table.c.realm == realm, table.c.as_of == as_of)
    rows = read(engine, wanted.order_by(table.c.horizon, table.c.model, table.c.market))
    return rows.cast(MARKET_SCORES)  # type: ignore[arg-type]


def newest_walk_forward(engine: sa.Engine, realm: str, as_of: dt.date) -> pl.DataFrame:
    """The newest walk-forward results up to `as_of`: columns of the table without realm, sorted as they are shown."""
    columns = [column for column in walk_forward.columns if column.name != "realm"]
    newest = sa.select(sa.func.max(walk_forward.c.as_of)).where(
        walk_forward.c.realm == realm, walk_forward.c.as_of <= as_of
    )
    wanted = sa.select(*columns).where(walk_forward.c.realm == realm, walk_forward.c.as_of == newest.scalar_subquery())
    rows = read(engine, wanted)
    return rows.sort("horizon", "kind", "mean", "model", descending=[False, True, True, False], nulls_last=True)


def trained_on(engine: sa.Engine, realm: str, as_of: dt.date) -> set[int]:
    """Horizons at which models were fitted and tested on the data of exactly `as_of`."""
    wanted = sa.select(walk_forward.c.horizon).where(
        walk_forward.c.realm == realm, walk_forward.c.as_of == as_of, walk_forward.c.version.is_not(None)
    )
    with engine.connect() as connection:
        return set(connection.scalars(wanted))


def versions_named(engine: sa.Engine, realm: str, horizon: int) -> set[str]:
    """Registry versions that any decision of `realm` at `horizon` names, or that wait for a person's answer."""
    named = [
        sa.select(table.c.version).where(
            table.c.realm == realm, table.c.horizon == horizon, table.c.version.is_not(None)
        )
        for table in (decisions, approvals)
    ]
    with engine.connect() as connection:
        return set(connection.scalars(sa.union(*named)))


def best_version(engine: sa.Engine, realm: str, horizon: int, among: Collection[str]) -> str | None:
    """The one of versions `among` with the highest lower bound of rank IC; None where none was tested."""
    wanted = sa.select(walk_forward.c.version, walk_forward.c.lower, walk_forward.c.mean).where(
        walk_forward.c.realm == realm, walk_forward.c.horizon == horizon, walk_forward.c.version.in_(among)
    )
    tested = read(engine, wanted).filter(pl.col("mean").is_not_null())
    best = tested.sort("lower", "mean", "version", descending=[True, True, False], nulls_last=True)
    return best["version"].first() if best.height else None  # type: ignore[return-value]


def last_trained(engine: sa.Engine, realm: str, as_of: dt.date, horizons: Sequence[int]) -> dict[int, dt.date | None]:
    """The as-of date of the last training up to `as_of` at each horizon; None where nobody is served there."""
    served = {one.horizon for one in serving_on(engine, realm, as_of)}
    wanted = (
        sa.select(walk_forward.c.horizon, sa.func.max(walk_forward.c.as_of))
        .where(walk_forward.c.realm == realm, walk_forward.c.as_of <= as_of)
        .group_by(walk_forward.c.horizon)
    )
    with engine.connect() as connection:
        trained = dict(connection.execute(wanted).tuples().all())
    return {horizon: trained.get(horizon) if horizon in served else None for horizon in horizons}


_IN_ORDER = (decisions.c.as_of, decisions.c.counts_after.is_not(None), decisions.c.decided_at, decisions.c.number)
"""What a night decided itself, then what was decided outside of it, as it came."""


def _is(decision: Decision) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        decisions.c.realm == decision.realm,
        decisions.c.as_of == decision.as_of,
        decisions.c.horizon == decision.horizon,
        decisions.c.number == decision.number,
    )


def _values(decision: Decision) -> dict[str, object]:
    own = {name: getattr(decision, name) for name in Decision.__slots__ if name != "content"}
    return {**own, "model_content": decision.content}


def _decision(row: sa.RowMapping) -> Decision:
    values = {name: row[name] for name in Decision.__slots__ if name != "content"}
    return Decision(**values, content=row["model_content"])
