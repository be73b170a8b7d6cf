"""What the indicators are made of: runs of bars, what stands beside a bar in its run, and what is smoothed along it.

Indicators compute on runs (see Indicator); rolling.py has the windows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nightdesk.features.kernels import compiled, shared

Runs = NDArray[np.int64]
Values = NDArray[np.float64]
Flags = NDArray[np.bool_]


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
