"""The reference that drift is judged by: made from a training's rows, and kept as a frame."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from nightdesk.monitoring.drift import (
    BINS,
    DriftReference,
    NightCounts,
    bin_edges,
    drift_reference,
    night_counts,
)

NIGHTS: Final = 504
"""Clean nights that a reference needs: with one year of them the bundled sample alone gave nine false episodes."""
NEW_NORM: Final = 60
"""Nights after which a gross change that stayed is what a later training learns as clean."""
WARM_UP_MARGIN: Final = 0.10

_LISTS: Final = ("edges", "counts", "precision")
_NUMBERS: Final = ("centre", "spread", "lean_limit", "shape_limit", "null_limit")


def reference_from(
    features: pl.DataFrame, names: Sequence[str], without: Collection[dt.date] = ()
) -> DriftReference | None:
    """Make the reference of features `names` from all nights of `features` (symbol, date, features).

    The nights on which features warm up are left out, and those of `without`: faults that were found. None where fewer
    than 504 nights are left.
    """
    edges = bin_edges(features, names)
    counts = night_counts(features, names, edges)
    kept = np.array([night not in without for night in counts.nights])
    kept[: _warmed_up(counts.counts)] = False
    if kept.sum() < NIGHTS:
        return None
    nights = tuple(night for night, stays in zip(counts.nights, kept, strict=True) if stays)
    return drift_reference(names, edges, NightCounts(nights, counts.counts[kept]))


def gross_nights(found: Sequence[tuple[dt.date, dt.date]], days: Sequence[dt.date]) -> frozenset[dt.date]:
    """The nights of `days` that a reference must not learn from.

    `found` are (since, judged on) of nights whose inputs were found to have drifted grossly. An episode that went on
    for 60 nights is left out no more: what stayed so long is no fault, but how the data are now.
    """
    out: set[dt.date] = set()
    episode: list[dt.date] = []
    for day in [*days, None]:
        if day is not None and any(since <= day <= judged for since, judged in found):
            episode.append(day)
            continue
        if len(episode) < NEW_NORM:
            out.update(episode)
        episode = []
    return frozenset(out)


def to_frame(reference: DriftReference) -> pl.DataFrame:
    """The reference as a frame, a row a feature."""
    lists = {name: pl.Series(getattr(reference, name).tolist(), dtype=pl.List(_dtype(name))) for name in _LISTS}
    numbers = {name: pl.Series(getattr(reference, name), dtype=pl.Float64) for name in _NUMBERS}
    return pl.DataFrame({"feature": reference.features, **lists, **numbers}).with_columns(
        nights=pl.lit(reference.nights, pl.Int64)
    )


def from_frame(frame: pl.DataFrame) -> DriftReference:
    """The reference that `to_frame` made a frame of."""
    lists = {name: np.array(frame[name].to_list(), dtype=np.int64 if name == "counts" else float) for name in _LISTS}
    numbers = {name: frame[name].to_numpy() for name in _NUMBERS}
    return DriftReference(
        features=tuple(frame["feature"]),
        nights=int(frame["nights"][0]),
        **lists,
        **numbers,
    )


def _dtype(name: str) -> pl.DataType:
    return pl.Int64() if name == "counts" else pl.Float64()


def _warmed_up(counts: npt.NDArray[np.int64]) -> int:
    """The first night from which on no feature lacks much more than it usually does."""
    nulls = counts[..., BINS] / np.maximum(counts.sum(axis=-1), 1)
    settled = nulls <= np.median(nulls, axis=0) + WARM_UP_MARGIN
    return int(settled.argmax(axis=0).max(initial=0))
