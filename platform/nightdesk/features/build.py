"""Builds the night's features: only dates whose bars changed, and of these only features that no part of the store has.

What is new is computed from the look-back alone, and its values are the full rebuild's, bit for bit, whatever was built
before. For finite windows that follows from the features themselves. A recursive feature is computed afresh for each
calendar year, from the look-back before that year's first day on: within its stated tolerance of all history, and the
same in whatever order its days are built.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from nightdesk.features.cross_section import CrossSection, cross_sections
from nightdesk.features.matrix import matrix_of, version_of
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
from nightdesk.tables import DATE, SYMBOL


def build_features(
    root: Path | str, bars: pl.DataFrame, features: Sequence[Feature], members: pl.DataFrame | None = None
) -> FeatureTable:
    """Bring the feature store at `root` (a folder, or s3://bucket/prefix) up to the last date of `bars`.

    `features` are what each date holds (selection.choose), in this order; `members` are as cross_section.MEMBERS, and
    looked at only for cross-sections. `bars` are all bars known at the cut-off (tables.BARS, sorted by symbol and
    date). A feature of a date is built again where any bar up to it, its members, or the feature's definition, differs
    from what stands in the store. Returns the ref to all dates.
    """
    lists = members if any(isinstance(feature, CrossSection) for feature in features) else None
    chain = day_chain(bars, lists)
    wanted = {feature.name: feature.content for feature in features}
    version = version_of(features)
    parts, lacking = _covered(root, wanted, chain)
    for names, days in lacking.items():
        new = [feature for feature in features if feature.name in names]
        part = version_of(new)
        write_part(
            root, part, {one.name: wanted[one.name] for one in new}, matrix_of_days(bars, new, days, lists), chain
        )
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
    parts: dict[dt.date, list[str]] = {}
    lacking: dict[frozenset[str], list[dt.date]] = {}
    for day in chain[DATE]:
        left, parts[day] = set(wanted), []
        for part in useful:
            if left & held[part] and day not in missing[part]:
                parts[day].append(part)
                left -= held[part]
        if left:
            lacking.setdefault(frozenset(left), []).append(day)
    return parts, lacking


def matrix_of_days(
    bars: pl.DataFrame, features: Sequence[Feature], days: Sequence[dt.date], members: pl.DataFrame | None = None
) -> pl.DataFrame:
    """The rows of `days` (at least one, ascending) of the features on all of `bars`, from no more bars than they need.

    Else as `matrix_of`, but that a recursive feature starts afresh in each year; see this file's head.
    """
    own = list({one.name: one for one in map(_own, features)}.values())
    groups: dict[tuple[bool, int], list[TimeSeries]] = {}
    for one in own:
        recursive = one.tolerance > 0.0
        groups.setdefault((recursive, one.look_back if recursive else 0), []).append(one)
    rows = bars.filter(pl.col(DATE).is_in(list(days))).select(SYMBOL, DATE)
    for (recursive, _), members_of_group in groups.items():
        spans = _years(days) if recursive else [(days[0], days[-1])]
        look_back = max(one.look_back for one in members_of_group)
        made = [matrix_of(_reaching(bars, first, last, look_back), members_of_group) for first, last in spans]
        inside = [
            part.filter(pl.col(DATE).is_between(first, last)) for part, (first, last) in zip(made, spans, strict=True)
        ]
        rows = rows.join(pl.concat(inside), on=[SYMBOL, DATE], how="left", maintain_order="left")
    relative = cross_sections(rows, [one for one in features if isinstance(one, CrossSection)], members)
    return rows.with_columns(relative).select(SYMBOL, DATE, *(one.name for one in features))


def _own(feature: Feature) -> TimeSeries:
    return feature.base if isinstance(feature, CrossSection) else feature


def _years(days: Iterable[dt.date]) -> list[tuple[dt.date, dt.date]]:
    """The years of `days`, each from its first day to the last of them in it."""
    last: dict[int, dt.date] = {}
    for day in days:
        last[day.year] = max(day, last.get(day.year, day))
    return [(dt.date(year, 1, 1), day) for year, day in last.items()]


def _reaching(bars: pl.DataFrame, first: dt.date, last: dt.date, look_back: int) -> pl.DataFrame:
    """Bars from `first` to `last`, and of each symbol those before that its first value may need."""
    if bars.is_empty():
        return bars
    runs = bars[SYMBOL].rle_id().to_numpy().astype(np.int64)
    begins = np.flatnonzero(np.diff(runs, prepend=-1))
    before = np.add.reduceat((bars[DATE] < first).to_numpy().astype(np.int64), begins)
    from_row = (begins + before - (look_back - 1))[runs]
    return bars.filter(pl.Series(np.arange(bars.height) >= from_row) & (bars[DATE] <= last))
