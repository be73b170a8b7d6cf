"""The champion: intent, alias, confirmation; killed anywhere between, the next start ends in the same state."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from mlflow.exceptions import MlflowException
from tracking_samples import HORIZON, fresh_tracking, register_versions

from nightdesk.faults import listening
from nightdesk.models.artifacts import Tracking, client, model_name
from nightdesk.promotion import champion
from nightdesk.promotion.champion import CHAMPION, alias_version, carry_out, reconcile
from nightdesk.store.database import open_store
from nightdesk.store.decisions import Decision, all_decisions, decided_after, serving_on, unconfirmed

MONDAY, TUESDAY = dt.date(2017, 3, 6), dt.date(2017, 3, 7)
AT = dt.datetime(2017, 3, 7, 1, tzinfo=dt.UTC)


class Killed(BaseException):
    """As a kill: nothing in the library may catch it."""


@dataclass(frozen=True)
class Place:
    engine: sa.Engine
    tracking: Tracking

    def state(self) -> tuple[Any, ...]:
        """Everything that a promotion leaves behind."""
        decided = all_decisions(self.engine, "live").rows()
        return alias_version(self.tracking, HORIZON), serving_on(self.engine, "live", dt.date.max), decided

    def carry_out(self, decision: Decision) -> None:
        carry_out(self.engine, self.tracking, decision, AT)


def place(folder: Path) -> Place:
    """A store and a registry with three versions."""
    tracking = fresh_tracking(folder)
    register_versions(tracking, 3)
    return Place(open_store(f"sqlite:///{folder / 'store.db'}"), tracking)


@pytest.fixture
def here(tmp_path: Path) -> Place:
    return place(tmp_path / "here")


def decision(as_of: dt.date = MONDAY, version: str | None = "1", **changes: Any) -> Decision:
    made = Decision("live", as_of, HORIZON, "serve", "ridge", f"content-{version}", version, "unproven", "why", True)
    return replace(made, **changes)


def test_an_intent_is_written_then_the_alias_then_the_confirmation(here: Place) -> None:
    seen = []

    def look(point: str) -> None:
        seen.append((point, alias_version(here.tracking, HORIZON), len(unconfirmed(here.engine, "live"))))

    with listening(look):
        here.carry_out(decision())
    assert seen == [("promote:intent", None, 1), ("promote:alias", "1", 1)]
    assert alias_version(here.tracking, HORIZON) == "1"
    assert unconfirmed(here.engine, "live") == []
    (served,) = serving_on(here.engine, "live", MONDAY)
    assert (served.model, served.version, served.content, served.since) == ("ridge", "1", "content-1", MONDAY)


@pytest.mark.parametrize("point", ["promote:intent", "promote:alias"])
def test_killed_between_and_started_again_ends_as_if_undisturbed(here: Place, tmp_path: Path, point: str) -> None:
    undisturbed = place(tmp_path / "undisturbed")
    for one in (here, undisturbed):
        one.carry_out(decision())
    undisturbed.carry_out(decision(TUESDAY, "2", action="refresh"))

    def kill(reached: str) -> None:
        if reached == point:
            raise Killed

    with pytest.raises(Killed), listening(kill):
        here.carry_out(decision(TUESDAY, "2", action="refresh"))
    assert here.state() != undisturbed.state()
    assert [one.as_of for one in reconcile(here.engine, here.tracking)] == [TUESDAY]
    assert here.state() == undisturbed.state()
    here.carry_out(decision(TUESDAY, "2", action="refresh"))
    assert reconcile(here.engine, here.tracking) == []
    assert here.state() == undisturbed.state()


def test_a_night_decides_once_whatever_it_says_later(here: Place) -> None:
    here.carry_out(decision())
    before = here.state()
    here.carry_out(decision(version="3", reasons="another thought"))
    assert here.state() == before


def test_an_intent_that_was_never_carried_out_gives_way_to_the_next_try(here: Place) -> None:
    def kill(point: str) -> None:
        raise Killed

    with pytest.raises(Killed), listening(kill):
        here.carry_out(decision(version="1"))
    here.carry_out(decision(version="2"))
    assert alias_version(here.tracking, HORIZON) == "2"
    assert all_decisions(here.engine, "live")["version"].to_list() == ["2"]


@pytest.mark.parametrize("action", ["keep", "refuse"])
def test_who_keeps_or_refuses_leaves_the_alias_and_the_served_model(here: Place, action: str) -> None:
    here.carry_out(decision())
    alias, serving, _ = here.state()
    here.carry_out(decision(TUESDAY, None, action=action, model=None, content=None, skill=None))
    assert here.state()[:2] == (alias, serving)
    assert all_decisions(here.engine, "live")["action"].to_list() == ["serve", action]
    assert unconfirmed(here.engine, "live") == []


def test_a_past_night_says_who_would_have_been_served_and_moves_no_alias(here: Place) -> None:
    here.carry_out(decision(TUESDAY, "2"))
    assert decided_after(here.engine, "live", MONDAY, HORIZON)
    here.carry_out(decision(MONDAY, "1", moves_alias=False))
    assert alias_version(here.tracking, HORIZON) == "2"
    assert [one.version for one in serving_on(here.engine, "live", MONDAY)] == ["1"]
    assert [one.version for one in serving_on(here.engine, "live", TUESDAY)] == ["2"]


def test_a_killed_past_night_moves_no_alias_when_it_is_mended(here: Place) -> None:
    here.carry_out(decision(TUESDAY, "2"))

    def kill(point: str) -> None:
        raise Killed

    with pytest.raises(Killed), listening(kill):
        here.carry_out(decision(MONDAY, "1", moves_alias=False))
    assert len(reconcile(here.engine, here.tracking)) == 1
    assert alias_version(here.tracking, HORIZON) == "2"


def test_only_a_later_night_that_moved_somebody_counts_as_decided_after(here: Place) -> None:
    assert not decided_after(here.engine, "live", MONDAY, HORIZON)
    here.carry_out(decision(TUESDAY, None, action="keep", model=None))
    assert not decided_after(here.engine, "live", MONDAY, HORIZON)
    assert not decided_after(here.engine, "live", TUESDAY, HORIZON)


def test_another_realm_is_left_to_its_own_next_start(here: Place) -> None:
    def kill(point: str) -> None:
        raise Killed

    with pytest.raises(Killed), listening(kill):
        here.carry_out(decision(realm="replay"))
    assert reconcile(here.engine, here.tracking) == []
    assert len(unconfirmed(here.engine, "replay")) == 1


def test_no_model_and_no_alias_are_nobody_but_a_silent_registry_is_an_error(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert alias_version(here.tracking, HORIZON) is None
    assert alias_version(here.tracking, 60) is None

    class Away:
        def get_model_version_by_alias(self, name: str, alias: str) -> None:
            raise MlflowException("the server does not answer")

    monkeypatch.setattr(champion, "client", lambda tracking: Away())
    with pytest.raises(MlflowException, match="does not answer"):
        alias_version(here.tracking, HORIZON)


def test_the_alias_is_the_one_that_other_programs_ask_for(here: Place) -> None:
    here.carry_out(decision(version="3"))
    named = client(here.tracking).get_model_version_by_alias(model_name("live", HORIZON), "champion")
    assert (CHAMPION, str(named.version)) == ("champion", "3")
