"""What indicators are made of: runs of bars, fresh window sums, Wilder's smoothing, TA-Lib per run.

Every window is summed afresh from its own bars, oldest first, never by adding one bar and dropping another: a
value then depends on nothing before its window, bit for bit, so one night computed from a tail equals the
full rebuild, and a flat window is exactly flat. The inner loop goes over bars, not over the window, so that
it still vectorises. Parallel over runs only: the number of threads changes no bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Runs = NDArray[np.int64]
Values = NDArray[np.float64]
Flags = NDArray[np.bool_]

_Function = TypeVar("_Function", bound=Callable[..., object])


def _compiled(function: _Function) -> _Function:
    return cast("_Function", numba.njit(parallel=True, cache=True, error_model="numpy")(function))


def split_runs(starts_symbol: Flags, usable: Flags) -> Runs:
    """Find the longest stretches of consecutive usable bars of one symbol.

    Parameters
    ----------
    starts_symbol : one flag a bar: whether it is its symbol's first.
    usable : one flag a bar: whether every input is known there.

    Returns
    -------
    One row a run: its first bar, and the bar after its last.
    """
    before = np.concatenate(([False], usable[:-1])) & ~starts_symbol
    after = np.concatenate((usable[1:] & ~starts_symbol[1:], [False]))
    return np.column_stack((np.flatnonzero(usable & ~before), np.flatnonzero(usable & ~after) + 1))


def per_run(function: Callable[..., Values], runs: Runs, *columns: Values) -> Values:
    """Call `function` (of TA-Lib, say) on each run's slice of `columns`; NaN on bars outside every run.

    TA-Lib lets one NaN poison all that follows, and knows no symbols: a run has neither problem.
    """
    out = np.full(columns[0].size, np.nan)
    for first, end in runs.tolist():
        out[first:end] = function(*(column[first:end] for column in columns))
    return out


def ratio(numerator: Values, denominator: Values, flat: float) -> Values:
    """Divide elementwise, with `flat` where the denominator is exactly zero; NaN stays NaN."""
    zero = denominator == 0.0
    return np.where(zero, flat, numerator / np.where(zero, 1.0, denominator))


@_compiled
def lagged(runs: Runs, values: Values, bars: int) -> Values:
    """Take each bar's value of `bars` bars earlier; NaN on the first `bars` bars of a run."""
    out = np.full(values.size, np.nan)
    for run in numba.prange(runs.shape[0]):
        first, end = runs[run, 0], runs[run, 1]
        for bar in range(first + bars, end):
            out[bar] = values[bar - bars]
    return out


@_compiled
def window_mean(runs: Runs, values: Values, window: int) -> Values:
    """Mean of the last `window` bars; NaN on a run's first `window - 1` bars and where a window holds NaN."""
    out = np.full(values.size, np.nan)
    for run in numba.prange(runs.shape[0]):
        first, end = runs[run, 0], runs[run, 1]
        if end - first >= window:
            sums = out[first + window - 1 : end]
            sums[:] = 0.0
            for age in range(window):
                members = values[first + age : first + age + sums.size]
                for k in range(sums.size):
                    sums[k] += members[k]
            for k in range(sums.size):
                sums[k] /= window
    return out


@_compiled
def window_deviation(runs: Runs, values: Values, window: int, lost: int) -> Values:
    """Sample standard deviation of the last `window` bars, with `window - lost` degrees of freedom.

    Values are taken relative to their window's oldest, then centred, then squared: no cancellation, and
    exactly zero on a constant window. NaN on the first `window - 1` bars of a run and where a window holds
    NaN.
    """
    out = np.full(values.size, np.nan)
    for run in numba.prange(runs.shape[0]):
        first, end = runs[run, 0], runs[run, 1]
        if end - first >= window:
            squares = out[first + window - 1 : end]
            squares[:] = 0.0
            oldest = values[first : first + squares.size]
            mean = np.zeros(squares.size)
            for age in range(window):
                members = values[first + age : first + age + squares.size]
                for k in range(squares.size):
                    mean[k] += (members[k] - oldest[k]) / window
            for age in range(window):
                members = values[first + age : first + age + squares.size]
                for k in range(squares.size):
                    distance = members[k] - oldest[k] - mean[k]
                    squares[k] += distance * distance
            for k in range(squares.size):
                squares[k] = np.sqrt(squares[k] / (window - lost))
    return out


@_compiled
def wilder(runs: Runs, values: Values, window: int) -> Values:
    """Wilder's smoothing: the mean of the first `window` known values, then 1/`window` of the way to each.

    A run's leading NaN (the warm-up of what is smoothed) are skipped; null until the first mean.
    """
    out = np.full(values.size, np.nan)
    for run in numba.prange(runs.shape[0]):
        first, end = runs[run, 0], runs[run, 1]
        while first < end and np.isnan(values[first]):
            first += 1
        if end - first >= window:
            level = 0.0
            for bar in range(first, first + window):
                level += values[bar] / window
            out[first + window - 1] = level
            for bar in range(first + window, end):
                level += (values[bar] - level) / window
                out[bar] = level
    return out
