"""Training rows: each date weighs the same, the target is a centred rank, and nothing unlabelled gets in."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightdesk.models.training_set import feature_columns, to_matrix, training_set
from nightdesk.tables import DATE, FORWARD_RETURN, HORIZON, SYMBOL

MONDAY, TUESDAY, WEDNESDAY = (dt.date(2017, 1, day) for day in (9, 10, 11))
HORIZON_LABELLED = 5

Rows = list[tuple[str, dt.date, float | None]]


def labels(rows: Rows, horizon: int = HORIZON_LABELLED) -> pl.DataFrame:
    schema = {SYMBOL: pl.String, DATE: pl.Date, FORWARD_RETURN: pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.lit(horizon, pl.Int32).alias(HORIZON))


def features(rows: Rows) -> pl.DataFrame:
    schema = {SYMBOL: pl.String, DATE: pl.Date, "x": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(y=-pl.col("x"))


def test_an_example_by_hand() -> None:
    returns: Rows = [("A", MONDAY, 0.03), ("B", MONDAY, -0.9), ("C", MONDAY, 0.01), ("D", MONDAY, 0.02)]
    returns += [("A", TUESDAY, 0.5), ("B", TUESDAY, 0.4), ("C", TUESDAY, None)]
    shown = features([(symbol, day, n) for n, (symbol, day, _) in enumerate(returns)])
    found = training_set(shown, labels(returns), HORIZON_LABELLED, ["y", "x"], [MONDAY, TUESDAY])
    # Four symbols stand at -3/8, -1/8, 1/8, 3/8; two at -1/4, 1/4: the worst is -0.9, however wild.
    np.testing.assert_allclose(found.target, [0.375, -0.375, -0.125, 0.125, 0.25, -0.25])
    # Six rows on two dates: each date weighs 3, in mean a row weighs 1.
    np.testing.assert_allclose(found.weight, [0.75, 0.75, 0.75, 0.75, 1.5, 1.5])
    np.testing.assert_array_equal(found.features[:, 1], [0, 1, 2, 3, 4, 5])
    np.testing.assert_array_equal(found.features[:, 0], -found.features[:, 1])


def test_equal_returns_share_their_rank() -> None:
    returns: Rows = [("A", MONDAY, 0.1), ("B", MONDAY, 0.1), ("C", MONDAY, 0.2)]
    shown = features([(symbol, day, 0.0) for symbol, day, _ in returns])
    target = training_set(shown, labels(returns), HORIZON_LABELLED, ["x"], [MONDAY]).target
    np.testing.assert_allclose(target, [-1 / 6, -1 / 6, 1 / 3])


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=6), st.integers(0, 1000))
def test_each_date_has_the_same_weight_and_a_centred_target(counts: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    days = [MONDAY + dt.timedelta(days=n) for n in range(len(counts))]
    rows = [(f"S{n:02d}", day, random.normal()) for day, count in zip(days, counts, strict=True) for n in range(count)]
    found = training_set(features(rows), labels(rows), HORIZON_LABELLED, ["x"], days)
    ends = np.cumsum(counts)[:-1]
    assert len(found.weight) == sum(counts)
    assert found.weight.mean() == pytest.approx(1.0)
    totals = [part.sum() for part in np.split(found.weight, ends)]
    np.testing.assert_allclose(totals, totals[0])
    np.testing.assert_allclose([part.mean() for part in np.split(found.target, ends)], 0.0, atol=1e-12)
    returns = np.split(np.array([row[2] for row in rows]), ends)
    for part, own in zip(np.split(found.target, ends), returns, strict=True):
        np.testing.assert_array_equal(part.argsort(), own.argsort())


def test_only_the_horizon_and_days_asked_for_are_rows() -> None:
    rows: Rows = [("A", day, 0.1) for day in (MONDAY, TUESDAY, WEDNESDAY)]
    known = pl.concat([labels(rows), labels([("A", MONDAY, 0.9), ("B", MONDAY, 0.2)], horizon=20)])
    found = training_set(features(rows), known, HORIZON_LABELLED, ["x"], [MONDAY, WEDNESDAY])
    assert len(found.target) == 2
    assert len(training_set(features(rows), known, HORIZON_LABELLED, ["x"], []).target) == 0


def test_a_label_without_features_and_features_without_a_label_are_no_rows() -> None:
    shown = features([("A", MONDAY, 1.0), ("B", MONDAY, 2.0)])
    found = training_set(shown, labels([("A", MONDAY, 0.1), ("Z", MONDAY, 0.2)]), HORIZON_LABELLED, ["x"], [MONDAY])
    np.testing.assert_array_equal(found.features, [[1.0]])


def test_the_order_of_rows_changes_nothing() -> None:
    rows: Rows = [(f"S{n}", day, float(n * 7 % 5)) for n in range(9) for day in (MONDAY, TUESDAY)]
    shown, known = features(rows), labels(rows)
    once = training_set(shown, known, HORIZON_LABELLED, ["x"], [MONDAY, TUESDAY])
    again = training_set(shown.reverse(), known.sample(fraction=1, shuffle=True, seed=1), 5, ["x"], [TUESDAY, MONDAY])
    assert once.features.tobytes() == again.features.tobytes()
    assert once.target.tobytes() == again.target.tobytes()


def test_missing_is_nan_and_the_columns_are_the_recipes() -> None:
    shown = features([("A", MONDAY, None), ("B", MONDAY, 2.0)])
    assert feature_columns(shown, ()) == ["x", "y"]
    assert feature_columns(shown, ("y",)) == ["y"]
    found = to_matrix(shown, ["y", "x"])
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, [[np.nan, np.nan], [-2.0, 2.0]])


def test_labels_of_several_markets_are_ranked_within_their_own_and_one_alone_is_left_out() -> None:
    day, symbols = dt.date(2020, 1, 2), ["A", "B", "C", "PETR4.SA", "VALE3.SA", "BTC/USD"]
    features = pl.DataFrame({"symbol": symbols, "date": [day] * 6, "f": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]})
    labels = pl.DataFrame(
        {
            "symbol": symbols,
            "date": [day] * 6,
            "horizon": [5] * 6,
            "forward_return": [0.01, 0.03, 0.02, -0.5, 0.5, 9.0],
            "market": ["us", "us", "us", "b3", "b3", "crypto"],
        }
    )
    training = training_set(features, labels, 5, ["f"], [day])
    assert training.features[:, 0].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert training.target.tolist() == pytest.approx([-1 / 3, 1 / 3, 0.0, -0.25, 0.25])
    assert training.weight.tolist() == [1.0] * 5
