"""The primitives under the indicators, in float64: where the engine's bit-for-bit promises come from."""

import numpy as np
import pytest

from nightdesk.features.primitives import lagged, ratio, split_runs, wilder
from nightdesk.features.rolling import window_deviation, window_mean

WINDOWED = {
    "mean": lambda runs, values: window_mean(runs, values, 20),
    "deviation": lambda runs, values: window_deviation(runs, values, 20, 1),
}


@pytest.fixture
def wild() -> np.ndarray:
    """Values that fall from 1e9 to 1e-3: what a running sum would never forget."""
    random = np.random.default_rng(8)
    return np.logspace(9, -3, 300) * random.lognormal(0.0, 1.0, 300)


def one_run(length: int) -> np.ndarray:
    return np.array([[0, length]], dtype=np.int64)


def test_runs_end_at_symbols_and_at_unusable_bars() -> None:
    starts = np.array([True, False, False, True, True, False, False, False])
    usable = np.array([True, True, False, True, True, False, False, True])
    assert split_runs(starts, usable).tolist() == [[0, 2], [3, 4], [4, 5], [7, 8]]
    assert split_runs(starts[:0], usable[:0]).tolist() == []
    assert split_runs(starts, np.zeros(8, dtype=np.bool_)).tolist() == []


@pytest.mark.parametrize("name", WINDOWED)
def test_a_window_depends_on_its_own_bars_only_bit_for_bit(name: str, wild: np.ndarray) -> None:
    whole = WINDOWED[name](one_run(300), wild)
    assert np.isnan(whole[:19]).all()
    for end in range(20, 301):
        assert WINDOWED[name](one_run(20), wild[end - 20 : end].copy())[-1] == whole[end - 1]


@pytest.mark.parametrize("name", WINDOWED)
def test_nan_stays_within_its_windows(name: str, wild: np.ndarray) -> None:
    whole = WINDOWED[name](one_run(300), wild)
    wild[100] = np.nan
    holed = WINDOWED[name](one_run(300), wild)
    assert np.flatnonzero(np.isnan(holed)).tolist() == [*range(19), *range(100, 120)]
    assert np.array_equal(holed[120:], whole[120:])


def test_values_equal_numpy(wild: np.ndarray) -> None:
    windows = np.lib.stride_tricks.sliding_window_view(wild, 20)
    np.testing.assert_allclose(window_mean(one_run(300), wild, 20)[19:], windows.mean(axis=1), rtol=1e-13)
    for lost in (0, 1):
        found = window_deviation(one_run(300), wild, 20, lost)[19:]
        np.testing.assert_allclose(found, windows.std(axis=1, ddof=lost), rtol=1e-12)


def test_a_constant_window_has_no_deviation_at_all() -> None:
    values = np.concatenate((np.linspace(1e6, 1.0, 50), np.full(60, 0.1)))
    assert (window_deviation(one_run(110), values, 20, 1)[69:] == 0.0).all()


def test_a_run_shorter_than_its_window_is_null() -> None:
    runs = np.array([[0, 3], [3, 7]], dtype=np.int64)
    values = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0])
    nan = np.nan
    np.testing.assert_array_equal(window_mean(runs, values, 4), [nan] * 6 + [30.0])
    np.testing.assert_array_equal(lagged(runs, values, 2), [nan, nan, 1.0, nan, nan, 8.0, 16.0])
    np.testing.assert_array_equal(wilder(runs, values, 2), [nan, 1.5, 2.75, nan, 12.0, 22.0, 43.0])


def test_wilder_begins_after_leading_nan() -> None:
    values = np.array([np.nan, np.nan, 1.0, 3.0, 6.0])
    np.testing.assert_array_equal(wilder(one_run(5), values, 2), [np.nan, np.nan, np.nan, 2.0, 4.0])


def test_ratio_is_flat_only_at_exact_zero() -> None:
    found = ratio(np.array([1.0, 1.0, 1.0, np.nan]), np.array([0.0, 2.0, np.nan, 0.5]), 7.0)
    np.testing.assert_array_equal(found, [7.0, 0.5, np.nan, np.nan])
