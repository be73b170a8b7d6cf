"""Asks a person whether a promotion may be carried out: in Prefect's UI, on a terminal, or at the command line."""

from __future__ import annotations

import datetime as dt
import logging
import select
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal
from uuid import UUID, uuid4

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import CancelledRun
from prefect.input import RunInput, keyset_from_paused_state, read_flow_run_input
from prefect.settings import get_current_settings
from prefect.states import Paused, Running
from pydantic import Field

from nightdesk.errors import ServerTrouble
from nightdesk.faults import reach
from nightdesk.operations.approval import question, to_approve
from nightdesk.operations.night import Night
from nightdesk.operations.serving import Proposed
from nightdesk.store.approvals import (
    APPROVED,
    REFUSED,
    UNANSWERED,
    Answer,
    Reply,
    answers,
    ask,
    reply_to_waiting,
    withdraw,
)

POLL_S = 1.0
GRACE_S = 120
"""How much later than the night itself Prefect's server gives a paused run up: only where the night was killed."""

_log = logging.getLogger("nightdesk.night")


class Approval(RunInput):
    """The form that Prefect's UI shows for a night that waits: what is missing or empty is refused there."""

    # No switch: one of Prefect's two UIs sends a switch that nobody touched as off, which would be a refusal.
    answer: Literal["approve", "refuse"] = Field(
        title="Answer", description="approve: these models serve from tonight on; refuse: the champion stays"
    )
    name: str = Field(
        title="Your name", description="Stored with the answer, and shown in history and report", pattern=r"\S",
        max_length=64,
    )  # fmt: skip
    note: str = Field("", title="Note", description="Why, for whoever reads the history", max_length=500)


def approvals(night: Night, proposed: Proposed) -> tuple[Answer, ...]:
    """The answers to tonight's promotions, asked for where none is stored; they are stored before they are acted on.

    Empty where nobody is to be asked. The run goes on in any case: unanswered is an answer too.
    """
    moving = to_approve(night, proposed.decisions)
    asked = {one.horizon for one in moving}
    withdraw(night.engine, night.realm, night.as_of, set(night.settings.horizons) - asked)
    waiting = ask(night.engine, moving, dt.datetime.now(dt.UTC))
    if waiting:
        reach("approval:asked")
        seconds = night.settings.promotion.approval_wait_s
        _log.info(
            "%-24s waits up to %d s for a person, or nightdesk approve --as-of %s", "approval", seconds, night.as_of
        )

        def answered() -> bool:
            return len(answers(night.engine, waiting)) == len(waiting)

        reply = _ask(question(night, waiting), seconds, answered)
        reply_to_waiting(night.engine, waiting, reply, dt.datetime.now(dt.UTC))
        reach("approval:answered")
    return answers(night.engine, moving)


def _ask(text: str, seconds: int, answered: Callable[[], bool]) -> Reply:
    run = FlowRunContext.get()
    if run is not None and run.flow_run is not None and get_current_settings().api.url is not None:
        return _ask_in_prefect(run.flow_run.id, text, seconds, answered)
    if sys.stdin.isatty():
        return _ask_on_terminal(text, seconds)
    return Reply(UNANSWERED, None, "nobody could be asked: there is neither a Prefect server nor a terminal")


def _ask_in_prefect(run_id: UUID, text: str, seconds: int, answered: Callable[[], bool]) -> Reply:
    """Pause the run, and wait for the form, for an answer in the store, or for the end of the time.

    Prefect's own `pause_flow_run` is not enough: once its time is over, the server lets a paused run only fail. So the
    server is given more time than the night waits, and the night itself goes on before that. Raises ServerTrouble where
    the server goes away: started again, the night asks again.
    """
    with _server_answering():
        return _pause_and_wait(run_id, text, seconds, answered)


@contextmanager
def _server_answering() -> Iterator[None]:
    try:
        yield
    except httpx.HTTPError as error:
        raise ServerTrouble(
            f"the Prefect server must answer while a person is asked, got {type(error).__name__}: start it, then start "
            "the night again"
        ) from error


def _pause_and_wait(run_id: UUID, text: str, seconds: int, answered: Callable[[], bool]) -> Reply:
    # A key is good for one pause of a run, and a run that is tried again asks again.
    paused: State[None] = Paused(timeout_seconds=seconds + GRACE_S, pause_key=f"approval-{uuid4().hex[:8]}")
    keys = keyset_from_paused_state(paused)
    paused.state_details.run_input_keyset = {str(name): key for name, key in keys.items()}
    # The form is there before the run is paused: nobody finds a question without it.
    Approval.with_initial_data(description=text).save(keys, flow_run_id=run_id)
    with get_client(sync_client=True) as client:
        _set(client, run_id, paused)
        _wait(client, run_id, seconds, answered)
        resumed = _state(client, run_id).is_running()
        if not resumed:
            _set(client, run_id, Running())
    given = read_flow_run_input(keys["response"], flow_run_id=run_id)
    if not isinstance(given, dict):
        why = "the run was resumed without an answer" if resumed else f"nobody answered within {seconds} s"
        return Reply(UNANSWERED, None, why)
    form = Approval(**given)
    return Reply(APPROVED if form.answer == "approve" else REFUSED, form.name.strip(), form.note.strip())


def _wait(client: SyncPrefectClient, run_id: UUID, seconds: int, answered: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while _state(client, run_id).is_paused() and not answered() and time.monotonic() < end:
        time.sleep(min(POLL_S, max(0.0, end - time.monotonic())))


def _state(client: SyncPrefectClient, run_id: UUID) -> State[object]:
    state = client.read_flow_run(run_id).state
    if state is None or not (state.is_paused() or state.is_running()):
        raise CancelledRun(
            f"a night that waits for approval must be paused, got {state and state.name}: start it again"
        )
    return state


def _set(client: SyncPrefectClient, run_id: UUID, state: State[None]) -> None:
    result = client.set_flow_run_state(run_id, state)
    if result.state is None or result.state.type != state.type:
        raise CancelledRun(f"the run must become {state.name}, got {result.details}: start the night again")


def _ask_on_terminal(text: str, seconds: int) -> Reply:
    """Ask line by line; the time is one for all lines, and end of input is no answer."""
    end = time.monotonic() + seconds
    print(f"\n{text}\n", file=sys.stderr)
    yes = _line("Approve? [yes/no]: ", end, lambda said: said.lower() in ("y", "yes", "n", "no"))
    name = _line("Your name: ", end, lambda said: 0 < len(said) <= 64) if yes is not None else None
    note = _line("Note (may be empty): ", end, lambda said: True) if name is not None else None
    if yes is None or name is None:
        return Reply(UNANSWERED, None, f"nobody answered within {seconds} s")
    return Reply(APPROVED if yes.lower().startswith("y") else REFUSED, name, note or "")


def _line(prompt: str, end: float, valid: Callable[[str], bool]) -> str | None:
    """One valid line from the terminal, asked again where it is not; None where the time or the input ended."""
    while True:
        print(prompt, end="", file=sys.stderr, flush=True)
        ready, _, _ = select.select([sys.stdin], [], [], max(0.0, end - time.monotonic()))
        if not ready or not (said := sys.stdin.readline()):
            print(file=sys.stderr)
            return None
        if valid(said := said.strip()):
            return said
