"""Kernels over moving windows of a run: means, deviations, extremes, quantiles, ranks, moments, regressions.

A window of any length is put together from windows of 1, 2, 4, 8 and so on bars, each made of two of half its length,
always in the same order: a value then depends on nothing before its window, bit for bit, so one night computed from a
tail equals the full rebuild; a flat window is exactly flat, because parts are merged by the differences of their means
(Chan, Golub & LeVeque 1979); and a long window costs little more than a short one. The inner loop goes over bars, so
that it vectorises; over those of several short runs at once, of which only windows within one run are kept. Other
windows are taken afresh, oldest bar first, and quantiles keep one sorted window, which is exact. All are NaN on a run's
first `window - 1` bars and where a window holds NaN.

A kernel calls compiled functions of this file alone: of a change in another, the cache of compiled code would not know.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np

from nightdesk.features.kernels import compiled
from nightdesk.features.primitives import Runs, Values

_STRETCH: Final = 2048  # bars whose windows are put together at once: what that takes stays in a processor's own caches


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _stretch(runs: Runs, first: int) -> int:
    """The run after those, from the `first` on, whose windows are put together at once: one run, or several short."""
    after = first + 1
    while after < runs.shape[0] and runs[after, 1] - runs[first, 0] <= _STRETCH:
        after += 1
    return after


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _keep_whole(found: Values, runs: Runs, window: int, out: Values) -> None:
    """Take from `found`, a value a bar from the first run's first on, what windows within one of the `runs` gave."""
    begin = runs[0, 0]
    for run in range(runs.shape[0]):
        for bar in range(runs[run, 0] + window - 1, runs[run, 1]):
            out[bar] = found[bar - begin]


@compiled
def window_mean(runs: Runs, values: Values, window: int) -> Values:
    """Mean of the last `window` bars; NaN on a run's first `window - 1` bars and where a window holds NaN."""
    out = np.full(values.size, np.nan)
    after = 0
    while after < runs.shape[0]:
        run, after = after, _stretch(runs, after)
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
        _keep_whole(mean, some, window, out)
    return out


@compiled
def window_deviation(runs: Runs, values: Values, window: int, lost: int) -> Values:
    """Sample standard deviation of the last `window` bars, with `window - lost` degrees of freedom.

    Exactly zero on a constant window. NaN on the first `window - 1` bars of a run and where a window holds NaN.
    """
    out = np.full(values.size, np.nan)
    after = 0
    while after < runs.shape[0]:
        run, after = after, _stretch(runs, after)
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
        _keep_whole(square, some, window, out)
    return out


def window_linear_mean(runs: Runs, values: Values, window: int) -> Values:
    """Mean of the last `window` bars weighted 1 (the oldest) to `window` (the newest)."""
    mean, tilt = _window_tilt(runs, values, window)
    found: Values = mean + tilt * (2.0 / (window * (window + 1.0)))
    return found


def window_slope(runs: Runs, values: Values, window: int) -> Values:
    """Least-squares slope a bar of the last `window` values on their bar numbers; 0 where they are constant."""
    found: Values = _window_tilt(runs, values, window)[1] / (window * (window * window - 1.0) / 12.0)
    return found


@compiled
def _window_tilt(runs: Runs, values: Values, window: int) -> Values:
    """Mean of the window, and the sum of its values times their distances from its middle: two rows."""
    out = np.full((2, values.size), np.nan)
    after = 0
    while after < runs.shape[0]:
        run, after = after, _stretch(runs, after)
        some = runs[run:after]
        first, end = some[0, 0], some[-1, 1]
        length = end - first
        if length < window:
            continue
        mean, tilt = np.empty(length), np.empty(length)  # of the newest `done` bars
        block, spare = values[first:end].copy(), np.empty(length)  # means of the newest `size` bars
        tilts, spares = block - block, np.empty(length)
        size, done = 1, 0
        while True:
            if window & size:
                if done == 0:
                    mean[:] = block
                    tilt[:] = tilts
                else:
                    share, reach = size / (done + size), 0.5 * size * done
                    older, before = block[size - 1 : length - done], tilts[size - 1 : length - done]
                    newer, whole = mean[done + size - 1 :], tilt[done + size - 1 :]
                    for k in range(newer.size):
                        gap = newer[k] - older[k]
                        whole[k] += before[k] + gap * reach
                        newer[k] -= gap * share
                done += size
            if done == window:
                break
            older, newer, both = block[size - 1 : length - size], block[2 * size - 1 :], spare[2 * size - 1 :]
            before, behind, whole = tilts[size - 1 : length - size], tilts[2 * size - 1 :], spares[2 * size - 1 :]
            for k in range(both.size):
                whole[k] = before[k] + behind[k] + (newer[k] - older[k]) * (0.5 * size * size)
                both[k] = 0.5 * (older[k] + newer[k])
            block, spare, tilts, spares = spare, block, spares, tilts
            size *= 2
        _keep_whole(mean, some, window, out[0])
        _keep_whole(tilt, some, window, out[1])
    return out


@compiled
def window_correlation(runs: Runs, left: Values, right: Values, window: int) -> Values:
    """Pearson's correlation of the last `window` pairs, -1 to 1; 0 where either side is constant."""
    out = np.full(left.size, np.nan)
    after = 0
    while after < runs.shape[0]:
        run, after = after, _stretch(runs, after)
        some = runs[run:after]
        first, end = some[0, 0], some[-1, 1]
        length = end - first
        if length < window:
            continue
        # Rows: mean of left, mean of right, squares of left, of right, products; of the newest `done` or `size` bars.
        found, block, spare = np.empty((5, length)), np.empty((5, length)), np.empty((5, length))
        block[0], block[1] = left[first:end], right[first:end]
        block[2], block[3] = block[0] - block[0], block[1] - block[1]
        block[4] = block[2] + block[3]
        size, done = 1, 0
        while True:
            if window & size:
                if done == 0:
                    found[:] = block
                else:
                    share = size / (done + size)
                    older, newer = block[:, size - 1 : length - done], found[:, done + size - 1 :]
                    for k in range(newer.shape[1]):
                        gap, beside = older[0, k] - newer[0, k], older[1, k] - newer[1, k]
                        newer[0, k] += gap * share
                        newer[1, k] += beside * share
                        newer[2, k] += older[2, k] + gap * gap * (done * share)
                        newer[3, k] += older[3, k] + beside * beside * (done * share)
                        newer[4, k] += older[4, k] + gap * beside * (done * share)
                done += size
            if done == window:
                break
            older, newer, both = block[:, size - 1 : length - size], block[:, 2 * size - 1 :], spare[:, 2 * size - 1 :]
            for k in range(both.shape[1]):
                gap, beside = older[0, k] - newer[0, k], older[1, k] - newer[1, k]
                both[0, k] = 0.5 * (older[0, k] + newer[0, k])
                both[1, k] = 0.5 * (older[1, k] + newer[1, k])
                both[2, k] = older[2, k] + newer[2, k] + gap * gap * (0.5 * size)
                both[3, k] = older[3, k] + newer[3, k] + beside * beside * (0.5 * size)
                both[4, k] = older[4, k] + newer[4, k] + gap * beside * (0.5 * size)
            block, spare = spare, block
            size *= 2
        for k in range(window - 1, length):
            scale = np.sqrt(found[2, k]) * np.sqrt(found[3, k])
            held = min(max(found[4, k] / scale, -1.0), 1.0)
            found[4, k] = scale if np.isnan(scale) else 0.0 if scale == 0.0 else held
        _keep_whole(found[4], some, window, out)
    return out


@compiled
def window_moment(runs: Runs, values: Values, window: int, power: int) -> Values:
    """Standardised central moment of the last `window` values (`power` 3: skewness, 4: kurtosis).

    Over the population's deviation; 0 where the window is constant.
    """
    out = np.full(values.size, np.nan)
    for run in range(runs.shape[0]):
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


@compiled
def window_spread(runs: Runs, values: Values, window: int) -> Values:
    """Mean absolute distance of the last `window` values from their mean; exactly 0 where they are constant."""
    out = np.full(values.size, np.nan)
    for run in range(runs.shape[0]):
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


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _deepest_of_both(older: Values, newer: Values, both: Values) -> None:
    """Highest, lowest and deepest fall (rows) of bars in two parts, the one before the other."""
    for k in range(both.shape[1]):
        # The difference is 0, or NaN where a value is: comparisons would pass it over.
        known = (older[2, k] - older[2, k]) + (newer[2, k] - newer[2, k])
        across = newer[1, k] / older[0, k] - 1.0
        fall = older[2, k] if older[2, k] < newer[2, k] else newer[2, k]
        top, bottom = newer[0, k], newer[1, k]
        both[0, k] = older[0, k] if older[0, k] > top else top
        both[1, k] = older[1, k] if older[1, k] < bottom else bottom
        both[2, k] = (across if across < fall else fall) + known


@compiled
def window_drawdown(runs: Runs, values: Values, window: int) -> Values:
    """Deepest fall within the last `window` values from the highest before it, a fraction of at most 0."""
    out = np.full(values.size, np.nan)
    after = 0
    while after < runs.shape[0]:
        run, after = after, _stretch(runs, after)
        some = runs[run:after]
        first, end = some[0, 0], some[-1, 1]
        length = end - first
        if length < window:
            continue
        found, block, spare = np.empty((3, length)), np.empty((3, length)), np.empty((3, length))
        block[0] = block[1] = values[first:end]
        block[2] = block[0] - block[0]
        size, done = 1, 0
        while True:
            if window & size:
                newer = found[:, done + size - 1 :]
                if done == 0:
                    found[:] = block
                else:
                    _deepest_of_both(block[:, size - 1 : length - done], newer, newer)
                done += size
            if done == window:
                break
            _deepest_of_both(block[:, size - 1 : length - size], block[:, 2 * size - 1 :], spare[:, 2 * size - 1 :])
            block, spare = spare, block
            size *= 2
        _keep_whole(found[2], some, window, out)
    return out


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _rescaled_ranges(values: Values, part: int) -> tuple[Values, Values]:
    """Of each `part` successive values the rescaled range, 0 where constant, and 1 where it is not constant."""
    parts = values.size - part + 1
    oldest, mean = values[:parts], np.zeros(parts)
    square, level, top, bottom = np.zeros(parts), np.zeros(parts), np.zeros(parts), np.zeros(parts)
    for age in range(part):
        members = values[age : age + parts]
        for k in range(parts):
            mean[k] += (members[k] - oldest[k]) / part
    for age in range(part):
        members = values[age : age + parts]
        for k in range(parts):
            apart = members[k] - oldest[k] - mean[k]
            square[k] += apart * apart
            summed = level[k] + apart
            level[k] = summed
            top[k] = summed if summed > top[k] else top[k]
            bottom[k] = summed if summed < bottom[k] else bottom[k]
    for k in range(parts):
        moved = square[k] != 0.0
        top[k] = (top[k] - bottom[k]) / (np.sqrt(square[k] / part) if moved else 1.0)
        bottom[k] = 1.0 if moved else 0.0
    return top, bottom


@compiled
def window_rescaled_range(runs: Runs, values: Values, window: int, part: int) -> Values:
    """Mean over the window's `window // part` parts of the range of summed distances from the mean, over deviation.

    A constant part counts for nothing; NaN where all are constant.
    """
    out = np.full(values.size, np.nan)
    for run in range(runs.shape[0]):
        first, end = runs[run, 0], runs[run, 1]
        if end - first < window:
            continue
        ranges, moved = _rescaled_ranges(values[first:end], part)
        total, counted = out[first + window - 1 : end], np.zeros(end - first - window + 1)
        total[:] = 0.0
        for start in range(0, window - part + 1, part):
            for k in range(total.size):
                total[k] += ranges[start + k]
                counted[k] += moved[start + k]
        for k in range(total.size):
            total[k] = total[k] / counted[k] if counted[k] > 0.0 else np.nan
    return out


@compiled
def window_rank(runs: Runs, values: Values, window: int) -> Values:
    """Rank of the newest of the last `window` values over `window`: 1 at the highest; ties take their mean."""
    out = np.full(values.size, np.nan)
    for run in range(runs.shape[0]):
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


def window_highest(runs: Runs, values: Values, window: int) -> Values:
    """Highest of the last `window` values."""
    return _window_extreme(runs, values, window, 1.0)


def window_lowest(runs: Runs, values: Values, window: int) -> Values:
    """Lowest of the last `window` values."""
    return _window_extreme(runs, values, window, -1.0)


@compiled
def _window_extreme(runs: Runs, values: Values, window: int, side: float) -> Values:
    """Highest (`side` 1) or lowest (-1) of the window."""
    out = np.full(values.size, np.nan)
    after = 0
    while after < runs.shape[0]:
        run, after = after, _stretch(runs, after)
        some = runs[run:after]
        first, end = some[0, 0], some[-1, 1]
        length = end - first
        if length < window:
            continue
        block, spare = side * values[first:end], np.empty(length)  # of the newest `size` bars
        size = 1
        while size < window:
            step = min(size, window - size)  # two blocks may share bars: an extreme does not mind
            older, newer = block[size - 1 : length - step], block[size + step - 1 :]
            both = spare[size + step - 1 :]
            for k in range(both.size):
                both[k] = older[k] if older[k] > newer[k] or older[k] != older[k] else newer[k]
            block, spare = spare, block
            size += step
        for k in range(window - 1, length):
            block[k] *= side
        _keep_whole(block, some, window, out)
    return out


def window_highest_age(runs: Runs, values: Values, window: int, oldest: bool) -> Values:
    """Bars since the highest of the last `window` values: the `oldest` of equal ones, or the newest."""
    return _window_extreme_age(runs, values, window, oldest, 1.0)


def window_lowest_age(runs: Runs, values: Values, window: int, oldest: bool) -> Values:
    """Bars since the lowest of the last `window` values: the `oldest` of equal ones, or the newest."""
    return _window_extreme_age(runs, values, window, oldest, -1.0)


@compiled
def _window_extreme_age(runs: Runs, values: Values, window: int, oldest: bool, side: float) -> Values:
    """Bars since the highest (`side` 1) or lowest (-1) of the window."""
    out = np.full(values.size, np.nan)
    after = 0
    while after < runs.shape[0]:
        run, after = after, _stretch(runs, after)
        some = runs[run:after]
        first, end = some[0, 0], some[-1, 1]
        length = end - first
        if length < window:
            continue
        block, spare = side * values[first:end], np.empty(length)  # of the newest `size` bars
        ages, spares = block - block, np.empty(length)
        size = 1
        while size < window:
            step = min(size, window - size)
            older, newer = block[size - 1 : length - step], block[size + step - 1 :]
            before, behind = ages[size - 1 : length - step], ages[size + step - 1 :]
            both, since = spare[size + step - 1 :], spares[size + step - 1 :]
            for k in range(both.size):
                ahead = older[k] >= newer[k] if oldest else older[k] > newer[k]
                both[k] = older[k] if ahead else newer[k]
                # The difference is 0, or NaN where a value is: comparisons would pass it over.
                since[k] = (
                    (before[k] + step if ahead else behind[k]) + (before[k] - before[k]) + (behind[k] - behind[k])
                )
            block, spare, ages, spares = spare, block, spares, ages
            size += step
        _keep_whole(ages, some, window, out)
    return out


def window_quantile(runs: Runs, values: Values, window: int, share: float) -> Values:
    """Quantile of the last `window` values, linear between neighbours, at `share` (0 the lowest, 1 the highest)."""
    low, high = _window_quantiles(runs, values, window, round(min(share, 1.0 - share), 12))
    found: Values = low if share <= 0.5 else high
    return found


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _exchange(ordered: Values, held: int, gone: float, new: float) -> None:
    """Put `new` among the first `held` of `ordered` for `gone`, which is one of them; they stay sorted."""
    at = 0
    for k in range(held):  # sooner done than a search by halves, whose turns a processor cannot foresee
        at += ordered[k] < gone
    while at + 1 < held and ordered[at + 1] < new:
        ordered[at] = ordered[at + 1]
        at += 1
    while at > 0 and ordered[at - 1] > new:
        ordered[at] = ordered[at - 1]
        at -= 1
    ordered[at] = new


@compiled
def _window_quantiles(runs: Runs, values: Values, window: int, share: float) -> Values:
    """Quantiles of the window at `share` and, in the second row, at 1 - `share`: one sorted window gives both."""
    out = np.full((2, values.size), np.nan)
    place = share * (window - 1)
    below = int(np.floor(place))
    above, part = min(below + 1, window - 1), place - below
    upper = (1.0 - share) * (window - 1)
    under = int(np.floor(upper))
    over, rest = min(under + 1, window - 1), upper - under
    for run in range(runs.shape[0]):
        first, end = runs[run, 0], runs[run, 1]
        ordered = np.empty(window + 1)
        held = 0
        for bar in range(first, end):
            new = values[bar]
            if np.isnan(new):
                held = 0
                continue
            if held == window:
                _exchange(ordered, held, values[bar - window], new)
            else:
                at = held
                while at > 0 and ordered[at - 1] > new:
                    ordered[at] = ordered[at - 1]
                    at -= 1
                ordered[at] = new
                held += 1
            if held == window:
                out[0, bar] = ordered[below] + part * (ordered[above] - ordered[below])
                out[1, bar] = ordered[under] + rest * (ordered[over] - ordered[under])
    return out
