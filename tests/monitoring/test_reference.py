"""The reference kept with a model: made without warm-up and found faults, and the same after it was kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from drift_nights import NAMES, calendar, frame, nights

from nightdesk.monitoring.drift import bin_edges, drift_reference, judge_drift, night_counts
from nightdesk.monitoring.reference import NEW_NORM, from_frame, gross_nights, reference_from, to_frame
from nightdesk.store.files import frame_content
from nightdesk.store.monitoring import has_reference, point_to_reference, reference_of, write_reference

CLEAN = frame(nights(0, 510, symbols=12))


def test_it_is_that_of_all_nights_where_nothing_is_left_out() -> None:
    edges = bin_edges(CLEAN, NAMES)
    expected = drift_reference(NAMES, edges, night_counts(CLEAN, NAMES, edges))
    found = reference_from(CLEAN, NAMES)
    assert found is not None
    assert to_frame(found).equals(to_frame(expected))


def test_warm_up_and_found_faults_are_left_out() -> None:
    values = nights(5, 600, symbols=12)
    values[:40, :, 2] = np.nan
    without = calendar(600)[590:]
    table = frame(values)
    found = reference_from(table, NAMES, without)
    assert found is not None
    assert found.nights == 550
    assert found.counts[2, 20] == 0
    kept = pl.col("date").is_between(calendar(600)[40], calendar(600)[589])
    assert (found.counts == night_counts(table.filter(kept), NAMES, found.edges).counts.sum(axis=0)).all()


def test_none_where_too_few_nights_are_left() -> None:
    assert reference_from(frame(nights(0, 503, symbols=12)), NAMES) is None
    assert reference_from(frame(nights(0, 512, symbols=12)), NAMES, calendar(9)) is None
    assert reference_from(frame(nights(0, 512, symbols=12)), NAMES, calendar(8)) is not None


def test_nights_of_a_fault_are_left_out_until_it_is_how_things_are() -> None:
    days = calendar(200)
    short = [(days[50], days[60]), (days[52], days[63])]
    assert gross_nights(short, days) == frozenset(days[50:64])
    # The night of the change is estimated anew each night: one episode all the same.
    long = [(days[100 + night // 10], days[105 + night]) for night in range(NEW_NORM - 5)]
    assert gross_nights([*short, *long], days) == frozenset(days[50:64])
    assert gross_nights(long[:-1], days) == frozenset(days[100 : 100 + NEW_NORM - 1])
    assert gross_nights([], days) == frozenset()


@pytest.mark.parametrize("never", [False, True])
def test_what_is_kept_judges_as_what_was_made(never: bool, tmp_path: Path) -> None:
    table = CLEAN.with_columns(pl.lit(None, pl.Float32).alias(NAMES[4])) if never else CLEAN
    made = reference_from(table, NAMES)
    assert made is not None
    assert reference_of(tmp_path, "model") is None
    write_reference(tmp_path, "name", to_frame(made))
    assert has_reference(tmp_path, "name")
    point_to_reference(tmp_path, "model", "name")
    name, kept = reference_of(tmp_path, "model") or ("", pl.DataFrame())
    assert name == "name"
    assert frame_content(kept) == frame_content(to_frame(made))
    values = nights(6, 15, symbols=12)
    values[:, :, :3] += 2.0
    counts = night_counts(frame(values), NAMES, made.edges)
    assert judge_drift(from_frame(kept), counts).features.equals(judge_drift(made, counts).features)
    assert judge_drift(from_frame(kept), counts).gross
