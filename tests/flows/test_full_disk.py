"""Nights whose disk is full or read-only: one line that names path and cure, told, nothing half written, and mended."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from command_line import command_line, stages_done, wait_until
from logical_state import differences, logical_state
from mounted import Disk, small_disk
from opened_store import opened
from receivers import Receiver, web_server
from small_nights import choose_home, market_days, run_night

from nightdesk.errors import DiskTrouble
from nightdesk.faults import listening
from nightdesk.publish.publication import STALE, latest

BEFORE, DAY = market_days(2)
POINTS = {
    "load:begin": "store.db",
    "features:begin": "features/",
    "fit-ridge-5:begin": "store.db",
    "promote:intent": "mlflow.db",
    "publish:begin": f"published/live/{DAY}/",
}
"""Where the disk is full from, and whose writing that stops: store, feature file, trials, registry, publication."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk", 64) as made:
        yield made


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with web_server() as receiver:
        monkeypatch.setenv("NIGHTDESK_ALERTS__URLS", json.dumps([receiver.webhook]))
        yield receiver


def half_written(home: Path) -> list[str]:
    """Files written aside that nobody renamed, and locks of nobody."""
    return [one for one in logical_state(home)["left over"] if not one.startswith("scratch/")]


@pytest.mark.chaos
def test_a_disk_that_fills_up_at_any_point_is_told_and_once_freed_the_night_ends_in_the_same_state(
    disk: Disk, web: Receiver, two_undisturbed_nights: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = choose_home(monkeypatch, disk.root / "home")
    with opened(f"sqlite:///{home / 'store.db'}"):
        run_night(BEFORE, train="always")
        good = latest(home / "published", "live").ranking()
        for point, file in POINTS.items():
            with pytest.raises(DiskTrouble) as caught, listening(at(point, disk.fill)):
                run_night(DAY, train="always")
            said = str(caught.value)
            assert f"{home / file}" in said, (point, said)
            assert "free space there, then start it again" in said
            assert "\n" not in said
            told = web.about(f"Key: night-failed/live/{DAY}")[-1]
            assert f"Reason: DiskTrouble: {said}" in told
            standing = latest(home / "published", "live")
            assert (standing.as_of, standing.status) == (BEFORE, STALE)
            assert standing.ranking().equals(good)
            disk.free()
            assert half_written(home) == [], point
        run_night(DAY, train="always")
        assert differences(logical_state(home), two_undisturbed_nights) == []


@pytest.mark.chaos
def test_a_limit_on_the_size_of_files_is_told_and_once_lifted_the_night_ends_in_the_same_state(
    tmp_path: Path, two_undisturbed_nights: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = choose_home(monkeypatch, tmp_path / "home")
    run_night(BEFORE, train="always")
    with files_no_larger_than(300_000), pytest.raises(DiskTrouble, match=r"got '(file too large|disk i/o error)' at "):
        run_night(DAY, train="always")
    assert latest(home / "published", "live").as_of == BEFORE
    run_night(DAY, train="always")
    assert differences(logical_state(home), two_undisturbed_nights) == []


def test_a_full_disk_is_one_line_before_any_server_is_started_and_told(disk: Disk, web: Receiver) -> None:
    line = command_line(disk.root.parent / "line", NIGHTDESK_HOME=str(disk.root / "home"))
    line.environment["NIGHTDESK_ALERTS__URLS"] = json.dumps([web.webhook])
    (disk.root / "home/prefect").mkdir(parents=True)
    disk.fill()
    (said,) = line.run("nightly", code=75).splitlines()
    assert said.startswith(f"nightdesk: a disk must take what is written, got 'no space left on device' at {disk.root}")
    assert len(web.about("night-failed/live/newest")) == 1
    assert list((disk.root / "home/prefect").iterdir()) == []


def test_a_read_only_home_is_one_line_for_night_and_doctor(disk: Disk, web: Receiver) -> None:
    line = command_line(disk.root.parent / "line", NIGHTDESK_HOME=str(disk.root / "home"))
    line.environment["NIGHTDESK_ALERTS__URLS"] = json.dumps([web.webhook])
    (disk.root / "home/prefect").mkdir(parents=True)
    with disk.read_only():
        (said,) = line.run("nightly", code=75).splitlines()
        assert "got 'read-only file system' at" in said
        assert said.endswith("mount it for writing, or set NIGHTDESK_HOME to another folder")
        found = line.run("doctor", code=1)
    assert "the home folder must be writable, got" in " ".join(found.split())
    assert len(web.about("night-failed/live/newest")) == 1


@pytest.mark.chaos
def test_a_disk_that_fills_up_under_a_process_of_its_own_and_its_prefect_server(
    disk: Disk, web: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With Prefect's own database on the same disk: what can still be said is said, and the rest is mended."""
    peaceful = choose_home(monkeypatch, tmp_path / "peaceful")
    run_night(DAY)
    line = command_line(tmp_path / "line", NIGHTDESK_HOME=str(disk.root / "home"))
    line.environment["NIGHTDESK_ALERTS__URLS"] = json.dumps([web.webhook])
    home = disk.root / "home"
    night = line.start("nightly")
    wait_until(lambda: "panel" in stages_done(home), "the first stages of the night")
    disk.fill()
    assert night.wait(timeout=280) in (1, 75)
    # What its Prefect server says of its own database goes to the same place.
    said = [one for one in night.err.read_text().splitlines() if "nightdesk: " in one]  # type: ignore[attr-defined]
    assert len(said) == 1
    assert "DiskTrouble: a disk must take what is written, got " in said[0]
    assert web.about(f"night-failed/live/{DAY}") or web.about("night-failed/live/newest")
    disk.free()
    line.run("nightly")
    assert differences(logical_state(home), logical_state(peaceful)) == []


def at(wanted: str, what: Any) -> Any:
    """A listener that does `what` when the night first comes to `wanted`."""
    left = [wanted]

    def hook(point: str) -> None:
        if left == [point]:
            left.clear()
            what()

    return hook


@contextmanager
def files_no_larger_than(limit: int) -> Iterator[None]:
    """Let this process write no file beyond `limit` bytes; Python ignores the signal, so that a write fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
