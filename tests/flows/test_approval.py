"""Nights that want an approval where nobody can be asked: what is stored decides, and killed it is the same."""

from __future__ import annotations

import datetime as dt
import io
import os
import pty
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from logical_state import differences, logical_state
from small_nights import begin_with, choose_home, market_days, run_night
from test_same_state import KillAtEachPoint, Killed

from flows.show import show_history
from nightdesk.errors import BadSetting, NightDone, NothingServed, NothingThere
from nightdesk.faults import listening
from nightdesk.operations.approval import Approved, approve
from nightdesk.operations.night import plan_night
from nightdesk.promotion.champion import alias_version
from nightdesk.settings import read_settings
from nightdesk.store.approvals import APPROVED, REFUSED, Reply, all_approvals, waiting
from nightdesk.store.decisions import all_decisions, serving_on

NOW = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)
FIRST, SECOND, THIRD = market_days(3)
ASKED = {"approval:asked", "approval:answered"}
POINTS = {"propose:written", "promote:intent", "promote:alias", *ASKED}
"""Where a promotion is proposed, asked about, answered and carried out; test_same_state.py kills everywhere else."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NIGHTDESK_TRAINING__RECIPES", '["ridge"]')
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    return choose_home(monkeypatch, tmp_path / "home")


def manual(monkeypatch: pytest.MonkeyPatch, value: str = "manual") -> None:
    monkeypatch.setenv("NIGHTDESK_PROMOTION__APPROVAL", value)


def answer(day: dt.date, said: str = APPROVED, by: str = "Ada", note: str = "") -> Approved:
    return approve(plan_night(read_settings(), "live", day, "auto", NOW), Reply(said, by, note), NOW)


def state(day: dt.date) -> tuple[list[str], str | None]:
    """Versions served on a night, and what the alias names now."""
    night = plan_night(read_settings(), "live", day, "auto", NOW)
    return [one.version for one in serving_on(night.engine, "live", day)], alias_version(night.tracking, 5)


def rows(day: dt.date) -> list[tuple[str, str]]:
    engine = plan_night(read_settings(), "live", day, "auto", NOW).engine
    return all_decisions(engine, "live").filter(as_of=day).select("action", "reasons").rows()


def test_with_nobody_served_the_night_ends_and_says_how_to_approve_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manual(monkeypatch)
    wanted = rf"an approval is wanted \(5 days, serve ridge version 1: nobody could be asked.*--as-of {FIRST} --by NAME"
    for _start in range(2):
        with pytest.raises(NothingServed, match=wanted):
            run_night(FIRST)
    assert state(FIRST) == ([], None)
    answer(FIRST, REFUSED, "Ben", "no")
    with pytest.raises(NothingServed, match="refused by Ben: no"):
        run_night(FIRST)
    assert answer(FIRST, note="fine") == Approved((), (5,))
    summary = run_night(FIRST)
    assert summary.status == "published"
    assert summary.approvals == ("5 days, serve ridge version 1: approved by Ada: fine",)
    assert state(FIRST) == (["1"], "1")
    with pytest.raises(NightDone, match="which was approved and serves"):
        answer(FIRST, REFUSED)
    with pytest.raises(NothingThere, match=f"got none on {FIRST}"):
        answer(FIRST)


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("perhaps\nyes\n\nEve\nsound\n", "approved by Eve: sound"),
        ("no\nEve\n\n", "refused by Eve"),
        ("yes\n", "nobody answered within 1 s"),
    ],
)
def test_on_a_terminal_it_is_asked_there_until_the_answer_is_valid(
    typed: str, told: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manual(monkeypatch)
    monkeypatch.setenv("NIGHTDESK_PROMOTION__APPROVAL_WAIT_S", "60" if "Eve" in typed else "1")
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        os.write(ours, typed.encode())
        if told.startswith("approved"):
            assert run_night(FIRST).approvals == (f"5 days, serve ridge version 1: {told}",)
        else:
            with pytest.raises(NothingServed, match=told):
                run_night(FIRST)
    os.close(ours)


def test_a_promotion_approved_late_serves_from_the_next_night_on(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begin_with(FIRST)
    with pytest.raises(BadSetting, match=r"promotion\.approval is manual"):
        answer(FIRST)
    manual(monkeypatch)
    with pytest.raises(NothingThere, match=f"got none on {FIRST}"):
        answer(FIRST)
    summary = run_night(SECOND, train="always")
    assert summary.status == "published"
    ((action, reasons),) = rows(SECOND)
    assert action == "keep"
    assert reasons.startswith("nobody could be asked: there is neither a Prefect server nor a terminal; the champion")
    assert [one.as_of for one in waiting(plan_night(read_settings(), "live", SECOND, "auto", NOW).engine, "live")] == [
        SECOND
    ]
    run_night(THIRD, train="never")
    done = answer(SECOND, by="Cleo", note="late [/jira]")
    assert [(one.horizon, one.version) for one in done.carried_out] == [(5, "2")]
    assert [state(day) for day in (SECOND, THIRD)] == [(["1"], "2"), (["1"], "2")]
    ((action, reasons),) = rows(SECOND)
    assert (action, reasons.endswith("approved late by Cleo: late [/jira]")) == ("refresh", True)
    show_history(read_settings(), "live", None)
    shown = " ".join(capsys.readouterr().out.split())
    assert f"approved late: serves after {THIRD} Cleo late [/jira]" in shown


def test_a_promotion_that_a_later_night_has_overtaken_cannot_be_approved(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_with(FIRST)
    manual(monkeypatch)
    for day in (SECOND, THIRD):
        run_night(day, train="always")
    with pytest.raises(NightDone, match=f"{THIRD} has decided: approve that one"):
        answer(SECOND)
    assert state(THIRD) == (["1"], "1")
    assert answer(THIRD, REFUSED, "Ben").carried_out == ()
    assert state(THIRD) == (["1"], "1")


def test_a_replay_and_a_night_of_the_past_ask_nobody(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manual(monkeypatch)
    assert run_night(FIRST, realm="replay").status == "published"
    manual(monkeypatch, "automatic")
    run_night(SECOND)
    manual(monkeypatch)
    assert run_night(FIRST).status == "published"
    engine = plan_night(read_settings(), "live", FIRST, "auto", NOW).engine
    assert all_approvals(engine, "live").is_empty()
    assert all_approvals(engine, "replay").is_empty()


def test_a_night_that_waits_holds_no_transaction(store: sa.Engine, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTDESK_STORE__URL", store.url.render_as_string(hide_password=False))
    manual(monkeypatch)
    seen = []

    def look(point: str) -> None:
        if point == "approval:asked":
            seen.append((store.pool.checkedout(), _others_in_a_transaction(store)))  # type: ignore[attr-defined]

    with pytest.raises(NothingServed), listening(look):
        run_night(FIRST)
    assert seen == [(0, 0)]


def _others_in_a_transaction(store: sa.Engine) -> int:
    """On SQLite, whether one keeps us from writing at once."""
    with store.connect() as connection:
        if store.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA busy_timeout=0")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("PRAGMA busy_timeout=60000")
            return 0
        wanted = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in tr%'"
        return int(connection.scalar(sa.text(wanted)))


@pytest.mark.parametrize("ahead", [None, APPROVED])
@pytest.mark.chaos
def test_killed_at_every_point_a_night_that_wants_an_approval_ends_in_the_same_state(
    ahead: str | None, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = {}
    for name in ("undisturbed", "killed"):
        choose_home(monkeypatch, tmp_path / name)
        manual(monkeypatch, "automatic")
        run_night(FIRST)
        manual(monkeypatch)
        if ahead is not None:
            answer(SECOND, ahead)
        if name == "undisturbed":
            run_night(SECOND, train="always")
        else:
            points = _killing_at_each_point(SECOND)
            assert set(points) == POINTS - ({"promote:alias"} if ahead is None else ASKED)
        found[name] = logical_state(tmp_path / name)
    assert differences(found["killed"], found["undisturbed"]) == []
    aliases = found["killed"]["registry"]["aliases"]["nightdesk-live-h5"]
    assert aliases == {"champion": "2" if ahead == APPROVED else "1"}


@pytest.mark.chaos
def test_a_late_approval_killed_between_is_ended_by_the_next_start(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_night(FIRST)
    manual(monkeypatch)
    run_night(SECOND, train="always")

    def kill(point: str) -> None:
        raise Killed(point)

    with pytest.raises(Killed), listening(kill):
        answer(SECOND)
    run_night(THIRD, train="never")
    assert [state(day) for day in (SECOND, THIRD)] == [(["1"], "2"), (["2"], "2")]


class KillAtNewPoints(KillAtEachPoint):
    """Kills at the first coming of each of POINTS."""

    def __call__(self, point: str) -> None:
        if point in POINTS:
            super().__call__(point)


def _killing_at_each_point(day: dt.date) -> list[str]:
    kill = KillAtNewPoints()
    with listening(kill):
        for _start in range(20):
            try:
                run_night(day, train="always")
            except Killed:
                continue
            return kill.points
    raise AssertionError(f"the night never ended; killed at {kill.points}")
