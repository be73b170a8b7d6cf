"""The rolling kernels in float64: the same bits from a window alone, NaN kept within windows, numpy's values."""

from collections.abc import Callable, Iterator

import numba
import numpy as np
import pytest

from nightdesk.features import rolling

WINDOW = 20
KERNELS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "linear mean": lambda runs, values: rolling.window_linear_mean(runs, values, WINDOW),
    "slope": lambda runs, values: rolling.window_slope(runs, values, WINDOW),
    "correlation": lambda runs, values: rolling.window_correlation(runs, values, np.sqrt(values), WINDOW),
    "skewness": lambda runs, values: rolling.window_moment(runs, values, WINDOW, 3),
    "kurtosis": lambda runs, values: rolling.window_moment(runs, values, WINDOW, 4),
    "spread": lambda runs, values: rolling.window_spread(runs, values, WINDOW),
    "drawdown": lambda runs, values: rolling.window_drawdown(runs, values, WINDOW),
    "rescaled range": lambda runs, values: rolling.window_rescaled_range(runs, values, WINDOW, 5),
    "rank": lambda runs, values: rolling.window_rank(runs, values, WINDOW),
    "highest": lambda runs, values: rolling.window_highest(runs, values, WINDOW),
    "lowest": lambda runs, values: rolling.window_lowest(runs, values, WINDOW),
    "highest's age": lambda runs, values: rolling.window_highest_age(runs, values, WINDOW, True),
    "lowest's age": lambda runs, values: rolling.window_lowest_age(runs, values, WINDOW, False),
    "quantile": lambda runs, values: rolling.window_quantile(runs, values, WINDOW, 0.3),
}
EVERY = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Thousands of tiny calls: starting threads would cost more than all the work."""
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(threads)


@pytest.fixture
def wild() -> np.ndarray:
    """Values that fall from 1e9 to 1e-3, some of them equal: what a running sum would never forget."""
    random = np.random.default_rng(8)
    values = np.logspace(9, -3, 300) * random.lognormal(0.0, 1.0, 300)
    values[150:156] = values[150]
    return values


def one_run(length: int) -> np.ndarray:
    return np.array([[0, length]], dtype=np.int64)


@EVERY
def test_a_window_depends_on_its_own_bars_only_bit_for_bit(kernel: Callable[..., np.ndarray], wild: np.ndarray) -> None:
    whole = kernel(one_run(300), wild)
    assert np.isnan(whole[: WINDOW - 1]).all()
    for end in range(WINDOW, 301):
        assert kernel(one_run(WINDOW), wild[end - WINDOW : end].copy())[-1] == whole[end - 1]


@EVERY
def test_nan_stays_within_its_windows(kernel: Callable[..., np.ndarray], wild: np.ndarray) -> None:
    whole = kernel(one_run(300), wild)
    wild[100] = np.nan
    holed = kernel(one_run(300), wild)
    assert np.flatnonzero(np.isnan(holed)).tolist() == [*range(WINDOW - 1), *range(100, 100 + WINDOW)]
    assert np.array_equal(holed[100 + WINDOW :], whole[100 + WINDOW :])


@EVERY
def test_runs_do_not_touch(kernel: Callable[..., np.ndarray], wild: np.ndarray) -> None:
    apart = kernel(np.array([[0, 19], [19, 150], [160, 300]], dtype=np.int64), wild)
    assert np.isnan(apart[:38]).all()
    assert np.isnan(apart[150:179]).all()
    assert np.array_equal(apart[38:150], kernel(one_run(131), wild[19:150].copy())[19:])


ALL = {
    **KERNELS,
    "mean": lambda runs, values: rolling.window_mean(runs, values, WINDOW),
    "deviation": lambda runs, values: rolling.window_deviation(runs, values, WINDOW, 1),
}


@pytest.mark.parametrize("kernel", ALL.values(), ids=ALL)
def test_many_short_runs_and_a_long_one_equal_each_by_itself(kernel: Callable[..., np.ndarray]) -> None:
    random = np.random.default_rng(11)
    lengths = [*random.integers(1, 60, 150), 5_000, *random.integers(1, 60, 20)]
    ends = np.cumsum([length + gap for length, gap in zip(lengths, random.integers(0, 4, len(lengths)), strict=True)])
    runs = np.column_stack((ends - lengths, ends)).astype(np.int64)
    values = random.lognormal(0.0, 1.0, ends[-1])
    inside = np.zeros(values.size, dtype=np.bool_)
    for first, end in runs:
        inside[first:end] = True
    values[~inside] = random.choice([np.nan, np.inf, 1e300], (~inside).sum())
    found, alone = kernel(runs, values), np.full(values.size, np.nan)
    for first, end in runs:
        alone[first:end] = kernel(one_run(end - first), values[first:end].copy())
    np.testing.assert_array_equal(found, alone)


def test_values_equal_numpy(wild: np.ndarray) -> None:
    windows = np.lib.stride_tricks.sliding_window_view(wild, WINDOW)
    found = {name: kernel(one_run(300), wild)[WINDOW - 1 :] for name, kernel in KERNELS.items()}
    weights = np.arange(1.0, WINDOW + 1)
    np.testing.assert_allclose(found["linear mean"], windows @ weights / weights.sum(), rtol=1e-12)
    slopes = [np.polyfit(weights, window, 1)[0] for window in windows]
    np.testing.assert_allclose(found["slope"], slopes, rtol=1e-9)
    both = [np.corrcoef(window, np.sqrt(window))[0, 1] for window in windows]
    np.testing.assert_allclose(found["correlation"], both, rtol=1e-9)
    np.testing.assert_array_equal(found["highest"], windows.max(axis=1))
    np.testing.assert_array_equal(found["lowest"], windows.min(axis=1))
    np.testing.assert_array_equal(found["highest's age"], WINDOW - 1 - windows.argmax(axis=1))
    np.testing.assert_array_equal(found["lowest's age"], windows[:, ::-1].argmin(axis=1))
    np.testing.assert_allclose(found["quantile"], np.quantile(windows, 0.3, axis=1), rtol=1e-13)
    falls = (windows / np.maximum.accumulate(windows, axis=1)).min(axis=1) - 1.0
    np.testing.assert_allclose(found["drawdown"], falls, atol=1e-15)


@pytest.mark.parametrize("name", ["slope", "correlation", "skewness", "kurtosis", "spread", "drawdown"])
def test_a_constant_window_is_exactly_flat(name: str) -> None:
    values = np.concatenate((np.linspace(1e6, 1.0, 50), np.full(60, 0.1)))
    assert (KERNELS[name](one_run(110), values)[69:] == 0.0).all()


def test_equal_values_share_their_rank() -> None:
    values = np.array([1.0, 2.0, 2.0, 2.0])
    assert rolling.window_rank(one_run(4), values, 4)[3] == 3.0 / 4.0
    assert rolling.window_rank(one_run(4), np.ones(4), 4)[3] == 2.5 / 4.0
