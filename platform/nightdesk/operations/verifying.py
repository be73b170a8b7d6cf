"""Loads registered models as a night would, lets each score the newest features it knows, and says what fails."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nightdesk.errors import ModelBroken, NothingThere
from nightdesk.home import Home
from nightdesk.models.artifacts import fitted_of, model_name, registered_models
from nightdesk.operations.calibrating import kept_in
from nightdesk.operations.night import Night
from nightdesk.operations.standing import UNPROVEN, fit_of, fits_beside, loaded_for, moves_at
from nightdesk.promotion.reign import reign_of
from nightdesk.promotion.smoke import serving_fault, short_fault
from nightdesk.settings import Settings
from nightdesk.store.database import open_store
from nightdesk.store.decisions import Serving
from nightdesk.store.features import (
    FeatureTable,
    definitions_of,
    needs_of,
    read_features,
    still_there,
    table_of,
)
from nightdesk.store.ledger import all_results
from nightdesk.store.nights import newest_begun
from nightdesk.tables import HORIZON

CHAMPION, FORMER, SHADOW, REGISTERED = "champion", "former champion", "shadow", "registered"


@dataclass(frozen=True, slots=True)
class Verified:
    """One version: how the registry calls it, what it does, the day of the features it scored, and its fault if any.

    `short` is what is said of an ensemble short of a member, None of any other; `environment` is what it was fitted
    with, by name and version: none where it could not be loaded, or did not keep it.
    """

    name: str
    version: str
    model: str
    role: str
    scored: dt.date
    fault: str | None
    short: str | None = None
    environment: tuple[tuple[str, str], ...] = ()


def verify_models(settings: Settings, realm: str, at: dt.datetime, *, everything: bool = False) -> list[Verified]:
    """Load and try each version that serves or speaks in shadow; with `everything`, each that a night registered.

    Each is fetched from the registry, compared with what was registered, loaded without running code, its calibration
    too, and must give finite and mostly distinct scores on the newest stored features that are defined as those it was
    fitted on. Nothing is changed. By horizon, who serves first.

    Raises
    ------
    NothingThere
        No night has run in the realm, or none of its features is stored any more.
    RegistryUnavailable
        The registry, or what keeps its files, does not answer.
    """
    engine = open_store(settings.store.url or Home(settings.home).store_url)
    begun = newest_begun(engine, realm)
    night = None if begun is None else Night(settings, realm, begun, "never", at)
    tables = [] if night is None else _tables(night)
    if night is None or not tables:
        raise NothingThere(
            f"models are verified on the features of a night, got none in realm {realm!r}: run nightdesk nightly"
        )
    definitions = {table.version: definitions_of(night.features, table.version) for table in tables}
    found = []
    for role, one in _asked(night, everything):
        table = _fitting(night, one, tables, definitions)
        found.append(_tried(Night(settings, realm, table.as_of, "never", at), table, role, one))
    return found


def _tried(night: Night, table: FeatureTable, role: str, one: Serving) -> Verified:
    """One version, loaded with its calibration, and let to score the features of `night`."""
    known = (model_name(night.realm, one.horizon), one.version, one.model, role, night.as_of)
    try:
        loaded = loaded_for(night, table, one)
        kept_in(loaded)
    except ModelBroken as error:
        return Verified(*known, str(error))
    fault = serving_fault(loaded, read_features(table, [night.as_of]))
    return Verified(*known, fault, short_fault(loaded), loaded.manifest.environment)


def _asked(night: Night, everything: bool) -> Iterator[tuple[str, Serving]]:
    """Each version once, by its strongest role."""
    seen: set[tuple[int, str]] = set()
    horizons = list(night.settings.horizons)
    if everything:
        horizons += [one for one in registered_models(night.tracking) if one not in horizons]
    for horizon in horizons:
        for role, one in (*_speaking(night, horizon), *(_registered(night, horizon) if everything else ())):
            if (horizon, one.version) not in seen:
                seen.add((horizon, one.version))
                yield role, one


def _speaking(night: Night, horizon: int) -> Iterator[tuple[str, Serving]]:
    """Who speaks on the night that comes next."""
    moves = moves_at(night, horizon, night.as_of + dt.timedelta(days=1))
    if moves:
        yield CHAMPION, moves[-1].serving
    reign = reign_of(moves)
    if reign is not None and reign.former is not None:
        yield FORMER, reign.former.serving
    beside = fits_beside(night)
    for recipe in beside.filter(beside[HORIZON] == horizon)["recipe"]:
        fit = fit_of(beside, horizon, recipe)
        if fit is not None:
            yield SHADOW, fit


def _registered(night: Night, horizon: int) -> Iterator[tuple[str, Serving]]:
    if horizon in registered_models(night.tracking):
        for fit in fitted_of(night.tracking, horizon):
            if fit.version is not None:
                yield REGISTERED, Serving(horizon, "", fit.content, fit.version, UNPROVEN, fit.as_of)


def _tables(night: Night) -> list[FeatureTable]:
    """The newest table of each version of the features that can still be read, the newest first."""
    found: dict[str, FeatureTable] = {}
    for record in all_results(night.engine, night.realm, "features"):
        table = table_of(json.loads(record))
        if table.version not in found and still_there(table):
            found[table.version] = table
    return list(found.values())


def _fitting(
    night: Night, one: Serving, tables: Sequence[FeatureTable], definitions: Mapping[str, Mapping[str, str]]
) -> FeatureTable:
    """The newest table with all features of a model as they were defined for it; the newest where none has them."""
    needs = needs_of(night.features, one.content) or {}
    return next((table for table in tables if needs.items() <= definitions[table.version].items()), tables[0])
