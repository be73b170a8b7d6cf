"""Weights of members: scales do not matter, dates weigh the same, nothing is negative, skill is rewarded."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from ensemble_samples import met
from scipy.optimize import minimize

from nightdesk.ensemble.members import incomplete, promotion_fault
from nightdesk.ensemble.places import standardised
from nightdesk.ensemble.weights import (
    RIDGE,
    combined,
    equal_weights,
    fixed_weights,
    scales_of,
    skill_weights,
    stacked_weights,
)
from nightdesk.errors import BadInput
from nightdesk.promotion.gate import Fit, choose
from nightdesk.scoring.rank_ic import daily_rank_ic

MEMBERS = ("good", "fair", "noise")
SKILLS = {"good": 0.3, "fair": 0.15, "noise": 0.0}


def test_places_are_standardised_within_each_date_and_market() -> None:
    frame = met(SKILLS, days=4).with_columns(
        market=pl.when(pl.col("symbol") < "S010").then(pl.lit("A")).otherwise(pl.lit("B"))
    )
    found = (
        standardised(frame, ["good"])
        .group_by("date", "market")
        .agg(pl.col("good").mean().alias("mean"), pl.col("good").var(ddof=0).alias("variance"))
    )
    assert found.height == 8
    assert found["mean"].abs().max() < 1e-12
    assert (found["variance"] - 1.0).abs().max() < 1e-12


def test_what_is_missing_stays_missing_and_what_ranks_nothing_is_nought() -> None:
    frame = pl.DataFrame({"date": [1, 1, 1, 2, 2], "score": [1.0, None, float("nan"), 5.0, 5.0]})
    assert standardised(frame, ["score"])["score"].to_list() == [0.0, None, None, 0.0, 0.0]


def test_a_members_scale_and_level_change_no_weight_and_no_order() -> None:
    frame = met(SKILLS)
    scaled = frame.with_columns(good=pl.col("good") / 4.0 + 3.0, fair=pl.col("fair") * 1000.0 - 7.0)
    for learn in (skill_weights, stacked_weights):
        plain, moved = learn(frame, MEMBERS, 1), learn(scaled, MEMBERS, 1)
        assert moved.values == pytest.approx(plain.values, abs=1e-9)
        assert moved.scales == pytest.approx((plain.scales[0] / 4.0, plain.scales[1] * 1000.0, plain.scales[2]))
        away = combined(scaled, moved)["score"] - combined(frame, plain)["score"]
        assert away.std() < 1e-9  # the same but for one level


def test_a_scale_is_the_spread_within_dates_and_markets_each_date_weighing_the_same() -> None:
    frame = pl.DataFrame(
        {
            "date": [1, 1, 1, 1, 2, 2, 3],
            "market": ["A", "A", "B", "B", "A", "A", "A"],
            "one": [10.0, 14.0, 100.0, 102.0, 5.0, 5.0, None],
            "flat": [0.1] * 7,
        }
    )
    # Date 1: squares 4, 4, 1, 1; date 2: 0, 0; date 3 says nothing.
    assert scales_of(frame, ["one", "flat"]) == pytest.approx((np.sqrt((2.5 + 0.0) / 2), 0.0))
    assert scales_of(frame.head(0), ["one"]) == (0.0,)


def test_a_rows_score_is_the_weighed_sum_whoever_stands_beside_it() -> None:
    frame = met(SKILLS, days=30)
    weights = fixed_weights(frame, {"good": 2, "fair": 1, "noise": 1})
    whole = combined(frame, weights)["score"]
    alone = pl.concat([combined(frame[row], weights)["score"] for row in range(0, frame.height, 97)])
    assert alone.to_list() == whole.gather_every(97).to_list()
    by_hand = sum(
        frame[name] * weight / scale
        for name, weight, scale in zip(MEMBERS, (0.5, 0.25, 0.25), weights.scales, strict=True)
    )
    assert (whole - by_hand).abs().max() < 1e-12


def test_a_member_that_ranks_nothing_says_nothing() -> None:
    frame = met(SKILLS, days=30).with_columns(fair=pl.lit(0.1))
    weights = equal_weights(frame, MEMBERS)
    assert weights.of("fair") == pytest.approx(1 / 3)
    assert weights.scale_of("fair") == 0.0
    assert combined(frame, weights)["score"].equals(combined(frame.with_columns(fair=pl.lit(9.0)), weights)["score"])
    assert stacked_weights(frame, MEMBERS, 1).method == "equal"
    nobody = frame.with_columns(pl.lit(1.0).alias(name) for name in MEMBERS)
    assert combined(nobody, equal_weights(nobody, MEMBERS))["score"].unique().to_list() == [0.0]


@pytest.mark.parametrize("learn", [skill_weights, stacked_weights])
def test_skill_is_rewarded_and_noise_gets_next_to_nothing(learn) -> None:
    weights = learn(met(SKILLS), MEMBERS, 1)
    assert sum(weights.values) == pytest.approx(1.0)
    assert min(weights.values) >= 0.0
    assert weights.of("good") > weights.of("fair") > weights.of("noise")
    assert weights.of("noise") < 0.1


@pytest.mark.parametrize("learn", [skill_weights, stacked_weights])
def test_a_member_that_is_wrong_is_left_out_and_never_turned_round(learn) -> None:
    weights = learn(met({"good": 0.3, "wrong": -0.3}), ("good", "wrong"), 1)
    assert weights.values == (1.0, 0.0)


@pytest.mark.parametrize("learn", [skill_weights, stacked_weights])
def test_nobody_with_skill_gives_equal_weights_and_says_so(learn) -> None:
    weights = learn(met({"one": -0.3, "two": -0.2}), ("one", "two"), 1)
    assert weights.values == (0.5, 0.5)
    assert weights.method == "equal"
    assert "all weigh the same" in weights.reason


def test_too_few_days_show_no_skill() -> None:
    assert skill_weights(met(SKILLS, days=15), MEMBERS, 1).method == "equal"


def test_two_members_that_say_the_same_share_their_weight() -> None:
    frame = met({"good": 0.3}).with_columns(twin=pl.col("good") * 2)
    assert stacked_weights(frame, ("good", "twin"), 1).values == pytest.approx((0.5, 0.5))


def test_stacking_equals_a_slow_reference() -> None:
    frame = met(SKILLS, days=40)
    middled = frame.with_columns(pl.col(name) - pl.col(name).mean().over("date") for name in MEMBERS)
    spread = {name: float(np.sqrt(np.mean(middled[name].to_numpy() ** 2))) for name in MEMBERS}
    placed = standardised(middled, ["forward_return"]).with_columns(pl.col(n) / spread[n] for n in MEMBERS)

    def loss(weights: np.ndarray) -> float:
        total = 0.0
        for _, day in placed.group_by("date"):
            said, came = day.select(MEMBERS).to_numpy(), day["forward_return"].to_numpy()
            total += float(np.mean((came - said @ weights) ** 2)) / 40
        return total + RIDGE * float(np.sum(weights**2))

    best = minimize(loss, np.full(3, 0.2), bounds=[(0, None)] * 3, tol=1e-12).x
    assert stacked_weights(frame, MEMBERS, 1).values == pytest.approx(tuple(best / best.sum()), abs=1e-4)


def test_each_date_weighs_the_same_however_many_symbols_it_has() -> None:
    """A date of which every row stands there five times is the same date."""
    frame = met(SKILLS, days=60)
    first = frame["date"].min()
    crowded = pl.concat([frame, *[frame.filter(pl.col("date") == first)] * 4])
    plain, more = stacked_weights(frame, MEMBERS, 1), stacked_weights(crowded, MEMBERS, 1)
    assert more.values == pytest.approx(plain.values, abs=1e-6)
    assert more.scales == pytest.approx(plain.scales)
    assert more.values != stacked_weights(frame.filter(pl.col("date") > first), MEMBERS, 1).values


def test_markets_are_not_compared_with_each_other() -> None:
    """Returns of one market in another currency, and scores of it at another level: nothing changes."""
    second = pl.col("symbol") < "S015"
    frame = met(SKILLS, days=60).with_columns(market=pl.when(second).then(pl.lit("B")).otherwise(pl.lit("A")))
    moved = frame.with_columns(
        forward_return=pl.when(second).then(5.0 + 100.0 * pl.col("forward_return")).otherwise("forward_return"),
        good=pl.when(second).then(5.0 + pl.col("good")).otherwise("good"),
    )
    for learn in (skill_weights, stacked_weights):
        plain, apart = learn(frame, MEMBERS, 1), learn(moved, MEMBERS, 1)
        assert apart.values == pytest.approx(plain.values, abs=1e-9)
        assert apart.scales == pytest.approx(plain.scales)
        together = learn(moved.drop("market"), MEMBERS, 1)
        assert together.values != pytest.approx(learn(frame.drop("market"), MEMBERS, 1).values, abs=1e-3)


def test_the_ensemble_is_better_than_each_of_two_members_of_one_skill() -> None:
    frame = met({"one": 0.2, "two": 0.2})
    score = combined(frame, stacked_weights(frame, ("one", "two"), 1))
    alone = [daily_rank_ic(frame.rename({name: "score"}))["rank_ic"].mean() for name in ("one", "two")]
    assert daily_rank_ic(score)["rank_ic"].mean() > 1.2 * max(alone)


def test_fixed_weights_are_scaled_and_bad_ones_refused() -> None:
    frame = met({"a": 0.1, "b": 0.1, "c": 0.1}, days=3)
    assert fixed_weights(frame, {"a": 3, "b": 1, "c": 0}).values == (0.75, 0.25, 0.0)
    with pytest.raises(BadInput, match=r"weights must be 0 or more and not all 0, got a 1, b -1: give each"):
        fixed_weights(frame, {"a": 1, "b": -1})
    with pytest.raises(BadInput, match="not all 0"):
        fixed_weights(frame, {"a": 0, "b": 0})
    with pytest.raises(BadInput, match=r"two or more members, each once, got a:"):
        fixed_weights(frame, {"a": 1})


def test_a_row_that_a_member_left_out_has_no_score() -> None:
    frame = met(SKILLS, days=2).with_columns(
        fair=pl.when(pl.col("symbol") == "S003").then(None).otherwise("fair"),
        noise=pl.when(pl.col("symbol") == "S004").then(None).otherwise("noise"),
    )
    score = combined(frame, fixed_weights(frame, {"good": 1, "fair": 1, "noise": 0}))
    # A member without a weight is none of the ensemble's voices: its silence changes nothing.
    assert score.filter(pl.col("score").is_null())["symbol"].unique().to_list() == ["S003"]


def test_an_ensemble_short_of_a_member_says_so_and_is_never_promoted() -> None:
    short = incomplete(MEMBERS, ["good", "noise"])
    assert short is not None
    assert short.missing == ("fair",)
    assert incomplete(MEMBERS, [*MEMBERS, "another"]) is None
    assert promotion_fault(MEMBERS, MEMBERS) is None
    fault = promotion_fault(MEMBERS, ["good", "noise"])
    refused = choose(None, None, [Fit("ensemble", "recipe", 0.2, fault)])
    assert refused.action == "refuse"
    assert "must hold all of its 3 members, got none of fair" in refused.reasons[0]
    other = choose(None, None, [Fit("ensemble", "recipe", 0.2, fault), Fit("ridge", "ridge", 0.01, None)])
    assert other.model == "ridge"
    with pytest.raises(BadInput, match="got none of fair"):
        combined(met(SKILLS, days=2).drop("fair"), equal_weights(met(SKILLS, days=2), MEMBERS))
