"""The drift gate on the bundled panel: false alarms on clean years of it, and breaks found (`make proof`)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
from scipy.stats import beta

from nightdesk.features.matrix import feature_matrix
from nightdesk.monitoring.drift import (
    PATIENCE,
    REST,
    WINDOW,
    DriftReference,
    NightCounts,
    bin_edges,
    drift_reference,
    judge_drift,
    night_counts,
    stays,
    stays_gross,
)
from nightdesk.quality.bars import check_bars
from nightdesk.sessions import trading_days
from nightdesk.sources import open_source

pytestmark = pytest.mark.proof

RUNS = 500
BLOCK = 60
YEAR = 252
SHIFTS = (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0)


@dataclass(frozen=True)
class History:
    """Counts of the panel's nights as they are, and with every feature shifted by so many standard deviations."""

    names: list[str]
    edges: np.ndarray
    clean: np.ndarray
    shifted: dict[float, np.ndarray]


@pytest.fixture(scope="module")
def history() -> History:
    source = open_source("sample")
    bars = source.bars(None, source.last_day())
    days = trading_days(source.facts.calendar, source.first_day(), source.last_day())
    features = feature_matrix(check_bars(bars, days).good)
    # The first year's nights lack features that look back a year: a warm-up is no clean history.
    features = features.filter(pl.col("date") >= days[YEAR + 1])
    names = features.columns[2:]
    edges = bin_edges(features, names)
    shifted = {
        shift: night_counts(
            features.with_columns(pl.col(name) + shift * pl.col(name).std() for name in names), names, edges
        ).counts
        for shift in SHIFTS
    }
    return History(names, edges, night_counts(features, names, edges).counts, shifted)


def blocks(random: np.random.Generator, nights: int) -> tuple[np.ndarray, np.ndarray]:
    """Nights of a reference and of a year, drawn from blocks of 60 that are in only one of both."""
    order = random.permutation(nights // BLOCK)
    kept = round(len(order) * 0.65)
    parts = order[:kept], random.choice(order[kept:], -(-(YEAR + WINDOW) // BLOCK))
    both = (np.concatenate([np.arange(one * BLOCK, (one + 1) * BLOCK) for one in part]) for part in parts)
    reference, year = both
    return reference, year[: YEAR + WINDOW]


def drifted(reference: DriftReference, counts: np.ndarray) -> frozenset[int]:
    found = judge_drift(reference, NightCounts((), counts)).features.filter("drifted")["feature"]
    return frozenset(reference.features.index(name) for name in found)


def trainings(reference: DriftReference, counts: np.ndarray) -> int:
    """How often a year asks for a training: as `stays_gross` says night by night, and none in 20 nights before."""
    asked, last, recent = 0, -REST, deque[frozenset[int]](maxlen=PATIENCE)
    for end in range(WINDOW, len(counts) + 1):
        recent.append(drifted(reference, counts[end - WINDOW : end]))
        if len(recent) == PATIENCE and end - last >= REST and stays(list(recent), len(reference.features)):
            asked, last = asked + 1, end
    return asked


def found_within(reference: DriftReference, counts: np.ndarray, begun: int, nights: int = 20) -> bool:
    ends = range(begun + PATIENCE, begun + nights + 1)
    return any(stays_gross(reference, NightCounts((), counts[:end])) for end in ends)


def test_false_alarms_and_breaks_found(history: History) -> None:
    random = np.random.default_rng(2025)
    alarms, found = [], dict.fromkeys((0.5, 1.0, 2.0), 0)
    broken = -(-len(history.names) // 10)
    for _ in range(RUNS):
        learned, year = blocks(random, len(history.clean))
        reference = drift_reference(history.names, history.edges, NightCounts((), history.clean[learned]))
        alarms.append(trainings(reference, history.clean[year]))
        which, signs = random.choice(len(history.names), broken, replace=False), random.choice([-1.0, 1.0], broken)
        begun = int(random.integers(WINDOW + PATIENCE, YEAR - 20))
        for size in found:
            counts = history.clean[year].copy()
            for feature, sign in zip(which, signs, strict=True):
                counts[begun:, feature] = history.shifted[sign * size][year[begun:], feature]
            found[size] += found_within(reference, counts, begun)
    rate, error = float(np.mean(alarms)), float(np.std(alarms, ddof=1) / np.sqrt(RUNS))
    least = float(beta.ppf(0.05, found[1.0], RUNS - found[1.0] + 1))
    shares = ", ".join(f"{size} deviations {hits / RUNS:.1%}" for size, hits in found.items())
    print(
        f"\ndrift, {RUNS} years drawn in blocks of {BLOCK} nights from {len(history.clean)} nights of the panel, "
        f"{len(history.names)} features: {rate:.2f} false trainings a year, so at most {rate + 1.645 * error:.2f}; "
        f"bound 1. Breaks in {broken} features found within 20 nights: {shares}; of 1 deviation in at least "
        f"{least:.1%}, bound 90 %"
    )
    assert rate + 1.645 * error <= 1.0
    assert least >= 0.90
