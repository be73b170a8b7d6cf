"""What evidence decides by: when each recipe was frozen, the superiority tests, and where each question stood."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Final

import polars as pl
import sqlalchemy as sa

from nightdesk.store.bulk import read
from nightdesk.store.nights import DONE, NIGHT
from nightdesk.store.schema import forecasts, matured, nights, recipes, superiority_tests, verdicts
from nightdesk.tables import DATE

OPEN, MOOT = "open", "moot"
REPLACEMENT, SKILL, RETURN = "replacement", "skill", "return"
"""What a verdict is about: may a challenger replace, is skill proven, must the former champion come back."""

PROVEN: Final = "proven"


@dataclass(frozen=True, slots=True)
class SuperiorityTest:
    """A test of one recipe against the served one at a horizon; its alpha is spent from its start on.

    `started` is the first night whose forecasts count; `outcome` is `open`, `superior`, `expired` or `moot` (its
    champion is served no more), `ended` the night that said so.
    """

    horizon: int
    started: dt.date
    challenger: str
    champion: str
    challenger_model: str
    champion_model: str
    alpha: float
    outcome: str = OPEN
    ended: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where one question of evidence stands on a night.

    `model` is whose case it is, `against` whom (None: no rival), counted from the night `since`; `e_value` and
    `highest` are the evidence now and at its highest, `needed` what decides; `detectable` the smallest steady edge in
    rank IC that is found in 80 % of cases (None: unknown, or above 0.4).
    """

    horizon: int
    kind: str
    since: dt.date
    recipe: str
    model: str
    against: str | None
    outcome: str
    e_value: float | None
    highest: float | None
    needed: float
    nights: int
    pairs: int | None
    detectable: float | None
    reasons: str


def freeze_recipes(engine: sa.Engine, models: Mapping[str, str], at: dt.datetime) -> None:
    """Enter recipes (their content by model) as fixed at `at` (UTC); one that is known keeps its day."""
    with engine.begin() as connection:
        known = set(connection.scalars(sa.select(recipes.c.recipe).where(recipes.c.recipe.in_(models))))
        new = [{"recipe": one, "model": models[one], "frozen_at": at} for one in sorted(set(models) - known)]
        if new:
            connection.execute(sa.insert(recipes), new)


def frozen_days(engine: sa.Engine) -> dict[str, dt.date]:
    """The day (UTC) on which each recipe was fixed."""
    with engine.connect() as connection:
        rows = connection.execute(sa.select(recipes.c.recipe, recipes.c.frozen_at)).all()
    return {recipe: at.date() for recipe, at in rows}


def take_back_night(engine: sa.Engine, realm: str, as_of: dt.date) -> None:
    """Take back what a killed start of the night wrote here: tests it began or ended, and its verdicts."""
    test = superiority_tests.c
    with engine.begin() as connection:
        connection.execute(sa.delete(superiority_tests).where(test.realm == realm, test.started == as_of))
        ended = sa.update(superiority_tests).where(test.realm == realm, test.ended == as_of)
        connection.execute(ended.values(outcome=OPEN, ended=None))
        connection.execute(sa.delete(verdicts).where(verdicts.c.realm == realm, verdicts.c.as_of == as_of))


def write_night(
    engine: sa.Engine, realm: str, as_of: dt.date, tests: Iterable[SuperiorityTest], found: Iterable[Verdict]
) -> None:
    """Enter the tests that the night began or ended, and its verdicts, in the place of what stands of these tests."""
    rows = [{"realm": realm, "as_of": as_of, **asdict(one)} for one in found]
    with engine.begin() as connection:
        for one in tests:
            key = (superiority_tests.c.realm == realm, superiority_tests.c.horizon == one.horizon)
            connection.execute(sa.delete(superiority_tests).where(*key, superiority_tests.c.started == one.started))
            connection.execute(sa.insert(superiority_tests).values(realm=realm, **asdict(one)))
        if rows:
            connection.execute(sa.insert(verdicts), rows)


def superiority_tests_of(engine: sa.Engine, realm: str, horizon: int, as_of: dt.date) -> list[SuperiorityTest]:
    """Every test of a realm and horizon that had started by the night of `as_of`, oldest first."""
    columns = [superiority_tests.c[field.name] for field in fields(SuperiorityTest)]
    wanted = sa.select(*columns).where(
        superiority_tests.c.realm == realm,
        superiority_tests.c.horizon == horizon,
        superiority_tests.c.started <= as_of,
    )
    with engine.connect() as connection:
        return [SuperiorityTest(*row) for row in connection.execute(wanted.order_by(superiority_tests.c.started))]


def verdicts_of(engine: sa.Engine, realm: str, as_of: dt.date) -> list[Verdict]:
    """The verdicts of exactly the night of `as_of`, by horizon."""
    columns = [verdicts.c[field.name] for field in fields(Verdict)]
    wanted = sa.select(*columns).where(verdicts.c.realm == realm, verdicts.c.as_of == as_of)
    with engine.connect() as connection:
        ordered = wanted.order_by(verdicts.c.horizon, verdicts.c.kind, verdicts.c.since)
        return [Verdict(*row) for row in connection.execute(ordered)]


def newest_weighed(engine: sa.Engine, realm: str, as_of: dt.date) -> dt.date | None:
    """The newest night up to `as_of` that has a verdict; None where none has."""
    wanted = sa.select(sa.func.max(verdicts.c.as_of)).where(verdicts.c.realm == realm, verdicts.c.as_of <= as_of)
    with engine.connect() as connection:
        newest: dt.date | None = connection.scalar(wanted)
    return newest


def proven_recipes(engine: sa.Engine, realm: str, as_of: dt.date) -> set[tuple[int, str | None]]:
    """Horizon and recipe of each whose skill was proven by the night of `as_of`."""
    wanted = sa.select(verdicts.c.horizon, verdicts.c.recipe).where(
        verdicts.c.realm == realm,
        verdicts.c.as_of <= as_of,
        verdicts.c.kind == SKILL,
        verdicts.c.outcome == PROVEN,
    )
    with engine.connect() as connection:
        return {(horizon, recipe) for horizon, recipe in connection.execute(wanted.distinct())}


def evidence_scores(engine: sa.Engine, realm: str, horizon: int, last: dt.date) -> pl.DataFrame:
    """Rank IC of every forecast night scored by `last`: date, model, recipe, model_content, rank_ic; by date, model."""
    columns = (matured.c.as_of, matured.c.model, matured.c.recipe, matured.c.model_content, matured.c.rank_ic)
    wanted = sa.select(*columns).where(
        matured.c.realm == realm, matured.c.horizon == horizon, matured.c.scored_on <= last
    )
    return read(engine, wanted.order_by(matured.c.as_of, matured.c.model)).rename({"as_of": DATE})


def nights_waiting(engine: sa.Engine, realm: str, horizon: int, since: dt.date, last: dt.date) -> set[dt.date]:
    """Nights from `since` to `last` with a forecast at `horizon` that has no score by the night of `last`."""
    # Distinct first: the log has a row a symbol.
    said = (
        sa.select(forecasts.c.as_of, forecasts.c.model)
        .where(forecasts.c.realm == realm, forecasts.c.horizon == horizon, forecasts.c.as_of.between(since, last))
        .distinct()
        .subquery()
    )
    scored = sa.exists().where(
        matured.c.realm == realm,
        matured.c.horizon == horizon,
        matured.c.as_of == said.c.as_of,
        matured.c.model == said.c.model,
        matured.c.scored_on <= last,
    )
    with engine.connect() as connection:
        return set(connection.scalars(sa.select(said.c.as_of).where(~scored).distinct()))


def ended_at(engine: sa.Engine, realm: str, since: dt.date) -> dict[dt.date, dt.datetime]:
    """When (UTC) each night from `since` on was done, and so had logged its forecasts at the latest."""
    # The first end of a night that was done again: what it said had been logged by then, and is never changed.
    wanted = sa.select(nights.c.as_of, sa.func.min(nights.c.ended_at)).where(
        nights.c.realm == realm, nights.c.as_of >= since, nights.c.kind == NIGHT, nights.c.status == DONE
    )
    with engine.connect() as connection:
        return dict(connection.execute(wanted.group_by(nights.c.as_of)).tuples().all())


def speakers_of(engine: sa.Engine, realm: str, nights_scored: Sequence[dt.date]) -> pl.DataFrame:
    """Whose fit spoke on each of these nights: as_of, horizon, model, model_content."""
    columns = (forecasts.c.as_of, forecasts.c.horizon, forecasts.c.model, forecasts.c.model_content)
    wanted = sa.select(*columns).where(forecasts.c.realm == realm, forecasts.c.as_of.in_(nights_scored))
    return read(engine, wanted.distinct())
