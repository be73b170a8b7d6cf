"""What candlestick patterns are made of: bars some days back, their bodies and shadows, and what is usual for them.

Sizes are judged as TA-Lib does: a body against the mean of the 10 bodies before it, a shadow against the mean range or
shadow of the 10 bars before, nearness against the mean range of the 5 before. Unlike there, means are taken afresh, and
sizes within 1e-9 of the close of each other are equal: prices come in ticks, equal sizes are common, and which of two
is larger would else be decided by the price basis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, wraps
from typing import Final

import numpy as np

from nightdesk.features.indicator import Indicator, define
from nightdesk.features.kernels import compiled, shared
from nightdesk.features.primitives import Flags, Runs, Values
from nightdesk.features.rolling import window_mean
from nightdesk.tables import CLOSE, HIGH, LOW, OPEN

_EQUAL_SIZES: Final = 1e-9
_USUAL, _LATELY = 10, 5
_SOURCE = "{}; sizes as TA-Lib 0.8 judges them ({})"
_NISON = "Nison 1991, Japanese Candlestick Charting Techniques"


class _Bars:
    """Prices of all bars, and what sizes were usual before each, computed once for all candles of a pattern."""

    def __init__(self, runs: Runs, prices: Sequence[Values]) -> None:
        self._runs = runs
        self.open, self.high, self.low, self.close = prices
        self._candles: dict[tuple[int, int], Candle] = {}

    def candle(self, ago: int, last: int) -> Candle:
        """The candle `ago` bars back of patterns of `last` + 1 bars: one for all patterns."""
        if (ago, last) not in self._candles:
            self._candles[ago, last] = Candle(self, ago, last)
        return self._candles[ago, last]

    @cached_property
    def usual_body(self) -> Values:
        return self._before(np.abs(self.close - self.open), _USUAL)

    @cached_property
    def usual_range(self) -> Values:
        return self._before(self.high - self.low, _USUAL)

    @cached_property
    def usual_shadow(self) -> Values:
        return 0.5 * self._before(self.high - self.low - np.abs(self.close - self.open), _USUAL)

    @cached_property
    def late_range(self) -> Values:
        return self._before(self.high - self.low, _LATELY)

    def _before(self, sizes: Values, window: int) -> Values:
        """Mean of the `window` sizes before each bar, that bar not included."""
        mean = np.full(sizes.size, np.nan)
        mean[1:] = window_mean(self._runs, sizes, window)[:-1]
        return mean


@shared
def _bars_of(runs: Runs, *prices: Values) -> _Bars:
    return _Bars(runs, prices)


class Candle:
    """The bar `ago` bars before each that has `last` bars before it: prices, sizes, and what was usual before.

    All arrays are as long as there are such bars, whatever their run: a signal is null until all its bars lie in it.
    """

    def __init__(self, bars: _Bars, ago: int, last: int) -> None:
        """Look `ago` bars back from every bar that has `last` before it."""
        size = bars.close.size
        self._bars, self._part = bars, slice(min(last - ago, size), max(size - ago, 0))
        self.open, self.high, self.low, self.close = (
            price[self._part] for price in (bars.open, bars.high, bars.low, bars.close)
        )
        self.white: Flags = self.close >= self.open

    @cached_property
    def black(self) -> Flags:
        """Closed below its open."""
        return ~self.white

    @cached_property
    def top(self) -> Values:
        """Higher end of the body."""
        return np.maximum(self.open, self.close)

    @cached_property
    def bottom(self) -> Values:
        """Lower end of the body."""
        return np.minimum(self.open, self.close)

    @cached_property
    def body(self) -> Values:
        """Size of the body."""
        return np.abs(self.close - self.open)

    @cached_property
    def colour(self) -> Values:
        """1 where white (closed at or above its open), -1 where black."""
        return np.where(self.white, 1.0, -1.0)

    @cached_property
    def upper(self) -> Values:
        """Upper shadow."""
        return self.high - self.top

    @cached_property
    def lower(self) -> Values:
        """Lower shadow."""
        return self.bottom - self.low

    @cached_property
    def tie(self) -> Values:
        """Sizes closer than this are equal."""
        return _EQUAL_SIZES * self.close

    @cached_property
    def _tiny(self) -> Values:
        return 0.1 * self._bars.usual_range[self._part]

    @property
    def near(self) -> Values:
        """A fifth of the usual range of late."""
        return 0.2 * self._bars.late_range[self._part]

    @property
    def far(self) -> Values:
        """Three fifths of the usual range of late."""
        return 0.6 * self._bars.late_range[self._part]

    @property
    def equal(self) -> Values:
        """A twentieth of the usual range of late."""
        return 0.05 * self._bars.late_range[self._part]

    @cached_property
    def long(self) -> Flags:
        """Body longer than usual."""
        return self.body - self._bars.usual_body[self._part] > self.tie

    @cached_property
    def short(self) -> Flags:
        """Body shorter than usual."""
        return self.body - self._bars.usual_body[self._part] < -self.tie

    @cached_property
    def not_long(self) -> Flags:
        """Body at most as long as usual."""
        return self.body - self._bars.usual_body[self._part] <= self.tie

    @cached_property
    def doji(self) -> Flags:
        """Body of at most a tenth of the usual range."""
        return self.body - self._tiny <= self.tie

    def doji_for(self, other: Candle) -> Flags:
        """Body of at most a tenth of the range that was usual before `other`."""
        return self.body - other._tiny <= self.tie

    @cached_property
    def no_upper(self) -> Flags:
        """Upper shadow below a tenth of the usual range."""
        return self.upper - self._tiny < -self.tie

    @cached_property
    def no_lower(self) -> Flags:
        """Lower shadow below a tenth of the usual range."""
        return self.lower - self._tiny < -self.tie

    @cached_property
    def some_upper(self) -> Flags:
        """Upper shadow above a tenth of the usual range."""
        return self.upper - self._tiny > self.tie

    @cached_property
    def some_lower(self) -> Flags:
        """Lower shadow above a tenth of the usual range."""
        return self.lower - self._tiny > self.tie

    @cached_property
    def short_upper(self) -> Flags:
        """Upper shadow shorter than usual."""
        return self.upper - self._bars.usual_shadow[self._part] < -self.tie

    @cached_property
    def short_lower(self) -> Flags:
        """Lower shadow shorter than usual."""
        return self.lower - self._bars.usual_shadow[self._part] < -self.tie

    @cached_property
    def usual_upper_passed(self) -> Flags:
        """Upper shadow longer than usual."""
        return self.upper - self._bars.usual_shadow[self._part] > self.tie

    def long_upper(self, times: float = 1.0) -> Flags:
        """Upper shadow longer than `times` the body."""
        return self.upper - times * self.body > self.tie

    def long_lower(self, times: float = 1.0) -> Flags:
        """Lower shadow longer than `times` the body."""
        return self.lower - times * self.body > self.tie

    def below(self, ours: Values, theirs: Values) -> Flags:
        """Whether `ours` lies below `theirs`, equal ones not."""
        return ours - theirs < -self.tie

    def above(self, ours: Values, theirs: Values) -> Flags:
        """Whether `ours` lies above `theirs`, equal ones not."""
        return ours - theirs > self.tie

    def within(self, ours: Values, theirs: Values, reach: Values) -> Flags:
        """Whether `ours` lies at most `reach` from `theirs`."""
        return np.abs(ours - theirs) - reach <= self.tie

    def body_above(self, other: Candle) -> Flags:
        """Body lies wholly above the other's."""
        return self.bottom > other.top

    def body_below(self, other: Candle) -> Flags:
        """Body lies wholly below the other's."""
        return self.top < other.bottom

    def within_body(self, price: Values) -> Flags:
        """Whether `price` lies strictly within the body."""
        return (price > self.bottom) & (price < self.top)


def given(value: Values | float, found: Flags) -> Values:
    """Take `value` where the pattern is found, 0 elsewhere."""
    return np.where(found, value, 0.0)


Compute = Callable[..., Values]


@compiled
def _placed(runs: Runs, found: Values, last: int, warm_up: int, bars: int) -> Values:
    """What was `found` on windows that end `last` bars after they begin, on the bars where they end; see `pattern`."""
    out = np.full(bars, np.nan)
    for run in range(runs.shape[0]):
        for bar in range(runs[run, 0] + warm_up, runs[run, 1]):
            out[bar] = found[bar - last]
    return out


def pattern(bars: int, warm_up: int) -> Callable[[Callable[..., Values]], Compute]:
    """Make a function of `bars` candles, oldest first, that gives the signal (0 for none), the compute of a record.

    The signal is null on a run's first `warm_up` bars.
    """

    def made(signal: Callable[..., Values]) -> Compute:
        @wraps(signal)
        def compute(runs: Runs, open_: Values, high: Values, low: Values, close: Values) -> Values:
            prices = (open_, high, low, close)
            last = bars - 1
            known = _bars_of(runs, *prices)
            found = signal(*(known.candle(ago, last) for ago in range(last, -1, -1)))
            return _placed(runs, found, last, warm_up, close.size)

        compute.__dict__["warm_up"] = warm_up
        return compute

    return made


def candlestick(compute: Compute, peer: str, meaning: str, source: str = _NISON) -> Indicator:
    """Record of a pattern that TA-Lib calls `peer`: 1 where it promises a rise, -1 a fall, 0 where there is none."""
    return define(
        f"cdl_{peer.removeprefix('CDL').lower()}",
        "candlesticks",
        (OPEN, HIGH, LOW, CLOSE),
        compute,
        compute.__dict__["warm_up"],
        "signal, -1 to 1" if "HIKKAKE" not in peer else "signal, -2 to 2",
        meaning,
        _SOURCE.format(source, peer),
    )
