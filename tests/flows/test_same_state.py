"""A night killed anywhere and started again ends in the state of one that was not."""

from __future__ import annotations

from pathlib import Path

import pytest
from logical_state import differences, logical_state
from small_nights import begin_with, choose_home, market_days, run_night

from nightdesk.faults import listening

STAGES = (
    "load",
    "panel",
    "features",
    "mature",
    "weigh",
    "drift",
    "decide-training",
    "propose",
    "promote",
    "forecast",
    "publish",
    "book",
    "report",
)


NIGHTS = 3
"""At a horizon of one day the third night is the first that scores what the first one forecast."""


class Killed(BaseException):
    """What a test raises in the place of a kill: nothing in a night may catch it."""


class KillAtEachPoint:
    """Kills the night at the first coming of each point, so that every start gets one point further."""

    def __init__(self) -> None:
        self.points: list[str] = []

    def __call__(self, point: str) -> None:
        if point not in self.points:
            self.points.append(point)
            raise Killed(point)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    with pytest.MonkeyPatch.context() as patch:
        choose_home(patch, home)
        patch.setenv("NIGHTDESK_HORIZONS", "[1]")
        begin_with(*market_days(NIGHTS), train="always")
    state = logical_state(home)
    assert len(state["rows"]["matured"]) > 0
    return state


@pytest.mark.parametrize("peaceful", [NIGHTS - 1, pytest.param(0, marks=pytest.mark.chaos)])
def test_a_night_killed_at_every_point_in_turn_ends_in_the_same_state(
    peaceful: int, undisturbed: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The night that also scores what an earlier one forecast; behind `make chaos` each of the nights before it too."""
    home = choose_home(monkeypatch, tmp_path / "home")
    monkeypatch.setenv("NIGHTDESK_HORIZONS", "[1]")
    days = market_days(NIGHTS)
    if peaceful:
        begin_with(*days[:peaceful], train="always")
    killed = [_run_killing_at_each_point(day) for day in days[peaceful:]]
    for points in killed:
        assert {f"{stage}:{moment}" for stage in STAGES for moment in ("begin", "written", "entered")} <= set(points)
        assert {"model:logged", "model:recorded", "promote:intent", "promote:alias", "forecast:said"} <= set(points)
        assert {f"fit-{recipe}-1:written" for recipe in ("ridge", "lightgbm")} <= set(points)
    assert differences(logical_state(home), undisturbed) == []


@pytest.mark.parametrize("point", ["mature:written", "promote:alias"])
@pytest.mark.chaos
def test_a_night_killed_once_ends_in_the_same_state(
    point: str, undisturbed: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = choose_home(monkeypatch, tmp_path / "home")
    monkeypatch.setenv("NIGHTDESK_HORIZONS", "[1]")
    *before, last = market_days(NIGHTS)
    for day in before:
        run_night(day, train="always")
    with pytest.raises(Killed), listening(_kill_at(point)):
        run_night(last, train="always")
    run_night(last, train="always")
    assert differences(logical_state(home), undisturbed) == []


def _kill_at(wanted: str):
    def kill(point: str) -> None:
        if point == wanted:
            raise Killed(point)

    return kill


def _run_killing_at_each_point(day) -> list[str]:
    kill = KillAtEachPoint()
    with listening(kill):
        for _start in range(200):
            try:
                run_night(day, train="always")
            except Killed:
                continue
            return kill.points
    raise AssertionError(f"the night never ended; killed at {kill.points}")
