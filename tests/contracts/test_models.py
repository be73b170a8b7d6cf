"""What every registered model family and recipe must keep, whoever wrote it."""

from __future__ import annotations

import datetime as dt
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from nightdesk.errors import ModelBroken, UnknownName
from nightdesk.features import registered
from nightdesk.models import RECIPES, families, family, recipe
from nightdesk.models.baselines import LINEAR
from nightdesk.models.bundle import Bundle, load_bundle, manifest_of, save_bundle
from nightdesk.models.combination import ENSEMBLE, FittedCombination, Member
from nightdesk.models.recipe import Fitted, Matrix, Recipe, Training

FOREST = {"n_estimators": 25, "min_samples_leaf": 5, "max_features": 0.7, "max_rows": 700}
BOOSTED = {"rounds": 30, "max_depth": 3, "eta": 0.2, "min_child_weight": 5}
SMALL: dict[str, dict[str, float | int | str]] = {
    "lightgbm": {"rounds": 20, "num_leaves": 7, "min_data_in_leaf": 20},
    "xgboost": BOOSTED,
    "random_forest": FOREST,
    "voter": {f"forest_{name}": value for name, value in FOREST.items()}
    | {f"boosted_{name}": value for name, value in BOOSTED.items()},
    "selected": {"selection": "f_score", "selected": 3},
}
"""Parameters that let a family learn from the few rows here; none for the others."""

ROWS, COLUMNS = 900, 6
NAMES = tuple(f"feature_{n}" for n in range(COLUMNS))


def matrix(seed: int, rows: int = ROWS) -> Matrix:
    """Standard normal, one value in ten missing."""
    random = np.random.default_rng(seed)
    values = random.standard_normal((rows, COLUMNS)).astype(np.float32)
    values[random.random(values.shape) < 0.1] = np.nan
    return values


def training(features: Matrix, seed: int = 1) -> Training:
    """The first feature, with noise, as target; weights that differ."""
    random = np.random.default_rng(seed)
    target = np.nan_to_num(features[:, 0]).astype(np.float64) + 0.3 * random.standard_normal(len(features))
    return Training(features, target, random.uniform(0.5, 2.0, len(features)))


MEMBERS = {"ridge": tuple(range(COLUMNS)), "xgboost": (0, 2, 5)}
"""Of the ensemble, which is fitted by nobody: it is made of fits, each on columns of its own."""


def fit(name: str, on: Training | None = None, seed: int = 7, threads: int = 1) -> Fitted:
    rows = training(matrix(3)) if on is None else on
    if name == ENSEMBLE:
        return FittedCombination(tuple(member(one, rows, seed, threads) for one in MEMBERS), (), "equal", "a test")
    parameters = {**dict(recipe(name).parameters), **SMALL.get(name, {})}
    return family(name).fit(rows, parameters, seed, threads)


def member(name: str, rows: Training, seed: int, threads: int) -> Member:
    columns = MEMBERS[name]
    own = replace(rows, features=np.ascontiguousarray(rows.features[:, columns]))
    return Member(name, name, columns, 0.5, 0.3, fit(name, own, seed, threads))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, by its place."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(params=sorted(families()))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def bundle_of(name: str) -> Bundle:
    parameters = () if name == ENSEMBLE else recipe(name).parameters
    known = Recipe(name, name, NAMES, parameters)
    return Bundle(manifest_of(known, 5, dt.date(2017, 3, 1), NAMES, "features", "data", "code"), fit(name))


def frame(seed: int, rows: int = 40) -> pl.DataFrame:
    return pl.DataFrame(matrix(seed, rows), schema=list(NAMES)).with_columns(pl.all().fill_nan(None))


def test_a_prediction_is_one_finite_double_a_row(name: str) -> None:
    scores = fit(name).predict(matrix(4, 50))
    assert scores.shape == (50,)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()


def test_no_rows_are_scored_as_no_rows(name: str) -> None:
    assert fit(name).predict(matrix(4, 0)).shape == (0,)


def test_a_fit_learns_what_is_there(name: str) -> None:
    fresh = matrix(4)
    assert np.corrcoef(fit(name).predict(fresh), training(fresh, seed=2).target)[0, 1] > 0.7


def test_the_heavier_rows_count_more(name: str) -> None:
    half = training(matrix(3))
    both = np.vstack([half.features, half.features]), np.concatenate([half.target, -half.target])
    weights = np.concatenate([np.full(ROWS, 9.0), np.full(ROWS, 1.0)])
    scores = fit(name, Training(*both, weights)).predict(matrix(4))
    assert np.corrcoef(scores, np.nan_to_num(matrix(4)[:, 0]))[0, 1] > 0.7
    turned = fit(name, Training(*both, weights[::-1].copy())).predict(matrix(4))
    assert np.corrcoef(turned, np.nan_to_num(matrix(4)[:, 0]))[0, 1] < -0.7


def test_the_same_data_and_seed_give_the_same_bits(name: str) -> None:
    once, again = fit(name).predict(matrix(4)), fit(name).predict(matrix(4))
    assert once.tobytes() == again.tobytes()


# LightGBM's second thread waits for seconds where a neighbour of the machine is busy.
@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=pytest.mark.proof if one == "lightgbm" else ()) for one in sorted(families())]
)
def test_the_number_of_threads_changes_no_bit(name: str) -> None:
    assert fit(name, threads=2).predict(matrix(4)).tobytes() == fit(name).predict(matrix(4)).tobytes()


def test_what_was_saved_predicts_the_same_bit_for_bit(name: str, tmp_path: Path) -> None:
    fitted = fit(name)
    fitted.save(tmp_path)
    loaded = family(name).load(tmp_path)
    assert loaded.predict(matrix(4)).tobytes() == fitted.predict(matrix(4)).tobytes()


def test_what_was_saved_is_saved_again_byte_for_byte(name: str, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    fit(name).save(first)
    family(name).load(first).save(second)
    kept = contents(first)
    assert kept
    assert kept == contents(second)


def test_missing_values_are_accepted_in_fit_and_prediction(name: str) -> None:
    features = matrix(3)
    features[:, 5] = np.nan
    fitted = fit(name, training(features))
    assert np.isfinite(fitted.predict(np.full((3, COLUMNS), np.nan, dtype=np.float32))).all()
    assert np.isfinite(fitted.predict(matrix(4))).all()


def test_a_rows_score_does_not_depend_on_the_rows_beside_it(name: str) -> None:
    fitted, features = fit(name), matrix(4, 64)
    together = fitted.predict(features)
    alone = np.concatenate([fitted.predict(row[None, :]) for row in features])
    assert together.tobytes() == alone.tobytes()
    assert fitted.predict(features[::-1].copy()).tobytes() == together[::-1].tobytes()


def test_a_saved_folder_holds_no_pickle_and_loading_runs_none(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(name).save(tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    for file in files:
        assert file.suffix not in {".pkl", ".pickle", ".joblib", ".npy", ".pt", ".bin"}
        with pytest.raises(Exception, match=r"."):
            pickle.loads(file.read_bytes())

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a model was unpickled")

    for entry in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, entry, refuse)
    family(name).load(tmp_path)


def test_a_bundle_comes_back_whole(name: str, tmp_path: Path) -> None:
    bundle = bundle_of(name)
    save_bundle(bundle, tmp_path / "bundle")
    loaded = load_bundle(tmp_path / "bundle")
    assert loaded.manifest == bundle.manifest
    assert loaded.score(frame(5)).tobytes() == bundle.score(frame(5)).tobytes()


def test_a_bundle_finds_its_features_by_name(name: str) -> None:
    bundle = bundle_of(name)
    turned = frame(5).select(pl.lit("A").alias("symbol"), *reversed(NAMES), pl.lit(1.0).alias("another"))
    assert bundle.score(turned).tobytes() == bundle.score(frame(5)).tobytes()


def test_a_bundle_refuses_rows_without_one_of_its_features(name: str) -> None:
    with pytest.raises(ModelBroken, match=r"needs 6 features, got none called 'feature_2'"):
        bundle_of(name).score(frame(5).drop("feature_2"))


@pytest.mark.parametrize("one", [*RECIPES.values(), LINEAR], ids=lambda one: one.name)
def test_a_recipe_names_a_family_and_registered_features(one: Recipe) -> None:
    assert one.family in families()
    assert set(one.features) <= set(registered())


@pytest.mark.parametrize("one", [*RECIPES.values(), LINEAR], ids=lambda one: one.name)
def test_a_recipes_content_changes_with_everything_in_it_and_with_nothing_else(one: Recipe) -> None:
    assert one.content == replace(one).content
    assert len(one.content) == 16
    others = [replace(one, name="other"), replace(one, family="other"), replace(one, features=(*one.features, "x"))]
    for place, (parameter, value) in enumerate(one.parameters):
        changed = list(one.parameters)
        changed[place] = (parameter, value + 1 if isinstance(value, int | float) else f"{value}x")
        others.append(replace(one, parameters=tuple(changed)))
    contents = [one.content, *(other.content for other in others)]
    assert len(set(contents)) == len(contents)


def test_registered_recipes_go_by_their_own_names() -> None:
    assert all(recipe(name) is one and one.name == name for name, one in RECIPES.items())
    assert LINEAR.name not in RECIPES


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownName, match=r"model family must be one of .* got 'lightbgm': choose .*lightgbm"):
        family("lightbgm")
    with pytest.raises(UnknownName, match=r"recipe must be one of .* got 'rigde': choose .*ridge"):
        recipe("rigde")
