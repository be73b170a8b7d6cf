"""Methods of selection: planted features are found, references agree, copies go, and the draw of rows is even."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.decomposition import PCA
from sklearn.feature_selection import f_regression
from sklearn.preprocessing import StandardScaler

from nightdesk.errors import BadInput, UnknownName
from nightdesk.selection import METHODS, selection
from nightdesk.selection.boruta import Boruta
from nightdesk.selection.correlation_filter import CorrelationFilter
from nightdesk.selection.f_score import FScore
from nightdesk.selection.lasso import LassoPath
from nightdesk.selection.mutual_information import MutualInformation
from nightdesk.selection.principal_components import PrincipalComponents
from nightdesk.selection.recursive_elimination import RecursiveElimination
from nightdesk.selection.rows import _spread
from nightdesk.selection.vote import Vote

Array = np.ndarray[Any, np.dtype[np.float64]]
ROWS, COLUMNS, PLANTED = 1_200, 12, (2, 7, 9)


def planted(seed: int = 1, rows: int = ROWS) -> tuple[Array, Array]:
    """Twelve columns of noise, of which three make the target."""
    random = np.random.default_rng(seed)
    features = random.standard_normal((rows, COLUMNS))
    target = features[:, PLANTED] @ np.array([1.0, -0.7, 0.5]) + random.standard_normal(rows)
    return features, target


def chosen(selector: Any) -> list[int]:
    return selector.get_support(indices=True).tolist()


CHOOSERS = [
    MutualInformation(3),
    FScore(3),
    RecursiveElimination(3),
    LassoPath(3),
    Boruta(rounds=8, trees=8, max_rows=800),
    Vote(3, methods=("mutual_information", "f_score", "rfe", "lasso"), at_least=3),
]


@pytest.mark.parametrize("selector", CHOOSERS, ids=lambda one: type(one).__name__)
def test_planted_features_are_found(selector: Any) -> None:
    features, target = planted()
    assert chosen(selector.fit(features, target)) == list(PLANTED)
    features[np.random.default_rng(2).random(features.shape) < 0.1] = np.nan
    assert chosen(selector.fit(features.astype(np.float32), target)) == list(PLANTED)
    kept = selector.transform(features)
    assert np.array_equal(kept, features[:, PLANTED], equal_nan=True)


@pytest.mark.parametrize("selector", CHOOSERS, ids=lambda one: type(one).__name__)
def test_the_weight_of_a_row_decides(selector: Any) -> None:
    """Half of the rows know the target by one feature, half by another: the heavy half's feature is chosen."""
    random = np.random.default_rng(3)
    features = random.standard_normal((ROWS, COLUMNS))
    half = np.arange(ROWS) % 2 == 0
    target = np.where(half, features[:, 0], features[:, 1]) + 0.3 * random.standard_normal(ROWS)
    selector = type(selector)(**{**selector.get_params(), "keep": 1})
    assert chosen(selector.fit(features, target, np.where(half, 9.0, 1.0))) == [0]
    assert chosen(selector.fit(features, target, np.where(half, 1.0, 9.0))) == [1]


@pytest.mark.parametrize("selector", [*CHOOSERS, CorrelationFilter(), PrincipalComponents(3)], ids=repr)
def test_the_same_rows_and_seed_give_the_same_choice_and_names(selector: Any) -> None:
    features, target = planted()
    selector = type(selector)(**{**selector.get_params(), "max_rows": 500})
    frame = pl.DataFrame(features, schema=[f"feature_{n}" for n in range(COLUMNS)])
    once = selector.set_output(transform="polars").fit(frame, target).transform(frame)
    again = selector.fit(frame, target).transform(frame)
    assert once.equals(again)
    assert once.columns == list(selector.get_feature_names_out())
    selector.set_output(transform="default")


def test_mutual_information_sees_what_no_line_does() -> None:
    random = np.random.default_rng(4)
    features = random.standard_normal((ROWS, 6))
    target = features[:, 4] ** 2 + 0.3 * random.standard_normal(ROWS)
    assert chosen(MutualInformation(1).fit(features, target)) == [4]
    information = MutualInformation(1).fit(features, target).scores_
    chance = 81 / (2 * ROWS)
    assert np.delete(information, 4) == pytest.approx(chance, rel=0.5)


def test_the_f_score_is_scikit_learns() -> None:
    features, target = planted()
    assert FScore().fit(features, target).scores_ == pytest.approx(f_regression(features, target)[0])


def test_weighted_rows_count_as_their_effective_number() -> None:
    features, target = planted()
    doubled = FScore(max_rows=None).fit(np.vstack([features, features]), np.tile(target, 2)).scores_
    heavy = FScore(max_rows=None).fit(features, target, np.full(ROWS, 2.0)).scores_
    assert doubled == pytest.approx(heavy * (2 * ROWS - 2) / (ROWS - 2))


def test_boruta_confirms_planted_features_and_rejects_noise() -> None:
    features, target = planted()
    found = Boruta(trees=10).fit(features, target)
    assert np.flatnonzero(found.confirmed_).tolist() == list(PLANTED)
    assert found.rejected_.sum() >= 7


def test_of_pure_noise_boruta_confirms_nothing_and_the_best_alone_stays() -> None:
    features = planted()[0]
    found = Boruta(rounds=12, trees=10).fit(features, np.random.default_rng(9).standard_normal(ROWS))
    assert not found.confirmed_.any()
    assert found.get_support().sum() <= 2


def test_of_copies_the_one_that_says_most_stays() -> None:
    random = np.random.default_rng(5)
    truth, other = random.standard_normal((2, ROWS))
    features = np.column_stack([truth + 0.2 * random.standard_normal(ROWS), other, truth, -np.exp(truth), other])
    target = truth + 0.5 * other + random.standard_normal(ROWS)
    assert chosen(CorrelationFilter().fit(features, target)) == [1, 2]
    assert chosen(CorrelationFilter(threshold=1.0).fit(features, target)) == [0, 1, 2, 3, 4]
    assert chosen(CorrelationFilter(keep=1).fit(features, target)) == [2]


def test_components_are_scikit_learns() -> None:
    features, _ = planted()
    features[:, 3] = features[:, 2] * 50.0 + features[:, 4] + 1e3
    own = PrincipalComponents(4).fit(features)
    scaled = StandardScaler().fit_transform(features)
    reference = PCA(4, svd_solver="full").fit(scaled)
    assert own.transform(features) == pytest.approx(reference.transform(scaled), abs=1e-8)
    assert own.explained_variance_ratio_ == pytest.approx(reference.explained_variance_ratio_)


def test_components_fill_what_is_missing_with_the_training_median() -> None:
    features, _ = planted()
    own = PrincipalComponents(4).fit(features)
    row = features[:1].copy()
    row[0, 5] = np.nan
    filled = row.copy()
    filled[0, 5] = np.median(features[:, 5])
    assert own.transform(row) == pytest.approx(own.transform(filled))


def test_a_vote_keeps_what_enough_methods_choose() -> None:
    random = np.random.default_rng(6)
    features = random.standard_normal((ROWS, 6))
    bent = 2.0 * np.abs(features[:, 1])
    target = features[:, 0] + 0.5 * features[:, 2] + bent + 0.5 * random.standard_normal(ROWS)
    methods = ("mutual_information", "f_score", "lasso")
    vote = Vote(2, methods=methods, at_least=2).fit(features, target)
    assert vote.votes_.tolist() == [
        [True, True, False, False, False, False],
        [True, False, True, False, False, False],
        [True, False, True, False, False, False],
    ]
    assert chosen(vote) == [0, 2]
    assert chosen(Vote(2, methods=methods, at_least=3).fit(features, target)) == [0]
    assert chosen(Vote(2, methods=methods[:2], at_least=1).fit(features, target))[0] == 0


def test_where_no_feature_has_votes_enough_those_with_the_most_stay() -> None:
    random = np.random.default_rng(6)
    features = random.standard_normal((ROWS, 3))
    target = 2.0 * np.abs(features[:, 1]) + 0.5 * features[:, 2] + 0.1 * random.standard_normal(ROWS)
    vote = Vote(1, methods=("mutual_information", "f_score"), at_least=2).fit(features, target)
    assert vote.votes_.sum(axis=0).tolist() == [0, 1, 1]
    assert len(chosen(vote)) == 1
    assert chosen(vote)[0] in (1, 2)


def test_a_constant_target_and_empty_columns_leave_one_feature() -> None:
    features, _ = planted(rows=60)
    features[:, 0] = np.nan
    quick: dict[str, dict[str, Any]] = {
        "boruta": {"rounds": 2, "trees": 2},
        "vote": {"methods": ("f_score", "lasso", "rfe")},
    }
    for name, make in METHODS.items():
        found = make(**quick.get(name, {})).fit(features, np.zeros(60))
        assert found.transform(features).shape[1] >= 1


def test_the_draw_takes_one_row_of_each_stretch_and_follows_the_seed() -> None:
    """Five hundred symbols a day: evenly spaced rows would be the same ten symbols on each of them."""
    places = _spread(100_000, 2_000, 7)
    assert (places // 50).tolist() == list(range(2_000))
    assert len(set(places % 500)) > 400
    assert np.array_equal(places, _spread(100_000, 2_000, 7))
    assert not np.array_equal(places, _spread(100_000, 2_000, 8))
    assert _spread(3, 5, 7).tolist() == [0, 1, 2]


def test_rows_of_no_weight_are_not_there() -> None:
    features, target = planted()
    dead = np.arange(ROWS) < 600
    features[dead, 5], target[dead] = 1e6, 1e6
    assert chosen(FScore(3).fit(features, target, np.where(dead, 0.0, 1.0))) == list(PLANTED)
    assert 5 in chosen(FScore(3).fit(features, target))


@pytest.mark.parametrize(
    ("selector", "says"),
    [
        (FScore(0), "keep must be at least 1 feature, or None, got 0"),
        (FScore(max_rows=1), "max_rows must be at least 2, or None for all, got 1"),
        (PrincipalComponents(0), "keep must be at least 1 component, got 0"),
        (CorrelationFilter(threshold=0.0), "threshold must be above 0 and at most 1, got 0.0"),
        (Boruta(rounds=0), "rounds of Boruta must be at least 1, got 0"),
        (Vote(at_least=6), "at_least must be 1 to 5, as many as there are methods, got 6"),
    ],
)
def test_a_wrong_parameter_is_named(selector: Any, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        selector.fit(*planted(rows=20))


def test_methods_go_by_name_and_vote_where_joined() -> None:
    vote = selection("lasso+f_score", 4, votes=2, seed=5)
    assert isinstance(vote, Vote)
    assert (vote.methods, vote.at_least, vote.keep, vote.random_state) == (("lasso", "f_score"), 2, 4, 5)
    assert isinstance(selection("pca", 4), PrincipalComponents)
    assert {type(selection(name, 4)) for name in METHODS} == set(METHODS.values())
    with pytest.raises(UnknownName, match=r"method of selection must be one of 8 known ones, got 'laso'"):
        selection("laso", 4)
    with pytest.raises(UnknownName, match=r"method of selection must be one of 6 known ones, got 'vote'"):
        selection("lasso+vote", 4, votes=1).fit(*planted(rows=20))
