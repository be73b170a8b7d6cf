"""Volatility estimators on bars of a simulated price whose volatility is known: unbiased where they claim to be."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from nightdesk.features.matrix import feature_matrix
from nightdesk.tables import BARS, DATE, SYMBOL

TRUTH = 0.30
"""A year of 252 days."""
STEPS, DAYS = 390, 6000
ESTIMATORS = ("volatility_60", "parkinson_60", "garman_klass_60", "rogers_satchell_60", "yang_zhang_60")


def simulated(drift: float, overnight: float) -> pl.DataFrame:
    """Bars of a geometric walk of a step a minute; `drift` a day, `overnight` the share of variance at the open."""
    random = np.random.default_rng(17)
    daily = TRUTH / np.sqrt(252.0)
    night = random.normal(0.0, daily * np.sqrt(overnight), DAYS)
    steps = random.normal(drift / STEPS, daily * np.sqrt((1.0 - overnight) / STEPS), (DAYS, STEPS))
    path = np.cumsum(steps, axis=1)
    opens = np.cumsum(night) + np.concatenate(([0.0], np.cumsum(path[:-1, -1])))
    prices = {
        "open": np.zeros(DAYS),
        "high": np.maximum(path.max(axis=1), 0.0),
        "low": np.minimum(path.min(axis=1), 0.0),
        "close": path[:, -1],
    }
    columns = {name: 50.0 * np.exp(opens + column) for name, column in prices.items()}
    days = [dt.date(1990, 1, 1) + dt.timedelta(days=day) for day in range(DAYS)]
    return pl.DataFrame({SYMBOL: ["A"] * DAYS, DATE: days, **columns, "volume": np.ones(DAYS)}, schema=BARS)


def estimates(bars: pl.DataFrame) -> dict[str, tuple[float, float]]:
    """Root mean square of each estimator over the truth, and the spread of single estimates around that."""
    matrix = feature_matrix(bars, ESTIMATORS).drop_nulls()
    found = {}
    for name in ESTIMATORS:
        values = matrix[name].to_numpy().astype(np.float64)
        found[name] = (float(np.sqrt(np.mean(values**2))) / TRUTH, float(values.std()) / TRUTH)
    return found


def test_without_drift_and_gaps_all_find_the_truth_and_ranges_find_it_sooner() -> None:
    found = estimates(simulated(0.0, 0.0))
    for name, (level, _) in found.items():
        # A range seen through 390 steps is a little too small: 3 per cent for Parkinson's, more for the others.
        assert level == pytest.approx(1.0, abs=0.02 if name == "volatility_60" else 0.07), name
    spread = {name: spread for name, (_, spread) in found.items()}
    assert spread["parkinson_60"] < 0.6 * spread["volatility_60"]
    assert spread["garman_klass_60"] < spread["parkinson_60"]


def test_a_drift_misleads_parkinson_but_not_rogers_satchell_nor_yang_zhang() -> None:
    found = {name: level for name, (level, _) in estimates(simulated(0.03, 0.0)).items()}
    assert found["parkinson_60"] > 1.2
    assert found["rogers_satchell_60"] == pytest.approx(1.0, abs=0.07)
    assert found["yang_zhang_60"] == pytest.approx(1.0, abs=0.07)


def test_gaps_are_missed_within_bars_but_not_by_yang_zhang() -> None:
    found = {name: level for name, (level, _) in estimates(simulated(0.0, 0.5)).items()}
    for name in ("parkinson_60", "garman_klass_60", "rogers_satchell_60"):
        assert found[name] == pytest.approx(np.sqrt(0.5), abs=0.06), name
    assert found["yang_zhang_60"] == pytest.approx(1.0, abs=0.06)
    assert found["volatility_60"] == pytest.approx(1.0, abs=0.02)
