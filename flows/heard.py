"""What a Prefect server's own records say of messages: which left, which failed, and which should have left."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from prefect.client.orchestration import SyncPrefectClient
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter, EventOrder
from prefect.events.schemas.events import ReceivedEvent
from prefect.utilities.urls import url_for

from flows.automations import BLOCKS, FAILED_NIGHTS
from nightdesk.store.incidents import Incident, Raised

EXECUTED, NOT_EXECUTED = "prefect.automation.action.executed", "prefect.automation.action.failed"

TOLD_RUNS = tuple(f"prefect.flow-run.{state}" for state in ("Failed", "Crashed", "TimedOut", "Late"))
TOLD_FLOWS = ("nightly", "retrain", "doctor", "cleanup", "backfill")
"""What the automations of failed and late nights tell of; infra/automations says the same."""

KEPT = dt.timedelta(days=7)
"""How long a Prefect server keeps its events, unless told otherwise."""

PAGE = 50
"""The most events that a server gives at once; the client's own default is refused."""

_IDS = uuid.UUID("6b1f6c2e-6d59-4f6b-9d52-6b6d6e696768")


@dataclass(frozen=True, slots=True)
class Heard:
    """By event that was to become messages: the marks of the channels that took one, and of those that failed."""

    took: dict[uuid.UUID, frozenset[str]]
    failed: dict[uuid.UUID, frozenset[str]]
    runs: tuple[ReceivedEvent, ...]


@dataclass(frozen=True, slots=True)
class Unsent:
    """A run of which some channel was not told: its incident, when, who took the message, and who is due by now."""

    incident: Incident
    at: dt.datetime
    took: frozenset[str]
    due: frozenset[str]


def event_id(raised: Raised) -> uuid.UUID:
    """The identifier of the event as which an occurrence of an incident leaves: always the same."""
    return uuid.uuid5(_IDS, f"{raised.incident.key}#{raised.occurrence} {raised.raised_at.isoformat()}")


def emit(client: SyncPrefectClient, raised: Raised) -> None:
    """Hand an incident to the server as an event; raises httpx.HTTPError where the server does not take it."""
    incident = raised.incident
    event = {
        "id": str(event_id(raised)),
        "occurred": raised.raised_at.isoformat(),
        "event": f"nightdesk.incident.{incident.kind}",
        "resource": {
            "prefect.resource.id": f"nightdesk.{incident.kind}.{incident.key}",
            "prefect.resource.name": incident.title,
        },
        "payload": {**asdict(incident), "occurrence": raised.occurrence},
    }
    client.request("POST", "/events", json=[event]).raise_for_status()


def hear(client: SyncPrefectClient, now: dt.datetime) -> Heard:
    """Read what the server recorded of messages and of runs since it began to tell, as far back as it keeps events."""
    since = now - KEPT
    took: dict[uuid.UUID, frozenset[str]] = {}
    failed: dict[uuid.UUID, frozenset[str]] = {}
    for event in _events(client, [EXECUTED, NOT_EXECUTED], since):
        source, block = _in_role(event, "triggering-event"), _in_role(event, "block", "prefect.resource.name")
        if source is None or block is None or not block.startswith(BLOCKS):
            continue
        about, came = uuid.UUID(source.rpartition(".")[2]), took if event.event == EXECUTED else failed
        came[about] = came.get(about, frozenset()) | {block.removeprefix(BLOCKS)}
    return Heard(took, failed, tuple(_events(client, list(TOLD_RUNS), since)))


def unsent_runs(client: SyncPrefectClient, heard: Heard, marks: set[str], before: dt.datetime) -> Iterator[Unsent]:
    """Runs of which Prefect should have told and did not tell every channel of `marks`.

    A run that ended before the automation, or a channel, was registered is not their business; where one ended after
    `before`, messages may still be under way, unless their action has failed.
    """
    began, since = _registered_at(client), _channels_since(client)
    for event in heard.runs:
        flow = _in_role(event, "flow", "prefect.resource.name")
        if flow not in TOLD_FLOWS or event.occurred < began:
            continue
        took = heard.took.get(event.id, frozenset())
        missing = {mark for mark in marks - took if since.get(mark, event.occurred) <= event.occurred}
        due = missing if event.occurred <= before else missing & heard.failed.get(event.id, frozenset())
        if due:
            yield Unsent(_incident(event, flow or ""), _plain(event.occurred), took, frozenset(due))


def _registered_at(client: SyncPrefectClient) -> dt.datetime:
    wanted = {"automations": {"name": {"any_": [FAILED_NIGHTS]}}}
    (first, *_) = client.request("POST", "/automations/filter", json=wanted).json()
    return dt.datetime.fromisoformat(first["created"])


def _channels_since(client: SyncPrefectClient) -> dict[str, dt.datetime]:
    """Since when each channel is known to the server, by its mark."""
    wanted = {"include_secrets": False}
    blocks = client.request("POST", "/block_documents/filter", json=wanted).json()
    ours = [one for one in blocks if (one["name"] or "").startswith(BLOCKS)]
    return {one["name"].removeprefix(BLOCKS): dt.datetime.fromisoformat(one["created"]) for one in ours}


def _incident(event: ReceivedEvent, flow: str) -> Incident:
    """The same message as the automation's."""
    run_id = event.resource.id.rpartition(".")[2]
    state = event.event.rpartition(".")[2]
    late = state == "Late"
    return Incident(
        f"night-{state.lower()}/{run_id}",
        f"night-{state.lower()}",
        f"{flow} run {event.resource.get('prefect.resource.name', run_id)}: {state}",
        "the run should have begun, and no worker has taken it"
        if late
        else event.resource.get("prefect.state-message") or "none was given",
        "start a worker, or see why it takes nothing: prefect worker start --pool nightdesk"
        if late
        else "see the run's page and its logs, mend the cause, and start it again",
        url_for("flow-run", obj_id=run_id) or run_id,
    )


def _plain(moment: dt.datetime) -> dt.datetime:
    """An instant as Python's own datetime: Prefect's is of a class that a database does not take."""
    return dt.datetime.fromisoformat(moment.isoformat()).astimezone(dt.UTC)


def _in_role(event: ReceivedEvent, role: str, label: str = "prefect.resource.id") -> str | None:
    """A label of the event's related resource in `role`; None where it has none."""
    return next((one.get(label) for one in event.related if one.get("prefect.resource.role") == role), None)


def _events(client: SyncPrefectClient, names: list[str], since: dt.datetime) -> Iterator[ReceivedEvent]:
    wanted = EventFilter(
        event=EventNameFilter(name=names),
        occurred=EventOccurredFilter(since=since),
        order=EventOrder.ASC,
    )
    page = client.read_events(wanted, limit=PAGE)
    yield from page.events
    while page.next_page is not None:
        page = client.read_events_page(str(page.next_page))
        yield from page.events
