"""What moved the scores of one recipe's fits, retrain by retrain: each asked on the symbols of the newest night."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from nightdesk.errors import BadInput, ModelBroken
from nightdesk.explain.contributions import contributions
from nightdesk.home import Home
from nightdesk.models.artifacts import ModelVersion, fitted_of, load_version
from nightdesk.models.bundle import Bundle
from nightdesk.models.recipe import Matrix, Vector
from nightdesk.models.training_set import to_matrix
from nightdesk.operations.explaining import Explained, explained
from nightdesk.operations.served_features import check_needs
from nightdesk.report.explanation import importance_picture
from nightdesk.report.write import write_page
from nightdesk.settings import Settings
from nightdesk.store.features import read_features

MOST: Final = 24
"""Retrains that are looked at, the newest ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Importances:
    """How much of the scores each feature moved (`shares`, retrains by features; a row's sum is 1), by retrain.

    `left_out` is how many fits are not among them: their files are gone, or their features are defined otherwise now.
    """

    model: str
    horizon: int
    as_of: dt.date
    days: tuple[dt.date, ...]
    names: tuple[str, ...]
    shares: Vector
    left_out: int


def importances(settings: Settings, realm: str, horizon: int | None, now: dt.datetime) -> list[Importances]:
    """The shares of mean absolute contributions of each retrain of the served recipe, at one horizon or at all.

    Every fit is asked on the same symbols, those of the newest published night: what differs is what was learnt.
    Raises as `explaining.tell`, and BadInput where fewer than two fits of a recipe can be asked.
    """
    return [_importances(one) for one in explained(settings, realm, horizon, now)]


def draw_importances(found: Importances, home: Home, realm: str) -> Path:
    """Write the picture of shares by retrain; returns the SVG file."""
    title = f"What moves the scores of {found.model} at {found.horizon} days, retrain by retrain"
    file = home.explanation(realm, found.as_of, found.horizon).with_stem(f"{found.as_of}-h{found.horizon}-retrains")
    write_page(file, importance_picture(title, found.days, found.names, found.shares))
    return file


def _importances(one: Explained) -> Importances:
    night, horizon = one.night, one.serving.horizon
    tonight = read_features(one.table, [one.newest.as_of])
    moved: list[tuple[dt.date, dict[str, float]]] = []
    left_out = 0
    for fit in sorted(fitted_of(night.tracking, horizon), key=lambda fit: (fit.as_of, int(fit.version or 0))):
        if fit.version is None or fit.as_of > one.newest.as_of:
            continue
        try:
            bundle = load_version(night.tracking, ModelVersion(fit.name, fit.version, fit.run_id, fit.content))
            if bundle.manifest.recipe_content == one.bundle.manifest.recipe_content:
                check_needs(night, one.table, fit.name, fit.content)
                features = to_matrix(tonight, bundle.manifest.features)
                moved.append((fit.as_of, _shares(bundle, features, night.settings.training.seed)))
        except ModelBroken:
            left_out += 1
    moved = moved[-MOST:]
    if len(moved) < 2:
        raise BadInput(
            f"--retrains compares at least two fits of {one.serving.model} at {horizon} days, got {len(moved)}: leave "
            "it out, or train again first (nightdesk train)"
        )
    names = tuple(dict.fromkeys(name for _, shares in moved for name in shares))
    shares = np.array([[own.get(name, 0.0) for name in names] for _, own in moved])
    days = tuple(day for day, _ in moved)
    return Importances(one.serving.model, horizon, one.newest.as_of, days, names, shares, left_out)


def _shares(bundle: Bundle, features: Matrix, seed: int) -> dict[str, float]:
    size = np.abs(contributions(bundle.fitted, features, features, seed).values).mean(axis=0)
    return dict(zip(bundle.manifest.features, (size / (size.sum() or 1.0)).tolist(), strict=True))
