"""Why the served model ranked the symbols of the newest published night as it did: by symbol, and overall."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from pydantic import TypeAdapter

from nightdesk.errors import BadInput, ModelBroken, NothingThere, UnknownName
from nightdesk.explain.contributions import Contributions, contributions
from nightdesk.features.stages import Feature, every_feature
from nightdesk.home import Home
from nightdesk.models.artifacts import ModelVersion, load_version, model_name
from nightdesk.models.bundle import Bundle
from nightdesk.models.recipe import Vector
from nightdesk.models.training_set import to_matrix
from nightdesk.operations.night import Night
from nightdesk.operations.served_features import check_needs
from nightdesk.publish.publication import Latest, latest
from nightdesk.report.explanation import explanation_picture
from nightdesk.report.write import write_page
from nightdesk.settings import Settings
from nightdesk.store.decisions import Serving, serving_on
from nightdesk.store.features import FeatureTable, read_features
from nightdesk.store.ledger import newest_result
from nightdesk.tables import HORIZON, MARKET, SCORE, SYMBOL

_TABLE = TypeAdapter(FeatureTable)
_CLOSE = 1e-6
"""How far, of its size, a score that is computed again may lie from the published one: another machine's last bits."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A model that was served on the newest published night, with that night's features and the `rows` it ranked."""

    night: Night
    table: FeatureTable
    newest: Latest
    serving: Serving
    rows: pl.DataFrame
    bundle: Bundle


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What the model served at one horizon says of every symbol that was ranked, and what each feature adds to it.

    `rows` is horizon, rank, symbol, score and so on as published; `values` (rows, features) are the features, NaN where
    missing, and `above` the share of the symbols whose value is lower, ties counted half.
    """

    newest: Latest
    serving: Serving
    rows: pl.DataFrame
    names: tuple[str, ...]
    values: Vector
    above: Vector
    added: Contributions


@dataclass(frozen=True, slots=True)
class Reason:
    """What one feature adds to a score: its name, meaning and unit, its value (None: missing) and where that stands
    among the symbols of the night (0 lowest, 1 highest).
    """

    feature: str
    meaning: str
    unit: str
    value: float | None
    above: float | None
    adds: float
    error: float


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why one symbol ranks where it does, the largest reason first; `base` and what they add come to `score`."""

    symbol: str
    rank: int
    among: int
    score: float
    base: float
    reasons: tuple[Reason, ...]


def explained(settings: Settings, realm: str, horizon: int | None, now: dt.datetime) -> list[Explained]:
    """The models that were served on the newest published night of `realm`, at one horizon or at all.

    Raises NothingThere before the first night, or where its features are gone; BadInput for a horizon at which nobody
    was served; ModelBroken where a model is not what was registered.
    """
    newest = latest(Home(settings.home).published, realm)
    night = Night(settings, realm, newest.as_of, "never", now)
    served = serving_on(night.engine, realm, newest.as_of)
    ranking = newest.ranking()
    published = [one for one in served if one.horizon in ranking[HORIZON].unique()]
    wanted = [one for one in published if horizon in (None, one.horizon)]
    if not wanted:
        known = ", ".join(str(one.horizon) for one in published) or "none"
        raise BadInput(f"--horizon must be one that was ranked on {newest.as_of}, {known}, got {horizon}: choose one")
    found = newest_result(night.engine, realm, "features", newest.as_of)
    if found is None:
        raise NothingThere(
            f"an explanation needs the features of {newest.as_of}, got none in realm {realm!r}: run nightdesk nightly"
        )
    table = _TABLE.validate_json(found)
    loaded = []
    for one in wanted:
        check_needs(night, table, f"{one.model} at {one.horizon} days", one.content)
        version = ModelVersion(model_name(realm, one.horizon), one.version, "", one.content)
        rows = ranking.filter(pl.col(HORIZON) == one.horizon)
        loaded.append(Explained(night, table, newest, one, rows, load_version(night.tracking, version)))
    return loaded


def tell(settings: Settings, realm: str, horizon: int | None, now: dt.datetime) -> list[Told]:
    """What each model of `explained` said of every symbol, and why.

    Raises as `explained`, and ModelBroken where a model does not say what was published.
    """
    return [_told(one) for one in explained(settings, realm, horizon, now)]


def reasons_of(told: Told, symbol: str) -> Reasons:
    """Why `symbol` ranks where it does; UnknownName where it was not ranked."""
    symbols = told.rows[SYMBOL].to_list()
    if symbol not in symbols:
        raise UnknownName.among("symbol", symbol, symbols)
    place, known = symbols.index(symbol), every_feature()
    row = told.rows.row(place, named=True)
    among = told.rows if MARKET not in told.rows.columns else told.rows.filter(pl.col(MARKET) == row[MARKET])
    own = told.added.values[place]
    order = np.argsort(-np.abs(own), kind="stable")
    reasons = tuple(_reason(told, place, int(column), known.get(told.names[column])) for column in order)
    return Reasons(symbol, int(row["rank"]), among.height, float(row[SCORE]), told.added.base, reasons)


def draw_told(night_of: Told, home: Home, realm: str) -> Path:
    """Write the picture of what each feature added to the scores of all symbols; returns the SVG file."""
    one, as_of = night_of.serving, night_of.newest.as_of
    title = f"Why {one.model} ranks as it does: {one.horizon} days, night of {as_of}"
    file = home.explanation(realm, as_of, one.horizon)
    write_page(file, explanation_picture(title, night_of.names, night_of.added.values, night_of.above))
    return file


def _told(one: Explained) -> Told:
    names, as_of = one.bundle.manifest.features, one.newest.as_of
    features = read_features(one.table, [as_of])
    tonight = one.rows.select(SYMBOL).join(features, on=SYMBOL, how="left", maintain_order="left")
    published = one.rows[SCORE].cast(pl.Float64).to_numpy()
    if not np.allclose(one.bundle.score(tonight), published, rtol=_CLOSE, atol=1e-9, equal_nan=True):
        raise ModelBroken(
            f"what is explained must be what was published, got other scores of {one.serving.model} at "
            f"{one.serving.horizon} days for {as_of}: run that night again"
        )
    rows = to_matrix(tonight, names)
    added = contributions(one.bundle.fitted, rows, rows, one.night.settings.training.seed)
    return Told(one.newest, one.serving, one.rows, names, rows.astype(np.float64), _above(tonight, names), added)


def _above(tonight: pl.DataFrame, names: tuple[str, ...]) -> Vector:
    """The share of the symbols whose value is lower, ties counted half; NaN where missing."""
    own = (pl.col(name).cast(pl.Float64).fill_nan(None) for name in names)
    ranked = tonight.select((one.rank("average") - 0.5) / one.count() for one in own)
    found: Vector = ranked.fill_null(float("nan")).to_numpy()
    return found


def _reason(told: Told, place: int, column: int, feature: Feature | None) -> Reason:
    value, above = float(told.values[place, column]), float(told.above[place, column])
    return Reason(
        told.names[column],
        "no feature of this name is known any more" if feature is None else feature.meaning,
        "" if feature is None else feature.unit,
        None if np.isnan(value) else value,
        None if np.isnan(above) else above,
        float(told.added.values[place, column]),
        float(told.added.errors[place, column]),
    )
