"""Everything an ensemble learns goes to JSON and comes back equal, bit by bit; a broken text is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from functools import cache
from typing import Any

import polars as pl
import pytest
from ensemble_samples import met

from nightdesk.ensemble.adaptive import Adaptive, adaptive, walked
from nightdesk.ensemble.assembled import Assembled
from nightdesk.ensemble.calibration import Calibrated, Calibration, KeptCalibration, calibrate
from nightdesk.ensemble.confidence import Confidence, NotShown, confidence
from nightdesk.ensemble.conformal import Conformal, fit_conformal
from nightdesk.ensemble.curve import Curve, rising_curve, with_place
from nightdesk.ensemble.expected_return import ExpectedReturn, fit_expected_return
from nightdesk.ensemble.kept import from_json, to_json
from nightdesk.ensemble.probabilities import Directions, fit_directions
from nightdesk.ensemble.weights import Weights, combined, stacked_weights
from nightdesk.errors import ModelBroken
from nightdesk.labels.direction import with_direction

MEMBERS = ("good", "fair")


@cache
def scores() -> pl.DataFrame:
    frame = met({"good": 0.3, "fair": 0.2}, days=90).with_columns(horizon=pl.lit(1), daily_volatility=pl.lit(0.02))
    return with_direction(frame, 0.001)


def weights() -> Weights:
    return stacked_weights(scores(), MEMBERS, 1)


@cache
def scored() -> pl.DataFrame:
    return combined(scores(), weights())


def expected() -> ExpectedReturn:
    return fit_expected_return(scored(), 1)


def conformal() -> Conformal:
    return fit_conformal(expected().add(scored()), 1)


def walked_state() -> Adaptive:
    return walked(adaptive(conformal()), expected().add(scored()))[1]


def shown() -> Confidence:
    found = confidence(scored(), 1)
    assert isinstance(found, Confidence)
    return found


def calibration() -> Calibration:
    return Calibration(1, expected(), fit_directions(scored(), 1), walked_state(), shown(), "")


def assembled() -> Assembled:
    return Assembled(weights(), calibration())


def calibrated() -> KeptCalibration:
    regimes = pl.DataFrame(schema={"date": pl.Date, "regime": pl.String})
    return calibrate(scored().drop("direction", "signal"), 1, scored()["known_date"].max(), regimes)


FITTED: dict[type[Any], Callable[[], Any]] = {
    Weights: weights,
    Curve: lambda: rising_curve(with_place(scored()), "forward_return"),
    ExpectedReturn: expected,
    Directions: lambda: fit_directions(scored(), 1),
    Conformal: conformal,
    Adaptive: walked_state,
    Confidence: shown,
    NotShown: lambda: confidence(scored().head(90), 1),
    Calibration: calibration,
    Calibrated: lambda: calibrated().found,
    KeptCalibration: calibrated,
    Assembled: assembled,
}
"""Everything an ensemble keeps, and how this test comes by one that has learnt something."""


@pytest.fixture(params=FITTED, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> type[Any]:
    return request.param


def test_what_was_kept_comes_back_equal_and_is_kept_again_byte_for_byte(kind: type[Any]) -> None:
    record = FITTED[kind]()
    assert type(record) is kind
    text = to_json(record)
    back = from_json(kind, text)
    assert back == record
    assert to_json(back) == text
    json.loads(text)


def test_the_same_data_give_the_same_text(kind: type[Any]) -> None:
    assert to_json(FITTED[kind]()) == to_json(FITTED[kind]())


def test_a_record_cannot_be_changed_and_holds_no_array(kind: type[Any]) -> None:
    record = FITTED[kind]()
    assert is_dataclass(record)
    with pytest.raises((FrozenInstanceError, AttributeError)):
        setattr(record, fields(record)[0].name, None)
    assert isinstance(hash(record), int)


def test_a_kept_ensemble_forecasts_the_same_bits() -> None:
    record = assembled()
    back = from_json(Assembled, to_json(record))
    tonight = scores().filter(pl.col("date") == pl.col("date").max()).drop("forward_return", "direction", "signal")
    before, after = record.forecast(tonight), back.forecast(tonight)
    assert before.equals(after)
    assert before["expected_return"].n_unique() > 5
    assert (before["upper"] > before["lower"]).all()


def test_without_confidence_it_is_null_and_says_why() -> None:
    record = replace(calibration(), confidence=None, confidence_said="no confidence is shown: too few days")
    back = from_json(Calibration, to_json(record))
    assert back.confidence_said == "no confidence is shown: too few days"
    told = back.forecast(scored())
    assert told["confidence"].null_count() == told.height


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:-20],
        lambda text: text.replace('"kind": "Weights"', '"kind": "Curve"'),
        lambda text: text.replace('"format": 1', '"format": 2'),
        lambda text: text.replace('"values"', '"value"'),
        lambda text: text.replace('"values": [', '"values": ["many", '),
        lambda text: text.replace('"values": [', '"values": [NaN, '),
        lambda text: text.replace('"values": [', '"values": [1, '),
        lambda text: "[]",
        lambda text: "{}",
    ],
)
def test_a_broken_text_is_refused(spoil: Callable[[str], str]) -> None:
    text = to_json(weights())
    assert spoil(text) != text
    with pytest.raises(ModelBroken, match=r"a kept Weights must be .*: fit it again"):
        from_json(Weights, spoil(text))


def test_a_number_that_is_none_is_not_kept() -> None:
    with pytest.raises(ModelBroken, match="must hold finite numbers, got others in Weights"):
        to_json(replace(weights(), values=(float("nan"), 1.0)))
