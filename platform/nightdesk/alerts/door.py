"""The door: what must be told is entered in the store first, then sent until each channel has taken it."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from nightdesk.alerts.channels import Channel, deliver
from nightdesk.store import incidents
from nightdesk.store.incidents import Incident, Raised

_log = logging.getLogger("nightdesk.alerts")


def tell(engine: sa.Engine, incident: Incident, now: dt.datetime) -> bool:
    """Enter `incident` at `now` (UTC), to be sent when messages next leave: at the latest when the night ends.

    The door for every stage. False where the same incident is open already, so that nobody is told twice.
    """
    return incidents.enter(engine, incident, now)


def message(incident: Incident) -> tuple[str, str]:
    """Title and text of the message, the same on every channel and by whichever way it leaves."""
    body = (
        f"Reason: {incident.reason}\nWhat to do: {incident.cure}\nLink: {incident.link}\nKey: {incident.key}\n"
        "Sent by nightdesk."
    )
    return f"nightdesk: {incident.title}", body


def send_waiting(
    engine: sa.Engine,
    channels: Sequence[Channel],
    seconds: float,
    now: dt.datetime,
    due: Callable[[Raised, Channel], bool] = lambda raised, channel: True,
) -> list[Raised]:
    """Send every incident that waits over each channel on which it is `due`, newest first, within `seconds` in all.

    A channel that does not take a message is not asked again in this pass, so that one that is down costs its wait
    once. Returns what waits still; with no channel that is everything.
    """
    end, up, left = time.monotonic() + seconds, set(channels), []
    for raised in reversed(incidents.waiting(engine)):
        missing = [one for one in channels if one.mark not in raised.delivered_to]
        asked = [one for one in missing if one in up and due(raised, one)]
        remaining = end - time.monotonic()
        if not asked or remaining <= 0:
            left.append(raised)
            continue
        took = deliver(asked, *message(raised.incident), remaining)
        delivered = took >= {one.mark for one in missing}
        incidents.attempted(engine, raised, now, took, delivered=delivered)
        up -= {one for one in asked if one.mark not in took}
        if not delivered:
            refused = ", ".join(one.mark for one in missing if one.mark not in took)
            _log.warning("%s: not taken by %s; it is sent again at the next start", raised.incident.key, refused)
            left.append(raised)
    return left


def send_unrecorded(channels: Sequence[Channel], incident: Incident, seconds: float) -> None:
    """Send `incident` once, for want of a store that could keep it."""
    took = deliver(channels, *message(incident), seconds)
    for one in channels:
        if one.mark not in took:
            _log.warning("%s: not taken by %s, and no store keeps it", incident.key, one.mark)
