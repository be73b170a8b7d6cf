"""Clean-up on a real registry: nothing that is served, named, best or speaking ever goes; what goes is really gone."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from small_nights import choose_home, market_days, run_night, run_retrain
from test_retrain import planned
from test_same_state import KillAtEachPoint, Killed

from nightdesk.faults import listening
from nightdesk.features.build import build_features
from nightdesk.features.stages import every_feature
from nightdesk.models.artifacts import ModelVersion, client, fitted_of, load_version, model_name
from nightdesk.operations.cleanup import KEPT, LEFT, REMOVED, WOULD_GO, clean_up
from nightdesk.operations.panel import panel_of
from nightdesk.settings import read_settings
from nightdesk.store.decisions import best_version, newest_walk_forward, versions_named
from nightdesk.store.features import known_parts, needs_of, write_needs
from nightdesk.store.forecasts import forecasts_of
from nightdesk.store.nights import held

MODEL = model_name("live", 5)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five trainings: ten versions, of which every second one was never served."""
    home = tmp_path_factory.mktemp("desk") / "home"
    with pytest.MonkeyPatch.context() as patch:
        choose_home(patch, home)
        for day in market_days(6)[:5]:
            run_night(day, train="always")
    return home


@pytest.fixture
def home(desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The desk itself, in the tests' order: artifacts name its folder, so that it cannot be copied."""
    return choose_home(monkeypatch, desk)


def night():
    return planned(market_days(2)[0])


def versions() -> dict[str, ModelVersion]:
    tracking = night().tracking
    fits = [(fit.version, fit) for fit in fitted_of(tracking, 5) if fit.version]
    tags = {number: client(tracking).get_model_version(fit.name, number).tags for number, fit in fits}
    return {number: ModelVersion(fit.name, number, fit.run_id, tags[number]["content"]) for number, fit in fits}


def files(home: Path) -> int:
    return sum(path.is_file() for path in (home / "artifacts").rglob("*"))


def test_a_dry_run_removes_nothing_and_says_what_would_go(home: Path) -> None:
    before, stored = versions(), files(home)
    cleaned = clean_up(read_settings(), 1, dry_run=True)
    assert cleaned.count(WOULD_GO) > 0
    assert (versions().keys(), files(home)) == (before.keys(), stored)


@pytest.mark.parametrize("seed", range(6))
def test_nothing_protected_is_ever_chosen(home: Path, seed: int) -> None:
    """Aliases are thrown at random versions; whatever keep is, a dry run never names a protected one."""
    chance, own, engine = random.Random(seed), client(night().tracking), night().engine
    thrown = {f"try{n}": chance.choice(sorted(versions())) for n in range(chance.randint(1, 3))}
    for alias, version in thrown.items():
        own.set_registered_model_alias(MODEL, alias, version)
    try:
        going = {
            one.what.split()[-1]
            for one in clean_up(read_settings(), chance.randint(1, 4), dry_run=True).items
            if one.fate == WOULD_GO
        }
        newest = newest_walk_forward(engine, "live", market_days(1)[0])
        protected = set(thrown.values()) | versions_named(engine, "live", 5) | set(newest["version"].drop_nulls())
        protected.add(best_version(engine, "live", 5, sorted(versions())))
        protected.add(str(own.get_model_version_by_alias(MODEL, "champion").version))
        assert not going & protected
    finally:
        for alias in thrown:
            own.delete_registered_model_alias(MODEL, alias)


def test_what_its_night_is_running_is_left(home: Path) -> None:
    going = {one.what.split()[-1] for one in clean_up(read_settings(), 1, dry_run=True).items if one.fate == WOULD_GO}
    day = next(fit.as_of for fit in fitted_of(night().tracking, 5) if fit.version in going)
    of_day = {fit.version for fit in fitted_of(night().tracking, 5) if fit.as_of == day}
    with held(night().engine, night().home.locks, "live", day):
        cleaned = clean_up(read_settings(), 1, dry_run=False)
    fits = [one for one in cleaned.items if one.what.startswith("nightdesk-live-")]
    left = {one.what.split()[-1]: one.why for one in fits if one.fate == LEFT}
    assert left
    assert left == dict.fromkeys(left, f"the night of {day} runs just now")
    assert left.keys() <= of_day <= versions().keys()


def test_killed_anywhere_a_second_one_finishes_and_what_stays_loads(home: Path) -> None:
    before, stored, tracking = versions(), files(home), night().tracking
    expected = {one.what for one in clean_up(read_settings(), 1, dry_run=True).items if one.fate == WOULD_GO}
    assert expected
    kill, seen = KillAtEachPoint(), []
    with listening(kill):
        for _start in range(50):
            try:
                cleaned = clean_up(read_settings(), 1, dry_run=False)
            except Killed:
                continue
            seen = cleaned.items
            break
    assert {"cleanup:unregistered", "cleanup:files", "cleanup:model"} <= set(kill.points)
    assert seen
    gone = {what.split()[-1] for what in expected if " version " in what}
    assert versions().keys() == before.keys() - gone
    assert files(home) < stored
    assert [one.fate for one in clean_up(read_settings(), 1, dry_run=False).items if one.fate != KEPT] == []
    for version in versions().values():
        assert load_version(tracking, version).manifest.horizon == 5
    active = client(tracking).search_runs([client(tracking).get_experiment_by_name("nightdesk-live").experiment_id])
    runs = {run.info.run_id for run in active}
    assert not {before[one].run_id for one in gone} & runs


def test_features_that_nobody_needs_go_and_those_of_a_model_that_stays_do_not(home: Path) -> None:
    own, root = night(), home / "features"
    bars, known = panel_of(own), every_feature()
    stood = set(known_parts(root))
    for name in ("hurst_120", "detrended_20"):
        build_features(root, bars, [known[name], known["return_1_lag_5"]] if name == "hurst_120" else [known[name]])
    built = {tuple(own): part for part, own in known_parts(root).items() if part not in stood}
    champion = next(fit for fit in fitted_of(own.tracking, 5) if "champion" in fit.aliases)
    needs = needs_of(root, champion.content)
    assert needs
    write_needs(root, champion.content, {**needs, "detrended_20": known["detrended_20"].content})
    other = built["hurst_120", "return_1_lag_5"]
    with held(own.engine, own.home.locks, "live", own.as_of):
        left = clean_up(read_settings(), 1_000, dry_run=False)
    assert "parts of the feature store" in {one.what for one in left.items if one.fate == LEFT}
    dry = clean_up(read_settings(), 1_000, dry_run=True)
    said = f"features {other}: hurst_120, return_1_lag_5"
    assert [one.what for one in dry.items if one.fate == WOULD_GO] == [said]
    assert (root / other).exists()
    cleaned = clean_up(read_settings(), 1_000, dry_run=False)
    assert [one.what for one in cleaned.items if one.fate == REMOVED] == [said]
    assert set(known_parts(root)) == stood | {built[("detrended_20",)]}
    assert not (root / other).exists()
    write_needs(root, champion.content, needs)


def test_what_a_model_said_out_of_fold_goes_with_its_fit_alone(home: Path) -> None:
    clean_up(read_settings(), 2, dry_run=False)
    kept = {(str(fit.as_of), f"h5-{fit.recipe}-said") for fit in fitted_of(night().tracking, 5)}
    files = [*(home / "evaluations" / "live").glob("*/*-said-*.parquet")]
    assert {(file.parent.name, file.name.rsplit("-", 1)[0]) for file in files} == kept
    others = [*(home / "evaluations" / "live").glob("*/h5-lightgbm-*.parquet")]
    assert len(others) > len([file for file in files if "lightgbm" in file.name])  # daily results stay


def test_scratch_of_a_killed_night_goes(home: Path) -> None:
    folder = home / "scratch/live/2016-01-05"
    folder.mkdir(parents=True)
    (folder / "panel.parquet").write_text("half")
    cleaned = clean_up(read_settings(), 10, dry_run=False)
    assert ("scratch/live/2016-01-05", REMOVED) in {(one.what, one.fate) for one in cleaned.items}
    assert not folder.exists()


def test_after_a_clean_up_nights_and_retrains_go_on(home: Path) -> None:
    assert run_retrain(market_days(2)[0]) is None
    (day,) = market_days(1)
    assert run_night(day, train="never").status == "published"
    said = forecasts_of(night().engine, "live", day)
    assert {"ridge", "lightgbm"} <= set(said["model"].unique())
    again = run_retrain(day)
    assert again is not None
    named = {fit.version for fit in fitted_of(night().tracking, 5) if fit.aliases}
    assert {one.version for one in again.serving} == named
