"""Weeks and months seen only as far as they have gone: their bars, and features of these on every day.

On a Wednesday the newest weekly bar is Monday to Wednesday, and the bars before it are whole weeks: what a trader sees
on a weekly chart that evening. Each day is given the few periods that its value needs as a history of its own, so that
no day can see how its week went on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

import numba
import numpy as np
import polars as pl
from numpy.typing import NDArray

from nightdesk.errors import BadInput
from nightdesk.features.definition import code_content, content_of_parts
from nightdesk.features.indicator import Parameter
from nightdesk.features.primitives import Flags, Values, ratio
from nightdesk.tables import CLOSE, HIGH, LOW, OPEN, VOLUME

Period = Literal["week", "month"]
Places = NDArray[np.int64]

_LONGEST: Final[Mapping[Period, int]] = {"week": 7, "month": 31}
_FIRST, _HIGHEST, _LOWEST, _LAST, _SUM = range(5)
_HOW: Final[Mapping[str, int]] = {OPEN: _FIRST, HIGH: _HIGHEST, LOW: _LOWEST, CLOSE: _LAST, VOLUME: _SUM}
_CHUNK: Final = 4_000_000  # values held at once


@dataclass(frozen=True)
class PeriodFeature:
    """One feature of weekly or monthly bars, known on every day; a week begins on Monday, a month on its first.

    A period's bar has the first open, the highest high, the lowest low, the last close and the sum of volumes of the
    days so far. A null on one of these days makes the bar null from that day to the period's end, and so every value
    that needs it; nothing else does. Periods without a bar of the symbol are passed over. The value is null while the
    symbol has had fewer than `warm_up` periods before the current one, whose first may have been cut by its listing.

    Attributes
    ----------
    name : unique; begins with `week_` or `month_`.
    period : week or month.
    inputs : columns of the bars, in the order in which `compute` takes them.
    parameters : what the name says beside the meaning, lengths in periods; part of the definition.
    warm_up : periods needed before the current one; only finite windows can be had.
    unit, meaning, source : as of an Indicator.
    compute : takes one float64 array an input, a row a period of the window, the oldest first and the current one so
        far last, a column a day; none of it is NaN. Returns a value a day. It must add up rows one by one: numpy's sums
        round otherwise for one day than for many.
    every : False where `compute` is given the oldest and the current period alone.
    """

    name: str
    period: Period
    inputs: tuple[str, ...]
    parameters: Mapping[str, Parameter]
    warm_up: int
    unit: str
    meaning: str
    source: str
    compute: Callable[..., Values]
    every: bool = True

    def __post_init__(self) -> None:
        """Raise BadInput where the record contradicts itself."""
        if not self.name.startswith(f"{self.period}_"):
            raise BadInput(
                f"a feature of {self.period}s must be called {self.period}_..., got {self.name!r}: rename it"
            )
        if self.warm_up < 0 or not self.inputs or not set(self.inputs) <= set(_HOW):
            raise BadInput(
                f"feature {self.name} must read some of {', '.join(_HOW)} and have a warm-up of at least 0, got "
                f"{', '.join(self.inputs) or 'no column'} and {self.warm_up}: correct its record"
            )

    @property
    def group(self) -> str:
        """`weekly` or `monthly`."""
        return f"{self.period}ly"

    @property
    def look_back(self) -> int:
        """Bars, the current one included, that surely hold the periods needed."""
        return _LONGEST[self.period] * (self.warm_up + 1)

    @property
    def tolerance(self) -> float:
        """Finite windows only: the look-back gives the value bit for bit."""
        return 0.0

    @property
    def scale_free(self) -> bool:
        """All of them are."""
        return True

    @property
    def content(self) -> str:
        """16 hex digits that name this definition; see Indicator.content."""
        record = (self.name, self.period, self.inputs, sorted(self.parameters.items()), self.warm_up)
        return content_of_parts((repr(record), _rules(), code_content(self.compute)))


class Spans:
    """The weeks or months of some bars, and the columns of their bars on each day and when they are whole."""

    def __init__(self, period: Period, dates: pl.Series, starts_symbol: Flags, columns: Mapping[str, Values]) -> None:
        """Find the periods of bars that are sorted by date within each symbol, `starts_symbol` on its first."""
        self._columns = columns
        self._starts, self.place, self.since = _counted(_number_of(period, dates), starts_symbol)
        self._last = np.append(np.flatnonzero(self._starts)[1:], len(dates)) - 1
        self._found: dict[str, tuple[Values, Values, Places]] = {}

    def column(self, name: str) -> tuple[Values, Values, Places]:
        """A column of the period's bar as it is on each day, and of each whole period; how many of these are null."""
        if name not in self._found:
            so_far = _so_far(self._starts, self._columns[name], _HOW[name])
            whole = so_far[self._last]
            self._found[name] = so_far, whole, np.concatenate(([0], np.cumsum(np.isnan(whole))))
        return self._found[name]

    def usable(self, bars: Places, names: tuple[str, ...], length: int) -> Flags:
        """Whether on each of `bars` the window of `length` periods lies in its symbol and holds no null."""
        found: Flags = self.since[bars] >= length - 1
        newest = self.place[bars]
        oldest = np.maximum(newest - (length - 1), 0)
        for name in names:
            so_far, _, nulls = self.column(name)
            found &= ~np.isnan(so_far[bars]) & (nulls[newest] == nulls[oldest])
        return found


def period_values(feature: PeriodFeature, spans: Spans, bars: Places) -> Values:
    """The feature on each of `bars`, places among those of `spans`; NaN where null."""
    out = np.full(bars.size, np.nan)
    length = feature.warm_up + 1
    given = [spans.column(name) for name in feature.inputs]
    for some in _chunks(np.flatnonzero(spans.usable(bars, feature.inputs, length)), length):
        rows = bars[some]
        # A row for each period of the window, the oldest first; a column for each day.
        ages = range(1 - length, 1) if feature.every else (1 - length, 0)
        windows = [
            np.stack([now[rows] if age == 0 else whole[spans.place[rows] + age] for age in ages])
            for now, whole, _ in given
        ]
        out[some] = feature.compute(*windows)
    return out


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _counted(begun: Places, starts_symbol: Flags) -> tuple[Flags, Places, Places]:
    """Of each bar whether its period begins there, which of all periods that is, and which of its symbol's, from 0."""
    starts = np.empty(begun.size, dtype=np.bool_)
    place, since = np.empty(begun.size, dtype=np.int64), np.empty(begun.size, dtype=np.int64)
    of_all, of_symbol = -1, -1
    for bar in range(begun.size):
        starts[bar] = starts_symbol[bar] or begun[bar] != begun[bar - 1]
        if starts[bar]:
            of_all += 1
            of_symbol = 0 if starts_symbol[bar] else of_symbol + 1
        place[bar], since[bar] = of_all, of_symbol
    return starts, place, since


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _so_far(starts: Flags, values: Values, how: int) -> Values:
    """A column of the period's bar on each of its days: of the days up to then; NaN once one of them was."""
    out = np.empty(values.size)
    held = np.nan
    for bar in range(values.size):
        value = values[bar]
        if starts[bar]:
            held = value
        elif np.isnan(held) or np.isnan(value):
            held = np.nan
        elif how == _HIGHEST:
            held = max(held, value)
        elif how == _LOWEST:
            held = min(held, value)
        elif how == _LAST:
            held = value
        elif how == _SUM:
            held += value
        out[bar] = held
    return out


def _number_of(period: Period, dates: pl.Series) -> Places:
    """Which week or month each date lies in: a number that grows by one from each to the next."""
    days = dates.to_physical().to_numpy()
    earliest = int(days.min())
    # Found once for each day of the calendar, not for each bar.
    calendar = np.arange(earliest, int(days.max()) + 1, dtype=np.int64)
    # Day 0 was a Thursday, and a week begins on Monday.
    numbers = (calendar + 3) // 7 if period == "week" else calendar.astype("datetime64[D]").astype("datetime64[M]")
    found: Places = numbers.astype(np.int64)[days - earliest]
    return found


def _chunks(rows: Places, length: int) -> Iterator[Places]:
    step = max(1, _CHUNK // length)
    for first in range(0, rows.size, step):
        yield rows[first : first + step]


@cache
def _rules() -> str:
    """The code by which periods are formed is part of every definition."""
    return content_of_parts(code_content(one) for one in (period_values, Spans))


def _returned(close: Values) -> Values:
    """The current close over the oldest, minus 1."""
    found: Values = close[-1] / close[0] - 1.0
    return found


def _gap_to_mean(close: Values) -> Values:
    """The current close over the mean of all, minus 1."""
    found: Values = close[-1] / _mean(close) - 1.0
    return found


def _opened(open_: Values, close: Values) -> Values:
    """The current open over the close before, minus 1."""
    found: Values = open_[-1] / close[-2] - 1.0
    return found


def _in_range(high: Values, low: Values, close: Values) -> Values:
    """Where the current close lies in its period's range; 0.5 without one."""
    return ratio(close[-1] - low[-1], high[-1] - low[-1], 0.5)


def _in_bands(close: Values) -> Values:
    """%b of bands of two population standard deviations; 0.5 where all closes are equal."""
    gaps = close - _mean(close)
    return 0.5 + ratio(gaps[-1], 4.0 * np.sqrt(_mean(gaps * gaps)), 0.0)


def _flow(high: Values, low: Values, close: Values, volume: Values) -> Values:
    """Volume weighted by where the close lies in its period, over all volume; 0 where nothing was traded."""
    reach = np.where(high == low, 1.0, high - low)
    return ratio(_mean(((close - low) - (high - close)) / reach * volume), _mean(volume), 0.0)


def _mean(values: Values) -> Values:
    """Mean over the periods, relative to the oldest: exactly that where all are equal."""
    total = np.zeros(values.shape[1])
    for row in values:
        total += row - values[0]
    found: Values = values[0] + total / len(values)
    return found


_RETURN_SOURCE: Final = (
    "simple return; Campbell, Lo & MacKinlay 1997, The Econometrics of Financial Markets, section 1.4"
)


def _period_return(period: Period, count: int) -> PeriodFeature:
    ago = f"the {period} before" if count == 1 else f"the {period} {count} {period}s before"
    return PeriodFeature(
        name=f"{period}_return_{count}",
        period=period,
        inputs=(CLOSE,),
        parameters={"days": count},
        warm_up=count,
        unit="fraction",
        meaning=f"close over the last close of {ago} the current one, minus 1",
        source=_RETURN_SOURCE,
        compute=_returned,
        every=False,
    )


def _average_gap(period: Period, window: int, source: str) -> PeriodFeature:
    return PeriodFeature(
        name=f"{period}_sma_gap_{window}",
        period=period,
        inputs=(CLOSE,),
        parameters={"window": window},
        warm_up=window - 1,
        unit="fraction",
        meaning=f"close over the mean of the closes of {window} {period}s, the current one so far included, minus 1",
        source=source,
        compute=_gap_to_mean,
    )


def _position(period: Period) -> PeriodFeature:
    return PeriodFeature(
        name=f"{period}_range_position",
        period=period,
        inputs=(HIGH, LOW, CLOSE),
        parameters={},
        warm_up=0,
        unit=f"fraction of the {period}'s range",
        meaning=f"close above the low of the {period} so far, over its high minus its low; 0.5 where they are equal",
        source="the raw stochastic; Lane 1984, Technical Analysis of Stocks & Commodities 2(3)",
        compute=_in_range,
    )


def _opening_gap(period: Period) -> PeriodFeature:
    return PeriodFeature(
        name=f"{period}_gap_open",
        period=period,
        inputs=(OPEN, CLOSE),
        parameters={},
        warm_up=1,
        unit="fraction",
        meaning=f"open of the current {period} over the last close of the one before, minus 1",
        source="overnight return; Lou, Polk & Skouras 2019, Journal of Financial Economics 134(1)",
        compute=_opened,
    )


def _bands(period: Period, window: int) -> PeriodFeature:
    return PeriodFeature(
        name=f"{period}_bollinger_position_{window}",
        period=period,
        inputs=(CLOSE,),
        parameters={"window": window, "width": 2.0},
        warm_up=window - 1,
        unit="fraction of the band",
        meaning=f"%b over the closes of {window} {period}s, the current one so far included; 0.5 where these are equal",
        source="Bollinger 2001, Bollinger on Bollinger Bands",
        compute=_in_bands,
    )


def _money_flow(period: Period, window: int) -> PeriodFeature:
    return PeriodFeature(
        name=f"{period}_chaikin_money_flow_{window}",
        period=period,
        inputs=(HIGH, LOW, CLOSE, VOLUME),
        parameters={"window": window},
        warm_up=window - 1,
        unit="fraction, -1 to 1",
        meaning=f"volume weighted by where the close lies in its {period}, over all volume of {window} {period}s, the"
        " current one so far included; 0 where nothing was traded",
        source="Chaikin's money flow; Murphy 1999, Technical Analysis of the Financial Markets, chapter 7",
        compute=_flow,
    )


_FABER: Final = "Faber 2007, A Quantitative Approach to Tactical Asset Allocation, Journal of Wealth Management 9(4)"
_BROCK: Final = "Brock, Lakonishok & LeBaron 1992, Journal of Finance 47(5)"

PERIOD_FEATURES: Final[dict[str, PeriodFeature]] = {
    "week_return_1": _period_return("week", 1),
    "week_return_4": _period_return("week", 4),
    "week_return_13": _period_return("week", 13),
    "week_return_26": _period_return("week", 26),
    "week_return_52": _period_return("week", 52),
    "week_gap_open": _opening_gap("week"),
    "week_range_position": _position("week"),
    "week_sma_gap_10": _average_gap("week", 10, _BROCK),
    "week_sma_gap_40": _average_gap("week", 40, _BROCK),
    "week_bollinger_position_20": _bands("week", 20),
    "week_chaikin_money_flow_10": _money_flow("week", 10),
    "month_return_1": _period_return("month", 1),
    "month_return_3": _period_return("month", 3),
    "month_return_6": _period_return("month", 6),
    "month_return_12": _period_return("month", 12),
    "month_gap_open": _opening_gap("month"),
    "month_range_position": _position("month"),
    "month_sma_gap_10": _average_gap("month", 10, _FABER),
}
