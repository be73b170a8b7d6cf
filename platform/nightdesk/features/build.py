"""Builds the night's features: only dates whose bars changed, and of these only features that no part of the store has.

What is new is computed from the look-back alone, and its values are the full rebuild's, bit for bit, whatever was built
before. For finite windows that follows from the features themselves. A recursive feature is computed afresh for each
calendar year, from the look-back before that year's first day on: within its stated tolerance of all history, and the
same in whatever order its days are built.

A large build goes to disk on its way: symbols by symbols first, for what each symbol's own bars say, then dates by
dates, for where that stands among the members of a date. The files are the same, byte for byte.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numba
import numpy as np
import polars as pl

from nightdesk.features.cross_section import CrossSection, cross_sections
from nightdesk.features.definition import content_of_parts, described_once
from nightdesk.features.matrix import as_series, columns_of, side_by_side, time_series
from nightdesk.features.periods import Places
from nightdesk.features.primitives import Flags
from nightdesk.features.stages import Feature, TimeSeries
from nightdesk.store.features import (
    FeatureTable,
    day_chain,
    known_parts,
    missing_days,
    write_definitions,
    write_index,
    write_part,
)
from nightdesk.tables import BAR_DATE, DATE, MARKET, SYMBOL

CELLS: Final = 100_000_000
"""Values of features in memory at once, four bytes each, before a build goes to disk on its way."""

_SHORT: Final = (16, 32, 64, 128, 256)
"""Look-backs up to which features with finite windows are computed together for a few days."""

_FEW: Final = 64
"""So many days."""

_DAYS: Final = 10_000_000
"""More days than any date is after 1970."""


def build_features(
    root: Path | str,
    bars: pl.DataFrame,
    features: Sequence[Feature],
    members: pl.DataFrame | None = None,
    decided: pl.DataFrame | None = None,
    scratch: Path | None = None,
) -> FeatureTable:
    """Bring the feature store at `root` (a folder, or s3://bucket/prefix) up to the last date of `bars`.

    `features` are what each date holds (selection.choose), in this order; `members` are as cross_section.MEMBERS, and
    looked at only for cross-sections. `bars` are all bars known at the cut-off (tables.BARS, sorted by symbol and
    date). A feature of a date is built again where any bar up to it, its members, or the feature's definition, differs
    from what stands in the store. Returns the ref to all dates.

    Of several markets, `bars` have a column market, and `decided` (tables.DECIDED) says what each night decides on: a
    date is then a night's, and holds each market's features on its own newest day known that night, computed over its
    own trading days, and relative to its own symbols.

    What a large build puts aside on its way lies in `scratch` (None: where the system has its temporary files) and is
    gone at its end.
    """
    lists = members if any(isinstance(feature, CrossSection) for feature in features) else None
    chain = day_chain(bars, lists) if decided is None else _night_chain(bars, decided, lists)
    with described_once():
        wanted = {feature.name: feature.content for feature in features}
    version = content_of_parts(sorted(wanted.values()))
    parts, lacking = _covered(root, wanted, chain)
    for names, days in lacking.items():
        new = [feature for feature in features if feature.name in names]
        definitions = {one.name: wanted[one.name] for one in new}
        part = content_of_parts(sorted(definitions.values()))
        if decided is None:
            for matrix in matrices_of_days(bars, new, days, lists, scratch):
                write_part(root, part, definitions, matrix, chain)
        else:
            for some in _blocks(bars, days, len(new)):
                matrix = _matrix_of_nights(bars, new, decided.filter(pl.col(DATE).is_in(some)), lists)
                write_part(root, part, definitions, matrix, chain)
        for day in days:
            parts[day].append(part)
    write_definitions(root, version, wanted)
    return write_index(root, version, chain.with_columns(pl.Series("parts", [",".join(parts[d]) for d in chain[DATE]])))


def _covered(
    root: Path | str, wanted: Mapping[str, str], chain: pl.DataFrame
) -> tuple[dict[dt.date, list[str]], dict[frozenset[str], list[dt.date]]]:
    """For each date the parts that have something of what is wanted, and the dates by the features that none has."""
    held = {part: {n for n, c in own.items() if wanted.get(n) == c} for part, own in known_parts(root).items()}
    useful = sorted((part for part, names in held.items() if names), key=lambda part: (-len(held[part]), part))
    missing = {part: set(missing_days(root, part, chain)) for part in useful}
    # Nearly all dates have the same parts: what these make up is found once.
    known: dict[tuple[str, ...], tuple[list[str], frozenset[str]]] = {}
    parts: dict[dt.date, list[str]] = {}
    lacking: dict[frozenset[str], list[dt.date]] = {}
    for day in chain[DATE]:
        standing = tuple(part for part in useful if day not in missing[part])
        if standing not in known:
            known[standing] = _of_these(standing, held, wanted)
        needed, left = known[standing]
        parts[day] = list(needed)
        if left:
            lacking.setdefault(left, []).append(day)
    return parts, lacking


def _of_these(
    parts: Sequence[str], held: Mapping[str, Collection[str]], wanted: Iterable[str]
) -> tuple[list[str], frozenset[str]]:
    """Which of `parts` are needed for what is wanted, the first that has it, and what none of them has."""
    left, needed = set(wanted), list[str]()
    for part in parts:
        if not left.isdisjoint(held[part]):
            needed.append(part)
            left.difference_update(held[part])
    return needed, frozenset(left)


def matrices_of_days(
    bars: pl.DataFrame,
    features: Sequence[Feature],
    days: Sequence[dt.date],
    members: pl.DataFrame | None = None,
    scratch: Path | None = None,
) -> Iterator[pl.DataFrame]:
    """As `matrix_of_days`, in frames of successive days, with no more than `CELLS` values or so in memory at once."""
    own = list({one.name: one for one in map(_own, features)}.values())
    blocks = _blocks(bars, days, len(features) + len(own))
    if len(blocks) == 1:
        yield matrix_of_days(bars, features, days, members)
        return
    if scratch is not None:
        scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="features-", dir=scratch) as folder:
        parts = _whole_symbols(bars, len(own))
        for number, part in enumerate(parts):
            made = matrix_of_days(bars[part], own, days)
            for place, some in enumerate(blocks):
                inside = made.filter(pl.col(DATE).is_between(some[0], some[-1]))
                inside.write_ipc(Path(folder) / f"{place}-{number}.arrow", compression="lz4")
        for place in range(len(blocks)):
            files = [Path(folder) / f"{place}-{number}.arrow" for number in range(len(parts))]
            chosen = pl.concat([pl.read_ipc(file) for file in files], rechunk=True)
            for file in files:
                file.unlink()
            relative = cross_sections(chosen, [one for one in features if isinstance(one, CrossSection)], members)
            yield chosen.with_columns(relative).select(SYMBOL, DATE, *(one.name for one in features))


def _blocks(bars: pl.DataFrame, days: Sequence[dt.date], columns: int) -> list[list[dt.date]]:
    """Successive `days`, so many at once that their rows of so many `columns` stay below CELLS; at least one."""
    rows = bars.filter(pl.col(DATE).is_in(list(days)))[DATE].value_counts()
    count = dict(rows.iter_rows())
    blocks: list[list[dt.date]] = [[]]
    held = 0
    for day in days:
        held += count.get(day, 0) * columns
        if held > CELLS and blocks[-1]:
            blocks.append([])
            held = count.get(day, 0) * columns
        blocks[-1].append(day)
    return blocks


def _whole_symbols(bars: pl.DataFrame, columns: int) -> list[slice]:
    """Places of bars of successive symbols, so many at once that rows of so many `columns` stay below CELLS."""
    ends = np.cumsum(bars[SYMBOL].rle().struct.field("len").to_numpy().astype(np.int64))
    parts, first = list[slice](), 0
    for end, following in zip(ends.tolist(), [*ends[1:].tolist(), None], strict=True):
        if following is None or (following - first) * columns > CELLS:
            parts.append(slice(first, end))
            first = end
    return parts


def matrix_of_days(
    bars: pl.DataFrame, features: Sequence[Feature], days: Sequence[dt.date], members: pl.DataFrame | None = None
) -> pl.DataFrame:
    """The rows of `days` (at least one, ascending) of the features on all of `bars`, from no more bars than they need.

    Else as `matrix_of`, but that a recursive feature starts afresh in each year; see this file's head.
    """
    own = list({one.name: one for one in map(_own, features)}.values())
    wanted = bars[DATE].is_in(list(days)).to_numpy()
    asked = np.flatnonzero(wanted)
    symbols, groups = _Symbols(bars), list(_together(own, days))
    # Places instead of joins, which would take longer than the features; and each bar is looked at once for all groups.
    spans = [symbols.reaching(group) for group in groups]
    needed = _covered_by(spans, bars.height)
    read = np.cumsum(needed) - 1  # place among the needed
    columns = columns_of(bars.filter(pl.Series(needed)), own)
    found = {one.name: np.full(asked.size, np.nan, dtype=np.float32) for one in own}
    threads = numba.get_num_threads()
    few = len(days) <= _FEW

    def compute(task: tuple[_Group, _Span]) -> None:
        group, span = task
        into = np.flatnonzero(symbols.within(group, asked))
        inside = symbols.places_in(span, asked[into])
        given = columns.at(read[span.places()], group.features)
        made = time_series(group.features, given, inside, 1 if few else threads)
        for one, row in zip(group.features, made, strict=True):
            found[one.name][into] = row

    # Of few days, to begin a part takes as long as its work: a group goes to one thread, those of most work first.
    tasks = sorted(zip(groups, spans, strict=True), key=_work, reverse=True)
    side_by_side(threads if few else 1, compute, tasks)
    chosen = bars.select(SYMBOL, DATE).filter(pl.Series(wanted)).with_columns(as_series(found, found.values()))
    relative = cross_sections(chosen, [one for one in features if isinstance(one, CrossSection)], members)
    return chosen.with_columns(relative).select(SYMBOL, DATE, *(one.name for one in features))


@dataclass(frozen=True, slots=True)
class _Group:
    """Features that are computed together for days from `first` to `last`, from bars of one look-back before them."""

    features: tuple[TimeSeries, ...]
    first: dt.date
    last: dt.date
    look_back: int


def _together(features: Iterable[TimeSeries], days: Sequence[dt.date]) -> Iterator[_Group]:
    """Recursive features by their look-back, from which their values depend, and by year; the others in one group.

    Of finite windows any number of bars gives the same bits: for few days those of short ones go by themselves.
    """
    alike: dict[tuple[bool, int], list[TimeSeries]] = {}
    for one in features:
        if one.tolerance > 0.0:
            alike.setdefault((True, one.look_back), []).append(one)
        else:
            reach = next((most for most in _SHORT if one.look_back <= most), 0) if len(days) <= _FEW else 0
            alike.setdefault((False, reach), []).append(one)
    for (recursive, _), group in alike.items():
        for first, last in _years(days) if recursive else [(days[0], days[-1])]:
            yield _Group(tuple(group), first, last, max(one.look_back for one in group))


def _own(feature: Feature) -> TimeSeries:
    return feature.base if isinstance(feature, CrossSection) else feature


def _years(days: Iterable[dt.date]) -> list[tuple[dt.date, dt.date]]:
    """The years of `days`, each from its first day to the last of them in it."""
    last: dict[int, dt.date] = {}
    for day in days:
        last[day.year] = max(day, last.get(day.year, day))
    return [(dt.date(year, 1, 1), day) for year, day in last.items()]


@dataclass(frozen=True, slots=True)
class _Span:
    """Successive bars of each symbol, none or more: the place of the first, and how many."""

    first: Places
    count: Places

    def places(self) -> Places:
        """Of all of them, symbol by symbol."""
        found: Places = np.repeat(self.first - self.before(), self.count) + np.arange(self.count.sum())
        return found

    def before(self) -> Places:
        """How many of all come before each symbol's."""
        found: Places = np.cumsum(self.count) - self.count
        return found


def _work(task: tuple[_Group, _Span]) -> int:
    group, span = task
    return len(group.features) * int(span.count.sum())


def _covered_by(spans: Iterable[_Span], bars: int) -> Flags:
    """Which of so many bars lie in any of `spans`."""
    steps = np.zeros(bars + 1, dtype=np.int64)
    for span in spans:
        np.add.at(steps, span.first, 1)
        np.add.at(steps, span.first + span.count, -1)
    found: Flags = np.cumsum(steps[:-1]) > 0
    return found


class _Symbols:
    """Where each symbol's bars begin, and of which day each is: to find what a span of days may need."""

    def __init__(self, bars: pl.DataFrame) -> None:
        """Look at bars that are sorted by symbol and date."""
        self._runs = bars[SYMBOL].rle_id().to_numpy().astype(np.int64)
        self._begins = np.flatnonzero(np.diff(self._runs, prepend=-1))
        self._dates = bars[DATE].to_physical().to_numpy()
        self._keys = self._runs * _DAYS + self._dates

    def reaching(self, group: _Group) -> _Span:
        """The bars of a group's days, and those before that the first value of a symbol may need."""
        symbols = np.arange(self._begins.size) * _DAYS
        first = np.searchsorted(self._keys, symbols + _number(group.first)) - (group.look_back - 1)
        first = np.maximum(first, self._begins)
        end = np.searchsorted(self._keys, symbols + _number(group.last), side="right")
        return _Span(first, np.maximum(end - first, 0))

    def within(self, group: _Group, places: Places) -> Flags:
        """Whether the bars at `places` are of a group's days."""
        days = self._dates[places]
        found: Flags = (days >= _number(group.first)) & (days <= _number(group.last))
        return found

    def places_in(self, span: _Span, places: Places) -> Places:
        """Where the bars at `places` stand among those of `span`."""
        symbols = self._runs[places]
        found: Places = places - span.first[symbols] + span.before()[symbols]
        return found


def _number(day: dt.date) -> int:
    return (day - dt.date(1970, 1, 1)).days


def _matrix_of_nights(
    bars: pl.DataFrame, features: Sequence[Feature], decided: pl.DataFrame, members: pl.DataFrame | None
) -> pl.DataFrame:
    """As `matrix_of_days`, of what nights decide on in several markets, each relative to its own symbols."""
    own = list({one.name: one for one in map(_own, features)}.values())
    nights = decided.select(MARKET, DATE, BAR_DATE).drop_nulls()
    markets = bars.select(SYMBOL, MARKET).unique()
    made = matrix_of_days(bars, own, nights[BAR_DATE].unique().sort().to_list())
    rows = made.rename({DATE: BAR_DATE}).join(markets, on=SYMBOL).join(nights, on=[MARKET, BAR_DATE])
    parts = []
    for market in rows.sort(MARKET).partition_by(MARKET):
        chosen = market.select(SYMBOL, DATE, *(one.name for one in own)).sort(SYMBOL, DATE)
        lists = None if members is None else members.filter(pl.col(SYMBOL).is_in(chosen[SYMBOL].unique().implode()))
        listed = None if lists is None or lists.is_empty() else lists
        relative = cross_sections(chosen, [one for one in features if isinstance(one, CrossSection)], listed)
        parts.append(chosen.with_columns(relative))
    return pl.concat(parts).select(SYMBOL, DATE, *(one.name for one in features)).sort(DATE, SYMBOL)


def _night_chain(bars: pl.DataFrame, decided: pl.DataFrame, members: pl.DataFrame | None) -> pl.DataFrame:
    """As `day_chain`, of the nights on which each bar was first seen, and only of those that decide on any."""
    nights = decided.select(MARKET, DATE, BAR_DATE).drop_nulls()
    own = bars.rename({DATE: BAR_DATE}).sort(BAR_DATE)
    first_seen = nights.group_by(MARKET, BAR_DATE).agg(pl.col(DATE).min()).sort(BAR_DATE)
    seen = own.join_asof(
        first_seen.with_columns(pl.col(BAR_DATE).alias("newest")),
        on=BAR_DATE,
        by=MARKET,
        strategy="forward",
        check_sortedness=False,
    ).drop_nulls(DATE)
    chain = day_chain(seen, members)
    decides = own.join(nights, on=[MARKET, BAR_DATE], how="inner")[DATE].unique()
    return chain.filter(pl.col(DATE).is_in(decides.implode()))
