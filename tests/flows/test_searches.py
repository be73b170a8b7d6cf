"""Searches of nights and retrains: what they find is fitted from then on, and none of them stops a training."""

from __future__ import annotations

import importlib
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from logical_state import logical_state
from mlflow import MlflowClient
from small_nights import OPTIONS, choose_home, market_days, run_night, run_retrain
from test_retrain import NOW
from test_same_state import Killed

from nightdesk.faults import listening
from nightdesk.operations.night import Night, plan_night
from nightdesk.operations.searches import fitted_at, recipes_to_search, seconds_to_search, stage_name
from nightdesk.operations.summaries import RetrainSummary
from nightdesk.operations.tuning import Profile
from nightdesk.settings import read_settings
from nightdesk.store.decisions import newest_walk_forward
from nightdesk.store.ledger import StageKey, record
from nightdesk.store.schema import stages
from nightdesk.store.trials import all_trials

CONTRARY = '''
import time
from dataclasses import replace

from nightdesk.models.ridge import RidgeFamily
from nightdesk.tuning.space import Number, Space


class Contrary(RidgeFamily):
    """Ridge, which says the contrary unless it is told to turn around."""

    space = Space((("turn", Number(-1.0, 1.0)),), quick=4, full=5)

    def fit(self, training, parameters, seed, threads):
        time.sleep(0.1)  # whoever looks on sees one trial after the other
        sign = 1.0 if parameters.get("turn", -1.0) > 0 else -1.0
        return super().fit(replace(training, target=sign * training.target), {"alpha": 0.05}, seed, threads)
'''

FIRST, SECOND, THIRD = market_days(3)


@contextmanager
def contrary(folder: Path) -> Iterator[pytest.MonkeyPatch]:
    """A desk whose only recipe is as wrong as can be, on a market in which there is something to find."""
    folder.mkdir()
    (folder / "desk_contrary.py").write_text(CONTRARY)
    info = folder / "desk_contrary-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: desk-contrary\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[nightdesk.models]\ncontrary = desk_contrary:Contrary\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.delitem(sys.modules, "desk_contrary", raising=False)
        importlib.invalidate_caches()
        yield patch


def chosen(patch: pytest.MonkeyPatch, home: Path, **tuning: str) -> Path:
    """The home's settings, those of tuning by name."""
    choose_home(patch, home)
    patch.setenv("NIGHTDESK_SOURCE__OPTIONS", json.dumps({**OPTIONS, "signal_ic": 0.3}))
    patch.setenv("NIGHTDESK_TRAINING__RECIPES", '["contrary"]')
    for name, value in tuning.items():
        patch.setenv(f"NIGHTDESK_TUNING__{name.upper()}", value)
    return home


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Any, Any]]:
    """A home with a first night that searched and a retrain that searched, and what both said."""
    folder = tmp_path_factory.mktemp("desk")
    with contrary(folder / "family") as patch:
        home = chosen(patch, folder / "home", first_night="quick", weekly="full")
        yield home, run_night(FIRST), run_retrain(SECOND)


def night(day: Any = SECOND) -> Night:
    return plan_night(read_settings(), "live", day, "always", NOW)


def test_the_first_night_searches_and_fits_the_winner_beside_its_recipe(desk: tuple[Path, Any, Any]) -> None:
    _, first, _ = desk
    (said,) = first.searches
    assert said.startswith("contrary at 5 days (profile quick): 4 of 4 trials; on days that no trial has seen ")
    assert "beats it, and is fitted beside it from now on" in said
    fitted = {one.model: one.mean for one in first.scores if one.kind == "model"}
    (name,) = (model for model in fitted if model != "contrary")
    assert fitted[name] > 0.0 > fitted["contrary"]
    # It was chosen on those days, so it is a challenger: evidence alone lets it in.
    assert [one.model for one in first.serving] == ["contrary"]


def test_every_trial_of_a_search_is_counted_and_recorded_with_its_night(desk: tuple[Path, Any, Any]) -> None:
    home, first, _ = desk
    made = all_trials(night().engine).filter(pl.col("as_of") == FIRST)
    assert made.filter(kind="tune").select("realm", "by").unique().rows() == [("live", "night")]
    assert made.filter(kind="tune").height == 4
    assert made.filter(kind="look")["name"].to_list() == [
        one.model for one in first.scores if one.model.startswith("contrary@")
    ]
    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("nightdesk-live").experiment_id
    runs = client.search_runs([experiment], f"tags.`nightdesk.night` = 'live/{FIRST}' and tags.ended != ''")
    assert sorted(one.data.tags["trial"] for one in runs) == ["0", "1", "2", "3"]


def test_a_retrain_searches_with_the_weekly_profile_and_the_winner_stays(desk: tuple[Path, Any, Any]) -> None:
    home, _, retrained = desk
    (said,) = retrained.searches
    assert said.startswith("contrary at 5 days (profile full): 5 of 5 trials")
    with pytest.MonkeyPatch.context() as patch:
        chosen(patch, home, weekly="none", first_night="none")
        wanted = fitted_at(night(THIRD), 5)
        assert len(wanted) == 2
        assert fitted_at(night(THIRD), 20) == ("contrary",)
        trained = run_night(THIRD, train="always")
    assert trained.searches == ()
    assert trained.trained
    walked = newest_walk_forward(night().engine, "live", THIRD)
    assert set(walked.filter(kind="model")["model"]) == set(wanted)
    assert [one.model for one in trained.serving] == ["contrary"]


@pytest.mark.proof
def test_killed_in_a_search_and_after_it_a_night_ends_the_same(desk: tuple[Path, Any, Any], tmp_path: Path) -> None:
    home, first, _ = desk
    with contrary(tmp_path / "family") as patch:
        again = chosen(patch, tmp_path / "home", first_night="quick", weekly="full")
        patch.setattr("nightdesk.tuning.search._TELL_S", 0.0)
        with _killing_at_the_first_trial(), pytest.raises(Killed):
            run_night(FIRST)
        for point in ("tune-contrary-quick:written", "tune-contrary-quick:entered"):
            with listening(_kill_at(point)), pytest.raises(Killed):
                run_night(FIRST)
        summary = run_night(FIRST)
    assert (summary.searches, summary.scores, summary.serving) == (first.searches, first.scores, first.serving)
    # What was killed is told apart, and made again.
    (left,) = _found(again)
    assert left == {**_found(home)[0], "path": left["path"], "study": left["study"]}
    assert logical_state(again)["left over"] == []


def test_a_search_that_fails_leaves_its_recipe_as_it_is(tmp_path: Path) -> None:
    with contrary(tmp_path / "family") as patch:
        chosen(patch, tmp_path / "home", weekly="quick", kept_blocks="7")
        summary = run_retrain(FIRST)
    (said,) = summary.searches
    assert said.startswith("contrary could not be tuned, and is fitted as it is: tuning.kept_blocks must leave a block")
    _fitted_as_it_is(summary)


@pytest.mark.parametrize(
    ("profile", "before", "seconds"), [("quick", None, 30.0), ("full", None, 37.5), ("quick", 60.0, 20.0)]
)
def test_searches_of_few_trials_come_first_and_leave_the_rest_to_the_others(
    profile: Profile, before: float | None, seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 90 seconds two searches have a half each, a part of it for judging; 60 that the first took leave 30."""
    choose_home(monkeypatch, tmp_path / "home")
    monkeypatch.setenv("NIGHTDESK_TRAINING__RECIPES", '["ridge", "random_forest"]')
    monkeypatch.setenv("NIGHTDESK_TUNING__ALL_SECONDS", "90")
    there = night(FIRST)
    assert recipes_to_search(there) == ("random_forest", "ridge")
    if before is not None:
        key = StageKey(there.realm, there.as_of, stage_name("random_forest", profile), "0" * 16)
        record(there.engine, key, "[]", before, NOW)
    assert seconds_to_search(there, profile) == pytest.approx(seconds)


@pytest.mark.proof
def test_a_limit_that_is_met_leaves_the_recipe_as_it_is(tmp_path: Path) -> None:
    with contrary(tmp_path / "family") as patch:
        # A worker takes longer to start than the second that is left.
        chosen(patch, tmp_path / "home", weekly="quick", all_seconds="0.01")
        summary = run_retrain(FIRST)
    assert summary.searches == (
        "contrary at 5 days (profile quick): 0 of 4 trials, none better than the recipe as it is; stopped by the time "
        "limit 1 s after 0 of 4 trials",
    )
    _fitted_as_it_is(summary)


def _fitted_as_it_is(summary: RetrainSummary) -> None:
    assert summary.failed_fits == ()
    assert {one.model for one in summary.scores if one.kind == "model"} == {"contrary"}
    assert [one.model for one in summary.serving] == ["contrary"]


def _found(home: Path) -> list[dict[str, Any]]:
    """What the first search came to, as the ledger holds it."""
    engine = sa.create_engine(f"sqlite:///{home / 'store.db'}")
    wanted = sa.select(stages.c.result).where(stages.c.stage == "tune-contrary-quick", stages.c.as_of == FIRST)
    with engine.connect() as connection:
        found = connection.scalars(wanted).all()
    engine.dispose()
    return [one for text in found for one in json.loads(text)]


@contextmanager
def _killing_at_the_first_trial() -> Iterator[None]:
    """Kill whoever tells of a trial that has ended: others are still to come then."""

    class Killing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise Killed(record.getMessage())

    log, killing = logging.getLogger("nightdesk.tuning"), Killing()
    level = log.level
    log.addHandler(killing)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(killing)
        log.setLevel(level)


def _kill_at(wanted: str):
    def kill(point: str) -> None:
        if point == wanted:
            raise Killed(point)

    return kill
