"""The nightly gate on data drift: every feature against stored bins of a clean reference, exact and fast.

A market moves all its features at once, and that is no fault. So a feature counts as drifted where it leans away from
what the other features of the same nights would make of it, or where the shape of its distribution is another one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from nightdesk.errors import BadInput
from nightdesk.features.kernels import compiled
from nightdesk.scoring.checks import check_columns
from nightdesk.scoring.observed import FloatArray
from nightdesk.tables import DATE, SYMBOL

BINS: Final = 20
WINDOW: Final = 15
MIN_NIGHTS: Final = 252
GROSS_SHARE: Final = 0.10
RIDGE: Final = 0.1
LEAN_MARGIN: Final = 1.5
SHAPE_MARGIN: Final = 3.0
NULL_MARGIN: Final = 0.10
SMALLEST_SPREAD: Final = 1e-3
SMALLEST_LIMIT: Final = 1e-6
SMALLEST_SHARE: Final = 1e-4
REST: Final = 20
PATIENCE: Final = 6

DRIFT: Final = {
    "feature": pl.String,
    "psi": pl.Float64,
    "ks": pl.Float64,
    "lean": pl.Float64,
    "unexplained": pl.Float64,
    "nulls": pl.Float64,
    "drifted": pl.Boolean,
}


@dataclass(frozen=True, slots=True, eq=False)
class NightCounts:
    """How many symbols of each night lie in each bin: shape (nights, features, bins + 1), the last for null."""

    nights: tuple[dt.date, ...]
    counts: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class DriftReference:
    """What clean nights look like; to be stored with the model that was trained on them.

    Attributes
    ----------
    edges
        Inner edges of the bins, 19 quantiles of the reference, shape (features, 19).
    counts
        All nights' counts together, shape (features, 21).
    centre, spread
        Mean and standard deviation of the nights' leans, shape (features,).
    precision
        Inverse of the standardised leans' covariance, a little shrunk: how features hang together, shape (features,
        features).
    lean_limit, shape_limit, null_limit
        What a window of 15 nights may reach, shape (features,): margins above its highest in the reference.
    nights
        Nights in the reference.
    """

    features: tuple[str, ...]
    edges: FloatArray
    counts: npt.NDArray[np.int64]
    centre: FloatArray
    spread: FloatArray
    precision: FloatArray
    lean_limit: FloatArray
    shape_limit: FloatArray
    null_limit: FloatArray
    nights: int


@dataclass(frozen=True, slots=True, eq=False)
class DriftVerdict:
    """Drift of the last 15 nights.

    Attributes
    ----------
    features
        One row a feature, the most drifted first: feature, psi (population stability index), ks (largest gap between
        the distribution functions at the edges), lean (mean rank against the reference, -0.5 to 0.5), unexplained
        (lean that the other features do not explain, over its limit: above 1 is drift), nulls (share), drifted.
    share
        Drifted features over all.
    gross
        Whether that is at least a tenth: the only drift of inputs that may ask for a training.
    """

    features: pl.DataFrame
    share: float
    gross: bool
    reasons: tuple[str, ...]


def bin_edges(features: pl.DataFrame, names: Sequence[str]) -> FloatArray:
    """Inner edges of 20 bins of equal share for each feature; NaN, so one bin for all, where a feature is never known.

    Raises
    ------
    BadInput
        A column is missing.
    """
    check_columns(features, names)
    edges = np.full((len(names), BINS - 1), np.nan)
    for row, name in enumerate(names):
        # Of sorted values NumPy finds quantiles in a seventh of the time; what is not known comes last.
        values = np.sort(features[name].to_numpy())
        if known := len(values) - np.count_nonzero(np.isnan(values)):
            edges[row] = np.quantile(values[:known], np.arange(1, BINS) / BINS)
    return edges


def night_counts(features: pl.DataFrame, names: Sequence[str], edges: FloatArray) -> NightCounts:
    """Count the symbols of each night in the bins of each feature; null and NaN have a bin of their own.

    Parameters
    ----------
    features
        symbol, date and the columns `names`, in any order of rows.
    edges
        As `bin_edges` gives them; a value on an edge lies above it.

    Raises
    ------
    BadInput
        A column is missing, or the edges are not those of the features.
    """
    check_columns(features, [SYMBOL, DATE, *names])
    if edges.shape != (len(names), BINS - 1):
        raise BadInput(
            f"edges must have shape {(len(names), BINS - 1)}, got {edges.shape}: make them for these features"
        )
    nights = features[DATE].unique().sort()
    night = nights.search_sorted(features[DATE]).to_numpy().astype(np.int64)
    counts = np.empty((len(nights), len(names), BINS + 1), dtype=np.int64)
    for column, name in enumerate(names):
        counts[:, column] = _counted(features[name].to_numpy(), night, edges[column], len(nights))
    return NightCounts(tuple(nights), counts)


@compiled
def _counted(values: FloatArray, night: npt.NDArray[np.int64], edges: FloatArray, nights: int) -> npt.NDArray[np.int64]:
    counts = np.zeros((nights, len(edges) + 2), dtype=np.int64)
    for row in range(len(values)):
        value, place = np.float64(values[row]), np.int64(0)
        # All edges, one after another and without a branch: in a quarter of the time of a binary search.
        for edge in range(len(edges)):
            place += np.int64(1) if value >= edges[edge] else np.int64(0)
        counts[night[row], len(edges) + 1 if np.isnan(value) else place] += 1
    return counts


def drift_reference(names: Sequence[str], edges: FloatArray, clean: NightCounts) -> DriftReference:
    """Learn from clean nights how features hang together, and how far a window of them goes by itself.

    Parameters
    ----------
    clean
        Counts of consecutive nights, at least 252; two years or more make alarms rarer. Nights of a fault that was
        found must be left out, or the fault becomes the norm.

    Raises
    ------
    BadInput
        There are too few nights, or a night without a row.
    """
    counts = clean.counts
    if len(counts) < MIN_NIGHTS:
        raise BadInput(f"a reference must have {MIN_NIGHTS} nights or more, got {len(counts)}: give a longer history")
    together = counts.sum(axis=0)
    leans = _leans(counts, together)
    centre, spread = leans.mean(axis=0), np.maximum(leans.std(axis=0), SMALLEST_SPREAD)
    standard = (leans - centre) / spread
    precision = np.linalg.inv(standard.T @ standard / len(standard) + RIDGE * np.eye(len(names)))
    unexplained = standard @ precision / np.diag(precision)
    windows = _window_sums(counts)
    return DriftReference(
        tuple(names),
        edges,
        together,
        centre,
        spread,
        precision,
        LEAN_MARGIN * np.abs(_window_means(unexplained)).max(axis=0),
        SHAPE_MARGIN * _psi(_shares(windows), _shares(together)).max(axis=0),
        NULL_MARGIN + _shares(windows)[..., BINS].max(axis=0),
        len(counts),
    )


def judge_drift(reference: DriftReference, recent: NightCounts) -> DriftVerdict:
    """Judge the last 15 of `recent` nights against the reference.

    Raises
    ------
    BadInput
        There are fewer than 15 nights, or the counts are not of the reference's features.
    """
    found = _found(reference, recent.counts)
    known_now, known_before = _known_shares(found.together), _known_shares(reference.counts)
    table = pl.DataFrame(
        {
            "feature": reference.features,
            "psi": found.psi,
            "ks": np.abs(np.cumsum(known_now - known_before, axis=1)).max(axis=1),
            "lean": found.lean,
            "unexplained": found.over,
            "nulls": found.nulls,
            "drifted": found.drifted,
        },
        schema=DRIFT,
    ).sort("drifted", "unexplained", "psi", descending=True)
    share = float(found.drifted.mean())
    return DriftVerdict(table, share, share >= GROSS_SHARE - 1e-9, _reasons(table, share))


def stays_gross(reference: DriftReference, recent: NightCounts) -> bool:
    """Whether the same features, a tenth or more, drifted on each of the last 6 nights of `recent`.

    Only then may drift ask for a training: a market's own moves pass for gross drift now and then, mostly for a few
    nights and wandering from feature to feature; a broken input stays.

    Raises
    ------
    BadInput
        There are fewer than 20 nights, or the counts are not of the reference's features.
    """
    ends = range(len(recent.counts), len(recent.counts) - PATIENCE, -1)
    drifted = [_found(reference, recent.counts[: max(end, 0)]).drifted for end in ends]
    return stays([frozenset(np.flatnonzero(one)) for one in drifted], len(reference.features))


def stays(drifted: Sequence[frozenset[int]], features: int) -> bool:
    """Whether those that drifted on each of some nights, and on all of them, are a tenth of the features or more."""
    return len(frozenset.intersection(*drifted)) / features >= GROSS_SHARE - 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """What 15 nights show of each feature, shape (features,); `together` are their counts."""

    together: npt.NDArray[np.int64]
    psi: FloatArray
    lean: FloatArray
    nulls: FloatArray
    over: FloatArray
    drifted: npt.NDArray[np.bool_]


def _found(reference: DriftReference, nights: npt.NDArray[np.int64]) -> _Found:
    counts = nights[-WINDOW:]
    if len(counts) < WINDOW or counts.shape[1:] != reference.counts.shape:
        raise BadInput(
            f"drift is judged on {WINDOW} nights of {len(reference.features)} features, got shape {counts.shape}: "
            "count more nights, with the reference's edges"
        )
    together = counts.sum(axis=0)
    now = _shares(together)
    nulls = now[:, BINS]
    psi = _psi(now, _shares(reference.counts))
    leans = _leans(counts, reference.counts)
    other = (psi > reference.shape_limit) | (nulls > reference.null_limit)
    over = _unexplained(reference, ((leans - reference.centre) / reference.spread).mean(axis=0), other)
    return _Found(together, psi, leans.mean(axis=0), nulls, over, other | (over > 1.0))


def _shares(counts: npt.NDArray[np.int64]) -> FloatArray:
    shares: FloatArray = counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1)
    return shares


def _known_shares(counts: npt.NDArray[np.int64]) -> FloatArray:
    return _shares(counts[..., :BINS])


def _leans(counts: npt.NDArray[np.int64], reference: npt.NDArray[np.int64]) -> FloatArray:
    """Mean rank of each night's known values among the reference's, less a half: 0 where they are alike."""
    shares = _known_shares(reference)
    rank = np.cumsum(shares, axis=-1) - shares / 2 - 0.5
    leans: FloatArray = (_known_shares(counts) * rank).sum(axis=-1)
    return leans


def _unexplained(reference: DriftReference, lean: FloatArray, broken: npt.NDArray[np.bool_]) -> FloatArray:
    """What its others do not explain of each feature's standardised lean, over its limit.

    The furthest is set aside first and explains nothing from then on: else one broken feature would make all that hang
    on it look broken.
    """
    precision, base = reference.precision.copy(), np.diag(reference.precision)
    over, standing = np.zeros(len(lean)), np.ones(len(lean), dtype=np.bool_)
    aside = [int(place) for place in np.flatnonzero(broken)]
    while True:
        while aside:
            gone = aside.pop()
            standing[gone] = False
            precision -= np.outer(precision[:, gone], precision[gone]) / precision[gone, gone]
            precision[gone, gone] = 1.0
        left = np.diag(precision)
        # The fewer are left to explain it, the further a clean feature goes by itself.
        limit = np.maximum(reference.lean_limit, SMALLEST_LIMIT) * np.sqrt(base / left)
        ratio = np.where(standing, np.abs(precision @ np.where(standing, lean, 0.0)) / left / limit, 0.0)
        over[standing] = ratio[standing]
        if ratio.max(initial=0.0) <= 1.0:
            return over
        aside.append(int(ratio.argmax()))


def _psi(now: FloatArray, before: FloatArray) -> FloatArray:
    p, q = np.maximum(now, SMALLEST_SHARE), np.maximum(before, SMALLEST_SHARE)
    index: FloatArray = ((p - q) * np.log(p / q)).sum(axis=-1)
    return index


def _window_sums(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    sums = np.concatenate([np.zeros_like(counts[:1]), np.cumsum(counts, axis=0)])
    windows: npt.NDArray[np.int64] = sums[WINDOW:] - sums[:-WINDOW]
    return windows


def _window_means(values: FloatArray) -> FloatArray:
    means: FloatArray = np.lib.stride_tricks.sliding_window_view(values, WINDOW, axis=0).mean(axis=-1)
    return means


def _reasons(table: pl.DataFrame, share: float) -> tuple[str, ...]:
    found = table.filter("drifted")
    if found.is_empty():
        return (f"none of {table.height} features drifted over {WINDOW} nights",)
    names = ", ".join(found["feature"].head(5))
    more = f" and {found.height - 5} more" if found.height > 5 else ""
    gross = "gross" if share >= GROSS_SHARE - 1e-9 else "not gross"
    return (
        f"{found.height} of {table.height} features drifted over {WINDOW} nights ({share:.0%}, {gross}): {names}{more}",
    )
