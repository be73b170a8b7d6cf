"""Any family on chosen features: fitted on these alone, saved with the choice, and the same after loading."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nightdesk.errors import BadInput, UnknownName
from nightdesk.models import family, recipe
from nightdesk.models.recipe import Matrix, Training
from nightdesk.models.selected import FittedChoice, FittedComponents
from nightdesk.selection import VOTERS

ROWS, COLUMNS = 600, 8
FAMILIES: dict[str, dict[str, float | int | str]] = {
    "ridge": {"alpha": 0.05},
    "lightgbm": {"rounds": 10, "num_leaves": 7, "min_data_in_leaf": 20},
}
METHODS = (*sorted(set(VOTERS) - {"boruta"}), "pca", "f_score+lasso+mutual_information")


def matrix(seed: int) -> Matrix:
    values = np.random.default_rng(seed).standard_normal((ROWS, COLUMNS)).astype(np.float32)
    values[np.random.default_rng(seed + 1).random(values.shape) < 0.1] = np.nan
    return values


def training() -> Training:
    """The third and the sixth feature, with noise, are the target."""
    features = matrix(3)
    target = np.nan_to_num(features[:, 2] - features[:, 5]).astype(np.float64)
    random = np.random.default_rng(5)
    return Training(features, target + 0.5 * random.standard_normal(ROWS), random.uniform(0.5, 2.0, ROWS))


def fitted(own: dict[str, float | int | str], seed: int = 7) -> FittedChoice | FittedComponents:
    made = family("selected").fit(training(), own, seed, 1)
    assert isinstance(made, FittedChoice | FittedComponents)
    return made


@pytest.mark.parametrize("other", FAMILIES)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_goes_with_any_family_and_comes_back_bit_for_bit(method: str, other: str, tmp_path: Path) -> None:
    made = fitted({"family": other, "selection": method, "selected": 3, "votes": 2, **FAMILIES[other]})
    made.save(tmp_path)
    loaded = family("selected").load(tmp_path)
    assert type(loaded) is type(made)
    assert loaded.predict(matrix(9)).tobytes() == made.predict(matrix(9)).tobytes()
    alone = np.concatenate([made.predict(row[None, :]) for row in matrix(9)[:20]])
    assert alone.tobytes() == made.predict(matrix(9))[:20].tobytes()
    if method != "pca":  # components of noise say as little as any other three directions
        assert np.corrcoef(made.predict(training().features), training().target)[0, 1] > 0.5


@pytest.mark.parametrize("other", FAMILIES)
def test_the_other_family_is_fitted_on_the_chosen_columns_and_its_own_parameters(other: str) -> None:
    made = fitted({"family": other, "selection": "f_score", "selected": 2, **FAMILIES[other]})
    assert isinstance(made, FittedChoice)
    assert made.columns == (2, 5)
    assert sorted(made.scores)[-2:] == sorted((made.scores[2], made.scores[5]))
    given = training()
    alone = Training(np.ascontiguousarray(given.features[:, [2, 5]]), given.target, given.weight)
    direct = family(other).fit(alone, FAMILIES[other], 7, 1)
    assert direct.predict(matrix(9)[:, [2, 5]].copy()).tobytes() == made.predict(matrix(9)).tobytes()


def test_what_is_not_chosen_says_nothing() -> None:
    made, rows = fitted({"family": "ridge", "selection": "lasso", "selected": 2, "alpha": 0.05}), matrix(9)
    others = rows.copy()
    others[:, [0, 1, 3, 4, 6, 7]] = np.nan
    assert made.predict(others).tobytes() == made.predict(rows).tobytes()


def test_the_registered_recipe_chooses_by_vote() -> None:
    own = dict(recipe("selected").parameters)
    made = fitted({**own, "selected": 2, "selection": "f_score+lasso+rfe"})
    assert isinstance(made, FittedChoice)
    assert (made.method, made.columns) == ("f_score+lasso+rfe", (2, 5))
    assert own["selection"] == "vote"


@pytest.mark.parametrize(
    ("own", "error", "says"),
    [
        ({"selection": "vote", "selected": 2}, BadInput, "must say family, selection, selected, got no family"),
        ({"family": "ridge", "selected": 2}, BadInput, "got no selection"),
        ({"family": "ridge", "selection": "vote"}, BadInput, "got no selected"),
        ({"family": "selected", "selection": "vote", "selected": 2}, BadInput, "must be another one, got 'selected'"),
        ({"family": "rigde", "selection": "vote", "selected": 2}, UnknownName, "model family must be one of"),
        ({"family": "ridge", "selection": "wote", "selected": 2}, UnknownName, "method of selection must be one of"),
        ({"family": "ridge", "selection": "f_score", "selected": 0}, BadInput, "keep must be at least 1 feature"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(
    own: dict[str, float | int | str], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        fitted(own)
