"""No training label reaches its test part; blocks tile the days; scikit-learn takes the splitter."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score

from nightdesk.errors import BadDate, BadInput
from nightdesk.evaluation.splits import PurgedWalkForward, purged_walk_forward, validation_tail


def calendar(count: int) -> list[dt.date]:
    return [dt.date(2015, 1, 1) + dt.timedelta(days=2 * step) for step in range(count)]


@given(st.integers(3, 300), st.integers(1, 60), st.integers(1, 8), st.integers(2, 120))
def test_no_training_label_reaches_a_test_day(count: int, horizon: int, folds: int, first_train: int) -> None:
    assume(first_train > horizon and count - 1 - horizon - first_train >= folds)
    days = calendar(count)
    made = purged_walk_forward(days, horizon, folds, first_train)
    assert [fold.number for fold in made] == list(range(1, folds + 1))
    for fold in made:
        first_test = days.index(fold.test_days[0])
        may_train = [day for position, day in enumerate(days) if position + 1 + horizon <= first_test]
        assert list(fold.train_days) == may_train
        assert may_train
    tested = [day for fold in made for day in fold.test_days]
    matured = [day for position, day in enumerate(days) if position + 1 + horizon <= count - 1]
    assert tested == matured[first_train:]
    sizes = [len(fold.test_days) for fold in made]
    assert max(sizes) - min(sizes) <= 1


@given(st.integers(2, 200), st.integers(1, 20), st.floats(0.05, 0.9))
def test_validation_is_purged_too(count: int, horizon: int, fraction: float) -> None:
    days = calendar(count)
    assume(count * (1 - fraction) > horizon + 2)
    fit, validation = validation_tail(days, horizon, fraction)
    assert list(validation) == days[-len(validation) :]
    assert 0 <= len(validation) - fraction * count < 1
    first = days.index(validation[0])
    assert list(fit) == [day for position, day in enumerate(days) if position + 1 + horizon <= first]


def test_the_splitter_gives_the_rows_of_the_folds() -> None:
    days = calendar(60)
    random = np.random.default_rng(0)
    dates = random.permutation(np.repeat(np.array(days, dtype="datetime64[D]"), 3))
    splitter = PurgedWalkForward(horizon=5, folds=3, first_train=20)
    expected = purged_walk_forward(days, 5, 3, 20)
    for groups in (dates, dates.tolist(), pl.Series(dates)):
        made = list(splitter.split(dates, groups=groups))
        assert len(made) == splitter.get_n_splits() == 3
        for (train, test), fold in zip(made, expected, strict=True):
            assert sorted(set(dates[train].tolist())) == list(fold.train_days)
            assert sorted(set(dates[test].tolist())) == list(fold.test_days)
            assert (len(train), len(test)) == (3 * len(fold.train_days), 3 * len(fold.test_days))


def test_rows_on_some_days_are_purged_by_the_exchanges_days() -> None:
    days = calendar(100)
    some = days[::5]
    exact = PurgedWalkForward(horizon=5, folds=2, first_train=50, days=tuple(days))
    train, test = next(exact.split(some, groups=some))
    assert days.index(some[train[-1]]) == 40
    assert days.index(some[test[0]]) == 50
    blind = PurgedWalkForward(horizon=5, folds=2, first_train=10)
    train, test = next(blind.split(some, groups=some))
    assert test[0] - train[-1] == 6  # of its own days: 30 of the exchange's


def test_cross_val_score_works() -> None:
    random = np.random.default_rng(1)
    dates = np.repeat(np.array(calendar(80), dtype="datetime64[D]"), 10)
    features = random.normal(size=(800, 3))
    target = features @ [1.0, -1.0, 0.5] + random.normal(0.0, 0.1, 800)
    scores = cross_val_score(Ridge(), features, target, groups=dates, cv=PurgedWalkForward(5, 4, 30))
    assert len(scores) == 4
    assert scores.min() > 0.9


def test_refuses_what_breaks_a_rule() -> None:
    days = calendar(40)
    with pytest.raises(BadInput, match="horizon must be 1 to 60 trading days, got 90"):
        purged_walk_forward(days, 90, 2, 10)
    with pytest.raises(BadInput, match="folds must be 1 or more, got 0"):
        purged_walk_forward(days, 5, 0, 10)
    with pytest.raises(BadInput, match="first_train must be above the horizon of 5 days, got 5"):
        purged_walk_forward(days, 5, 2, 5)
    with pytest.raises(BadInput, match="after the first 32 days, got 2 for 3 folds"):
        purged_walk_forward(days, 5, 3, 32)
    with pytest.raises(BadDate, match="strict order"):
        purged_walk_forward(days[::-1], 5, 2, 10)
    with pytest.raises(BadInput, match="groups must hold the date of each row, got None"):
        next(PurgedWalkForward(5, 2, 10).split(days))
    with pytest.raises(BadInput, match="fraction must lie between 0 and 1, got 20"):
        validation_tail(days, 5, 20)
    with pytest.raises(BadInput, match="left after purging 5 days, got 6 in all"):
        validation_tail(days[:6], 5, 0.2)
