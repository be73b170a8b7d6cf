"""An ensemble walked forward knows nothing of a block before it; what is weighed is said at once, short or not."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from ensemble_samples import calendar, met

from nightdesk.ensemble.out_of_fold import known_by
from nightdesk.ensemble.together import walk_together, weigh
from nightdesk.ensemble.weights import combined, equal_weights
from nightdesk.errors import BadInput
from nightdesk.evaluation.walk_forward import Plan, WalkForward
from nightdesk.scoring.rank_ic import rank_ic_within_markets

MEMBERS = ("good", "bad")
HORIZON, FIRST, FOLDS = 5, 40, 4
DAYS = calendar(FIRST + 300 + HORIZON + 1)
PLAN = Plan(tuple(DAYS), HORIZON, FOLDS, FIRST, 5, 0, 1)


def said(skills: dict[str, float]) -> pl.DataFrame:
    """Out-of-fold scores of the plan's test days."""
    frame = met(skills, days=len(DAYS) - HORIZON - 1, horizon=HORIZON)
    return frame.filter(pl.col("date") >= DAYS[FIRST])


def blocks(walked: WalkForward) -> list[pl.DataFrame]:
    """What was said, block by block."""
    return [
        walked.said.filter(pl.col("date").is_between(fold.test_days[0], fold.test_days[-1])) for fold in PLAN.blocks()
    ]


def test_each_block_is_scored_by_weights_of_what_was_known_before_it() -> None:
    frame = said({"good": 0.3, "bad": -0.2})
    walked = walk_together(frame, MEMBERS, PLAN)
    assert walked.said.height == frame.height
    assert [one.number for one in walked.fits] == [1, 2, 3, 4]
    assert walked.fits[0].rows == 0
    for fold, block in list(zip(PLAN.blocks(), blocks(walked), strict=True))[1:]:
        past = known_by(frame, fold.test_days[0])
        test = frame.filter(pl.col("date").is_in(fold.test_days))
        by_hand = combined(test, weigh(past, MEMBERS, HORIZON).weights)
        assert block["score"].to_list() == by_hand["score"].to_list()
        assert past["known_date"].max() <= fold.test_days[0]
    assert walked.daily.equals(
        rank_ic_within_markets(walked.said.join(frame, on=["symbol", "date"], maintain_order="left"))
    )
    # What is told from evidence: equal weights at first, then the member with skill alone.
    ic = [one.rank_ic for one in walked.fits]
    assert max(ic[2:]) > ic[0] + 0.1


def test_the_first_block_weighs_all_the_same_on_its_first_evenings_scales() -> None:
    frame = said({"good": 0.3, "bad": -0.2})
    first = blocks(walk_together(frame, MEMBERS, PLAN))[0]
    evening = frame.filter(pl.col("date") == DAYS[FIRST])
    test = frame.filter(pl.col("date").is_in(PLAN.blocks()[0].test_days))
    assert first["score"].to_list() == combined(test, equal_weights(evening, MEMBERS))["score"].to_list()


def test_a_later_label_changes_nothing_that_was_said_before_it_was_known() -> None:
    frame = said({"good": 0.3, "bad": -0.2})
    random = pl.Series(np.random.default_rng(5).normal(0, 0.02, frame.height))
    honest, folds = blocks(walk_together(frame, MEMBERS, PLAN)), PLAN.blocks()
    for place, fold in enumerate(folds):
        later = pl.when(pl.col("known_date") > fold.test_days[0]).then(random).otherwise("forward_return")
        other = blocks(walk_together(frame.with_columns(forward_return=later), MEMBERS, PLAN))
        for number in range(place + 1):
            assert other[number].equals(honest[number])
    # And what is known before the last block, but not before the one before it, does change the last one.
    early = pl.when(pl.col("known_date") <= folds[-1].test_days[0]).then(-pl.col("forward_return"))
    turned = frame.with_columns(forward_return=early.otherwise("forward_return"))
    assert not blocks(walk_together(turned, MEMBERS, PLAN))[-1].equals(honest[-1])


def test_weights_of_ones_own_hold_from_the_first_block_on() -> None:
    frame = said({"good": 0.3, "bad": -0.2})
    walked = walk_together(frame, MEMBERS, PLAN, {"good": 1.0, "bad": 0.0})
    alone = rank_ic_within_markets(frame.rename({"good": "score"}))
    assert walked.daily["rank_ic"].to_list() == pytest.approx(alone["rank_ic"].to_list())
    chosen = weigh(frame, MEMBERS, HORIZON, {"good": 3.0, "bad": 1.0})
    assert chosen.weights.values == (0.75, 0.25)
    assert chosen.reason == "weights as configured"


def test_few_days_give_equal_weights_and_say_so() -> None:
    frame = said({"good": 0.3, "bad": -0.2})
    few = weigh(frame.filter(pl.col("date") < DAYS[FIRST] + dt.timedelta(days=4)), MEMBERS, HORIZON)
    assert few.weights.values == (0.5, 0.5)
    assert few.reason == "equal weights: 4 days are too few to tell any others from them"
    with pytest.raises(BadInput, match="two or more members, each once, got good"):
        weigh(frame, ["good"], HORIZON)


def test_each_market_is_walked_by_itself() -> None:
    second = pl.col("symbol") < "S015"
    frame = said({"good": 0.3, "bad": -0.2}).with_columns(
        market=pl.when(second).then(pl.lit("B")).otherwise(pl.lit("A"))
    )
    walked = walk_together(frame, MEMBERS, PLAN)
    assert walked.markets is not None
    assert walked.markets["market"].unique().sort().to_list() == ["A", "B"]
