"""Several fits as one: a weighed sum, told by its members, kept without paths or code, and named after its recipes."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nightdesk.errors import BadInput, UnknownName
from nightdesk.explain.contributions import contributions
from nightdesk.models import family, recipe, recipes
from nightdesk.models.bundle import Bundle, load_bundle, manifest_of, save_bundle
from nightdesk.models.combination import ENSEMBLE, SHORT, FittedCombination, Member, ensemble_recipe
from nightdesk.models.recipe import Fitted, Matrix, Recipe, Training, identity
from nightdesk.promotion.smoke import short_fault

ROWS, COLUMNS = 400, 5
PARAMETERS: dict[str, dict[str, float | int | str]] = {
    "ridge": {"alpha": 0.05},
    "lightgbm": {"rounds": 20, "num_leaves": 7, "min_data_in_leaf": 20},
    "selected": {"family": "ridge", "selection": "f_score", "selected": 2, "alpha": 0.05},
    "components": {"family": "ridge", "selection": "pca", "selected": 2, "alpha": 0.05},
}


def matrix(seed: int, rows: int = ROWS) -> Matrix:
    random = np.random.default_rng(seed)
    values = random.standard_normal((rows, COLUMNS)).astype(np.float32)
    values[random.random(values.shape) < 0.1] = np.nan
    return values


def member(name: str, columns: tuple[int, ...], weight: float, scale: float = 0.2) -> Member:
    kind = "selected" if name == "components" else name
    features = np.ascontiguousarray(matrix(1)[:, columns])
    target = np.nan_to_num(matrix(1)[:, 0]).astype(np.float64) + 0.3 * np.random.default_rng(2).standard_normal(ROWS)
    fitted = family(kind).fit(Training(features, target, np.ones(ROWS)), PARAMETERS[name], 7, 1)
    return Member(name, kind, columns, weight, scale, fitted)


def together(*members: Member) -> FittedCombination:
    return FittedCombination(members, (), "skill", "a test says so")


def three() -> FittedCombination:
    return together(
        member("ridge", (0, 1, 2, 3, 4), 0.5), member("lightgbm", (4, 0), 0.3, 0.01), member("selected", (0, 2, 3), 0.2)
    )


class Mute:
    """A model that only answers, and must not be asked here."""

    def predict(self, features: Matrix) -> np.ndarray:
        raise AssertionError("it has no weight, so nobody asks it")

    def save(self, folder: Path) -> None:
        (folder / "mute").touch()


def test_a_score_is_the_weighed_sum_of_what_the_members_say_of_their_own_columns() -> None:
    model, rows = three(), matrix(3, 50)
    by_hand = sum(
        (
            one.fitted.predict(np.ascontiguousarray(rows[:, one.columns])) * (one.weight / one.scale)
            for one in model.members
        ),
        np.zeros(50),
    )
    assert model.predict(rows) == pytest.approx(by_hand, abs=1e-12)


def test_what_members_tell_sums_to_the_score_exactly() -> None:
    model, rows = three(), matrix(3, 50)
    told = contributions(model, rows, rows)
    assert told.exact
    assert told.base + told.values.sum(axis=1) == pytest.approx(model.predict(rows), abs=1e-9)
    assert not told.errors.any()
    assert np.abs(told.values).mean(axis=0).argmax() == 0


def test_where_one_with_weight_cannot_tell_all_are_asked_together() -> None:
    model, rows = together(member("ridge", (0, 1), 0.5), member("components", (0, 2, 3), 0.5)), matrix(3, 10)
    told = contributions(model, rows, matrix(5))
    assert not told.exact
    assert told.base + told.values.sum(axis=1) == pytest.approx(model.predict(rows), abs=1e-9)
    assert not told.values[:, 4].any()


@pytest.mark.parametrize(("weight", "scale"), [(0.0, 1.0), (0.5, 0.0)])
def test_a_member_without_weight_or_scale_is_not_asked(weight: float, scale: float) -> None:
    silent = Member("mute", "ridge", (0,), weight, scale, Mute())
    model, rows = together(member("ridge", (0, 1), 0.5), silent), matrix(3, 10)
    assert np.isfinite(model.predict(rows)).all()
    assert contributions(model, rows, rows).exact
    assert not together(silent).predict(rows).any()


def test_it_comes_back_bit_for_bit_wherever_its_members_names_point_to(tmp_path: Path) -> None:
    first, second = three().members[:2]
    model = replace(together(replace(first, name="../../evil"), replace(second, name="a/b@tuned-1")), missing=("gone",))
    folder = tmp_path / "deep/model"
    folder.mkdir(parents=True)
    model.save(folder)
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {
        "ensemble.json",
        "ridge.json",
        "lightgbm.txt",
    }
    assert all(path.is_relative_to(folder) for path in tmp_path.rglob("*") if path.is_file())
    loaded = family(ENSEMBLE).load(folder)
    assert loaded.predict(matrix(4)).tobytes() == model.predict(matrix(4)).tobytes()
    assert [(one.name, one.weight, one.scale, one.columns) for one in loaded.members] == [
        (one.name, one.weight, one.scale, one.columns) for one in model.members
    ]
    assert (loaded.missing, loaded.method, loaded.reason) == (("gone",), "skill", "a test says so")


def test_a_family_of_nobodys_is_not_loaded(tmp_path: Path) -> None:
    together(member("ridge", (0, 1), 1.0)).save(tmp_path)
    file = tmp_path / "ensemble.json"
    said = json.loads(file.read_text())
    said["members"][0]["family"] = "os:system"
    file.write_text(json.dumps(said))
    with pytest.raises(UnknownName, match="model family must be one of"):
        family(ENSEMBLE).load(tmp_path)


def test_nobody_fits_it_and_no_recipe_names_it() -> None:
    with pytest.raises(BadInput, match=r"must be assembled of fits .* name its members in ensemble.members"):
        family(ENSEMBLE).fit(Training(matrix(1), np.ones(ROWS), np.ones(ROWS)), {}, 1, 1)
    assert ENSEMBLE not in recipes()
    with pytest.raises(UnknownName, match="recipe must be one of"):
        recipe(ENSEMBLE)


def test_its_identity_is_that_of_its_members_and_method_not_of_what_was_learnt() -> None:
    contents = {name: recipe(name).content for name in ("ridge", "lightgbm")}
    whole = ensemble_recipe(contents, {})
    assert (whole.name, whole.family) == (ENSEMBLE, ENSEMBLE)
    assert identity(whole, "v") == identity(ensemble_recipe(dict(contents), {}), "v")
    short = ensemble_recipe(contents, {}, ("xgboost",))
    assert short.name == SHORT
    others = [
        short,
        ensemble_recipe(contents, {}, ("voter",)),
        ensemble_recipe({**contents, "xgboost": recipe("xgboost").content}, {}),
        ensemble_recipe({**contents, "ridge": replace(recipe("ridge"), parameters=(("alpha", 0.1),)).content}, {}),
        ensemble_recipe(contents, {"ridge": 2.0, "lightgbm": 1.0}),
        ensemble_recipe(contents, {"ridge": 1.0, "lightgbm": 2.0}),
    ]
    assert len({whole.content, *(one.content for one in others)}) == 7


def bundle(fitted: Fitted) -> Bundle:
    names = tuple(f"feature_{n}" for n in range(COLUMNS))
    known = Recipe(ENSEMBLE, ENSEMBLE, names, ())
    return Bundle(manifest_of(known, 5, dt.date(2017, 3, 1), names, "features", "data", "code"), fitted, '{"a": 1}')


def test_a_bundle_keeps_its_calibration_and_what_it_was_fitted_with(tmp_path: Path) -> None:
    made = bundle(three())
    save_bundle(made, tmp_path / "bundle")
    loaded = load_bundle(tmp_path / "bundle")
    assert loaded.calibration == '{"a": 1}'
    assert loaded.manifest == made.manifest
    known = dict(loaded.manifest.environment)
    assert known["numpy"] == np.__version__
    assert {"python", "lightgbm", "scikit-learn"} <= set(known)


def test_a_bundle_of_before_is_loaded_without_either(tmp_path: Path) -> None:
    save_bundle(replace(bundle(three()), calibration=None), tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    del manifest["environment"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    loaded = load_bundle(tmp_path)
    assert loaded.calibration is None
    assert loaded.manifest.environment == ()


def test_one_short_of_a_member_says_so() -> None:
    whole = bundle(three())
    assert short_fault(whole) is None
    assert short_fault(bundle(member("ridge", (0, 1), 1.0).fitted)) is None
    short = bundle(replace(three(), missing=("voter", "xgboost")))
    assert short_fault(short) == (
        "an ensemble must hold all of its 5 members, got none of voter, xgboost: fit them, or take them out of the "
        "configuration"
    )
