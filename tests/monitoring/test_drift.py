"""The drift gate: its figures equal scipy's and plain loops; a market's own moves are no drift, a broken input is."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import polars as pl
import pytest
from drift_nights import FEATURES, NAMES, calendar, frame, nights
from scipy import stats

from nightdesk.errors import BadInput
from nightdesk.monitoring.drift import (
    BINS,
    PATIENCE,
    REST,
    WINDOW,
    DriftReference,
    DriftVerdict,
    NightCounts,
    bin_edges,
    drift_reference,
    judge_drift,
    night_counts,
    stays_gross,
)

CLEAN = frame(nights(0, 504))


@pytest.fixture(scope="module")
def reference() -> DriftReference:
    edges = bin_edges(CLEAN, NAMES)
    return drift_reference(NAMES, edges, night_counts(CLEAN, NAMES, edges))


def judged(reference: DriftReference, values: np.ndarray) -> DriftVerdict:
    return judge_drift(reference, night_counts(frame(values), NAMES, reference.edges))


def test_counts_equal_a_plain_loop_and_nulls_are_apart() -> None:
    values = nights(1, 5, symbols=12)
    values[2, :4, 3] = np.nan
    table, edges = frame(values), bin_edges(CLEAN, NAMES)
    found = night_counts(table.sample(fraction=1.0, shuffle=True, seed=1), NAMES, edges)
    assert list(found.nights) == calendar(5)
    for column, name in enumerate(NAMES):
        for night, day in enumerate(found.nights):
            expected = [0] * (BINS + 1)
            for value in table.filter(pl.col("date") == day)[name].to_list():
                expected[BINS if value is None else sum(value >= edge for edge in edges[column])] += 1
            assert found.counts[night, column].tolist() == expected


def test_edges_are_quantiles_of_what_is_known() -> None:
    table = CLEAN.with_columns(
        pl.when(pl.col("symbol") < "S010").then(None).otherwise(pl.col(NAMES[0])).alias(NAMES[0])
    )
    known = table[NAMES[0]].drop_nulls().to_numpy().astype(float)
    assert bin_edges(table, NAMES)[0] == pytest.approx(np.quantile(known, np.arange(1, 20) / 20), abs=1e-6)
    never = CLEAN.with_columns(pl.lit(None, pl.Float32).alias(NAMES[1]))
    assert np.isnan(bin_edges(never, NAMES)[1]).all()


def test_figures_equal_scipy_on_the_bins(reference: DriftReference) -> None:
    values = nights(3, WINDOW)
    values[:, :5, 0] = np.nan
    table = frame(values)
    found = judged(reference, values).features
    for column, name in enumerate(NAMES):
        row = found.row(by_predicate=pl.col("feature") == name, named=True)
        before, now = (
            np.searchsorted(reference.edges[column], frame_[name].drop_nulls().to_numpy().astype(float), side="right")
            for frame_ in (CLEAN, table)
        )
        assert row["ks"] == pytest.approx(stats.ks_2samp(now, before).statistic)
        wins = stats.mannwhitneyu(now, before).statistic / (len(now) * len(before))
        assert row["lean"] == pytest.approx(wins - 0.5, abs=1e-9)
        index = 0.0
        for place in range(BINS + 1):
            p = float(np.mean(now == place)) * len(now) / table.height if place < BINS else 1 - len(now) / table.height
            q = float(np.mean(before == place)) if place < BINS else 0.0
            p, q = max(p, 1e-4), max(q, 1e-4)
            index += (p - q) * math.log(p / q)
        assert row["psi"] == pytest.approx(index)
        assert row["nulls"] == pytest.approx(0.1 if column == 0 else 0.0)


def test_a_clean_year_asks_for_one_training_at_most(reference: DriftReference) -> None:
    counts = night_counts(frame(nights(4, 252)), NAMES, reference.edges).counts
    asked: list[int] = []
    for end in range(WINDOW + PATIENCE - 1, 253):
        if stays_gross(reference, NightCounts((), counts[:end])) and (not asked or end - asked[-1] >= REST):
            asked.append(end)
    assert len(asked) <= 1


def test_a_market_that_moves_all_features_at_once_is_no_drift(reference: DriftReference) -> None:
    moved = nights(5, WINDOW)
    loadings = np.random.default_rng(99).normal(0, 0.27, (3, FEATURES))
    moved += np.array([1.5, -1.5, 1.5]) @ loadings  # one and a half deviations further along the market's own ways
    found = judged(reference, moved)
    assert np.abs(found.features["lean"].to_numpy()).max() > 0.25
    assert not found.gross


@pytest.mark.parametrize("seed", range(8))
def test_a_shift_of_one_deviation_in_a_tenth_of_the_features_is_gross(reference: DriftReference, seed: int) -> None:
    values = nights(10 + seed, WINDOW + 20)
    broken = np.random.default_rng(seed).choice(FEATURES, 2, replace=False)
    values[WINDOW:, :, broken] += 1.1 * np.where(np.random.default_rng(seed).random(2) < 0.5, -1, 1)
    counts = night_counts(frame(values), NAMES, reference.edges).counts
    verdicts = [judge_drift(reference, NightCounts((), counts[: WINDOW + night])) for night in range(1, 21)]
    assert not judge_drift(reference, NightCounts((), counts[:WINDOW])).gross
    assert any(verdict.gross for verdict in verdicts)
    assert set(verdicts[-1].features.head(2)["feature"]) == {NAMES[number] for number in broken}


def test_one_broken_feature_is_named_and_is_not_gross(reference: DriftReference) -> None:
    values = nights(30, WINDOW)
    values[:, :, 7] += 2.0
    found = judged(reference, values)
    assert found.features["feature"][0] == NAMES[7]
    assert found.features.filter("drifted")["feature"].to_list() == [NAMES[7]]
    assert (found.share, found.gross) == (pytest.approx(0.05), False)
    assert found.reasons == (f"1 of 20 features drifted over 15 nights (5%, not gross): {NAMES[7]}",)


def test_a_change_of_unit_and_a_loss_are_drift_though_nothing_leans(reference: DriftReference) -> None:
    values = nights(31, WINDOW)
    values[:, :, 2] *= 100.0
    values[:, :10, 5] = np.nan
    found = judged(reference, values)
    assert set(found.features.filter("drifted")["feature"]) == {NAMES[2], NAMES[5]}
    assert found.gross
    assert "2 of 20 features drifted over 15 nights (10%, gross)" in found.reasons[0]


def test_a_feature_that_never_moved_is_watched_too() -> None:
    values = nights(0, 300)
    values[:, :, 4] = 3.0
    table = frame(values)
    edges = bin_edges(table, NAMES)
    still = drift_reference(NAMES, edges, night_counts(table, NAMES, edges))
    later = nights(6, WINDOW)
    later[:, :, 4] = 3.0
    same = judged(still, later).features.row(by_predicate=pl.col("feature") == NAMES[4], named=True)
    later[:, :, 4] = 2.0
    other = judged(still, later).features.row(by_predicate=pl.col("feature") == NAMES[4], named=True)
    assert (same["drifted"], other["drifted"]) == (False, True)


def test_only_what_drifts_for_six_nights_stays_so(reference: DriftReference) -> None:
    values = nights(32, 40)
    values[20:, :, :4] += 3.0

    def counted(last: int) -> NightCounts:
        return night_counts(frame(values[:last]), NAMES, reference.edges)

    gross = [judge_drift(reference, counted(last)).gross for last in range(WINDOW, 41)]
    first = gross.index(True) + WINDOW
    assert all(gross[first - WINDOW :])
    assert 20 < first <= 25
    stays = [stays_gross(reference, counted(last)) for last in range(WINDOW + PATIENCE - 1, 41)]
    assert stays.index(True) + WINDOW + PATIENCE - 1 == first + PATIENCE - 1
    with pytest.raises(BadInput, match="drift is judged on 15 nights"):
        stays_gross(reference, NightCounts((), counted(40).counts[-19:]))


def test_drift_that_wanders_from_feature_to_feature_does_not_stay(reference: DriftReference) -> None:
    values = nights(33, 26)
    values[:12, :, :2] += 3.0
    values[21:, :, 2:4] += 3.0
    counts = night_counts(frame(values), NAMES, reference.edges).counts
    verdicts = [judge_drift(reference, NightCounts((), counts[:last])) for last in range(27 - PATIENCE, 27)]
    assert all(verdict.gross for verdict in verdicts)
    drifted = [set(verdict.features.filter("drifted")["feature"]) for verdict in verdicts]
    assert (drifted[0], drifted[-1]) == (set(NAMES[:2]), set(NAMES[2:4]))
    assert not stays_gross(reference, NightCounts((), counts))


def test_refuses_what_breaks_a_rule(reference: DriftReference) -> None:
    counts = night_counts(frame(nights(1, 14)), NAMES, reference.edges)
    with pytest.raises(BadInput, match="drift is judged on 15 nights of 20 features, got shape"):
        judge_drift(reference, counts)
    with pytest.raises(BadInput, match="a reference must have 252 nights or more, got 14"):
        drift_reference(NAMES, reference.edges, counts)
    with pytest.raises(BadInput, match=r"edges must have shape \(20, 19\), got \(1, 19\)"):
        night_counts(CLEAN, NAMES, reference.edges[:1])
    with pytest.raises(BadInput, match="must hold other"):
        bin_edges(CLEAN, ["other"])
    assert dt.date(2018, 1, 1) == counts.nights[0]
