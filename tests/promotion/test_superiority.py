"""The gate that replaces: its budget, which nights count, the night it fires, and what it cannot see."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from null_years import replaced_years
from scipy import stats

from nightdesk.errors import BadDate, BadInput
from nightdesk.evaluation.e_process import e_path
from nightdesk.promotion.superiority import (
    SHARES,
    PairedTest,
    countable,
    judge_superiority,
    next_share,
    paired_differences,
)

DAYS = [dt.date(2020, 1, 1) + dt.timedelta(days=day) for day in range(700)]


def scores(values: np.ndarray, days: list[dt.date] = DAYS) -> pl.DataFrame:
    return pl.DataFrame({"date": days[: len(values)], "rank_ic": values}, schema_overrides={"rank_ic": pl.Float64})


def begun(horizon: int = 1, started: dt.date = DAYS[0], alpha: float = 0.0125) -> PairedTest:
    return PairedTest("new", "old", horizon, started, alpha)


@given(st.lists(st.dates(dt.date(2018, 1, 1), dt.date(2021, 12, 31)), max_size=30))
def test_no_calendar_year_ever_spends_more_than_five_per_cent(wishes: list[dt.date]) -> None:
    starts: list[dt.date] = []
    spent: dict[int, float] = {}
    for night in sorted(wishes):
        share = next_share(starts, night)
        if share is not None:
            starts.append(night)
            spent[night.year] = spent.get(night.year, 0.0) + share
    assert all(alpha <= 0.05 + 1e-12 for alpha in spent.values())
    for year in {night.year for night in wishes}:
        assert sum(start.year == year for start in starts) == min(4, sum(night.year == year for night in wishes))


def test_the_fifth_test_of_a_year_waits_for_the_next() -> None:
    starts = [dt.date(2020, month, 1) for month in (1, 2, 3, 4)]
    assert next_share(starts, dt.date(2020, 12, 31)) is None
    assert next_share(starts, dt.date(2021, 1, 1)) == SHARES[0] == 0.0125
    assert next_share(starts, dt.date(2021, 1, 1), horizons=3) * 4 * 3 == pytest.approx(0.05)
    with pytest.raises(BadDate, match="must have started by 2020-02-01"):
        next_share(starts, dt.date(2020, 2, 1))


def test_it_fires_on_the_first_night_and_stays_fired() -> None:
    random = np.random.default_rng(0)
    champion, challenger = random.normal(0, 0.05, 300), random.normal(0.05, 0.05, 300)
    challenger[200:] -= 0.3  # afterwards it fails: the test was over
    path = e_path(challenger - champion, 1)
    first = int(np.argmax(path >= 80))
    assert 0 < first < 200
    for nights in (first, first + 1, 300):
        found = judge_superiority(begun(), scores(challenger), scores(champion), DAYS[:nights])
        assert (found.outcome, found.crossed) == (("open", None) if nights == first else ("superior", DAYS[first]))
    assert found.e_value < 80 <= found.highest
    assert found.reasons == (
        f"new beats old: evidence reached 80 with the forecasts of {DAYS[first]} (300 pairs of 300 "
        "nights since 2020-01-01)",
    )


@pytest.mark.parametrize("horizon", [1, 5])
def test_every_night_alone_says_what_the_whole_path_says(horizon: int) -> None:
    random = np.random.default_rng(horizon)
    champion, challenger = random.normal(0, 0.05, 60), random.normal(0.2, 0.05, 60)
    path = e_path(challenger - champion, horizon)
    for nights in range(1, 61):
        found = judge_superiority(begun(horizon), scores(challenger), scores(champion), DAYS[:nights])
        assert found.e_value == pytest.approx(path[nights - 1])
        assert (found.outcome == "superior") is bool((path[:nights] >= 80).any())


def test_nights_before_its_start_and_after_its_life_do_not_count() -> None:
    champion, challenger = np.zeros(700), np.full(700, -0.01)
    challenger[:50] = challenger[600:] = 0.4
    found = judge_superiority(begun(started=DAYS[50]), scores(challenger), scores(champion), DAYS)
    assert (found.outcome, found.nights) == ("expired", 504)
    assert found.reasons[0].startswith("new did not beat old within 504 nights: evidence was at most")
    before = judge_superiority(begun(started=DAYS[60]), scores(challenger), scores(champion), DAYS[:60])
    assert (before.outcome, before.nights, before.e_value) == ("open", 0, 1.0)


def test_a_night_without_either_is_no_pair() -> None:
    champion, challenger = scores(np.full(40, 0.01)), scores(np.full(40, 0.06))
    gap = challenger.with_columns(rank_ic=pl.when(pl.col("date") == DAYS[3]).then(None).otherwise("rank_ic")).filter(
        pl.col("date") != DAYS[5]
    )
    found = paired_differences(gap, champion, DAYS[:40])
    assert np.isnan(found).nonzero()[0].tolist() == [3, 5]
    assert judge_superiority(begun(), gap, champion, DAYS[:40]).pairs == 38


def test_what_is_not_replaced_says_what_could_have_been_seen() -> None:
    random = np.random.default_rng(5)
    champion, challenger = random.normal(0, 0.05, 100), random.normal(0, 0.05, 100)
    found = judge_superiority(begun(), scores(challenger), scores(champion), DAYS[:100])
    assert found.deviation == pytest.approx(np.std(challenger - champion, ddof=1))
    assert 0.005 < found.detectable < 0.03
    assert found.reasons[1] == (
        f"the smallest edge that this test finds in 80 % of cases at 1 days is a rank IC of {found.detectable:.4f}"
    )
    early = judge_superiority(begun(), scores(challenger), scores(champion), DAYS[:10])
    assert (early.deviation, early.detectable, len(early.reasons)) == (None, None, 1)


def test_a_replay_of_nights_the_recipe_was_tuned_on_counts_for_nothing() -> None:
    nights, frozen = DAYS[:30], DAYS[9]
    assert countable(nights, nights, (), frozen) == tuple(DAYS[10:30])
    assert countable(nights, nights[:20], (), DAYS[40]) == tuple(DAYS[20:30])
    assert countable(nights, nights, (), DAYS[40], sealed=DAYS[4:6]) == tuple(DAYS[4:6])
    assert countable(nights, (), (), DAYS[40]) == tuple(nights)


def test_no_night_overtakes_one_whose_labels_are_not_settled() -> None:
    assert countable(DAYS[:30], (), (DAYS[7], DAYS[20]), DAYS[0]) == tuple(DAYS[:7])


@pytest.mark.parametrize("horizon", [1, 5])
def test_in_years_of_luck_there_is_hardly_a_replacement(horizon: int) -> None:
    """The reduced form of the proof (test_gate_proofs.py)."""
    replaced, years = replaced_years(400, horizon, seed=horizon)
    assert replaced <= stats.binom.ppf(0.99, years, 0.05)


def test_refuses_what_breaks_a_rule() -> None:
    with pytest.raises(BadInput, match="alpha must lie between 0 and 1, got 0"):
        begun(alpha=0.0)
    twice = pl.concat([scores(np.zeros(3)), scores(np.zeros(3))])
    with pytest.raises(BadInput, match="one score a night, got two on one"):
        judge_superiority(begun(), twice, scores(np.zeros(3)), DAYS[:3])
    with pytest.raises(BadInput, match="must hold rank_ic"):
        judge_superiority(begun(), scores(np.zeros(3)).drop("rank_ic"), scores(np.zeros(3)), DAYS[:3])
