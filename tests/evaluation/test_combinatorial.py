"""Combinatorial splits: no label shared with a test, the embargo kept, every path whole; scikit-learn takes them."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score

from nightdesk.errors import BadDate, BadInput
from nightdesk.evaluation.combinatorial import CombinatorialPurged, backtest_paths, combinatorial_purged


def calendar(count: int) -> list[dt.date]:
    return [dt.date(2015, 1, 1) + dt.timedelta(days=step) for step in range(count)]


@given(st.integers(40, 160), st.integers(1, 10), st.integers(2, 6), st.integers(1, 3), st.integers(0, 6))
def test_no_training_label_meets_a_test_label(count: int, horizon: int, groups: int, tested: int, embargo: int) -> None:
    assume(tested < groups and (count - 1 - horizon) // groups > 2 * horizon + embargo)
    days = calendar(count)
    made = combinatorial_purged(days, horizon, groups, tested, embargo)
    assert len(made) == math.comb(groups, tested)
    matured = [day for position, day in enumerate(days) if position + 1 + horizon <= count - 1]
    for split in made:
        tests = [days.index(day) for day in split.test_days]
        trains = [days.index(day) for day in split.train_days]
        allowed = []
        for day in range(len(matured)):
            apart = all(day + 1 + horizon <= test or day >= test + 1 + horizon for test in tests)
            held_back = any(0 < day - test <= horizon + embargo for test in tests)
            if apart and not held_back:
                allowed.append(day)
        assert trains == allowed
    times_tested = [sum(day in split.test_days for split in made) for day in matured]
    assert set(times_tested) == {math.comb(groups - 1, tested - 1)}


@given(st.integers(2, 8), st.integers(1, 4))
def test_paths_are_whole_and_use_each_split_for_the_groups_it_tested(groups: int, tested: int) -> None:
    assume(tested < groups)
    splits = combinatorial_purged(calendar(400), 1, groups, tested, 0)
    paths = backtest_paths(groups, tested)
    assert paths.shape == (math.comb(groups - 1, tested - 1), groups)
    used = [(int(split), group) for path in paths for group, split in enumerate(path)]
    assert sorted(used) == sorted((number, group) for number, split in enumerate(splits) for group in split.tested)


def test_scikit_learn_takes_the_splitter_with_rows_in_any_order() -> None:
    random = np.random.default_rng(1)
    dates = random.permutation(np.repeat(np.array(calendar(120), dtype="datetime64[D]"), 6))
    features = random.normal(size=(720, 3))
    target = features @ [1.0, -1.0, 0.5] + random.normal(0.0, 0.1, 720)
    splitter = CombinatorialPurged(horizon=5, blocks=5, tested=2, embargo=3)
    scores = cross_val_score(Ridge(), features, target, groups=dates, cv=splitter)
    assert len(scores) == splitter.get_n_splits() == 10
    assert scores.min() > 0.9
    train, test = next(splitter.split(features, groups=dates))
    expected = combinatorial_purged(calendar(120), 5, 5, 2, 3)[0]
    assert sorted(set(dates[train].tolist())) == list(expected.train_days)
    assert sorted(set(dates[test].tolist())) == list(expected.test_days)


def test_a_leaky_split_would_look_skilled_where_the_purged_one_does_not() -> None:
    """Overlapping labels of noise, remembered by their neighbours: only purging takes the false skill away."""
    random, horizon, days = np.random.default_rng(2), 20, calendar(600)
    noise = random.normal(size=len(days) + horizon)
    labels = np.convolve(noise, np.ones(horizon), mode="valid")[: len(days)]
    place = np.arange(len(days), dtype=float)

    def skill(purged: int) -> float:
        found = []
        for split in combinatorial_purged(days, purged, 58, 1, 0):
            train = np.array([days.index(day) for day in split.train_days])
            for day in split.test_days:
                test = days.index(day)
                nearest = train[np.abs(place[train] - test).argmin()]
                found.append((labels[nearest], labels[test]))
        return float(np.corrcoef(np.array(found).T)[0, 1])

    assert skill(1) > 0.4
    assert skill(horizon) < 0.2


def test_refuses_what_breaks_a_rule() -> None:
    days = calendar(40)
    with pytest.raises(BadInput, match="tested groups must be 1 or more and fewer than all, got 3 of 3"):
        combinatorial_purged(days, 5, 3, 3, 0)
    with pytest.raises(BadInput, match="embargo must be 0 trading days or more, got -1"):
        combinatorial_purged(days, 5, 3, 1, -1)
    with pytest.raises(BadInput, match="each group must have a matured day, got 4 for 5 groups"):
        combinatorial_purged(days[:10], 5, 5, 1, 0)
    with pytest.raises(BadInput, match="a day to train on must be left beside test groups"):
        combinatorial_purged(days, 5, 3, 2, 20)
    with pytest.raises(BadDate, match="strict order"):
        combinatorial_purged(days[::-1], 5, 3, 1, 0)
    with pytest.raises(BadInput, match="groups must hold the date of each row, got None"):
        next(CombinatorialPurged(5, 3, 1).split(days))
