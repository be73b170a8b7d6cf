"""The e-process: equal to itself written out, fair under its null, blind to what is missing, slow at long horizons."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightdesk.errors import BadInput
from nightdesk.evaluation.e_process import CLIP, LAMBDAS, e_path
from nightdesk.evaluation.power import effective_days, minimum_detectable_edge, overlapping_noise, power

DIFFERENCES = st.lists(st.one_of(st.none(), st.floats(-2, 2)), min_size=1, max_size=60)


def written_out(differences: list[float | None], horizon: int) -> list[float]:
    """One product a stream and lambda, night by night."""
    products = {(stream, rate): 1.0 for stream in range(horizon) for rate in (0.5, 1, 1.5, 2, 2.4)}
    path = []
    for night, difference in enumerate(differences):
        for rate in (0.5, 1, 1.5, 2, 2.4):
            if difference is not None:
                products[night % horizon, rate] *= 1 + rate * min(max(difference, -0.4), 0.4)
        path.append(sum(products.values()) / len(products))
    return path


@given(DIFFERENCES, st.integers(1, 20))
def test_equals_the_definition_written_out(differences: list[float | None], horizon: int) -> None:
    assert e_path(differences, horizon) == pytest.approx(written_out(differences, horizon))


@given(DIFFERENCES, st.integers(1, 20))
def test_is_never_negative_and_knows_nothing_of_tomorrow(differences: list[float | None], horizon: int) -> None:
    path = e_path(differences, horizon)
    assert path.min() > 0.0
    half = len(differences) // 2
    assert np.array_equal(e_path(differences[:half], horizon), path[:half])


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=40), st.integers(1, 10), st.integers(0, 39))
def test_a_better_night_is_never_less_evidence(differences: list[float], horizon: int, night: int) -> None:
    better = list(differences)
    better[night % len(better)] += 0.3
    assert (e_path(better, horizon) >= e_path(differences, horizon) * (1 - 1e-12)).all()


@given(st.floats(0.001, 1), st.floats(0.001, 1))
def test_no_two_sided_bet_with_a_mean_of_nothing_gains(up: float, down: float) -> None:
    """Of any two outcomes whose clipped mean is 0, the expected factor is 1: the bet is fair, at every lambda."""
    gain, loss = min(up, CLIP), min(down, CLIP)
    chance = loss / (gain + loss)
    expected = chance * e_path([up], 1)[0] + (1 - chance) * e_path([-down], 1)[0]
    assert expected == pytest.approx(1.0)


def test_a_missing_night_changes_nothing_but_keeps_its_place() -> None:
    gap = e_path([0.1, None, 0.2, float("nan"), 0.3], 2)
    assert gap[1] == gap[0]
    assert gap[3] == gap[2]
    shifted = e_path([0.1, 0.2, 0.3], 2)
    assert gap[-1] != pytest.approx(shifted[-1])  # 0.1, 0.2 and 0.3 lie in one stream there, in two here
    assert np.array_equal(e_path([None] * 5, 3), np.ones(5))
    assert np.array_equal(e_path(pl.Series([0.1, None]), 1), e_path([0.1, None], 1))


def test_many_runs_at_once_equal_each_alone() -> None:
    runs = np.random.default_rng(0).normal(0, 0.2, (3, 4, 33))
    together = e_path(runs, 7)
    assert together.shape == runs.shape
    assert np.allclose(together[1, 2], e_path(runs[1, 2], 7))
    assert e_path(np.empty((2, 0)), 5).shape == (2, 0)


@pytest.mark.parametrize("horizon", [1, 5])
def test_luck_reaches_twenty_no_oftener_than_one_time_in_twenty(horizon: int) -> None:
    noise = 0.08 * overlapping_noise(np.random.default_rng(1), 2000, 300, horizon)
    found = (e_path(noise, horizon).max(axis=1) >= 20).mean()
    assert found <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)
    assert e_path(noise[:, :60], horizon)[:, -1].mean() == pytest.approx(1.0, abs=0.15)


def test_ignoring_overlap_would_promote_luck() -> None:
    noise = 0.08 * overlapping_noise(np.random.default_rng(2), 1000, 252, 5)
    assert (e_path(noise, 1).max(axis=1) >= 20).mean() > 0.15


def test_noise_of_overlapping_labels_is_shared_by_neighbours_alone() -> None:
    noise = overlapping_noise(np.random.default_rng(3), 400, 200, 5)
    assert noise.std() == pytest.approx(1.0, abs=0.03)
    for lag, expected in ((1, 0.8), (4, 0.2), (5, 0.0), (9, 0.0)):
        assert np.mean(noise[:, lag:] * noise[:, :-lag]) == pytest.approx(expected, abs=0.03)


def test_power_is_what_was_designed_for() -> None:
    """90 % at alpha 5 % and 77 % at 1.25 %: an edge of .013 at a deviation of .08, next-day labels, 500 nights."""
    assert power(0.013, 0.08, 1, 0.05, 500, runs=2000) == pytest.approx(0.90, abs=0.03)
    assert power(0.013, 0.08, 1, 0.0125, 500, runs=2000) == pytest.approx(0.77, abs=0.04)


def test_the_detectable_edge_is_found_and_grows_with_noise_and_overlap() -> None:
    edge = minimum_detectable_edge(1, 0.08, 0.0125)
    assert power(edge, 0.08, 1, 0.0125) >= 0.8 > power(edge - 0.001, 0.08, 1, 0.0125)
    assert minimum_detectable_edge(1, 0.12, 0.0125) > edge
    assert minimum_detectable_edge(5, 0.08, 0.0125) > 1.5 * edge
    assert minimum_detectable_edge(60, 0.2, 0.0125) is None


def test_days_that_share_labels_are_worth_fewer() -> None:
    noise = overlapping_noise(np.random.default_rng(4), 200, 600, 5)
    found = [effective_days(run, 5) for run in noise]
    assert np.median(found) == pytest.approx(600 / 5, rel=0.15)
    alone = [effective_days(run, 1) for run in np.random.default_rng(5).standard_normal((200, 600))]
    assert np.median(alone) == pytest.approx(600, rel=0.15)
    assert effective_days([0.1] * 10, 1) is effective_days([0.1] * 40, 1) is None


def test_refuses_what_breaks_a_rule() -> None:
    assert LAMBDAS[-1] * CLIP < 1.0
    with pytest.raises(BadInput, match="horizon must be 1 to 60 trading days, got 0"):
        e_path([0.1], 0)
    with pytest.raises(BadInput, match="finite or missing, got 1 infinite"):
        e_path([0.1, math.inf], 1)
    with pytest.raises(BadInput, match="deviation must be above 0"):
        power(0.01, 0.0, 1, 0.05)
