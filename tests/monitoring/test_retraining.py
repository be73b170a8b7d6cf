"""Whether a night trains: every branch, with its reason in words."""

from __future__ import annotations

import datetime as dt

import pytest

from nightdesk.monitoring.retraining import TrainingDecision, TrainingMode, decide_training
from nightdesk.sessions import trading_days

DAYS = trading_days("XNYS", dt.date(2017, 2, 1), dt.date(2017, 2, 28))
LAST = DAYS[-1]


def decide(mode: TrainingMode, trained: dict[int, dt.date | None]) -> TrainingDecision:
    return decide_training(mode, trained, DAYS, 5)


@pytest.mark.parametrize("trained", [{5: None}, {5: LAST}])
def test_by_hand_wins_over_the_schedule(trained: dict[int, dt.date | None]) -> None:
    assert decide("never", trained) == TrainingDecision(False, "training was switched off for this night by hand")
    unserved = tuple(horizon for horizon, last in trained.items() if last is None)
    assert decide("always", trained) == TrainingDecision(True, "training was asked for by hand", unserved)


def test_nobody_served_is_trained_for_at_once() -> None:
    assert decide("auto", {5: None, 20: LAST}) == TrainingDecision(True, "no model is served at horizon 5", (5,))
    assert decide("auto", {5: None, 20: None}).reason == "no model is served at horizon 5, 20"


@pytest.mark.parametrize(("age", "train"), [(0, False), (4, False), (5, True), (6, True)])
def test_age_is_counted_in_trading_days(age: int, train: bool) -> None:
    decision = decide("auto", {5: DAYS[-1 - age]})
    assert decision.train is train
    assert f"the last training is {age} trading day" in decision.reason
    assert "5" in decision.reason.split("old")[1]


def test_the_horizon_trained_longest_ago_decides() -> None:
    assert not decide("auto", {5: LAST, 20: DAYS[-5]}).train
    assert decide("auto", {5: LAST, 20: DAYS[-6]}).train


@pytest.mark.parametrize(("age", "train"), [(19, False), (20, True)])
def test_an_alarm_asks_for_a_training_once_in_twenty_days(age: int, train: bool) -> None:
    days = trading_days("XNYS", dt.date(2017, 1, 3), LAST)
    alarms = ["inputs drifted", "the relation broke"]
    decision = decide_training("auto", {5: days[-1 - age], 20: days[0]}, days, 60, (), alarms)
    assert decision.train is train
    assert decision.reason.startswith("inputs drifted; the relation broke; the last training is ")
    assert ("an alarm asks for none before it is 20" in decision.reason) is not train
    assert not decide_training("auto", {5: days[-1 - age]}, days, 60).train
    assert not decide_training("never", {5: days[-1 - age]}, days, 60, (), alarms).train


def test_a_training_that_is_due_anyway_tells_of_the_alarm_too() -> None:
    decision = decide_training("auto", {5: DAYS[-6]}, DAYS, 5, (), ["inputs drifted"])
    assert decision == TrainingDecision(True, "inputs drifted; the last training is 5 trading days old (schedule: 5)")
