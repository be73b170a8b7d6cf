"""Weights are chosen by unseen days alone, and equal ones stay unless others are shown to be better."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from ensemble_samples import met

from nightdesk.ensemble import choice
from nightdesk.ensemble.choice import choose_weights
from nightdesk.errors import BadInput

MEMBERS = ("good", "bad")


def test_a_better_way_is_taken_and_says_by_how_much() -> None:
    found = choose_weights(met({"good": 0.3, "bad": -0.1}, days=400), MEMBERS, 1)
    assert found.weights.method in ("skill", "stacking")
    assert found.weights.of("good") > 0.95
    assert "beat equal ones on days they had not seen" in found.reason
    taken = next(one for one in found.rivals if one.method == found.weights.method)
    assert taken.difference.lower is not None
    assert taken.difference.lower > 0.0


def test_equal_weights_stay_where_nothing_is_better() -> None:
    found = choose_weights(met({"good": 0.1, "bad": 0.1}, days=400), MEMBERS, 1)
    assert found.weights.values == (0.5, 0.5)
    assert "no others are shown to be better" in found.reason
    assert {one.method for one in found.rivals} == {"skill", "stacking"}


@pytest.mark.proof
def test_luck_is_rarely_taken_for_evidence() -> None:
    """Of histories without a difference at most 5 % are called one: 18 or more of 200 would be a chance of 1 %."""
    taken = [
        choose_weights(met({"one": 0.0, "two": 0.0}, days=150, symbols=12, seed=seed), ("one", "two"), 1)
        for seed in range(200)
    ]
    wrong = sum(one.weights.method != "equal" for one in taken)
    print(f"\nother weights than equal ones are taken on {wrong} of {len(taken)} histories without a difference")
    assert wrong < 18


def test_fixed_weights_are_a_rival_and_win_where_they_are_right() -> None:
    frame = met({"good": 0.3, "bad": 0.0}, days=400)
    right = choose_weights(frame, MEMBERS, 1, fixed={"bad": 0.0, "good": 1.0})
    assert {one.method for one in right.rivals} == {"fixed", "skill", "stacking"}
    assert next(one for one in right.rivals if one.method == "fixed").difference.lower > 0.0
    wrong = choose_weights(frame, MEMBERS, 1, fixed={"bad": 1.0, "good": 0.0})
    assert wrong.weights.method != "fixed"
    with pytest.raises(BadInput, match=r"fixed weights must name the members good, bad, got good, worse"):
        choose_weights(frame, MEMBERS, 1, fixed={"good": 1.0, "worse": 1.0})


def test_a_short_history_says_that_it_is_short() -> None:
    found = choose_weights(met({"good": 0.3, "bad": -0.1}, days=20), MEMBERS, 5)
    assert found.weights.method == "equal"
    assert "are too few to tell" in found.reason
    with pytest.raises(BadInput, match="must have more than 4 days, got 3"):
        choose_weights(met({"good": 0.3, "bad": 0.0}, days=3), MEMBERS, 1)


def test_no_block_is_seen_before_it_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A leak planted in the labels known after each block's first day changes nothing that is learnt before it."""
    horizon, frame = 5, met({"good": 0.3, "bad": 0.0}, days=200, horizon=5)
    learnt: list[tuple[dt.date, dt.date, tuple[float, ...]]] = []
    stacked = choice.stacked_weights

    def seen(past: pl.DataFrame, members: tuple[str, ...], over: int, scales: tuple[float, ...]):
        weights = stacked(past, members, over, scales)
        learnt.append((past["date"].max(), past["known_date"].max(), weights.values))
        return weights

    monkeypatch.setattr(choice, "stacked_weights", seen)
    choose_weights(frame, MEMBERS, horizon)
    honest = learnt[:4]
    days = frame["date"].unique().sort().to_list()
    firsts = [days[n] for n in (40, 80, 120, 160)]
    for first, (decided, known, _) in zip(firsts, honest, strict=True):
        assert decided == first - dt.timedelta(days=6)
        assert known == first
    for place, first in enumerate(firsts):
        learnt.clear()
        leak = pl.when(pl.col("known_date") > first).then(pl.col("bad")).otherwise("forward_return")
        choose_weights(frame.with_columns(forward_return=leak), MEMBERS, horizon)
        assert learnt[place][2] == honest[place][2]
        if place < 3:
            assert learnt[3][2] != honest[3][2]


def test_the_nested_days_are_every_day_after_the_first_part() -> None:
    found = choose_weights(met({"good": 0.3, "bad": 0.0}, days=203), MEMBERS, 1, blocks=4)
    assert found.rivals[0].difference.days == 203 - 203 // 5
    assert np.isfinite(found.rivals[0].rank_ic)
