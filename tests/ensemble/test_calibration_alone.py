"""One recipe's scores are calibrated on parts of their own; too few days give a reason, and no failure."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import polars as pl
import pytest
from ensemble_samples import met

from nightdesk.ensemble.calibration import Calibrated, calibrate, cut
from nightdesk.ensemble.confidence import confidence, violation
from nightdesk.ensemble.kept import from_json, to_json
from nightdesk.errors import BadInput

HORIZON = 5
NO_REGIMES = pl.DataFrame(schema={"date": pl.Date, "regime": pl.String})


def said(days: int = 300, skill: float = 0.3) -> pl.DataFrame:
    return met({"score": skill}, days=days, horizon=HORIZON).with_columns(daily_volatility=pl.lit(0.02 / 5**0.5))


def found(frame: pl.DataFrame) -> Calibrated:
    kept = calibrate(frame, HORIZON, frame["known_date"].max(), NO_REGIMES)
    assert kept.found is not None
    assert kept.reason == ""
    return kept.found


def test_each_part_is_used_for_itself_alone() -> None:
    frame = said()
    judged = found(frame)
    parts = cut(frame, (1 / 3, 1 / 3, 1 / 3))
    assert judged.first == str(parts[2]["date"].min())
    assert judged.last == str(frame["date"].max())
    assert judged.calibration.expected.days == parts[0]["date"].n_unique()
    assert judged.calibration.intervals.conformal.days == parts[1]["date"].n_unique()
    assert judged.calibration.intervals.fed_to == judged.last
    assert judged.coverage()["coverage"][0] == pytest.approx(0.9, abs=0.03)
    assert judged.reliability()["rows"].sum() == parts[2].height
    assert 0.3 < judged.brier < 0.667
    assert judged.calibration_error < 0.1


def test_later_outcomes_change_nothing_that_was_learnt_before_them() -> None:
    frame = said()
    parts = cut(frame, (1 / 3, 1 / 3, 1 / 3))
    plain = found(frame).calibration
    for place, same in ((1, ("expected", "directions", "confidence")), (2, ("expected", "directions", "confidence"))):
        begins = parts[place]["date"].min()
        turned = pl.when(pl.col("known_date") > begins).then(-pl.col("forward_return")).otherwise("forward_return")
        other = found(frame.with_columns(forward_return=turned)).calibration
        assert all(getattr(other, name) == getattr(plain, name) for name in same)
        assert other != plain
        assert (other.intervals.conformal == plain.intervals.conformal) == (place == 2)


def test_too_few_days_give_none_and_say_so() -> None:
    few = calibrate(said(60), HORIZON, dt.date(2030, 1, 1), NO_REGIMES)
    assert few.found is None
    assert few.reason == (
        "a calibration must have 20 days with an outcome in each of its 3 parts, got 15 for calibration and "
        "confidence, 15 for intervals, 20 for judgement: give more history, or a shorter horizon"
    )
    assert from_json(type(few), to_json(few)) == few
    assert calibrate(said(0), HORIZON, dt.date(2030, 1, 1), NO_REGIMES).found is None
    silent = said().with_columns(daily_volatility=pl.lit(None, pl.Float64))
    assert "got 0 for" in calibrate(silent, HORIZON, dt.date(2030, 1, 1), NO_REGIMES).reason
    with pytest.raises(BadInput, match="coverage must lie between 0 and 1"):
        calibrate(said(), HORIZON, dt.date(2030, 1, 1), NO_REGIMES, coverage=1.0)


def test_what_was_promised_is_kept_and_drawn_again() -> None:
    judged = found(said())
    back = from_json(Calibrated, to_json(judged))
    assert back == judged
    assert back.coverage().equals(judged.coverage())
    assert back.reliability().equals(judged.reliability())
    assert back.calibration.intervals.conformal.coverage == 0.9


def test_a_violation_is_told_and_too_few_days_violate_nothing() -> None:
    frame = said(300, 0.4)
    assert violation(frame, HORIZON) is None
    assert violation(frame.head(0), HORIZON) is None
    assert violation(frame.filter(pl.col("date") < frame["date"].min() + dt.timedelta(days=5)), HORIZON) is None
    # The boldest calls are turned round: they are wrong where the faint ones are right.
    place = pl.col("score").rank().over("date") / pl.len().over("date") - 0.5
    wrong = frame.with_columns(
        forward_return=pl.when(place.abs() > 0.4).then(-1.0).otherwise(1.0) * pl.col("forward_return")
    )
    told = violation(wrong, HORIZON)
    assert told is not None
    assert "calls of bin 5 were right less often than those of bin" in told.reason
    assert confidence(wrong, HORIZON) == told
    assert replace(told, reason="") != told
