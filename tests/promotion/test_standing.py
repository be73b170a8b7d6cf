"""Refresh, the tag of skill and rollback: each decides by its own rule, and says why."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from nightdesk.evaluation.e_process import e_path
from nightdesk.promotion.refresh import judge_refresh
from nightdesk.promotion.standing import judge_rollback, judge_skill
from nightdesk.scoring.intervals import paired_interval

DAYS = [dt.date(2020, 1, 1) + dt.timedelta(days=day) for day in range(500)]


def scores(values: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame({"date": DAYS[: len(values)], "rank_ic": values})


def noise(seed: int, mean: float = 0.0, days: int = 400) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 0.08, days)


def test_a_refresh_is_refused_only_when_shown_inferior() -> None:
    champion = noise(1)
    worse, equal, better = champion + noise(2, -0.05), champion + noise(3), champion + noise(4, 0.05)
    refused = judge_refresh(scores(worse), scores(champion), 1)
    assert not refused.may_serve
    assert refused.difference.upper < 0
    assert refused.reasons[0].startswith("the newer fit is inferior to the one that serves: -0.0")
    for newer in (equal, better):
        assert judge_refresh(scores(newer), scores(champion), 1).may_serve


def test_a_refresh_looks_at_the_last_252_shared_nights_alone() -> None:
    champion, newer = noise(1), noise(2, 0.02)
    newer[:140] -= 1.0  # long ago it was terrible
    shuffled = scores(newer).sample(fraction=1.0, shuffle=True, seed=1)
    found = judge_refresh(shuffled, scores(champion), 5)
    assert found.difference == paired_interval(newer[-252:], champion[-252:], 5, 0.98)
    assert found.may_serve
    assert found.difference.days == 252


def test_a_refresh_on_too_few_nights_serves_and_says_so() -> None:
    found = judge_refresh(scores(np.full(50, -0.9)), scores(noise(1)), 20)
    assert found.may_serve
    assert found.reasons == ("50 shared nights are too few to show a newer fit inferior at 20 days, so it serves",)


def test_a_fault_refuses_however_good_the_fit() -> None:
    found = judge_refresh(scores(noise(1, 0.5)), scores(noise(2)), 1, ["scores must be finite"])
    assert (found.may_serve, found.reasons) == (False, ("scores must be finite",))


def test_undefined_nights_are_no_pairs() -> None:
    champion, newer = scores(noise(1)), scores(noise(2))
    holes = newer.with_columns(rank_ic=pl.when(pl.col("date") < DAYS[100]).then("rank_ic"))
    assert judge_refresh(holes, champion, 1).difference.days == 100


def test_skill_is_proven_against_every_baseline_or_not_at_all() -> None:
    recipe, weak, strong = noise(1, 0.06), noise(2, -0.1), noise(3, 0.058)
    alone = judge_skill(scores(recipe), {"weak": scores(weak)}, DAYS[:400], 1)
    assert alone.proven
    both = judge_skill(scores(recipe), {"weak": scores(weak), "strong": scores(strong)}, DAYS[:400], 1)
    assert not both.proven
    assert both.highest["strong"] == pytest.approx(e_path(recipe - strong, 1).max())
    assert both.highest["weak"] == alone.highest["weak"] >= 20
    assert both.reasons[0].startswith("skill is unproven: evidence reached")
    assert "against strong, the baseline hardest to beat" in both.reasons[0]


def test_skill_once_proven_stays_proven() -> None:
    recipe = noise(1, 0.06)
    recipe[250:] -= 0.3
    assert judge_skill(scores(recipe), {"none": scores(np.zeros(400))}, DAYS[:400], 1).proven
    assert e_path(recipe, 1)[-1] < 20


def test_a_constant_ranks_nothing_and_is_no_rival() -> None:
    nothing = scores(noise(2)).with_columns(rank_ic=pl.lit(None, pl.Float64))
    found = judge_skill(scores(noise(1, 0.1)), {"constant": nothing, "real": scores(noise(2))}, DAYS[:400], 1)
    assert found.proven
    assert list(found.highest) == ["real"]
    alone = judge_skill(scores(noise(1, 0.1)), {"constant": nothing}, DAYS[:400], 1)
    assert alone.reasons == ("skill is unproven: no ranking baseline has a rank IC on its nights",)


def test_nothing_to_beat_proves_nothing() -> None:
    assert not judge_skill(scores(noise(1, 0.5)), {}, DAYS[:400], 1).proven
    assert not judge_skill(scores(noise(1, 0.5)), {"a": scores(noise(2))}, [], 1).proven


def test_rollback_fires_when_the_former_champion_is_better() -> None:
    former, champion = noise(1, 0.08), noise(2)
    found = judge_rollback(scores(former), scores(champion), DAYS[:400], DAYS[0], ("old", "new"), 1)
    assert found.roll_back
    assert found.evidence.needed == 80
    assert found.reasons[0].startswith("old beats new: evidence reached 80")


def test_a_fall_of_the_whole_market_is_no_reason() -> None:
    shared = noise(1) - 0.4
    found = judge_rollback(scores(shared + noise(2)), scores(shared), DAYS[:400], DAYS[0], ("old", "new"), 1)
    assert not found.roll_back


def test_nights_before_the_replacement_are_no_reason_either() -> None:
    former, champion = noise(1), noise(2)
    former[:100] += 0.3
    calm = judge_rollback(scores(former), scores(champion), DAYS[:400], DAYS[100], ("old", "new"), 1)
    assert not calm.roll_back
    assert calm.evidence.nights == 300


def test_a_fault_rolls_back_at_once() -> None:
    found = judge_rollback(
        scores(noise(1, -0.5)), scores(noise(2)), [], DAYS[0], ("old", "new"), 5, ["the artifact is broken"]
    )
    assert (found.roll_back, found.evidence) == (True, None)
    assert found.reasons == ("new cannot serve, old takes its place back", "the artifact is broken")
