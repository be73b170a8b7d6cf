"""What features say together and over time: which of them say the same, where they lack values, how steady they are.

All of it looks at dates some days apart: whole ones, of all symbols. Ranks are among the symbols of one date, so that
what the whole market does counts for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
from scipy.spatial.distance import squareform

from nightdesk.errors import BadInput
from nightdesk.monitoring.drift import BINS, SMALLEST_SHARE, bin_edges, night_counts
from nightdesk.scoring.observed import FloatArray
from nightdesk.tables import DATE, SYMBOL

ROWS: Final = 40
"""Rows of a picture at most."""

ALIKE: Final = 0.7
"""Rank correlation from which on two features say much the same."""

_MONTH: Final = "__month__"

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Features, or groups of them that say the same, in the order of a tree: those that say the same side by side.

    Attributes
    ----------
    names : the feature nearest to the others of its group, one a group.
    members : how many each group has.
    correlation : mean rank correlation on a date between these, -1 to 1.
    tree : their linkage as scipy gives it, by 1 minus the size of the correlation, averaged.
    cluster : a number a group; groups of one number have a correlation of ALIKE or so.
    left_out : features that are the same for all symbols on every date, or never known.
    alone : how many more features are in groups too small for the picture.
    """

    names: tuple[str, ...]
    members: tuple[int, ...]
    correlation: FloatArray
    tree: FloatArray
    cluster: Places
    left_out: tuple[str, ...]
    alone: int


@dataclass(frozen=True, slots=True, eq=False)
class Missing:
    """Share of null values by month, one row a set of features with the same shares, the most lacking first.

    `names` is the first feature of each set, `members` how many it has; `shares` is sets by months, 0 to 1.
    """

    names: tuple[str, ...]
    members: tuple[int, ...]
    months: tuple[str, ...]
    shares: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Stability:
    """How steady features are, the least steady first.

    Attributes
    ----------
    names : features.
    lags : bars between two dates.
    persistence : rank correlation of a feature with itself so many bars before, mean over dates; features by lags, NaN
        where there is none.
    years : calendar years.
    shift : population stability index of a year's values against those of the other years, features by years; above
        0.25 is usually called another distribution; NaN where a year has none.
    """

    names: tuple[str, ...]
    lags: tuple[int, ...]
    persistence: FloatArray
    years: tuple[int, ...]
    shift: FloatArray


def clusters(sample: pl.DataFrame, most: int = ROWS) -> Clusters:
    """Order features by what they say; of more than `most`, those that say much the same are one row, the largest stay.

    `sample` has symbol, date and features, null where unknown. Raises BadInput where fewer than two features tell the
    symbols of a date apart.
    """
    names = [name for name in sample.columns if name not in (SYMBOL, DATE)]
    found = _correlation(_ranks(sample, names))
    kept = np.flatnonzero(np.diag(found) > 0.0)
    if kept.size < 2:
        raise BadInput(
            f"clusters need two features that differ between the symbols of a date, got {kept.size} of {len(names)}: "
            "choose more in features.groups or features.add"
        )
    close = np.nan_to_num(found[np.ix_(kept, kept)])
    groups = _groups(close, most)
    chosen = np.array([own[np.argmax(np.abs(close[np.ix_(own, own)]).sum(axis=0))] for own in groups])
    tree = _tree(close[np.ix_(chosen, chosen)])
    order = leaves_list(tree)
    chosen = chosen[order]
    between = close[np.ix_(chosen, chosen)]
    return Clusters(
        tuple(names[kept[place]] for place in chosen),
        tuple(len(groups[place]) for place in order),
        between,
        tree,
        fcluster(tree, 1.0 - ALIKE, criterion="distance")[order].astype(np.int64),
        tuple(name for place, name in enumerate(names) if place not in kept),
        kept.size - sum(map(len, groups)),
    )


def missing(sample: pl.DataFrame, most: int = ROWS) -> Missing:
    """Share of nulls by feature and month; features with the same shares are one row, the `most` lacking ones stay."""
    names = [name for name in sample.columns if name not in (SYMBOL, DATE)]
    month = pl.col(DATE).dt.strftime("%Y-%m").alias(_MONTH)
    rows = sample.group_by(month).agg(pl.col(names).null_count() / pl.len()).sort(_MONTH)
    shares = rows.select(names).to_numpy().T
    sets: dict[bytes, list[int]] = {}
    for place, own in enumerate(shares):
        sets.setdefault(own.tobytes(), []).append(place)
    order = sorted(sets.values(), key=lambda own: -shares[own[0]].sum())[:most]
    return Missing(
        tuple(names[own[0]] for own in order),
        tuple(len(own) for own in order),
        tuple(rows[_MONTH]),
        shares[[own[0] for own in order]],
    )


def stability(sample: pl.DataFrame, apart: int, lags: Sequence[int], most: int = ROWS) -> Stability:
    """Persistence at `lags` (multiples of `apart`, the bars between two dates of `sample`) and shifts by year.

    The `most` features with the largest shift in any year stay.
    """
    names = [name for name in sample.columns if name not in (SYMBOL, DATE)]
    shift, years = _shifts(sample, names)
    order = np.argsort(-np.nan_to_num(shift).max(axis=1), kind="stable")[:most]
    chosen = [names[place] for place in order]
    ordered = sample.sort(SYMBOL, DATE)
    ranks = _ranks(ordered, chosen)
    symbols = ordered[SYMBOL].rle_id().to_numpy()
    persistence = np.full((len(chosen), len(lags)), np.nan)
    for column, lag in enumerate(lags):
        step = lag // apart
        same = np.flatnonzero(symbols[step:] == symbols[:-step]) if step < len(symbols) else np.array([], dtype=int)
        for row in range(len(chosen)):
            persistence[row, column] = _of_pairs(ranks[same + step, row], ranks[same, row])
    return Stability(tuple(chosen), tuple(lags), persistence, years, shift[order])


def _ranks(sample: pl.DataFrame, names: Sequence[str]) -> FloatArray:
    """Rank of each value among those of its date, from -0.5 to 0.5, 0 where all are equal; NaN where unknown."""
    ranks = sample.select(((pl.col(n).rank("average") - 0.5) / pl.col(n).count() - 0.5).over(DATE) for n in names)
    # Rounded, or what all symbols share would leave ranks of rounding.
    return ranks.select(pl.all().cast(pl.Float64).round(12).fill_null(float("nan"))).to_numpy()


def _correlation(ranks: FloatArray) -> FloatArray:
    """Correlation of the columns over the rows where both are known; NaN where one does not vary there."""
    known = ~np.isnan(ranks)
    values, mask = np.where(known, ranks, 0.0), known.astype(np.float64)
    squares = (values * values).T @ mask
    scale = np.sqrt(squares * squares.T)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: FloatArray = np.where(scale > 0.0, values.T @ values / scale, np.nan)
    return found


def _of_pairs(now: FloatArray, before: FloatArray) -> float:
    both = ~np.isnan(now) & ~np.isnan(before)
    scale = float(np.sqrt(np.sum(now[both] ** 2) * np.sum(before[both] ** 2)))
    return float(np.sum(now[both] * before[both])) / scale if scale > 0.0 else float("nan")


def _tree(correlation: FloatArray) -> FloatArray:
    distance = 1.0 - np.abs(correlation)
    np.fill_diagonal(distance, 0.0)
    found: FloatArray = linkage(squareform(np.maximum(distance, 0.0), checks=False), "average", optimal_ordering=True)
    return found


def _groups(correlation: FloatArray, most: int) -> list[Places]:
    """Places of the features of each group, of the `most` largest groups."""
    if len(correlation) <= most:
        return [np.array([place]) for place in range(len(correlation))]
    number = fcluster(_tree(correlation), 1.0 - ALIKE, criterion="distance")
    groups = [np.flatnonzero(number == one) for one in np.unique(number)]
    return sorted(groups, key=lambda own: (-len(own), own[0]))[:most]


def _shifts(sample: pl.DataFrame, names: Sequence[str]) -> tuple[FloatArray, tuple[int, ...]]:
    """Population stability index by feature and year, and the years."""
    counts = night_counts(sample, names, bin_edges(sample, names))
    of_night = np.array([night.year for night in counts.nights])
    years = np.unique(of_night)
    shift = np.full((len(names), len(years)), np.nan)
    for column, year in enumerate(years):
        own, rest = (counts.counts[chosen].sum(axis=0)[:, :BINS] for chosen in (of_night == year, of_night != year))
        both = (own.sum(axis=1) > 0) & (rest.sum(axis=1) > 0)
        ours, theirs = (
            np.maximum(one[both] / one[both].sum(axis=1, keepdims=True), SMALLEST_SHARE) for one in (own, rest)
        )
        shift[both, column] = np.sum((ours - theirs) * np.log(ours / theirs), axis=1)
    return shift, tuple(years.tolist())
