"""A bundle: one folder with a fitted model, its recipe, features and provenance; no code runs when it is loaded."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from nightdesk.errors import ModelBroken
from nightdesk.models import family
from nightdesk.models.environment import environment
from nightdesk.models.recipe import Fitted, Recipe, Vector
from nightdesk.models.training_set import to_matrix

_MANIFEST, _CALIBRATION = "manifest.json", "calibration.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle is, and what it was made from.

    `environment` is what it was fitted with, by name and version; none of a bundle that was made before this was kept.
    """

    recipe: str
    family: str
    recipe_content: str
    horizon: int
    trained_as_of: str
    features: tuple[str, ...]
    feature_version: str
    data: str
    code: str
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Bundle:
    """A fitted model with its manifest.

    `calibration` is what turns its scores into returns and probabilities, as the JSON text of `ensemble.kept`; None of
    a bundle without one.
    """

    manifest: Manifest
    fitted: Fitted
    calibration: str | None = None

    def score(self, features: pl.DataFrame) -> Vector:
        """Score rows of a frame that has the manifest's feature columns; a null counts as missing."""
        lacking = [name for name in self.manifest.features if name not in features.columns]
        if lacking:
            raise ModelBroken(f"the model needs {len(self.manifest.features)} features, got none called {lacking[0]!r}")
        return self.fitted.predict(to_matrix(features, self.manifest.features))


def manifest_of(
    recipe: Recipe,
    horizon: int,
    as_of: dt.date,
    columns: Sequence[str],
    feature_version: str,
    data: str,
    code: str,
) -> Manifest:
    """Build the manifest of a fit on data known at `as_of`, made in this process."""
    return Manifest(
        recipe.name,
        recipe.family,
        recipe.content,
        horizon,
        str(as_of),
        tuple(columns),
        feature_version,
        data,
        code,
        environment(recipe.family),
    )


def save_bundle(bundle: Bundle, folder: Path) -> None:
    """Write the bundle into `folder`, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    bundle.fitted.save(folder)
    (folder / _MANIFEST).write_text(json.dumps(asdict(bundle.manifest), indent=2), encoding="utf-8")
    if bundle.calibration is not None:
        (folder / _CALIBRATION).write_text(bundle.calibration, encoding="utf-8")


def load_bundle(folder: Path) -> Bundle:
    """Load what `save_bundle` wrote; it scores the same. Raises ModelBroken where the folder lacks a file of it."""
    try:
        fields = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        made_with = tuple((name, version) for name, version in fields.get("environment", ()))
        manifest = Manifest(**{**fields, "features": tuple(fields["features"]), "environment": made_with})
        kept = folder / _CALIBRATION
        calibration = kept.read_text(encoding="utf-8") if kept.is_file() else None
        return Bundle(manifest, family(manifest.family).load(folder), calibration)
    except FileNotFoundError as error:
        lacking = Path(error.filename or _MANIFEST).name
        raise ModelBroken(
            f"a model's folder must hold {lacking}, got none in {folder}: restore it, or train again (nightdesk train)"
        ) from None
