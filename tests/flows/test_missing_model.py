"""A night whose served model has lost its file: it says which, yesterday's forecasts stand, and training mends it."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_nights import choose_home, market_days, run_night

from nightdesk.errors import ModelBroken
from nightdesk.publish.publication import PUBLISHED, STALE, latest


@pytest.mark.chaos
def test_a_night_whose_model_lost_its_file_fails_by_name_and_is_mended_by_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = choose_home(monkeypatch, tmp_path / "home")
    before, day = market_days(2)
    run_night(before, train="always")
    for file in (home / "artifacts").rglob("ridge.json"):
        file.unlink()
    with pytest.raises(ModelBroken, match=r"got others for nightdesk-live-h5 version 1: restore .*nightdesk train"):
        run_night(day, train="never")
    standing = latest(home / "published", "live")
    assert (standing.as_of, standing.status) == (before, STALE)
    assert run_night(day, train="always").status == PUBLISHED
    standing = latest(home / "published", "live")
    assert (standing.as_of, standing.status) == (day, PUBLISHED)
