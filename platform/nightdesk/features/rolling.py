"""Kernels over moving windows of a run that TA-Lib lacks: extremes, quantiles, ranks, moments, regressions.

As in primitives.py every sum is taken afresh from its own window, oldest first, on values relative to the
window's oldest: no residue of bars long gone, exactly flat where the window is, and the same bits from a tail as
from all history. Extremes keep a monotonic queue and quantiles one sorted window; both are exact, so they too
depend on nothing before the window. All are NaN on a run's first `window - 1` bars and where a window holds NaN.
Parallel over runs only: the number of threads changes no bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba
import numpy as np

from nightdesk.features.primitives import Runs, Values

_Function = TypeVar("_Function", bound=Callable[..., object])


def _compiled(function: _Function) -> _Function:
    return cast("_Function", numba.njit(parallel=True, cache=True, error_model="numpy")(function))


@_compiled
def window_linear_mean(runs: Runs, values: Values, window: int) -> Values:
    """Mean of the last `window` bars weighted 1 (the oldest) to `window` (the newest)."""
    out = np.full(values.size, np.nan)
    weight = 2.0 / (window * (window + 1))
    for run in numba.prange(runs.shape[0]):
        first, end = runs[run, 0], runs[run, 1]
        if end - first >= window:
            sums = out[first + window - 1 : end]
            sums[:] = 0.0
            oldest = values[first : first + sums.size]
            for age in range(1, window):
                members = values[first + age : first + age + sums.size]
                for k in range(sums.size):
                    sums[k] += (age + 1) * (members[k] - oldest[k])
            for k in range(sums.size):
                sums[k] = sums[k] * weight + oldest[k]
    return out


@_compiled
def window_slope(runs: Runs, values: Values, window: int) -> Values:
    """Least-squares slope a bar of the last `window` values on their bar numbers; 0 where they are constant."""
    out = np.full(values.size, np.nan)
    middle = (window - 1) / 2.0
    spread = window * (window * window - 1.0) / 12.0
    for run in numba.prange(runs.shape[0]):
        first, end = runs[run, 0], runs[run, 1]
        if end - first >= window:
            slopes = out[first + window - 1 : end]
            slopes[:] = 0.0
            oldest = values[first : first + slopes.size]
            for age in range(1, window):
                members = values[first + age : first + age + slopes.size]
                for k in range(slopes.size):
                    slopes[k] += (age - middle) * (members[k] - oldest[k])
            for k in range(slopes.size):
                slopes[k] /= spread
    return out


@_compiled
def window_correlation(runs: Runs, left: Values, right: Values, window: int) -> Values:
    """Pearson's correlation of the last `window` pairs, -1 to 1; 0 where either side is constant."""
    out = np.full(left.size, np.nan)
    for run in numba.prange(runs.shape[0]):
        first, end = runs[run, 0], runs[run, 1]
        if end - first >= window:
            shared = out[first + window - 1 : end]
            shared[:] = 0.0
            size = shared.size
            left_mean, right_mean = np.zeros(size), np.zeros(size)
            left_square, right_square = np.zeros(size), np.zeros(size)
            oldest, oldest_right = left[first : first + size], right[first : first + size]
            for age in range(window):
                ours, theirs = left[first + age : first + age + size], right[first + age : first + age + size]
                for k in range(size):
                    left_mean[k] += (ours[k] - oldest[k]) / window
                    right_mean[k] += (theirs[k] - oldest_right[k]) / window
            for age in range(window):
                ours, theirs = left[first + age : first + age + size], right[first + age : first + age + size]
                for k in range(size):
                    apart = ours[k] - oldest[k] - left_mean[k]
                    beside = theirs[k] - oldest_right[k] - right_mean[k]
                    shared[k] += apart * beside
                    left_square[k] += apart * apart
                    right_square[k] += beside * beside
            for k in range(size):
                scale = np.sqrt(left_square[k]) * np.sqrt(right_square[k])
                shared[k] = 0.0 if scale == 0.0 else min(max(shared[k] / scale, -1.0), 1.0)
                if np.isnan(scale):
                    shared[k] = np.nan
    return out


@_compiled
def window_moment(runs: Runs, values: Values, window: int, power: int) -> Values:
    """Standardised central moment of the last `window` values (`power` 3: skewness, 4: kurtosis).

    Over the population's deviation; 0 where the window is constant.
    """
    out = np.full(values.size, np.nan)
    for run in numba.prange(runs.shape[0]):
        first, end = runs[run, 0], runs[run, 1]
        if end - first >= window:
            moments = out[first + window - 1 : end]
            moments[:] = 0.0
            oldest = values[first : first + moments.size]
            mean, square = np.zeros(moments.size), np.zeros(moments.size)
            for age in range(window):
                members = values[first + age : first + age + moments.size]
                for k in range(moments.size):
                    mean[k] += (members[k] - oldest[k]) / window
            for age in range(window):
                members = values[first + age : first + age + moments.size]
                for k in range(moments.size):
                    apart = members[k] - oldest[k] - mean[k]
                    square[k] += apart * apart / window
                    moments[k] += apart * apart * (apart if power == 3 else apart * apart) / window
            for k in range(moments.size):
                scale = square[k] * (np.sqrt(square[k]) if power == 3 else square[k])
                moments[k] = 0.0 if scale == 0.0 else moments[k] / scale
    return out


@_compiled
def window_spread(runs: Runs, values: Values, window: int) -> Values:
    """Mean absolute distance of the last `window` values from their mean; exactly 0 where they are constant."""
    out = np.full(values.size, np.nan)
    for run in numba.prange(runs.shape[0]):
        first, end = runs[run, 0], runs[run, 1]
        if end - first >= window:
            spreads = out[first + window - 1 : end]
            spreads[:] = 0.0
            oldest = values[first : first + spreads.size]
            mean = np.zeros(spreads.size)
            for age in range(window):
                members = values[first + age : first + age + spreads.size]
                for k in range(spreads.size):
                    mean[k] += (members[k] - oldest[k]) / window
            for age in range(window):
                members = values[first + age : first + age + spreads.size]
                for k in range(spreads.size):
                    spreads[k] += abs(members[k] - oldest[k] - mean[k]) / window
    return out


@_compiled
def window_drawdown(runs: Runs, values: Values, window: int) -> Values:
    """Deepest fall within the last `window` values from the highest before it, a fraction of at most 0."""
    out = np.full(values.size, np.nan)
    for run in numba.prange(runs.shape[0]):
        first, end = runs[run, 0], runs[run, 1]
        if end - first >= window:
            falls = out[first + window - 1 : end]
            peak = values[first : first + falls.size].copy()
            for k in range(falls.size):
                falls[k] = peak[k] - peak[k]
            for age in range(1, window):
                members = values[first + age : first + age + falls.size]
                for k in range(falls.size):
                    peak[k] = max(peak[k], members[k])
                    # The difference is 0, or NaN where the value is: comparisons would pass it over.
                    falls[k] = min(falls[k], members[k] / peak[k] - 1.0) + (members[k] - members[k])
    return out


@_compiled
def window_rescaled_range(runs: Runs, values: Values, window: int, part: int) -> Values:
    """Mean over the window's `window // part` parts of the range of summed distances from the mean, over deviation.

    A constant part counts for nothing; NaN where all are constant.
    """
    out = np.full(values.size, np.nan)
    for run in numba.prange(runs.shape[0]):
        first, end = runs[run, 0], runs[run, 1]
        for bar in range(first + window - 1, end):
            total, counted = 0.0, 0
            for start in range(bar - window + 1, bar + 1, part):
                mean = 0.0
                for member in range(start, start + part):
                    mean += (values[member] - values[start]) / part
                square = level = top = bottom = 0.0
                for member in range(start, start + part):
                    apart = values[member] - values[start] - mean
                    square += apart * apart
                    level += apart
                    top, bottom = max(top, level), min(bottom, level)
                if square != 0.0:
                    total += (top - bottom) / np.sqrt(square / part)
                    counted += 1
            if counted > 0:
                out[bar] = total / counted
    return out


@_compiled
def window_rank(runs: Runs, values: Values, window: int) -> Values:
    """Rank of the newest of the last `window` values over `window`: 1 at the highest; ties take their mean."""
    out = np.full(values.size, np.nan)
    for run in numba.prange(runs.shape[0]):
        first, end = runs[run, 0], runs[run, 1]
        if end - first >= window:
            ranks = out[first + window - 1 : end]
            ranks[:] = 0.5
            newest = values[first + window - 1 : end]
            for age in range(window):
                members = values[first + age : first + age + ranks.size]
                for k in range(ranks.size):
                    below, same = members[k] < newest[k], members[k] == newest[k]
                    ranks[k] += (1.0 if below else 0.5) if below or same else members[k] - members[k]
            for k in range(ranks.size):
                ranks[k] = ranks[k] / window if newest[k] == newest[k] else np.nan
    return out


@_compiled
def window_highest(runs: Runs, values: Values, window: int) -> Values:
    """Highest of the last `window` values."""
    out = np.full(values.size, np.nan)
    for run in numba.prange(runs.shape[0]):
        first, end = runs[run, 0], runs[run, 1]
        queue = np.empty(end - first, dtype=np.int64)
        head = tail = 0
        clean = first
        for bar in range(first, end):
            if np.isnan(values[bar]):
                head = tail = 0
                clean = bar + 1
                continue
            while tail > head and values[queue[tail - 1]] <= values[bar]:
                tail -= 1
            queue[tail] = bar
            tail += 1
            if queue[head] <= bar - window:
                head += 1
            if bar - clean + 1 >= window:
                out[bar] = values[queue[head]]
    return out


@_compiled
def window_highest_age(runs: Runs, values: Values, window: int, oldest: bool) -> Values:
    """Bars since the highest of the last `window` values: the `oldest` of equal ones, or the newest."""
    out = np.full(values.size, np.nan)
    for run in numba.prange(runs.shape[0]):
        first, end = runs[run, 0], runs[run, 1]
        queue = np.empty(end - first, dtype=np.int64)
        head = tail = 0
        clean = first
        for bar in range(first, end):
            if np.isnan(values[bar]):
                head = tail = 0
                clean = bar + 1
                continue
            while tail > head and (
                values[queue[tail - 1]] < values[bar] or (not oldest and values[queue[tail - 1]] == values[bar])
            ):
                tail -= 1
            queue[tail] = bar
            tail += 1
            if queue[head] <= bar - window:
                head += 1
            if bar - clean + 1 >= window:
                out[bar] = bar - queue[head]
    return out


def window_lowest(runs: Runs, values: Values, window: int) -> Values:
    """Lowest of the last `window` values."""
    return -window_highest(runs, -values, window)


def window_lowest_age(runs: Runs, values: Values, window: int, oldest: bool) -> Values:
    """Bars since the lowest of the last `window` values: the `oldest` of equal ones, or the newest."""
    return window_highest_age(runs, -values, window, oldest)


@_compiled
def window_quantile(runs: Runs, values: Values, window: int, share: float) -> Values:
    """Quantile of the last `window` values, linear between neighbours, at `share` (0 the lowest, 1 the highest)."""
    out = np.full(values.size, np.nan)
    place = share * (window - 1)
    below = int(np.floor(place))
    above, part = min(below + 1, window - 1), place - below
    for run in numba.prange(runs.shape[0]):
        first, end = runs[run, 0], runs[run, 1]
        ordered = np.empty(window + 1)
        held = 0
        for bar in range(first, end):
            new = values[bar]
            if np.isnan(new):
                held = 0
                continue
            if held == window:
                gone = values[bar - window]
                at = np.searchsorted(ordered[:held], gone)
                if new >= gone:
                    while at + 1 < held and ordered[at + 1] < new:
                        ordered[at] = ordered[at + 1]
                        at += 1
                else:
                    while at > 0 and ordered[at - 1] > new:
                        ordered[at] = ordered[at - 1]
                        at -= 1
                ordered[at] = new
            else:
                at = held
                while at > 0 and ordered[at - 1] > new:
                    ordered[at] = ordered[at - 1]
                    at -= 1
                ordered[at] = new
                held += 1
            if held == window:
                out[bar] = ordered[below] + part * (ordered[above] - ordered[below])
    return out
