"""Who belongs to a night's ensemble: settings say so, and what does not hold is refused before the night begins."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from nightdesk.errors import BadSetting
from nightdesk.operations.members import members_of
from nightdesk.operations.night import plan_night
from nightdesk.settings import Settings, read_settings

NOW = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)


def settings(recipes: list[str], **ensemble: object) -> Settings:
    return Settings(training={"recipes": recipes}, ensemble=ensemble)


def test_by_default_all_recipes_are_members_and_one_alone_is_no_ensemble() -> None:
    assert members_of(Settings()) == ("ridge", "lightgbm")
    assert members_of(settings(["ridge", "xgboost", "ridge"])) == ("ridge", "xgboost")
    assert members_of(settings(["ridge"])) == ()
    assert members_of(settings(["ridge", "lightgbm"], members=[])) == ()
    assert members_of(settings(["ridge", "lightgbm", "voter"], members=["voter", "ridge"])) == ("voter", "ridge")
    assert members_of(settings(["ridge", "lightgbm"], weights={"lightgbm": 2, "ridge": 0})) == ("ridge", "lightgbm")


@pytest.mark.parametrize(
    ("recipes", "ensemble", "told"),
    [
        (["ridge"], {"members": ["ridge", "voter"]}, r"among training.recipes \(ridge\), got voter: train them too"),
        (["ridge", "voter"], {"members": ["ridge"]}, r"two or more recipes, each once, got ridge: name another one"),
        (["ridge", "voter"], {"members": ["ridge", "ridge"]}, r"each once, got ridge, ridge:"),
        (["ridge", "ensemble"], {}, r"must not be called like the ensemble itself, got ensemble: rename"),
        (["ridge", "voter"], {"weights": {"ridge": 1}}, r"must name the members, ridge, voter, got ridge: give one"),
        (["ridge"], {"weights": {"ridge": 1}}, r"of which there are none, got ridge: give one for each, or none"),
        (["ridge", "voter"], {"weights": {"ridge": 1, "voter": -1}}, r"0 or more and not all 0, got ridge 1.0, voter"),
        (["ridge", "voter"], {"weights": {"ridge": 0, "voter": 0}}, r"not all 0, got ridge 0.0, voter 0.0: give"),
    ],
)
def test_what_does_not_hold_is_refused_in_a_line(recipes: list[str], ensemble: dict[str, object], told: str) -> None:
    with pytest.raises(BadSetting, match=told) as refused:
        members_of(settings(recipes, **ensemble))
    assert "\n" not in str(refused.value)


def test_a_night_is_not_planned_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTDESK_HOME", str(tmp_path))
    monkeypatch.setenv("NIGHTDESK_ENSEMBLE__MEMBERS", '["ridge", "voter"]')
    with pytest.raises(BadSetting, match=r"ensemble\.members must be among training\.recipes"):
        plan_night(read_settings(), "live", None, "auto", NOW)
    monkeypatch.setenv("NIGHTDESK_ENSEMBLE__MEMBERS", "[]")
    monkeypatch.setenv("NIGHTDESK_ENSEMBLE__WEIGHTS", "{}")
    assert members_of(read_settings()) == ()
