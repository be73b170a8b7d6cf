"""What the indicators are made of: runs of bars, and kernels over moving windows of each run.

Indicators compute on runs (see Indicator). A window of any length is put together from windows of 1, 2, 4, 8 and so on
bars, each made of two of half its length, always in the same order: a value then depends on nothing before its
window, bit for bit, so one night computed from a tail equals the full rebuild; a flat window is exactly flat, because
parts are merged by the differences of their means (Chan, Golub & LeVeque 1979); and a long window costs little more
than a short one. The inner loop goes over bars, so that it vectorises; over those of several short runs at once, of
which only windows within one run are kept.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np
from numpy.typing import NDArray

from nightdesk.features.kernels import compiled, shared

Runs = NDArray[np.int64]
Values = NDArray[np.float64]
Flags = NDArray[np.bool_]

_STRETCH: Final = 2048  # bars whose windows are put together at once: what that takes fits into the first cache


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


@numba.njit(nogil=True, cache=True, error_model="numpy")
def stretch(runs: Runs, first: int) -> int:
    """The run after those, from the `first` on, whose windows are put together at once: one run, or several short."""
    after = first + 1
    while after < runs.shape[0] and runs[after, 1] - runs[first, 0] <= _STRETCH:
        after += 1
    return after


@numba.njit(nogil=True, cache=True, error_model="numpy")
def keep_whole(found: Values, runs: Runs, window: int, out: Values) -> None:
    """Take from `found`, a value a bar from the first run's first on, what windows within one of the `runs` gave."""
    begin = runs[0, 0]
    for run in range(runs.shape[0]):
        for bar in range(runs[run, 0] + window - 1, runs[run, 1]):
            out[bar] = found[bar - begin]


@compiled
def ratio(numerator: Values, denominator: Values, flat: float) -> Values:
    """Divide elementwise, with `flat` where the denominator is exactly zero; NaN stays NaN."""
    out = np.empty(numerator.size)
    for bar in range(out.size):
        below = denominator[bar]
        out[bar] = flat if below == 0.0 else numerator[bar] / below
    return out


@compiled
def lagged(runs: Runs, values: Values, bars: int) -> Values:
    """Take each bar's value of `bars` bars earlier; NaN on the first `bars` bars of a run."""
    out = np.full(values.size, np.nan)
    for run in range(runs.shape[0]):
        first, end = runs[run, 0], runs[run, 1]
        for bar in range(first + bars, end):
            out[bar] = values[bar - bars]
    return out


@shared
def change(runs: Runs, values: Values) -> Values:
    """Each value minus that of the bar before; NaN on a run's first bar."""
    return values - lagged(runs, values, 1)


@shared
def log_return(runs: Runs, close: Values) -> Values:
    """Logarithm of the close over that of the bar before; NaN on a run's first bar."""
    return np.log(close / lagged(runs, close, 1))


@compiled
def window_mean(runs: Runs, values: Values, window: int) -> Values:
    """Mean of the last `window` bars; NaN on a run's first `window - 1` bars and where a window holds NaN."""
    out = np.full(values.size, np.nan)
    after = 0
    while after < runs.shape[0]:
        run, after = after, stretch(runs, after)
        some = runs[run:after]
        first, end = some[0, 0], some[-1, 1]
        length = end - first
        if length < window:
            continue
        mean = np.empty(length)  # of the newest `done` bars
        block, spare = values[first:end].copy(), np.empty(length)  # means of the newest `size` bars
        size, done = 1, 0
        while True:
            if window & size:
                if done == 0:
                    mean[:] = block
                else:
                    share = size / (done + size)
                    older = block[size - 1 : length - done]
                    newer = mean[done + size - 1 :]
                    for k in range(newer.size):
                        newer[k] += (older[k] - newer[k]) * share
                done += size
            if done == window:
                break
            before, behind, both = block[size - 1 : length - size], block[2 * size - 1 :], spare[2 * size - 1 :]
            for k in range(both.size):
                both[k] = 0.5 * (before[k] + behind[k])
            block, spare = spare, block
            size *= 2
        keep_whole(mean, some, window, out)
    return out


@compiled
def window_deviation(runs: Runs, values: Values, window: int, lost: int) -> Values:
    """Sample standard deviation of the last `window` bars, with `window - lost` degrees of freedom.

    Exactly zero on a constant window. NaN on the first `window - 1` bars of a run and where a window holds NaN.
    """
    out = np.full(values.size, np.nan)
    after = 0
    while after < runs.shape[0]:
        run, after = after, stretch(runs, after)
        some = runs[run:after]
        first, end = some[0, 0], some[-1, 1]
        length = end - first
        if length < window:
            continue
        square, mean = np.empty(length), np.empty(length)  # of the newest `done` bars
        block, spare = values[first:end].copy(), np.empty(length)  # means of the newest `size` bars
        squares, spares = block - block, np.empty(length)  # their squared distances, summed
        size, done = 1, 0
        while True:
            if window & size:
                if done == 0:
                    mean[:] = block
                    square[:] = squares
                else:
                    share = size / (done + size)
                    older, apart = block[size - 1 : length - done], squares[size - 1 : length - done]
                    newer, whole = mean[done + size - 1 :], square[done + size - 1 :]
                    for k in range(newer.size):
                        gap = older[k] - newer[k]
                        whole[k] += apart[k] + gap * gap * (done * share)
                        newer[k] += gap * share
                done += size
            if done == window:
                break
            before, behind, both = block[size - 1 : length - size], block[2 * size - 1 :], spare[2 * size - 1 :]
            apart, beside = squares[size - 1 : length - size], squares[2 * size - 1 :]
            whole = spares[2 * size - 1 :]
            for k in range(both.size):
                gap = before[k] - behind[k]
                whole[k] = apart[k] + beside[k] + gap * gap * (0.5 * size)
                both[k] = 0.5 * (before[k] + behind[k])
            block, spare, squares, spares = spare, block, spares, squares
            size *= 2
        for k in range(window - 1, length):
            square[k] = np.sqrt(square[k] / (window - lost))
        keep_whole(square, some, window, out)
    return out


@compiled
def adaptive_mean(runs: Runs, values: Values, rates: Values) -> Values:
    """Go `rates` (0 to 1) of the way to each value, from the one before a run's first known rate on; null till then.

    No value where the first rate is known on a run's first bar.
    """
    out = np.full(values.size, np.nan)
    for run in range(runs.shape[0]):
        start, end = runs[run, 0], runs[run, 1]
        first = start
        while first < end and np.isnan(rates[first]):
            first += 1
        if start < first < end:
            level = values[first - 1]
            for bar in range(first, end):
                level += rates[bar] * (values[bar] - level)
                out[bar] = level
    return out


@compiled
def wilder(runs: Runs, values: Values, window: int) -> Values:
    """Wilder's smoothing: the mean of the first `window` known values, then 1/`window` of the way to each.

    A run's leading NaN (the warm-up of what is smoothed) are skipped; null until the first mean.
    """
    out = np.full(values.size, np.nan)
    for run in range(runs.shape[0]):
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
