"""The feature matrix: every wanted indicator on every bar, and the version of their definitions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

import numba
import numpy as np
import polars as pl
from numpy.typing import NDArray

from nightdesk.errors import BadInput
from nightdesk.features import primitives, select
from nightdesk.features.cross_section import CrossSection, cross_sections
from nightdesk.features.definition import content_of_parts, described_once
from nightdesk.features.kernels import Memory, remembering
from nightdesk.features.periods import Period, PeriodFeature, Places, Spans, period_values
from nightdesk.features.primitives import Flags, Runs, Values
from nightdesk.features.stages import Feature, TimeSeries
from nightdesk.tables import DATE, PRICES, SYMBOL, VOLUME

_PART_ROWS: Final = 65_536
"""About how many bars are computed at once: their columns fit into the caches of a processor."""

_Task = TypeVar("_Task")


def feature_matrix(bars: pl.DataFrame, names: Sequence[str] | None = None) -> pl.DataFrame:
    """Compute registered features on every bar.

    Parameters
    ----------
    bars : one row a symbol and date, sorted by both; `symbol`, `date` and every column that a wanted feature
        reads, prices above 0 in any one currency, volume of at least 0; null where unknown.
    names : the features wanted; the default ones and a user's where None.

    Returns
    -------
    `symbol`, `date` as they came, then one Float32 column a feature in registry order. A value is null on the
    first `warm_up` bars of each run of known inputs and where an input is null, nowhere else; it is never
    NaN.

    Raises
    ------
    UnknownName : a name that is not registered.
    BadInput : bars that lack a column, are unsorted, repeat a key, or hold a price or volume that cannot be.
    """
    return matrix_of(bars, select(names))


def matrix_of(bars: pl.DataFrame, features: Iterable[Feature], members: pl.DataFrame | None = None) -> pl.DataFrame:
    """Compute `features`, registered or not, on every bar, in their order; else as `feature_matrix`.

    First what each symbol's own bars say, then where that stands among the members of each date: `members` is as
    cross_section.MEMBERS, None where every symbol is one. Cross-sections need all symbols of a date in `bars`.
    """
    wanted = list(features)
    # Same names, same definitions: a base that is wanted itself is computed once.
    own = {one.name: one for one in map(_own, wanted)}
    found = time_series(list(own.values()), columns_of(bars, own.values()))
    computed = bars.select(SYMBOL, DATE).with_columns(as_series(own, found))
    relative = cross_sections(computed, [one for one in wanted if isinstance(one, CrossSection)], members)
    return computed.with_columns(relative).select(SYMBOL, DATE, *(one.name for one in wanted))


def as_series(names: Iterable[str], rows: Iterable[NDArray[np.float32]]) -> list[pl.Series]:
    """Rows by `names` as columns of a frame, NaN as null."""
    return [pl.Series(name, row, nan_to_null=True) for name, row in zip(names, rows, strict=True)]


@dataclass(frozen=True, slots=True)
class Columns:
    """Bars that were looked at and found sound: which symbol's run each is of, its date, what features read."""

    symbols: Places
    dates: pl.Series
    values: Mapping[str, Values]

    def at(self, places: Places, features: Sequence[TimeSeries]) -> Columns:
        """The bars at ascending `places`, and what `features` read of them; all of it where these are all bars.

        Dates only where a feature forms periods of them.
        """
        if places.size == self.symbols.size:
            return self
        taken = {name: self.values[name][places] for name in sorted({name for one in features for name in one.inputs})}
        dated = any(isinstance(one, PeriodFeature) for one in features)
        return Columns(self.symbols[places], self.dates.gather(places) if dated else self.dates.clear(), taken)

    def part(self, bars: slice) -> Columns:
        """The bars of a slice, which are not copied."""
        taken = {name: column[bars] for name, column in self.values.items()}
        return Columns(self.symbols[bars], self.dates[bars], taken)


def columns_of(bars: pl.DataFrame, features: Iterable[TimeSeries]) -> Columns:
    """What `features` read of `bars`. Raises BadInput as `feature_matrix`."""
    inputs = sorted({column for feature in features for column in feature.inputs})
    _check_columns(bars, inputs)
    symbols = bars[SYMBOL].rle_id().to_numpy().astype(np.int64)
    _check_order(bars, symbols)
    return Columns(symbols, bars[DATE], {column: _input_values(bars, column) for column in inputs})


def time_series(
    features: Sequence[TimeSeries], columns: Columns, wanted: Places | None = None, threads: int | None = None
) -> NDArray[np.float32]:
    """What each symbol's own bars say: a row a feature, a column a bar, NaN where null.

    Of the bars at `wanted` places, which ascend (None: of all), by so many `threads` (None: those that numba has).
    """
    starts_symbol: Flags = np.diff(columns.symbols, prepend=-1) != 0
    bars = starts_symbol.size
    out = np.empty((len(features), bars if wanted is None else wanted.size), dtype=np.float32)

    def compute(part: slice) -> None:
        if wanted is None:
            _compute(features, columns.part(part), starts_symbol[part], None, out[:, part])
            return
        first, end = np.searchsorted(wanted, (part.start, part.stop))
        asked = wanted[first:end] - part.start
        _compute(features, columns.part(part), starts_symbol[part], asked, out[:, first:end])

    most = numba.get_num_threads() if threads is None else threads
    side_by_side(most, compute, _whole_symbols(starts_symbol, min(_PART_ROWS, -(-bars // most))))
    return out


def side_by_side(threads: int, function: Callable[[_Task], None], tasks: Sequence[_Task]) -> None:
    """Call `function` on each of `tasks`, by so many threads."""
    if min(threads, len(tasks)) < 2:
        for task in tasks:
            function(task)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(function, tasks))


def _whole_symbols(starts_symbol: Flags, rows: int) -> list[slice]:
    """Places of bars in parts of whole symbols, of about so many rows."""
    firsts = np.flatnonzero(starts_symbol)
    chosen = firsts[np.diff(firsts // max(rows, 1), prepend=-1) != 0]
    ends = np.append(chosen[1:], starts_symbol.size)
    return [slice(first, end) for first, end in zip(chosen.tolist(), ends[: chosen.size].tolist(), strict=True)]


def _compute(
    features: Sequence[TimeSeries],
    bars: Columns,
    starts_symbol: Flags,
    wanted: Places | None,
    out: NDArray[np.float32],
) -> None:
    """Compute `features` of whole symbols, and put those of the `wanted` bars (None: all) into the rows of `out`.

    What features have in common is computed once.
    """
    columns = bars.values
    places = np.arange(starts_symbol.size) if wanted is None else wanted
    with remembering() as memory:
        for column in columns.values():
            memory.hold(column)
        spans: dict[Period, Spans] = {}
        runs = _RunsOf(starts_symbol, columns, memory)
        for feature, row in zip(features, out, strict=True):
            if isinstance(feature, PeriodFeature):
                if feature.period not in spans:
                    spans[feature.period] = Spans(feature.period, bars.dates, starts_symbol, columns)
                row[:] = period_values(feature, spans[feature.period], places)
                continue
            own = [columns[column] for column in feature.inputs]
            values = feature.compute(runs.of(feature.inputs), *own, **feature.parameters)
            row[:] = values if wanted is None else values[wanted]


class _RunsOf:
    """The runs of bars on which several columns are known, each found once."""

    def __init__(self, starts_symbol: Flags, columns: Mapping[str, Values], memory: Memory) -> None:
        self._starts, self._columns, self._memory = starts_symbol, columns, memory
        self._known: dict[str, Flags] = {}
        self._found: dict[tuple[str, ...], Runs] = {}
        self._alike: dict[bytes, Runs] = {}

    def of(self, inputs: tuple[str, ...]) -> Runs:
        """Those of `inputs`."""
        if inputs not in self._found:
            for column in inputs:
                if column not in self._known:
                    self._known[column] = ~np.isnan(self._columns[column])
            usable = np.logical_and.reduce([self._known[column] for column in inputs])
            # Columns without a null, nearly always, have the same runs: then kernels know them to be the same.
            name = usable.tobytes()
            if name not in self._alike:
                self._alike[name] = self._memory.hold(primitives.split_runs(self._starts, usable))
            self._found[inputs] = self._alike[name]
        return self._found[inputs]


def max_look_back(names: Sequence[str] | None = None) -> int:
    """Return how many of a symbol's newest bars suffice to compute its newest row of features."""
    return max(indicator.look_back for indicator in select(names))


def feature_version(names: Sequence[str] | None = None) -> str:
    """Hash the definitions of the features called `names` (as `select`) to 16 hex digits.

    It changes with the content of a definition; not with the order of `names`, nor with what stands beside them.

    Raises BadInput where the source of a feature cannot be read.
    """
    return version_of(select(names))


def version_of(features: Iterable[Feature]) -> str:
    """Hash the definitions of `features`, registered or not; else as `feature_version`."""
    with described_once():
        return content_of_parts(sorted(feature.content for feature in features))


def _own(feature: Feature) -> TimeSeries:
    """What a feature says of a symbol's own bars."""
    return feature.base if isinstance(feature, CrossSection) else feature


def _check_columns(bars: pl.DataFrame, inputs: Sequence[str]) -> None:
    missing = [column for column in (SYMBOL, DATE, *inputs) if column not in bars.columns]
    if missing:
        raise BadInput(
            f"bars must hold columns {', '.join((SYMBOL, DATE, *inputs))}, got none called "
            f"{', '.join(missing)}: add them, or choose features that do not read them"
        )
    for column in inputs:
        if column != DATE and not bars[column].dtype.is_numeric():
            raise BadInput(f"{column} must be numeric, got {bars[column].dtype}: cast it to Float64")
    for column in (SYMBOL, DATE):
        if bars[column].null_count():
            raise BadInput(f"{column} must be known on every bar, got null: drop or repair those rows")


def _check_order(bars: pl.DataFrame, runs: Places) -> None:
    """Raise BadInput unless bars are sorted by symbol (each is of one of `runs`) and date, unrepeated."""
    starts: Flags = np.diff(runs, prepend=-1) != 0
    symbols = bars[SYMBOL].filter(pl.Series(starts))
    backward = (symbols.shift(1) >= symbols).arg_true()
    if backward.len():
        found = backward[0]
        raise BadInput(
            f"bars must be sorted by symbol and date, got symbol {symbols[found]!r} after "
            f"{symbols[found - 1]!r}: sort them first"
        )
    dates = bars[DATE].to_physical().to_numpy()
    late = np.flatnonzero((np.diff(dates) <= 0) & ~starts[1:])
    if late.size:
        row = int(late[0])
        raise BadInput(
            f"bars must be sorted by symbol and date, one row a day, got {bars[SYMBOL][row]} "
            f"{bars[DATE][row + 1]} after {bars[DATE][row]}: sort them and drop repeats"
        )


def _input_values(bars: pl.DataFrame, column: str) -> Values:
    """Take a column as float64, NaN where null, a date as days since 1970; raise BadInput on what no bar can have."""
    series = bars[column].to_physical().cast(pl.Float64)
    values = np.array(series.to_numpy(), dtype=np.float64)
    least = np.finfo(np.float64).tiny if column in PRICES else 0.0
    if values.size and values.min() >= least and values.max() < np.inf:  # nearly always; what is not known is neither
        return values
    rule = "finite"
    sound = np.isfinite(values)
    if column in PRICES:
        rule, sound = "finite and above 0", sound & (values > 0.0)
    elif column == VOLUME:
        rule, sound = "finite and at least 0", sound & (values >= 0.0)
    broken = np.flatnonzero(~sound & ~series.is_null().to_numpy())
    if broken.size:
        row = int(broken[0])
        raise BadInput(
            f"{column} must be {rule}, or null where unknown, got {values[row]} for {bars[SYMBOL][row]} on "
            f"{bars[DATE][row]}: let the quality gate quarantine that bar"
        )
    return values
