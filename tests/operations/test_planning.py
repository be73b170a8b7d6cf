"""Planning a night: a date or realm that cannot be is refused by name and with a cure, before anything runs."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

import pytest

from nightdesk.errors import BadDate, BadInput, BadSetting, UnknownName
from nightdesk.operations.night import Night, plan_night
from nightdesk.sessions import session_close, trading_days
from nightdesk.settings import Settings

FIRST, LAST = dt.date(2016, 1, 4), dt.date(2017, 7, 31)
DAYS = trading_days("XNYS", FIRST, LAST)
OPTIONS = {"symbols": 12, "days": len(DAYS), "first_day": "2016-01-04"}
LATER = dt.datetime(2020, 1, 2, 12, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("NIGHTDESK_")]:
        monkeypatch.delenv(name)


def settings(**changes: Any) -> Settings:
    """A night needs 100 + 20 + 4 + 2 = 126 trading days of history."""
    given: dict[str, Any] = {
        "home": Path("home"),
        "horizons": (5, 20),
        "source": {"name": "synthetic", "options": OPTIONS},
        "training": {"first_train": 100},
    }
    return Settings(**{**given, **changes})


def plan(as_of: dt.date | None = None, now: dt.datetime = LATER, realm: str = "live", **changes: Any) -> Night:
    return plan_night(settings(**changes), realm, as_of, "auto", now)


def test_without_a_date_it_is_the_newest_that_the_source_has() -> None:
    assert plan().as_of == LAST


def test_without_a_date_it_is_the_newest_whose_close_has_been() -> None:
    day = dt.date(2017, 3, 7)
    close = session_close("XNYS", day)
    assert plan(now=close).as_of == day
    assert plan(now=close - dt.timedelta(seconds=1)).as_of == dt.date(2017, 3, 6)


@pytest.mark.parametrize(
    ("day", "name", "before", "after"),
    [("2017-07-04", "Tuesday", "2017-07-03", "2017-07-05"), ("2017-07-08", "Saturday", "2017-07-07", "2017-07-10")],
)
def test_a_day_without_trading_is_refused_with_its_neighbours(day: str, name: str, before: str, after: str) -> None:
    wanted = rf"must be a trading day of XNYS, got {day} \({name}\): choose {before} or {after}"
    with pytest.raises(BadDate, match=wanted):
        plan(dt.date.fromisoformat(day))
    assert plan(dt.date.fromisoformat(before)).as_of == dt.date.fromisoformat(before)


def test_the_future_is_refused_by_todays_date() -> None:
    now = dt.datetime(2017, 3, 7, 12, tzinfo=dt.UTC)
    with pytest.raises(BadDate, match=r"must not lie in the future, got 2017-03-08: today is 2017-03-07"):
        plan(dt.date(2017, 3, 8), now)


def test_today_before_its_close_is_outside_the_data() -> None:
    now = dt.datetime(2017, 3, 7, 12, tzinfo=dt.UTC)
    with pytest.raises(BadDate, match=r"has bars from 2016-01-04 to 2017-03-06, got 2017-03-07: choose a date between"):
        plan(dt.date(2017, 3, 7), now)


@pytest.mark.parametrize("day", ["2015-12-31", "2017-08-01"])
def test_a_date_outside_the_data_is_refused_with_its_span(day: str) -> None:
    wanted = rf"source 'synthetic' has bars from 2016-01-04 to 2017-07-31, got {day}: choose a date between"
    with pytest.raises(BadDate, match=wanted):
        plan(dt.date.fromisoformat(day))


def test_too_little_history_names_the_first_date_that_has_enough() -> None:
    enough = DAYS[125]
    wanted = rf"needs 126 trading days of history to train and test on, got 125: choose {enough} or later"
    with pytest.raises(BadDate, match=wanted):
        plan(DAYS[124])
    night = plan(enough)
    assert all(len(night.plan(FIRST, horizon).blocks()) == 4 for horizon in (5, 20))


def test_a_source_that_never_has_enough_is_cured_by_the_setting() -> None:
    with pytest.raises(BadDate, match=r"needs 526 trading days .* got 397: lower training.first_train"):
        plan(training={"first_train": 500})


def test_a_first_block_without_a_matured_label_is_refused_before_the_night() -> None:
    wanted = r"training.first_train must be above the longest horizon of 60 days, got 60: raise it"
    with pytest.raises(BadSetting, match=wanted):
        plan(horizons=(5, 60), training={"first_train": 60})
    night = plan(horizons=(5, 60), training={"first_train": 61})
    assert len(night.plan(FIRST, 60).blocks()[0].train_days) == 1


@pytest.mark.parametrize("realm", ["live", "a", "replay-2016", "x" * 32])
def test_a_realm_is_lowercase_letters_digits_and_dashes(realm: str) -> None:
    assert plan(realm=realm).key.realm == realm


@pytest.mark.parametrize("realm", ["", "Live", "2016", "-a", "a b", "a/b", "../a", "a_b", "é", "a\n", "x" * 33])
def test_a_realm_that_could_be_a_path_or_another_name_is_refused(realm: str) -> None:
    with pytest.raises(BadInput, match=r"a realm's name is 1 to 32 lowercase .* choose another"):
        plan(realm=realm)


def test_an_unknown_source_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownName, match=r"source must be one of .* got 'synthetik': choose .*synthetic"):
        plan(source={"name": "synthetik"})


@pytest.mark.parametrize(
    "change",
    [
        {"horizons": (5,)},
        {"source": {"name": "synthetic", "options": {**OPTIONS, "seed": 2}}},
        {"quality": {"max_broken_share": 0.02}},
        {"training": {"first_train": 100, "recipes": ("ridge",)}},
        {"training": {"first_train": 100, "seed": 1}},
        {"training": {"first_train": 100, "folds": 3}},
        {"training": {"first_train": 101}},
        {"evaluation": {"sealed_from": dt.date(2100, 1, 4)}},
    ],
    ids=str,
)
def test_a_nights_content_changes_with_every_setting_that_its_results_depend_on(change: dict[str, Any]) -> None:
    assert plan(**change).content != plan().content


@pytest.mark.parametrize(
    "change",
    [
        {"home": Path("elsewhere")},
        {"store": {"url": "sqlite:///elsewhere.db"}},
        {"tracking": {"uri": "http://localhost:5000"}},
        {"top": 3},
        {"promotion": {"approval": "manual", "approval_wait_s": 3}},
        {"alerts": {"urls": ["json://127.0.0.1/"], "timeout_seconds": 3}},
    ],
    ids=str,
)
def test_a_nights_content_does_not_change_with_where_things_lie_and_how_they_are_shown(change: dict[str, Any]) -> None:
    assert plan(**change).content == plan().content


def test_a_nights_content_changes_with_its_mode_and_not_with_its_date_or_realm() -> None:
    always = plan_night(settings(), "live", None, "always", LATER)
    assert always.content != plan().content
    assert plan(DAYS[-2], realm="replay").content == plan().content


def test_nothing_counts_as_known_that_came_after_the_close_and_the_sources_lag() -> None:
    night = plan(dt.date(2016, 11, 25))
    assert night.cutoff == dt.datetime(2016, 11, 25, 18, tzinfo=dt.UTC) + night.source.facts.publication_lag


def test_tracking_is_embedded_unless_a_server_is_named(tmp_path: Path) -> None:
    embedded = plan(home=tmp_path).tracking
    assert (embedded.uri, embedded.artifacts) == (f"sqlite:///{tmp_path}/mlflow.db", f"file://{tmp_path}/artifacts")
    served = plan(tracking={"uri": "http://localhost:5000"}).tracking
    assert (served.uri, served.artifacts, served.realm) == ("http://localhost:5000", None, "live")


@pytest.mark.parametrize("uri", ["postgresql+psycopg://user@host/mlflow", "sqlite:///elsewhere.db"])
def test_artifacts_stay_at_home_beside_a_tracking_database(uri: str, tmp_path: Path) -> None:
    kept = plan(home=tmp_path, tracking={"uri": uri}).tracking
    assert (kept.uri, kept.artifacts) == (uri, f"file://{tmp_path}/artifacts")
