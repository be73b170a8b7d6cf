"""The doctor: a fresh home is sound, and each thing that can be wrong is found, named and told how to cure."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tracking_samples import HORIZON, fresh_tracking, register_versions

from nightdesk.models.artifacts import client, model_name
from nightdesk.operations import doctor
from nightdesk.operations.doctor import Check, examine
from nightdesk.operations.environment import QUIET
from nightdesk.operations.night import tracking_of
from nightdesk.promotion.champion import carry_out
from nightdesk.settings import Settings
from nightdesk.store.approvals import ask
from nightdesk.store.database import open_store
from nightdesk.store.decisions import Decision, write_intent

NOW = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)
NIGHT = dt.date(2017, 3, 6)
SERVED = Decision("live", NIGHT, HORIZON, "serve", "ridge", "content", "1", "unproven", "why", True)


@pytest.fixture(autouse=True)
def _quiet_and_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("NIGHTDESK_")]:
        monkeypatch.delenv(name)
    for name, value in QUIET.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose tracking store stands, for it takes seconds to make."""
    fresh_tracking(tmp_path / "home")
    return tmp_path / "home"


def examined(home: Path, **changes: Any) -> dict[str, Check]:
    source = {"name": "synthetic", "options": {"symbols": 5, "days": 300}}
    return {check.name: check for check in examine(Settings(**{"home": home, "source": source, **changes}), NOW)}


def unsound(checks: dict[str, Check]) -> dict[str, str]:
    return {name: check.finding for name, check in checks.items() if not check.sound}


def served(home: Path) -> None:
    """A home in which version 1 is served and the alias names it."""
    tracking = fresh_tracking(home)
    register_versions(tracking, 2)
    carry_out(open_store(f"sqlite:///{home / 'store.db'}"), tracking, SERVED, NOW)


def registry(home: Path) -> Any:
    """The registry of a home, as a person would open it beside nightdesk."""
    return client(tracking_of(Settings(home=home), "live"))


def test_a_fresh_home_is_sound_and_no_check_is_silent(tmp_path: Path) -> None:
    home = tmp_path / "fresh"
    checks = examined(home)
    assert unsound(checks) == {}
    assert all(check.finding for check in checks.values())
    assert checks["served models"].finding == "none yet"
    assert checks["recipes"].finding == "ridge (ridge), lightgbm (lightgbm)"
    assert (home / "store.db").exists()


def test_a_home_with_a_served_model_is_sound_and_says_who(home: Path) -> None:
    served(home)
    checks = examined(home)
    assert unsound(checks) == {}
    assert checks["served models"].finding == f"ridge v1 at {HORIZON} (unproven)"


def test_an_alias_moved_by_hand_is_found(home: Path) -> None:
    served(home)
    registry(home).set_registered_model_alias(model_name("live", HORIZON), "champion", "2")
    (finding,) = unsound(examined(home)).values()
    assert finding == (
        "the alias champion at horizon 5 must name version 1, as was decided, got 2: "
        "the registry was changed by hand; set the alias back"
    )


def test_an_alias_taken_away_is_found(home: Path) -> None:
    served(home)
    registry(home).delete_registered_model_alias(model_name("live", HORIZON), "champion")
    assert "must name version 1, as was decided, got None" in unsound(examined(home))["served models"]


def test_a_decision_without_its_confirmation_is_found(home: Path) -> None:
    write_intent(open_store(f"sqlite:///{home / 'store.db'}"), SERVED, NOW)
    assert unsound(examined(home)) == {
        "served models": "1 decision(s) wait for confirmation: start the night of 2017-03-06 again"
    }


def test_a_promotion_that_waits_for_a_person_is_told_and_is_no_fault(home: Path) -> None:
    served(home)
    asked = replace(SERVED, as_of=NIGHT + dt.timedelta(days=1), action="refresh", version="2", content="newer")
    ask(open_store(f"sqlite:///{home / 'store.db'}"), [asked], NOW)
    checks = examined(home)
    assert unsound(checks) == {}
    assert checks["served models"].finding.endswith(
        "ridge v2 at 5 waits for approval (nightdesk approve --as-of 2017-03-07)"
    )


@pytest.mark.parametrize("value", ["1", None])
def test_telemetry_that_is_not_off_is_found(home: Path, monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    """`DO_NOT_TRACK=1` looks off, and leaves MLflow's telemetry on."""
    monkeypatch.delenv("DO_NOT_TRACK") if value is None else monkeypatch.setenv("DO_NOT_TRACK", value)
    assert unsound(examined(home)) == {
        "telemetry": "telemetry must be off, got DO_NOT_TRACK set otherwise: unset or set as documented"
    }


@pytest.mark.parametrize("name", sorted(doctor.PINNED))
def test_a_library_that_breaks_others_is_found(home: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    installed = doctor.version
    monkeypatch.setattr(doctor, "version", lambda one: "9.9.9" if one == name else installed(one))
    (finding,) = unsound(examined(home)).values()
    assert finding.startswith(f"{name} must be {doctor.PINNED[name]}, got 9.9.9: pip install")


def test_another_python_is_found(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "sys", SimpleNamespace(version="3.14.0 (main)", version_info=(3, 14, 0)))
    assert unsound(examined(home))["Python"].startswith("Python must be 3.11 or 3.12, got 3.14.0")


def test_a_full_disk_is_found(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: SimpleNamespace(free=10**9))
    assert unsound(examined(home))["home folder"].startswith("a night needs 2 GB free, got 1.0 GB at ")


def test_a_home_that_cannot_be_written_is_found(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may write everywhere, so the question itself is answered here.
    real = os.access
    monkeypatch.setattr(doctor.os, "access", lambda path, mode: Path(path) != home and real(path, mode))
    assert "must be writable" in unsound(examined(home))["home folder"]


def test_a_home_that_is_a_file_is_found_and_the_other_checks_still_run(tmp_path: Path) -> None:
    home = tmp_path / "file"
    home.write_text("not a folder")
    checks = examined(home)
    assert {"home folder", "store", "registry", "served models"} <= set(unsound(checks))
    assert checks["Python"].sound
    assert len(checks) == 11


def test_a_store_that_does_not_answer_is_found_and_the_other_checks_still_run(home: Path) -> None:
    checks = examined(home, store={"url": "postgresql+psycopg://nobody@127.0.0.1:1/nothing?connect_timeout=2"})
    assert set(unsound(checks)) == {"store", "served models"}
    assert checks["store"].finding.startswith("the store must answer, got ")
    assert "\n" not in checks["store"].finding


def test_a_store_of_another_kind_is_found(home: Path) -> None:
    found = unsound(examined(home, store={"url": "mysql://x/y"}))["store"]
    assert "store.url must start with sqlite://" in found
    assert "got mysql://" in found


def test_a_registry_that_does_not_answer_is_found_and_not_taken_for_an_empty_one(home: Path) -> None:
    served(home)
    (home / "mlflow.db").write_bytes(b"not a database" * 500)
    found = unsound(examined(home))
    assert set(found) == {"registry", "served models"}
    assert found["registry"].startswith("registry must answer, got ")


def test_an_unknown_recipe_and_source_are_found_with_the_known_ones(home: Path) -> None:
    checks = examined(home, source={"name": "synthetik"}, training={"recipes": ("rigde",)})
    found = unsound(checks)
    assert set(found) == {"source", "recipes"}
    assert "choose" in found["source"]
    assert "synthetic" in found["source"]
    assert "ridge" in found["recipes"]
