"""Causes of drift: the night of a change, the features and the symbols are those that were planted."""

from __future__ import annotations

import numpy as np
import pytest
from drift_nights import NAMES, calendar, frame, nights

from nightdesk.errors import BadInput
from nightdesk.monitoring.causes import NAMED, causes_of, onset
from nightdesk.monitoring.drift import DriftReference, NightCounts, bin_edges, drift_reference, night_counts

CLEAN = frame(nights(0, 300))
FLAGGED = NAMES[:3]


@pytest.fixture(scope="module")
def reference() -> DriftReference:
    edges = bin_edges(CLEAN, NAMES)
    return drift_reference(NAMES, edges, night_counts(CLEAN, NAMES, edges))


@pytest.mark.parametrize("begun", [30, 48, 57])
@pytest.mark.parametrize("kind", ["shift", "scale", "null"])
def test_the_night_of_the_change_is_found(begun: int, kind: str, reference: DriftReference) -> None:
    values = nights(21, 60)
    late = values[begun:, :, :3]
    values[begun:, :, :3] = {"shift": late + 2.0, "scale": late * 4.0, "null": np.where(late > 0, np.nan, late)}[kind]
    found = causes_of(frame(values), FLAGGED, reference)
    assert found.since == calendar(60)[begun]
    assert found.onsets == tuple((name, calendar(60)[begun]) for name in FLAGGED)


def test_each_feature_has_its_own_night(reference: DriftReference) -> None:
    values = nights(22, 60)
    values[40:, :, 0] += 2.0
    values[50:, :, 1] += 2.0
    found = causes_of(frame(values), NAMES[:2], reference)
    assert dict(found.onsets) == {NAMES[0]: calendar(60)[40], NAMES[1]: calendar(60)[50]}
    assert found.since == calendar(60)[40]
    assert causes_of(frame(values), NAMES[1::-1], reference).since == calendar(60)[50]


def test_the_symbols_that_changed_are_named_with_their_share(reference: DriftReference) -> None:
    values = nights(23, 60)
    values[:45, [7, 11, 30], :3] -= 2.0
    values[45:, [7, 11, 30], :3] += 2.0
    found = causes_of(frame(values).sample(fraction=1.0, shuffle=True, seed=3), FLAGGED, reference)
    names = [symbol for symbol, _ in found.symbols]
    assert len(names) == NAMED
    assert set(names[:3]) == {"S007", "S011", "S030"}
    shares = [share for _, share in found.symbols]
    assert shares == sorted(shares, reverse=True)
    assert shares[2] > 3 * shares[3]
    assert sum(shares) < 1.0


def test_a_fault_of_all_symbols_is_spread_over_them(reference: DriftReference) -> None:
    values = nights(24, 60)
    values[45:, :, :3] += 2.0
    found = causes_of(frame(values), FLAGGED, reference)
    assert all(share == pytest.approx(1 / 50, abs=0.01) for _, share in found.symbols)


def test_a_symbol_whose_values_went_missing_counts(reference: DriftReference) -> None:
    values = nights(25, 60)
    values[45:, 9, :3] = np.nan
    assert causes_of(frame(values), FLAGGED, reference).symbols[0][0] == "S009"


def test_refuses_what_has_no_cause(reference: DriftReference) -> None:
    with pytest.raises(BadInput, match="causes are those of drifted features, got none"):
        causes_of(CLEAN, [], reference)
    with pytest.raises(BadInput, match="a change lies between two nights, got 1"):
        onset(NightCounts((calendar(1)[0],), np.ones((1, 2, 21), dtype=np.int64)))
