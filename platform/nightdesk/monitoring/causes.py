"""Causes of drift: since which night each feature is another, and which symbols changed most."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from nightdesk.errors import BadInput
from nightdesk.monitoring.drift import BINS, DriftReference, NightCounts, night_counts
from nightdesk.scoring.observed import FloatArray
from nightdesk.tables import DATE, SYMBOL

LOOK_BACK: Final = 60
NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Causes:
    """Since when each flagged feature is another, since when the most drifted is, and who changed most.

    `symbols` are up to five, each with its share of all symbols' change (a fraction): few large shares are a fault of
    those symbols, many equal ones a fault of the source.
    """

    onsets: tuple[tuple[str, dt.date], ...]
    since: dt.date
    symbols: tuple[tuple[str, float], ...]


def causes_of(features: pl.DataFrame, flagged: Sequence[str], reference: DriftReference) -> Causes:
    """Find the causes of a drift in the last nights (60 say enough) of `features` (symbol, date, features).

    The first of `flagged` is the most drifted: what hangs on the market by itself moves too, and says less of when.

    Raises
    ------
    BadInput
        Nothing is flagged, or there are fewer than two nights.
    """
    if not flagged:
        raise BadInput("causes are those of drifted features, got none: ask only where some are flagged")
    edges = reference.edges[[reference.features.index(name) for name in flagged]]
    counts = night_counts(features, flagged, edges)
    onsets = tuple((name, onset(NightCounts(counts.nights, counts.counts[:, [n]]))) for n, name in enumerate(flagged))
    since = onsets[0][1]
    return Causes(onsets, since, _symbols(features, flagged, edges, since))


def onset(counts: NightCounts) -> dt.date:
    """The first night of another distribution: where the mean shares of the bins before and after differ most.

    The split k of n nights with the largest k (n - k) / n times the squared distance between both means, summed over
    the features: the least-squares estimate of one change (Hinkley 1970).

    Raises
    ------
    BadInput
        There are fewer than two nights.
    """
    nights = len(counts.nights)
    if nights < 2:
        raise BadInput(f"a change lies between two nights, got {nights}: give more nights")
    shares = (counts.counts / np.maximum(counts.counts.sum(axis=-1, keepdims=True), 1)).reshape(nights, -1)
    sums, split = np.cumsum(shares, axis=0), np.arange(1, nights)[:, None]
    before, after = sums[:-1] / split, (sums[-1] - sums[:-1]) / (nights - split)
    distance = (split[:, 0] * (nights - split[:, 0]) / nights) * ((before - after) ** 2).sum(axis=1)
    return counts.nights[int(distance.argmax()) + 1]


def _symbols(
    features: pl.DataFrame, flagged: Sequence[str], edges: FloatArray, since: dt.date
) -> tuple[tuple[str, float], ...]:
    names = features[SYMBOL].unique().sort()
    symbol = names.search_sorted(features[SYMBOL]).to_numpy().astype(np.int64)
    late = (features[DATE] >= since).to_numpy()
    change = np.zeros(len(names))
    for column, name in enumerate(flagged):
        values = features[name].fill_null(float("nan")).to_numpy().astype(np.float64)
        change += _moved(np.searchsorted(edges[column], values, side="right"), np.isnan(values), symbol, late)
    total = change.sum()
    if total == 0.0:
        return ()
    order = np.lexsort((np.arange(len(names)), -change))[:NAMED]
    return tuple((names[int(place)], round(float(change[place] / total), 6)) for place in order)


def _moved(
    places: npt.NDArray[np.int64],
    missing: npt.NDArray[np.bool_],
    symbol: npt.NDArray[np.int64],
    late: npt.NDArray[np.bool_],
) -> FloatArray:
    """How far each symbol's mean rank and share of nulls moved; one that is known on one side only moved by nulls."""
    count = int(symbol.max()) + 1 if len(symbol) else 0
    ranks, nulls = [], []
    for side in (~late, late):
        known = side & ~missing
        rows = np.bincount(symbol[side], minlength=count)
        held = np.bincount(symbol[known], minlength=count)
        ranks.append(_ratio(np.bincount(symbol[known], places[known] / (BINS - 1), minlength=count), held))
        nulls.append(_ratio(np.bincount(symbol[side & missing], minlength=count), rows))
    moved: FloatArray = np.nan_to_num(np.abs(ranks[1] - ranks[0])) + np.nan_to_num(np.abs(nulls[1] - nulls[0]))
    return moved


def _ratio(sums: npt.NDArray[np.float64] | npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> FloatArray:
    ratio: FloatArray = np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return ratio
