"""TA-Lib called from compiled code says what its own Python functions say, run by run, bit for bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import talib

from nightdesk.errors import BadInput
from nightdesk.features.ta_lib import Runs, Values, per_run, per_run_outputs

RUNS = np.array([[0, 90], [90, 94], [100, 100], [101, 102], [110, 400]])
BARS = 420
CASES = [
    (talib.EMA, 1, (12,), 1),
    (talib.ATR, 3, (14,), 1),
    (talib.SAR, 2, (0.02, 0.2), 1),
    (talib.ADOSC, 4, (3, 10), 1),
    (talib.MACD, 1, (12, 26, 9), 3),
    (talib.OBV, 2, (), 1),
]


def columns() -> tuple[Values, ...]:
    random = np.random.default_rng(7)
    close = 50.0 * np.exp(np.cumsum(random.normal(0.0, 0.02, BARS)))
    return close * 1.01, close * 0.99, close, random.uniform(1e3, 1e6, BARS)


def by_itself(function: Callable[..., object], runs: Runs, given: tuple[Values, ...], settings: object) -> Values:
    out = np.full((3, BARS), np.nan)
    for first, end in runs.tolist():
        if end > first:
            out[:, first:end] = function(*[column[first:end] for column in given], *settings)  # type: ignore[misc]
    return out


@pytest.mark.parametrize(("function", "inputs", "settings", "outputs"), CASES)
@pytest.mark.parametrize("unknown", [0, 3, 89])
def test_each_run_has_the_bits_of_the_library(
    function: Callable[..., Values], inputs: int, settings: tuple[float, ...], outputs: int, unknown: int
) -> None:
    given = tuple(column.copy() for column in columns()[:inputs])
    given[-1][:unknown] = np.nan
    found = per_run_outputs(function, RUNS, *given, settings=settings, outputs=outputs)
    assert np.array_equal(found, by_itself(function, RUNS, given, settings)[:outputs], equal_nan=True)
    assert np.isfinite(found).any()


def test_columns_that_do_not_lie_in_one_piece_are_read_right() -> None:
    close = columns()[2]
    apart = np.column_stack((close, close))[:, 0]
    assert not apart.flags["C_CONTIGUOUS"]
    found, wanted = (per_run(talib.EMA, RUNS, one, settings=(12,)) for one in (apart, close))
    assert np.array_equal(found, wanted, equal_nan=True)


def test_settings_beyond_its_limits_are_refused() -> None:
    with pytest.raises(BadInput, match="within its limits"):
        per_run(talib.EMA, RUNS, columns()[2], settings=(0,))


@pytest.mark.parametrize(
    ("function", "inputs", "settings", "outputs"),
    [
        (talib.ATR, 2, (14,), 1),
        (talib.EMA, 1, (), 1),
        (talib.MACD, 1, (12, 26, 9), 1),
        (talib.MAXINDEX, 1, (12,), 1),
        (talib.CDLDOJI, 4, (), 1),
    ],
)
def test_what_c_would_not_check_is_refused(
    function: Callable[..., Values], inputs: int, settings: tuple[float, ...], outputs: int
) -> None:
    with pytest.raises(BadInput, match="must be given"):
        per_run_outputs(function, RUNS, *columns()[:inputs], settings=settings, outputs=outputs)


def test_a_whole_number_written_as_a_float_is_the_number() -> None:
    close = columns()[2]
    found, wanted = (per_run(talib.EMA, RUNS, close, settings=(window,)) for window in (12.0, 12))
    assert np.array_equal(found, wanted, equal_nan=True)
