"""A feed that stopped: a live source without the bars of a day that closed long enough ago."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from nightdesk.alerts.door import tell
from nightdesk.sessions import last_trading_day, trading_days
from nightdesk.sources.source import SourceFacts
from nightdesk.store import incidents
from nightdesk.store.incidents import Incident

KIND = "feed-stopped"

GRACE = dt.timedelta(hours=1)
"""How long after the close and the source's own lag a day's bars may take."""


def look_at_feed(engine: sa.Engine, facts: SourceFacts, newest: dt.date, now: dt.datetime, link: str) -> bool:
    """Raise an incident where a live source's `newest` day is older than it must be at `now` (UTC); close it when not.

    One stop is one incident, however many nights it lasts, keyed by the first day that did not come. A recorded source
    never stops. Returns whether the feed has stopped.
    """
    if not facts.live:
        return False
    below = f"{KIND}/{facts.name}/"
    expected = last_trading_day(facts.calendar, now - facts.publication_lag - GRACE)
    if newest >= expected:
        incidents.close_below(engine, now, below)
        return False
    if not incidents.any_open_below(engine, below):
        first_missing = trading_days(facts.calendar, newest + dt.timedelta(days=1), expected)[0]
        tell(engine, _stopped(facts, newest, first_missing, expected, link), now)
    return True


def _stopped(facts: SourceFacts, newest: dt.date, missing: dt.date, expected: dt.date, link: str) -> Incident:
    return Incident(
        f"{KIND}/{facts.name}/{missing}",
        KIND,
        f"The feed {facts.name!r} has stopped",
        f"its newest bars are of {newest}, and those of {expected} should have come",
        "look at the provider's status page, your key and your quota there; the next night takes up what was missed",
        link,
    )
