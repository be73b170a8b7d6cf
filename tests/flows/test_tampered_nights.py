"""Nights whose model was changed in the registry: nothing is forecast with it, and people are told."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_nights import choose_home, market_days, run_night

from nightdesk.errors import ModelBroken, NothingServed
from nightdesk.faults import listening
from nightdesk.publish.publication import STALE, latest
from nightdesk.store.database import open_store
from nightdesk.store.forecasts import forecasts_of
from nightdesk.store.incidents import all_incidents

FIRST, SECOND = market_days(2)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NIGHTDESK_TRAINING__RECIPES", '["ridge"]')
    return choose_home(monkeypatch, tmp_path / "home")


def swap(home: Path) -> None:
    """Let the model say the opposite: a file that still reads well."""
    for file in (home / "artifacts").rglob("ridge.json"):
        file.write_text(file.read_text().replace("-", "").replace("e", "e-"))


def test_a_swapped_champion_forecasts_nothing_and_the_last_good_forecasts_are_stale(home: Path) -> None:
    run_night(FIRST)
    swap(home)
    with pytest.raises(ModelBroken, match="must be those that were registered"):
        run_night(SECOND, train="never")
    engine = open_store(f"sqlite:///{home / 'store.db'}")
    assert forecasts_of(engine, "live", SECOND).is_empty()
    left = latest(home / "published", "live")
    assert (left.as_of, left.status) == (FIRST, STALE)
    assert all_incidents(engine)["key"].to_list() == [f"night-failed/live/{SECOND}"]


def test_a_fit_that_is_swapped_before_its_smoke_prediction_never_serves(home: Path) -> None:
    def meanwhile(point: str) -> None:
        if point == "model:recorded":
            swap(home)

    with listening(meanwhile), pytest.raises(NothingServed):
        run_night(FIRST)
    assert forecasts_of(open_store(f"sqlite:///{home / 'store.db'}"), "live", FIRST).is_empty()
