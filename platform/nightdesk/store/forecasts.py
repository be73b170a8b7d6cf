"""The forecast log: what every model said on every night, never changed; and its scores once labels are known."""

from __future__ import annotations

import datetime as dt

import polars as pl
import sqlalchemy as sa

from nightdesk.errors import ForecastConflict
from nightdesk.store.bulk import append_all, read
from nightdesk.store.decisions import recipes_by_content
from nightdesk.store.evidence import speakers_of
from nightdesk.store.schema import forecasts, matured
from nightdesk.tables import HORIZON, MODEL, SCORE, SYMBOL

KEY = [HORIZON, MODEL, SYMBOL]


def log_forecasts(engine: sa.Engine, realm: str, as_of: dt.date, rows: pl.DataFrame) -> int:
    """Log a night's forecasts (horizon, model, symbol, score, served, model_content); returns rows added.

    The same rows again add nothing. Raises ForecastConflict where the night is logged already with other content: a
    forecast is never changed.
    """
    stamped = rows.with_columns(realm=pl.lit(realm), as_of=pl.lit(as_of))
    logged = forecasts_of(engine, realm, as_of)
    if logged.is_empty():
        return append_all(engine, [(forecasts, stamped)])
    columns = [*KEY, SCORE, "served", "model_content"]
    old, new = logged.select(columns).sort(KEY), rows.select(columns).sort(KEY).cast({HORIZON: pl.Int64})
    if not old.equals(new):
        raise ForecastConflict(
            f"a logged forecast may not change, got other ones for {as_of} ({realm}) than the {logged.height} logged: "
            "run changed settings or code in a realm of its own (nightdesk replay --realm NAME)"
        )
    return 0


def forecasts_of(engine: sa.Engine, realm: str, as_of: dt.date) -> pl.DataFrame:
    """The forecasts of one night: horizon, model, symbol, score, served, model_content; sorted by the first three."""
    columns = [forecasts.c[name] for name in (*KEY, SCORE, "served", "model_content")]
    wanted = sa.select(*columns).where(forecasts.c.realm == realm, forecasts.c.as_of == as_of)
    return read(engine, wanted.order_by(*(forecasts.c[name] for name in KEY)))


def said_by(engine: sa.Engine, realm: str, horizon: int, content: str, last: dt.date) -> pl.DataFrame:
    """What the fit of this content logged at `horizon` on the nights up to `last`, served or in shadow.

    as_of, horizon, model, symbol, score, served; sorted by as_of and symbol.
    """
    columns = [forecasts.c[name] for name in ("as_of", HORIZON, MODEL, SYMBOL, SCORE, "served")]
    wanted = sa.select(*columns).where(
        forecasts.c.realm == realm,
        forecasts.c.horizon == horizon,
        forecasts.c.model_content == content,
        forecasts.c.as_of <= last,
    )
    return read(engine, wanted.order_by(forecasts.c.as_of, forecasts.c.symbol))


def awaiting(engine: sa.Engine, realm: str, before: dt.date) -> pl.DataFrame:
    """Forecasts logged before `before` that have no score yet: as_of, horizon, model, symbol, score, served."""
    scored = sa.select(matured.c.as_of).where(
        matured.c.realm == forecasts.c.realm,
        matured.c.as_of == forecasts.c.as_of,
        matured.c.horizon == forecasts.c.horizon,
        matured.c.model == forecasts.c.model,
    )
    columns = [forecasts.c[name] for name in ("as_of", HORIZON, MODEL, SYMBOL, SCORE, "served")]
    wanted = sa.select(*columns).where(forecasts.c.realm == realm, forecasts.c.as_of < before, ~scored.exists())
    return read(engine, wanted.order_by(*columns[:4]))


def log_scores(engine: sa.Engine, rows: pl.DataFrame) -> int:
    """Enter scores of matured forecasts, each under the recipe whose fit spoke; a score that stands is left as it is.

    `rows` has realm (one), as_of, horizon, model, served, exit_date, scored_on, rank_ic and symbols.
    """
    keys = ["realm", "as_of", HORIZON, MODEL]
    known = read(engine, sa.select(*(matured.c[name] for name in keys)))
    new = rows.cast({HORIZON: pl.Int64}).join(known, on=keys, how="anti")
    if new.is_empty():
        return 0
    realm = new["realm"][0]
    recipes = [(*key, recipe) for key, recipe in recipes_by_content(engine, realm).items()]
    schema = {HORIZON: pl.Int64, "model_content": pl.String, "recipe": pl.String}
    spoke = speakers_of(engine, realm, new["as_of"].unique().to_list())
    named = new.join(spoke, on=keys[1:], how="left").join(
        pl.DataFrame(recipes, schema=schema, orient="row"), on=[HORIZON, "model_content"], how="left"
    )
    return append_all(engine, [(matured, named)])


def scores(engine: sa.Engine, realm: str, last: dt.date) -> pl.DataFrame:
    """Scores of forecasts matured by `last`: as_of, horizon, model, served, exit_date, scored_on, rank_ic, symbols."""
    columns = [column for column in matured.columns if column.name not in ("realm", "recipe", "model_content")]
    wanted = sa.select(*columns).where(matured.c.realm == realm, matured.c.scored_on <= last)
    return read(engine, wanted.order_by(matured.c.horizon, matured.c.model, matured.c.as_of))
