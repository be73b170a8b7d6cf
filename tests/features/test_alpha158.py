"""Alpha158 where its values are exact."""

from __future__ import annotations

import numpy as np
import pytest

from nightdesk.features.alpha158 import WINDOWS, rises_less_falls, share_of_falls, share_of_rises


@pytest.mark.parametrize("window", WINDOWS)
def test_rises_and_falls_are_counted_exactly(window: int) -> None:
    random = np.random.default_rng(window)
    sides = random.integers(-1, 2, 4_000)
    close = 100.0 + np.cumsum(sides) * 0.25 + 1_000.0
    runs = np.array([[0, close.size]], dtype=np.int64)
    seen = np.lib.stride_tricks.sliding_window_view(np.sign(np.diff(close)), window)
    rises, falls = (seen > 0).sum(axis=1), (seen < 0).sum(axis=1)
    assert (rises == falls).sum() > 100
    np.testing.assert_array_equal(share_of_rises(runs, close, window)[window:], rises / window)
    np.testing.assert_array_equal(share_of_falls(runs, close, window)[window:], falls / window)
    np.testing.assert_array_equal(rises_less_falls(runs, close, window)[window:], (rises - falls) / window)
