"""What a person decides about who is served: a smoke prediction, a row, and the next night serves it."""

from __future__ import annotations

import datetime as dt
import shutil
import sys
from pathlib import Path

import pytest
from evidence_samples import NEXT, NOW, TRAINED, Fit, champion_and_rival, engine, night_of
from small_nights import choose_home, run_night

from flows import cli
from nightdesk.errors import BadInput, ModelBroken, NightLocked, NothingThere, UnknownName
from nightdesk.faults import listening
from nightdesk.models.artifacts import client, model_name
from nightdesk.operations.by_hand import Order, replace_by_hand, roll_back, undo
from nightdesk.promotion.champion import alias_version, reconcile
from nightdesk.settings import read_settings
from nightdesk.store.decisions import all_decisions, serving_on
from nightdesk.store.nights import held

ORDER = Order("live", 5, "Ada", "looks wrong")


class Killed(BaseException):
    """As a kill."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A desk after its first night: two recipes are fitted, and one of them is served."""
    home = tmp_path_factory.mktemp("by-hand") / "home"
    with pytest.MonkeyPatch.context() as patch:
        choose_home(patch, home)
        run_night(TRAINED)
    return home


@pytest.fixture
def fits(desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Fit, Fit]:
    """The champion and the other fit, in a copy of the desk."""
    shutil.copytree(desk, tmp_path / "home")
    choose_home(monkeypatch, tmp_path / "home")
    return champion_and_rival()


def serves(day: dt.date = NEXT) -> list[str]:
    return [one.version for one in serving_on(engine(), "live", day)]


def alias() -> str | None:
    return alias_version(night_of(TRAINED).tracking, 5)


def test_replaced_back_and_undone_each_is_a_row_and_serves_from_the_next_night_on(fits: tuple[Fit, Fit]) -> None:
    champion, rival = fits
    settings = read_settings()
    for act, version in (
        (lambda: replace_by_hand(settings, ORDER, rival.model, NOW), rival.version),
        (lambda: roll_back(settings, ORDER, NOW + dt.timedelta(minutes=1)), champion.version),
        (lambda: undo(settings, ORDER, NOW + dt.timedelta(minutes=2)), rival.version),
    ):
        assert act().version == version
        assert (alias(), serves(), serves(TRAINED)) == (version, [version], [champion.version])
    made = all_decisions(engine(), "live")
    assert made["action"].to_list() == ["serve", "replace", "rollback", "undo"]
    assert made["skill"].to_list() == ["unproven"] * 4
    assert made["confirmed"].all()
    assert made["reasons"].to_list()[1:] == [
        "replaced by hand by Ada: looks wrong",
        "rolled back by Ada: looks wrong",
        "rollback undone by Ada: looks wrong",
    ]
    assert [one.version for one in run_night(NEXT).serving] == [rival.version]


def test_what_cannot_be_is_refused_in_one_line_and_changes_nothing(fits: tuple[Fit, Fit]) -> None:
    champion, rival = fits
    settings = read_settings()
    for act, error, says in (
        (lambda: roll_back(settings, ORDER, NOW), NothingThere, "got none at 5 days"),
        (lambda: undo(settings, ORDER, NOW), NothingThere, "got serve as the newest decision at 5 days"),
        (lambda: replace_by_hand(settings, ORDER, champion.model, NOW), BadInput, "serves already"),
        (lambda: replace_by_hand(settings, ORDER, "xgboost", NOW), UnknownName, "got 'xgboost'"),
        (lambda: roll_back(settings, Order("live", 20, "Ada", "why"), NOW), BadInput, "got 20"),
        (lambda: roll_back(settings, Order("live", 5, " ", "why"), NOW), BadInput, "--by must have 1 to 64"),
        (lambda: roll_back(settings, Order("live", 5, "Ada", ""), NOW), BadInput, "--reason must have 1 to 500"),
        (lambda: roll_back(settings, Order("nowhere", 5, "Ada", "why"), NOW), NothingThere, "got none in 'nowhere'"),
    ):
        with pytest.raises(error, match=says):
            act()
    night = night_of(TRAINED)
    with held(night.engine, night.home.locks, "live", TRAINED), pytest.raises(NightLocked):
        replace_by_hand(settings, ORDER, rival.model, NOW)
    client(night.tracking).set_model_version_tag(model_name("live", 5), rival.version, "content", "other")
    with pytest.raises(ModelBroken, match="must pass its smoke prediction before it serves"):
        replace_by_hand(settings, ORDER, rival.model, NOW)
    assert all_decisions(engine(), "live")["action"].to_list() == ["serve"]
    assert alias() == champion.version


@pytest.mark.proof
def test_a_decision_about_a_replay_leaves_the_live_alias(fits: tuple[Fit, Fit]) -> None:
    champion, rival = fits
    run_night(TRAINED, realm="replay")
    made = replace_by_hand(read_settings(), Order("replay", 5, "Ada", "why"), rival.model, NOW)
    assert (alias(), serves()) == (champion.version, [champion.version])
    assert alias_version(night_of(TRAINED, "replay").tracking, 5) == made.version


def test_killed_before_the_alias_moved_the_next_start_ends_it(fits: tuple[Fit, Fit]) -> None:
    champion, rival = fits

    def kill(point: str) -> None:
        if point == "promote:alias":
            raise Killed(point)

    with pytest.raises(Killed), listening(kill):
        replace_by_hand(read_settings(), ORDER, rival.model, NOW)
    assert serves() == [champion.version]
    night = night_of(TRAINED)
    assert len(reconcile(night.engine, night.tracking)) == 1
    assert (serves(), alias()) == ([rival.version], rival.version)


def test_the_commands_say_what_they_did(
    fits: tuple[Fit, Fit], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    champion, rival = fits
    who = ["--horizon", "5", "--by", "Ada", "--reason", "looks [b]wrong"]
    for arguments, version in (
        (["replace", "--recipe", rival.model], rival.version),
        (["rollback"], champion.version),
        (["rollback", "--undo"], rival.version),
    ):
        monkeypatch.setattr(sys, "argv", ["nightdesk", *arguments, *who])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code
        shown = " ".join(capsys.readouterr().out.split())
        assert f"version {version} is carried out (" in shown
        assert "by Ada: looks [b]wrong); skill: unproven; it serves from the next night on" in shown
        assert alias() == version
    monkeypatch.setattr(sys, "argv", ["nightdesk", "rollback", "--undo", *who])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "--undo takes back a rollback, got undo" in capsys.readouterr().err
