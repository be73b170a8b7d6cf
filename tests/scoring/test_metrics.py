"""Metrics equal scikit-learn or a plain loop on what is known, and are None, not 0, where undefined."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from nightdesk.errors import BadInput
from nightdesk.scoring import metrics

RETURNS = st.lists(st.one_of(st.none(), st.floats(-0.5, 0.5, width=32)), max_size=40)


def with_gaps(seed: int, rows: int = 200) -> tuple[pl.Series, pl.Series, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth, forecast = random.normal(size=rows), random.normal(size=rows)
    known = random.random(rows) > 0.2
    holes = [None if random.random() < 0.5 else float("nan") for _ in range(rows)]
    gappy = pl.Series(
        [value if there else hole for value, there, hole in zip(truth.tolist(), known, holes, strict=True)],
        strict=False,
    )
    return gappy, pl.Series(forecast), truth[known], forecast[known]


@pytest.mark.parametrize("seed", range(3))
def test_errors_equal_sklearn_on_what_is_known(seed: int) -> None:
    gappy, forecast, truth, guess = with_gaps(seed)
    assert metrics.mse(gappy, forecast) == pytest.approx(sk.mean_squared_error(truth, guess))
    assert metrics.mae(gappy, forecast) == pytest.approx(sk.mean_absolute_error(truth, guess))
    assert metrics.r2(gappy, forecast) == pytest.approx(sk.r2_score(truth, guess))
    same = sum((t > 0) == (g > 0) for t, g in zip(truth, guess, strict=True))
    assert metrics.direction_accuracy(gappy, forecast) == pytest.approx(same / len(truth))
    happened = gappy.fill_nan(None).sign().clip(0, 1)
    assert metrics.roc_auc(happened, forecast) == pytest.approx(sk.roc_auc_score(truth > 0, guess))


def test_direction_of_nothing_does_not_count() -> None:
    assert metrics.direction_accuracy([0.0, 0.1, -0.1, 0.2], [0.5, 0.0, -0.3, 0.1]) == pytest.approx(2 / 3)
    assert metrics.direction_accuracy([0.0], [0.1]) is None


@pytest.mark.parametrize("dtype", [pl.String, pl.Enum(["down", "flat", "up"])])
def test_classes_equal_sklearn_on_what_is_known(dtype: pl.DataType) -> None:
    random = np.random.default_rng(8)
    names = ["down", "flat", "up", None]
    truth = pl.Series(random.choice(names, 300).tolist(), dtype=dtype)
    forecast = pl.Series(random.choice(names, 300).tolist(), dtype=dtype)
    known = [(t, g) for t, g in zip(truth, forecast, strict=True) if t is not None and g is not None]
    t, g = np.array([pair[0] for pair in known]), np.array([pair[1] for pair in known])
    assert len(known) < 250
    assert metrics.accuracy(truth, forecast) == pytest.approx(sk.accuracy_score(t, g))
    for name, expected in (
        ("precision", sk.precision_score),
        ("recall", sk.recall_score),
        ("f1", sk.f1_score),
    ):
        found = getattr(metrics, name)(truth, forecast, "up")
        assert found == pytest.approx(expected(t, g, labels=["up"], average="macro"))


def test_undefined_classes_are_none() -> None:
    assert metrics.precision(["up", "up"], ["down", "down"], "up") is None
    assert metrics.recall(["down", "down"], ["up", "up"], "up") is None
    assert metrics.f1(["down"], ["down"], "up") is None
    assert metrics.f1(["up"], ["down"], "up") == 0.0
    assert metrics.accuracy([None], ["up"]) is None
    assert metrics.roc_auc([1.0, 1.0], [0.1, 0.2]) is None
    assert metrics.r2([2.0, 2.0], [1.0, 3.0]) is None
    assert metrics.mse([None], [1.0]) is metrics.mae([], []) is None


def test_sharpe_sortino_and_icir_by_hand() -> None:
    returns = [0.02, None, -0.01, 0.03, float("nan"), -0.02]
    mean, deviation = 0.005, math.sqrt((0.015**2 + 0.015**2 + 0.025**2 + 0.025**2) / 3)
    assert metrics.sharpe(returns) == pytest.approx(mean / deviation * math.sqrt(252))
    assert metrics.sharpe(returns, annual_days=365) == pytest.approx(mean / deviation * math.sqrt(365))
    downside = math.sqrt((0.01**2 + 0.02**2) / 4)
    assert metrics.sortino(returns) == pytest.approx(mean / downside * math.sqrt(252))
    assert metrics.icir(returns) == pytest.approx(mean / deviation)
    assert metrics.sharpe([0.01, 0.01, 0.01]) is metrics.sharpe([0.01]) is metrics.icir([]) is None
    assert metrics.sortino([0.01, 0.0]) is None


@given(RETURNS)
def test_drawdown_and_hits_equal_a_plain_loop(returns: list[float | None]) -> None:
    value = peak = 1.0
    deepest, hits, days = 0.0, 0, 0
    for step in returns:
        if step is not None:
            value *= 1.0 + step
            peak = max(peak, value)
            deepest = max(deepest, 1.0 - value / peak)
            hits, days = hits + (step > 0), days + 1
    assert metrics.max_drawdown(returns) == (pytest.approx(deepest) if days else None)
    assert metrics.hit_rate(returns) == (pytest.approx(hits / days) if days else None)


@given(RETURNS, st.sampled_from([0.9, 0.95, 0.99]))
def test_shortfall_is_at_least_the_value_at_risk(returns: list[float | None], level: float) -> None:
    known = sorted(step for step in returns if step is not None)
    risk, shortfall = metrics.value_at_risk(returns, level), metrics.expected_shortfall(returns, level)
    if not known:
        assert risk is shortfall is None
        return
    worse = math.ceil(len(known) * round(100 - 100 * level) / 100)
    assert risk == -known[worse - 1]
    assert shortfall == pytest.approx(-sum(known[:worse]) / worse)
    assert shortfall >= risk - 1e-12


def test_the_worst_five_of_a_hundred_days() -> None:
    returns = [-0.01 * day for day in range(100, 0, -1)]
    assert metrics.value_at_risk(returns) == pytest.approx(0.96)
    assert metrics.expected_shortfall(returns) == pytest.approx(0.98)


def test_refuses_what_breaks_a_rule() -> None:
    with pytest.raises(BadInput, match="equally long, got 1 and 2"):
        metrics.mse([1.0], [1.0, 2.0])
    with pytest.raises(BadInput, match="equally long, got 1 and 2"):
        metrics.accuracy(["up"], ["up", "down"])
    with pytest.raises(BadInput, match="got 1 infinite"):
        metrics.sharpe([0.1, math.inf])
    with pytest.raises(BadInput, match="level must lie between 0 and 1, got 5"):
        metrics.value_at_risk([0.1], level=5)
