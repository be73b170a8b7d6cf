"""Confidence is a hit rate that is kept on unseen days, and is withheld where bolder calls were right less often."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from ensemble_samples import met

from nightdesk.ensemble.confidence import Confidence, NotShown, confidence


def scored(skill: float, seed: int = 0, days: int = 400) -> pl.DataFrame:
    return met({"score": skill}, days=days, symbols=40, seed=seed)


def hits(told: pl.DataFrame) -> pl.DataFrame:
    lead = pl.col("forward_return") - pl.col("forward_return").median().over("date")
    middle = pl.col("score").median().over("date")
    return told.with_columns(hit=(lead > 0) == (pl.col("score") > middle))


def test_a_confidence_is_the_hit_rate_of_unseen_days() -> None:
    found = confidence(scored(0.4), 1)
    assert isinstance(found, Confidence)
    assert found.believed > 0.9
    told = hits(found.add(scored(0.4, seed=9)))
    assert told["confidence"].max() > 0.7
    # Places are in fortieths: calls of one strength share a confidence.
    for part in told.with_columns(quarter=(pl.col("confidence").rank() * 3.99 / told.height).floor()).partition_by(
        "quarter"
    ):
        assert part["confidence"].mean() == pytest.approx(part["hit"].mean(), abs=0.03)


def test_a_score_that_knows_nothing_has_a_confidence_of_one_half() -> None:
    found = [confidence(scored(0.0, seed=seed), 1) for seed in range(5)]
    spans = [one.add(scored(0.0, seed=50))["confidence"] for one in found if isinstance(one, Confidence)]
    assert len(spans) >= 4
    assert np.median([span.max() for span in spans]) < 0.53
    assert np.median([span.min() for span in spans]) == pytest.approx(0.5, abs=0.02)


def test_it_never_falls_with_the_strength_of_a_call_and_is_null_without_a_score() -> None:
    found = confidence(scored(0.2), 1)
    day = scored(0.2, days=1).with_columns(score=pl.when(pl.col("symbol") == "S005").then(None).otherwise("score"))
    told = found.add(day)
    assert told.filter(pl.col("score").is_null())["confidence"].to_list() == [None]
    ordered = told.drop_nulls("score").sort("score")["confidence"].to_list()
    assert all(later <= former for former, later in pairwise(ordered[:20]))
    assert all(later >= former for former, later in pairwise(ordered[20:]))


def test_bolder_calls_that_were_right_less_often_withhold_it() -> None:
    """The best and the worst scores of each day are turned round; the calls between them are right."""
    frame = scored(0.4)
    rank = pl.col("score").rank().over("date")
    wild = frame.with_columns(
        forward_return=pl.when((rank <= 4) | (rank > 36)).then(-pl.col("forward_return")).otherwise("forward_return")
    )
    found = confidence(wild, 1)
    assert isinstance(found, NotShown)
    assert "calls of bin 5 were right less often than those of bin" in found.reason
    assert "over 400 days" in found.reason


def test_few_days_withhold_it() -> None:
    found = confidence(scored(0.4, days=19), 1)
    assert isinstance(found, NotShown)
    assert "19 matured days with calls of every strength are too few" in found.reason
    assert isinstance(confidence(scored(0.4, days=59), 20), NotShown)
    assert isinstance(confidence(scored(0.4, days=60), 20), Confidence)


@pytest.mark.proof
def test_a_violation_is_called_one_by_luck_at_most_once_in_twenty() -> None:
    """Hit rates that are all the same: 18 or more of 200 would be a chance of 1 %."""
    withheld = sum(isinstance(confidence(scored(0.0, seed=seed), 1), NotShown) for seed in range(200))
    print(f"\nconfidence is withheld by luck on {withheld} of 200 histories without skill")
    assert withheld < 18
