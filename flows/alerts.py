"""Prefect's half of the door: who speaks for a night that went wrong, and what leaves through a Prefect server.

With a server on which our automations are registered, a run that failed, crashed or is late is told by them, and other
incidents leave as events that they turn into messages. What Prefect did not deliver, for an action failed or an event
was lost, is found in its own records and sent from here. Without one, everything is sent from here.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx
import sqlalchemy as sa
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.runtime import flow_run
from prefect.settings import get_current_settings
from prefect.utilities.urls import url_for

from flows.automations import FAILED_NIGHTS
from flows.heard import emit, event_id, hear, unsent_runs
from flows.orphans import close_prefect_orphans
from nightdesk.alerts import Channel, Incident, channels_of, look_at_feed, send_unrecorded, send_waiting
from nightdesk.alerts import tell as enter
from nightdesk.concealment import conceal_error, concealed
from nightdesk.errors import BadInput, NightdeskError, NightDone, NightLocked
from nightdesk.home import Home
from nightdesk.operations.night import CORRECTED, LIVE, Night
from nightdesk.settings import Settings
from nightdesk.store import incidents
from nightdesk.store.database import open_store
from nightdesk.store.incidents import Raised
from nightdesk.store.nights import NIGHT, RETRAIN, Killed, close_orphans, held, killed

FAILED, CRASHED = "failed", "crashed"
"""How the kind of an incident ends: `night-failed`, `retrain-crashed`."""

PATIENCE = dt.timedelta(minutes=1)
"""How long Prefect may take to deliver what was handed to it; after that it is sent from here as well."""

SERVER_SECONDS = 5.0
"""How long a Prefect server may take to say that it is there."""

_log = logging.getLogger("nightdesk.alerts")


def tell(settings: Settings, incident: Incident, now: dt.datetime) -> None:
    """Tell people of `incident`, once while it is open; never raises, and waits no longer than the settings say."""
    try:
        enter(_engine(settings), incident, now)
    except (NightdeskError, sa.exc.DBAPIError, OSError):
        send_unrecorded(channels_of(settings.alerts.urls), incident, settings.alerts.timeout_seconds)
        return
    send(settings, now)


def send(settings: Settings, now: dt.datetime) -> None:
    """Send what waits, from this night or an earlier one; never raises."""
    with _never_in_the_way():
        engine, channels, seconds = (
            _engine(settings),
            channels_of(settings.alerts.urls),
            settings.alerts.timeout_seconds,
        )
        due: Callable[[Raised, Channel], bool] = _always
        try:
            with _speaking_server() as server:
                if server is not None:
                    due = _through_server(engine, server, channels, now)
        except httpx.HTTPError as error:
            _log.warning("messages leave without the Prefect server, which answers with %s", type(error).__name__)
        send_waiting(engine, channels, seconds, now, due)


@contextmanager
def told_if_failed(
    settings: Settings, realm: str, day: dt.date | None, kind: str = NIGHT, *, in_run: bool = True
) -> Iterator[None]:
    """Tell of what ends the block with an error, unless it is a user's own mistake, or Prefect tells of this run.

    `day` is the date of the night or retrain (`kind`), None where it is not known yet; `in_run` says whether a run of
    Prefect's would show it.
    """
    try:
        yield
    except (BadInput, NightDone, NightLocked):
        raise
    except Exception as error:
        conceal_error(error)
        if not (in_run and _prefect_tells_of_runs()):
            now = dt.datetime.now(dt.UTC)
            tell(settings, _failed(settings, realm, day, kind, error), now)
        raise


def look_around(night: Night) -> None:
    """At the start of a night: tell of killed nights and retrains and of a feed that stopped, and send what waits.

    It never raises.
    """
    link = where_to_look(night.settings, night.realm)
    with _never_in_the_way():
        engine = night.engine
        told_by_prefect = _prefect_tells_of_runs()
        for one in killed(engine, night.home.locks):
            if not (told_by_prefect and one.run_id and close_prefect_orphans([one.run_id])):
                enter(engine, _crashed(night.settings, one), night.started)
    for market in night.markets if night.realm == LIVE else ():
        with _never_in_the_way():  # a market that cannot be asked keeps nobody from looking at the others
            look_at_feed(night.engine, market.facts, market.last_day(), night.started, link)
    send(night.settings, night.started)


def mended(night: Night, now: dt.datetime, kind: str = NIGHT) -> None:
    """At the end of a night that is done: its failures are over; send what was entered meanwhile; never raises.

    A retrain that is done makes up for every one before it, which nobody will start again.
    """
    with _never_in_the_way():
        for how in (FAILED, CRASHED):
            of_realm = f"{kind}-{how}/{night.realm}/"
            incidents.close(night.engine, now, of_realm + str(night.as_of), of_realm + NEWEST)
            if kind == RETRAIN:
                incidents.close_below(night.engine, now, of_realm)
        for one in killed(night.engine, night.home.locks) if kind == RETRAIN else ():
            if (one.kind, one.realm) == (RETRAIN, night.realm) and one.as_of < night.as_of:
                with suppress(NightLocked), held(night.engine, night.home.locks, one.realm, one.as_of):
                    close_prefect_orphans(close_orphans(night.engine, one.realm, one.as_of, now, RETRAIN))
    send(night.settings, now)


def where_to_look(settings: Settings, realm: str) -> str:
    """The page of this run where Prefect has one, else the folder of reports."""
    run_id = flow_run.get_id()
    page = url_for("flow-run", obj_id=run_id) if run_id and _server_url() else None
    return page or Home(settings.home).report(realm, dt.date.min).parent.as_uri()


NEWEST = "newest"
"""Stands in a key for the date of a night that failed before it was known."""


def _failed(settings: Settings, realm: str, day: dt.date | None, kind: str, error: Exception) -> Incident:
    shown = NEWEST if day is None else str(day)
    reason = " ".join(concealed(f"{type(error).__name__}: {error}").split())
    return Incident(
        f"{kind}-{FAILED}/{realm}/{shown}",
        f"{kind}-{FAILED}",
        f"The {kind} of {shown} ({realm}) failed",
        reason if len(reason) <= 600 else f"{reason[:600]} ...",
        f"mend what the reason names, then start the {kind} again: {_again(realm, day, kind)}",
        where_to_look(settings, realm),
    )


def _crashed(settings: Settings, one: Killed) -> Incident:
    return Incident(
        f"{one.kind}-{CRASHED}/{one.realm}/{one.as_of}",
        f"{one.kind}-{CRASHED}",
        f"The {one.kind} of {one.as_of} ({one.realm}) was killed",
        f"its process ended before the {one.kind} did: memory, a restart of the machine, or a kill by hand",
        "look into the machine's log for the cause, then start it again, it goes on where it stopped: "
        + _again(one.realm, one.as_of, one.kind),
        where_to_look(settings, one.realm),
    )


def _again(realm: str, day: dt.date | None, kind: str) -> str:
    """The command that starts it again."""
    asked = "" if day is None else f" --as-of {day}"
    if kind == RETRAIN:
        return f"nightdesk train{asked}"
    if realm == LIVE:
        return f"nightdesk nightly{asked}"
    how = " --corrected" if realm.endswith(CORRECTED) else ""
    return f"nightdesk replay --from {day} --to {day} --realm {realm}{how}"


def _through_server(
    engine: sa.Engine, server: SyncPrefectClient, channels: tuple[Channel, ...], now: dt.datetime
) -> Callable[[Raised, Channel], bool]:
    """Hand new incidents to the server, and learn what came of earlier ones.

    Returns which must be sent from here over which channel: where Prefect has failed, or has had its time.
    """
    heard = hear(server, now)
    unsent: dict[str, frozenset[str]] = {}
    for run in unsent_runs(server, heard, {one.mark for one in channels}, now - PATIENCE):
        _enter_unsent(engine, run.incident, run.at, run.took)
        unsent[run.incident.key] = run.due
    mine = set()
    for raised in incidents.waiting(engine):
        this = event_id(raised)
        if raised.attempts == 0:
            emit(server, raised)
            incidents.attempted(engine, raised, now, (), delivered=False)
            mine.add(this)
        elif took := heard.took.get(this, frozenset()):
            every = raised.delivered_to | took >= {one.mark for one in channels}
            incidents.learned(engine, raised, now, took, delivered=every)

    def due(raised: Raised, channel: Channel) -> bool:
        if raised.incident.key in unsent:
            return channel.mark in unsent[raised.incident.key]
        this = event_id(raised)
        failed = channel.mark in heard.failed.get(this, frozenset())
        return this not in mine and (failed or raised.tried_at is None or raised.tried_at <= now - PATIENCE)

    return due


def _enter_unsent(engine: sa.Engine, incident: Incident, at: dt.datetime, took: frozenset[str]) -> None:
    """Enter a run that Prefect should have told of at `at`, as tried once and over: it is a moment, not a state."""
    if incidents.ever_entered(engine, incident.key) or not incidents.enter(engine, incident, at):
        return
    for raised in incidents.waiting(engine):
        if raised.incident.key == incident.key:
            incidents.attempted(engine, raised, at, took, delivered=False)
    incidents.close(engine, at, incident.key)


def _prefect_tells_of_runs() -> bool:
    """Whether a server is there on which the automation of failed nights is registered and on."""
    try:
        with _speaking_server() as server:
            return server is not None
    except httpx.HTTPError:
        return False


@contextmanager
def _speaking_server() -> Iterator[SyncPrefectClient | None]:
    """The server that tells of runs; None where there is none, or none on which our automations are on."""
    url = _server_url()
    if url is None:
        yield None
        return
    # Asked apart first: Prefect's own client would try for a minute.
    httpx.get(f"{url}/health", timeout=SERVER_SECONDS).raise_for_status()
    with get_client(sync_client=True, httpx_settings={"timeout": SERVER_SECONDS}) as client:
        registered = any(one.enabled for one in client.read_automations_by_name(FAILED_NIGHTS))
        yield client if registered else None


def _server_url() -> str | None:
    return get_current_settings().api.url


@contextmanager
def _never_in_the_way() -> Iterator[None]:
    """A message that cannot be kept or sent is a line in the log, never the end of a night."""
    try:
        yield
    except (NightdeskError, sa.exc.DBAPIError, httpx.HTTPError, OSError) as error:
        _log.warning("alerts: %s: %s", type(error).__name__, str(error).splitlines()[0] if str(error) else "")


def _engine(settings: Settings) -> sa.Engine:
    return open_store(settings.store.url or Home(settings.home).store_url)


def _always(_raised: Raised, _channel: Channel) -> bool:
    return True
