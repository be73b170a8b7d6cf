"""A promotion that waits for a person on a real Prefect server: answered, refused, unanswered, killed meanwhile."""

from __future__ import annotations

import datetime as dt
import json
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from command_line import wait_until
from logical_state import logical_state
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.exceptions import CancelledRun
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelled, Running
from prefect_server import Server, ask, prefect_server
from small_nights import market_days

from flows.approval import _ask
from nightdesk.store.approvals import Reply, all_approvals, waiting
from nightdesk.store.database import connect
from nightdesk.store.decisions import serving_on

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.chaos]

FIRST, REFUSED, UNANSWERED, AFTER = market_days(4)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("approval")
    with prefect_server(folder, NIGHTDESK_PROMOTION__APPROVAL="manual", NIGHTDESK_TRAINING__RECIPES='["ridge"]') as one:
        yield one


def start(server: Server, day: dt.date) -> subprocess.Popen[str]:
    return server.line.start("nightly", "--as-of", str(day), "--train", "always")


def paused(server: Server, day: dt.date) -> dict[str, Any]:
    """The run of a night, once it waits for an answer."""

    def last() -> list[dict[str, Any]]:
        return [run for run in server.runs(f"nightly-live-{day}") if run["state_type"] == "PAUSED"]

    wait_until(lambda: bool(last()), f"the pause of {day}")
    return last()[-1]


def resume(server: Server, run: dict[str, Any], **form: Any) -> dict[str, Any]:
    return server.post(f"/flow_runs/{run['id']}/resume", run_input=form)


def ended(night: subprocess.Popen[str], code: int = 0) -> str:
    found = night.wait(timeout=240)
    text = night.out.read_text() + night.err.read_text()  # type: ignore[attr-defined]
    assert found == code, text
    return text


def store(server: Server) -> sa.Engine:
    return connect(f"sqlite:///{server.line.home / 'store.db'}")


def answers(server: Server, day: dt.date) -> list[tuple[Any, ...]]:
    rows = all_approvals(store(server), "live").filter(as_of=day)
    return rows.select("answer", "by", "note").rows()


def served(server: Server, day: dt.date) -> str:
    """The version served on a night; the alias must name the newest night's."""
    (now,) = serving_on(store(server), "live", dt.date.max)
    assert logical_state(server.line.home)["registry"]["aliases"]["nightdesk-live-h5"] == {"champion": now.version}
    (then,) = serving_on(store(server), "live", day)
    return then.version


@pytest.fixture(scope="module")
def approved(server: Server) -> str:
    """The first night, approved in the form; gives what it printed."""
    night = start(server, FIRST)
    run = paused(server, FIRST)
    for wrong, why in (
        ({}, "'answer' is a required property"),
        ({"answer": "approve"}, "'name' is a required property"),
    ):
        refused = resume(server, run, **wrong)
        assert refused["status"] == "REJECT"
        assert why in refused["details"]["reason"]
    for wrong in ({"answer": "approve", "name": " "}, {"answer": False, "name": "Ada"}):
        assert resume(server, run, **wrong)["status"] == "REJECT"
    assert server.runs(f"nightly-live-{FIRST}")[-1]["state_type"] == "PAUSED"
    assert resume(server, run, answer="approve", name="Ada", note="looks sound")["status"] == "ACCEPT"
    return ended(night)


def test_an_approved_promotion_moves_the_alias_and_says_by_whom(server: Server, approved: str) -> None:
    assert f"Night of {FIRST} (live): published" in approved
    assert answers(server, FIRST) == [("approved", "Ada", "looks sound")]
    assert served(server, FIRST) == "1"
    assert [run["state_type"] for run in server.runs(f"nightly-live-{FIRST}")] == ["COMPLETED"]
    assert "approved by Ada: looks sound" in (server.line.home / f"reports/live/{FIRST}.html").read_text()
    assert "approved by Ada: looks sound" in approved


def test_the_form_is_typed_and_tells_what_would_move_on_what_evidence(server: Server, approved: str) -> None:
    (run,) = server.runs(f"nightly-live-{FIRST}")
    inputs = {
        one["key"].rsplit("-", 1)[-1]: one["value"]
        for one in server.post(f"/flow_runs/{run['id']}/input/filter", prefix="paused-approval", limit=10)
    }
    form = json.loads(inputs["schema"])
    assert form["required"] == ["answer", "name"]
    assert {name: field["type"] for name, field in form["properties"].items()} == {
        "answer": "string",
        "name": "string",
        "note": "string",
    }
    assert all(field["title"] and field["description"] for field in form["properties"].values())
    text = json.loads(inputs["description"])
    for said in (
        f"Night of {FIRST}",
        "5 days",
        "from nobody to ridge version 1",
        "rank IC",
        "models:/nightdesk-live-h5/1",
    ):
        assert said in text


def test_a_night_killed_while_it_waits_asks_again_and_a_refusal_keeps_the_champion(
    server: Server, approved: str
) -> None:
    killed = start(server, REFUSED)
    paused(server, REFUSED)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert [one.as_of for one in waiting(store(server), "live")] == [REFUSED]
    night = start(server, REFUSED)
    wait_until(lambda: len(server.runs(f"nightly-live-{REFUSED}")) == 2, "the second run")
    wait_until(lambda: server.runs(f"nightly-live-{REFUSED}")[-1]["state_type"] == "PAUSED", "the second question")
    resume(server, server.runs(f"nightly-live-{REFUSED}")[-1], answer="refuse", name="Ben", note="too soon")
    assert f"Night of {REFUSED} (live): published" in ended(night)
    assert answers(server, REFUSED) == [("refused", "Ben", "too soon")]
    assert served(server, REFUSED) == "1"
    assert [run["state_type"] for run in server.runs(f"nightly-live-{REFUSED}")] == ["CRASHED", "COMPLETED"]
    assert waiting(store(server), "live") == []


def test_unanswered_the_champion_stays_and_it_can_be_approved_from_then_on(
    server: Server, approved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(server.line.environment, "NIGHTDESK_PROMOTION__APPROVAL_WAIT_S", "3")
    text = ended(start(server, UNANSWERED))
    assert f"Night of {UNANSWERED} (live): published" in text
    assert "nobody answered within 3 s" in text
    (run,) = server.runs(f"nightly-live-{UNANSWERED}")
    states = ask("GET", f"{server.api}/flow_run_states/", params={"flow_run_id": run["id"]}).json()
    assert [state["type"] for state in sorted(states, key=lambda state: state["timestamp"])][-4:] == [
        "RUNNING",
        "PAUSED",
        "RUNNING",
        "COMPLETED",
    ]
    assert served(server, UNANSWERED) == "1"
    said = server.line.run("approve", "--as-of", str(UNANSWERED), "--by", "Cleo", "--note", "back from lunch")
    assert "5 days: refresh ridge version 3 is carried out; it serves from the next night on" in said
    assert served(server, UNANSWERED) == "1"
    (now,) = serving_on(store(server), "live", AFTER)
    assert (now.version, now.since) == ("3", UNANSWERED)
    assert answers(server, UNANSWERED) == [("approved", "Cleo", "back from lunch")]


@pytest.fixture
def on_server(server: Server) -> Iterator[None]:
    with temporary_settings({PREFECT_API_URL: server.api}):
        yield


def asked(meanwhile: Callable[[UUID], None], answered: Callable[[], bool]) -> Reply | Exception:
    """What a flow of one question comes to when `meanwhile` happens to its paused run; waiting would take too long."""

    @flow(name="one-question")
    def one_question() -> Reply:
        run_id = FlowRunContext.get().flow_run.id
        watcher = threading.Thread(target=copy_context().run, args=(_once_paused, run_id, meanwhile))
        watcher.start()
        try:
            return _ask("May it?", 3600, answered)
        finally:
            watcher.join()

    return one_question(return_state=True).result(raise_on_failure=False)


def _once_paused(run_id: UUID, act: Callable[[UUID], None]) -> None:
    with get_client(sync_client=True) as client:
        wait_until(lambda: client.read_flow_run(run_id).state.is_paused(), "the pause")
        act(run_id)


def test_a_question_hears_what_was_answered_in_the_store(on_server: None) -> None:
    heard = threading.Event()
    reply = asked(lambda run_id: heard.set(), heard.is_set)
    assert reply == Reply("unanswered", None, "nobody answered within 3600 s")


def test_a_run_resumed_without_an_answer_counts_as_unanswered(on_server: None) -> None:
    def by_hand(run_id: UUID) -> None:
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(run_id, Running())

    assert asked(by_hand, lambda: False) == Reply("unanswered", None, "the run was resumed without an answer")


def test_a_run_that_is_cancelled_while_it_waits_does_not_go_on(on_server: None) -> None:
    def cancel(run_id: UUID) -> None:
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(run_id, Cancelled(), force=True)

    assert isinstance(asked(cancel, lambda: False), CancelledRun)
