"""Who stands where: the moves of a realm with their recipes, who served before, and whether a model can still serve."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import polars as pl

from nightdesk.errors import ModelBroken
from nightdesk.features.definition import content_of_parts
from nightdesk.models.artifacts import ModelVersion, load_version, model_name
from nightdesk.models.bundle import Bundle
from nightdesk.operations.night import Night
from nightdesk.operations.served_features import check_needs
from nightdesk.promotion.smoke import serving_fault, short_fault
from nightdesk.store.decisions import Move, Serving, moves_up_to, newest_walk_forward
from nightdesk.store.features import FeatureTable, needs_of, read_features
from nightdesk.store.files import content_of
from nightdesk.tables import HORIZON, MODEL

UNPROVEN = "unproven"


def label(model: str, recipe: str) -> str:
    """How a recipe is called beside another one of the same name."""
    return f"{model[:54]}~{content_of(recipe)[:8]}"


def identity_of(night: Night, content: str, recipe: str | None) -> str | None:
    """The recipe of a fitted model; of one fitted before recipes told their features, completed by what it needs."""
    if recipe is None or "-" in recipe:
        return recipe
    needs = needs_of(night.features, content)
    return recipe if needs is None else f"{recipe}-{content_of_parts(sorted(needs.values()))}"


def moves_at(night: Night, horizon: int, on: dt.date | None = None, *, own: bool = True) -> list[Move]:
    """What has moved at `horizon` and counts for the night `on` (None: this one), in order.

    Without `own`, as it was before that night decided itself.
    """
    return [
        replace(one, recipe=identity_of(night, one.serving.content, one.recipe))
        for one in moves_up_to(night.engine, night.realm, on or night.as_of, own=own)
        if one.serving.horizon == horizon
    ]


def fits_beside(night: Night, *, own: bool = True) -> pl.DataFrame:
    """The newest registered fits: as_of, horizon, model, version, model_content, recipe; without `own`, of before."""
    last = night.as_of if own else night.as_of - dt.timedelta(days=1)
    walked = newest_walk_forward(night.engine, night.realm, last)
    rows = walked.filter(pl.col("version").is_not_null(), pl.col(HORIZON).is_in(list(night.settings.horizons)))
    named = [
        identity_of(night, content, recipe) for content, recipe in rows.select("model_content", "recipe").iter_rows()
    ]
    columns = ("as_of", HORIZON, MODEL, "version", "model_content")
    return rows.select(*columns, pl.Series("recipe", named, dtype=pl.String))


def fit_of(fits: pl.DataFrame, horizon: int, recipe: str | None) -> Serving | None:
    """The fit of `recipe` at `horizon` among `fits_beside`, to be served as unproven; None where there is none."""
    found = fits.filter(pl.col(HORIZON) == horizon, pl.col("recipe") == recipe)
    if found.is_empty():
        return None
    row = found.row(0, named=True)
    return Serving(horizon, row[MODEL], row["model_content"], row["version"], UNPROVEN, row["as_of"])


def standing_fault(night: Night, table: FeatureTable, one: Serving) -> str | None:
    """Why a model cannot serve on this night, or None: a smoke prediction of it as it lies in the registry."""
    try:
        loaded = loaded_for(night, table, one)
    except ModelBroken as error:
        return str(error)
    return short_fault(loaded) or serving_fault(loaded, read_features(table, [night.as_of]))


def loaded_for(night: Night, table: FeatureTable, one: Serving) -> Bundle:
    """A model as it lies in the registry, to score this night's features.

    Raises ModelBroken where it is not what was registered, or was fitted on features that `table` has not.
    """
    check_needs(night, table, f"{one.model} at {one.horizon} days", one.content)
    return load_version(
        night.tracking, ModelVersion(model_name(night.realm, one.horizon), one.version, "", one.content)
    )
