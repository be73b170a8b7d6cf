"""Direction and signal: the larger of cost and noise decides what counts as a move."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from nightdesk.errors import BadInput
from nightdesk.labels.direction import with_direction


def frame(returns: list[float | None], sigma: float | None = 0.01, horizon: int = 4) -> pl.DataFrame:
    return pl.DataFrame(
        {"forward_return": returns, "horizon": horizon, "daily_volatility": sigma},
        schema={"forward_return": pl.Float64, "horizon": pl.Int32, "daily_volatility": pl.Float64},
    )


def test_noise_decides_where_it_is_larger() -> None:
    labels = with_direction(frame([0.011, 0.0099, -0.0099, -0.011, 0.0]), 0.001, flat_sigmas=0.5)
    assert labels["direction"].to_list() == ["up", "flat", "flat", "down", "flat"]
    assert labels["signal"].to_list() == ["buy", "hold", "hold", "sell", "hold"]


def test_cost_decides_where_it_is_larger() -> None:
    labels = with_direction(frame([0.011, 0.02, -0.03]), 0.02, flat_sigmas=0.5)
    assert labels["direction"].to_list() == ["flat", "up", "down"]


def test_nothing_is_said_without_return_or_volatility() -> None:
    labels = with_direction(frame([None, float("nan")]), 0.001)
    assert labels["direction"].to_list() == labels["signal"].to_list() == [None, None]
    for sigma in (None, float("nan")):
        assert with_direction(frame([0.5], sigma), 0.001)["direction"].to_list() == [None]


def test_a_still_market_is_flat() -> None:
    labels = with_direction(frame([0.0, -0.0, 0.01], sigma=0.0), 0.0)
    assert labels["direction"].to_list() == ["flat", "flat", "up"]


def test_the_default_makes_three_equal_classes_of_normal_returns() -> None:
    returns = np.random.default_rng(1).normal(0.0, 0.01 * 2.0, 30_000).tolist()
    shares = with_direction(frame(returns), 0.0)["direction"].value_counts(normalize=True)["proportion"]
    assert shares.to_list() == pytest.approx([1 / 3] * 3, abs=0.01)


def test_refuses_a_negative_cost_and_a_missing_column() -> None:
    with pytest.raises(BadInput, match=r"round_trip_cost must be zero or more, got -0\.1"):
        with_direction(frame([0.1]), -0.1)
    with pytest.raises(BadInput, match="must hold daily_volatility"):
        with_direction(frame([0.1]).drop("daily_volatility"), 0.001)
