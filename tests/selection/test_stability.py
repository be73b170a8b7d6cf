"""Stability of selections: references agree, chance is 0, the interval covers the truth, and the picture shows it."""

from __future__ import annotations

import datetime as dt
from itertools import combinations

import numpy as np
import pytest

from nightdesk.errors import BadInput
from nightdesk.report.selection_picture import selection_picture
from nightdesk.selection.selector import Mask
from nightdesk.selection.stability import _nogueira, agreement


def drawn(seed: int, times: int, chances: list[float]) -> Mask:
    chosen = np.random.default_rng(seed).random((times, len(chances))) < chances
    chosen[:, 0] = True
    return chosen


def fixed_size(seed: int, times: int, features: int, size: int) -> Mask:
    random = np.random.default_rng(seed)
    chosen = np.zeros((times, features), dtype=bool)
    for row in chosen:
        row[random.choice(features, size, replace=False)] = True
    return chosen


def test_the_same_selection_each_time_is_perfectly_stable() -> None:
    chosen = np.tile([True, False, True, False], (5, 1))
    found = agreement(chosen)
    assert (found.stability, found.lower, found.upper) == (1.0, 1.0, 1.0)
    assert (found.jaccard, found.kuncheva) == (1.0, 1.0)
    assert found.share.tolist() == [1.0, 0.0, 1.0, 0.0]


def test_selections_at_random_are_as_stable_as_chance() -> None:
    found = agreement(fixed_size(1, 400, 30, 6))
    assert found.stability == pytest.approx(0.0, abs=0.01)
    assert found.kuncheva == pytest.approx(0.0, abs=0.01)
    assert found.jaccard > 0.1


def test_of_one_size_the_measure_is_the_mean_of_kunchevas_and_each_pair_counts() -> None:
    chosen = fixed_size(2, 7, 12, 4)
    chosen[:4, 0], chosen[:4, 1:] = True, chosen[0, 1:]
    chosen = chosen[chosen.sum(axis=1) == chosen[-1].sum()]
    found = agreement(chosen)
    assert found.stability == pytest.approx(found.kuncheva)
    pairs = [len(set(np.flatnonzero(a)) & set(np.flatnonzero(b))) for a, b in combinations(chosen, 2)]
    size, features = int(chosen[0].sum()), 12
    index = [(both * features - size**2) / (size * (features - size)) for both in pairs]
    assert found.kuncheva == pytest.approx(np.mean(index))
    assert found.jaccard == pytest.approx(np.mean([both / (2 * size - both) for both in pairs]))


def test_the_standard_error_is_the_jackknifes() -> None:
    """Sizes differ, so that every term of the published variance counts."""
    chosen = drawn(3, 250, [0.1, 0.9, 0.5, 0.3, 0.05, 0.7, 0.2, 0.4])
    found = agreement(chosen)
    left = np.array([_nogueira(np.delete(chosen, row, axis=0).astype(float))[0] for row in range(250)])
    error = np.sqrt(249 / 250 * ((left - left.mean()) ** 2).sum())
    assert (found.upper - found.lower) / (2 * 1.96) == pytest.approx(error, rel=0.02)


def test_the_interval_of_independent_selections_covers_the_truth() -> None:
    chances = [0.1, 0.9, 0.5, 0.3, 0.05, 0.7, 0.2, 0.4]
    truth = _truth(chances)
    found = [agreement(drawn(seed, 40, chances)) for seed in range(10, 310)]
    covered = np.mean([one.lower <= truth <= one.upper for one in found])
    assert 0.91 <= covered <= 0.985


def _truth(chances: list[float]) -> float:
    share = np.array([1.0, *chances[1:]])
    size = share.mean()
    return float(1.0 - np.mean(share * (1.0 - share)) / (size * (1.0 - size)))


def test_what_has_no_measure_has_none() -> None:
    everything = agreement(np.ones((3, 4), dtype=bool))
    assert (everything.stability, everything.lower, everything.kuncheva, everything.jaccard) == (None, None, None, 1.0)
    assert agreement(np.array([[True, False, False], [True, True, False]])).kuncheva is None


@pytest.mark.parametrize(
    ("chosen", "level", "says"),
    [
        (np.ones((1, 3), dtype=bool), 0.95, "at least two selections, got 1"),
        (np.array([[True, False], [False, False]]), 0.95, "must have chosen something"),
        (np.ones((2, 3), dtype=bool), 95.0, "level must lie between 0 and 1, got 95"),
    ],
)
def test_what_cannot_be_compared_is_refused(chosen: Mask, level: float, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        agreement(chosen, level)


def test_the_picture_shows_the_most_often_chosen_first_and_is_the_same_each_time() -> None:
    chosen = np.array([[True, False, True, False], [False, False, True, False], [False, False, True, True]])
    days = [dt.date(2016, month, 1) for month in (1, 2, 3)]
    found = agreement(chosen)
    drawing = selection_picture("What is chosen", days, ["rare", "never", "steady", "late"], chosen, found)
    assert drawing == selection_picture("What is chosen", days, ["rare", "never", "steady", "late"], chosen, found)
    assert ">never<" not in drawing
    assert drawing.index(">steady<") < drawing.index(">rare<") < drawing.index(">late<")
    assert f"stability {found.stability:.2f}" in drawing
    assert "1 of 4 features never chosen" in drawing
    assert ">2016-01-01<" in drawing
    assert ">2016-03-01<" in drawing
