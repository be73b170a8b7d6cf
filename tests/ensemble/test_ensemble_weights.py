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


def test_a_members_scale_changes_no_weight_and_no_order() -> None:
    frame = met(SKILLS)
    scaled = frame.with_columns(good=(pl.col("good") * 3).exp(), fair=pl.col("fair") * 1000 - 7)
    for learn in (lambda f: skill_weights(f, MEMBERS, 1), lambda f: stacked_weights(f, MEMBERS, 1)):
        assert learn(frame).values == learn(scaled).values
    weights = stacked_weights(frame, MEMBERS, 1)
    assert combined(frame, weights)["score"].equals(combined(scaled, weights)["score"])


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
    placed = standardised(frame, [*MEMBERS, "forward_return"])

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
    plain, more = stacked_weights(frame, MEMBERS, 1).values, stacked_weights(crowded, MEMBERS, 1).values
    assert more == pytest.approx(plain, abs=1e-6)
    assert more != stacked_weights(frame.filter(pl.col("date") > first), MEMBERS, 1).values


def test_markets_are_not_compared_with_each_other() -> None:
    """Returns of one market in another currency, at another level: nothing changes."""
    second = pl.col("symbol") < "S015"
    frame = met(SKILLS, days=60).with_columns(market=pl.when(second).then(pl.lit("B")).otherwise(pl.lit("A")))
    moved = frame.with_columns(
        pl.when(second).then(5.0 + 100.0 * pl.col(name)).otherwise(name).alias(name)
        for name in ("forward_return", "good")
    )
    for learn in (skill_weights, stacked_weights):
        assert learn(moved, MEMBERS, 1) == learn(frame, MEMBERS, 1)
        assert learn(moved.drop("market"), MEMBERS, 1) != learn(frame.drop("market"), MEMBERS, 1)


def test_the_ensemble_is_better_than_each_of_two_members_of_one_skill() -> None:
    frame = met({"one": 0.2, "two": 0.2})
    score = combined(frame, stacked_weights(frame, ("one", "two"), 1))
    alone = [daily_rank_ic(frame.rename({name: "score"}))["rank_ic"].mean() for name in ("one", "two")]
    assert daily_rank_ic(score)["rank_ic"].mean() > 1.2 * max(alone)


def test_fixed_weights_are_scaled_and_bad_ones_refused() -> None:
    assert fixed_weights({"a": 3, "b": 1, "c": 0}).values == (0.75, 0.25, 0.0)
    with pytest.raises(BadInput, match=r"weights must be 0 or more and not all 0, got a 1, b -1: give each"):
        fixed_weights({"a": 1, "b": -1})
    with pytest.raises(BadInput, match="not all 0"):
        fixed_weights({"a": 0, "b": 0})
    with pytest.raises(BadInput, match=r"two or more members, each once, got a:"):
        fixed_weights({"a": 1})


def test_a_row_that_a_member_left_out_has_no_score() -> None:
    frame = met(SKILLS, days=2).with_columns(
        fair=pl.when(pl.col("symbol") == "S003").then(None).otherwise("fair"),
        noise=pl.when(pl.col("symbol") == "S004").then(None).otherwise("noise"),
    )
    score = combined(frame, fixed_weights({"good": 1, "fair": 1, "noise": 0}))
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
        combined(met(SKILLS, days=2).drop("fair"), equal_weights(MEMBERS))
