"""What reached into the days of a realm's nights before they were done: other nights, trials, and opened seals."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Mapping

from nightdesk.operations.night import Night
from nightdesk.operations.sealing import opened_by
from nightdesk.promotion.unseen import Reach, unseen_nights
from nightdesk.sessions import trading_days
from nightdesk.store.nights import begun_by
from nightdesk.store.trials import all_trials, openings_by


def unseen(night: Night, done: Mapping[dt.date, dt.datetime]) -> set[dt.date]:
    """Those of a realm's nights (when each was done) which the settings seal, and which really were sealed then.

    A night, in whatever realm, knows all up to its own day, and so does whoever opened the seal, but for the replay of
    this realm itself. A trial knows what came of the last day that it scored.
    """
    seal = night.settings.evaluation.sealed_from
    sealed = {} if seal is None else {day: at for day, at in done.items() if day >= seal}
    if not sealed:
        return set()
    reaches = [Reach(day, at) for day, at in begun_by(night.engine, night.started)]
    own = opened_by(night.realm)
    reaches += [Reach(one.as_of, one.opened_at) for one in openings_by(night.engine, night.started) if one.name != own]
    tried = all_trials(night.engine)
    reached = [*sealed, *tried["last_day"], *tried["as_of"]]
    days = trading_days(night.source.facts.calendar, min(reached), max(reached))
    for last, horizon, as_of, at in tried.select("last_day", "horizon", "as_of", "tried_at").iter_rows():
        left = days[bisect_right(days, last) + horizon :]
        reaches.append(Reach(min(as_of, left[0]) if left else as_of, at))
    return unseen_nights(sealed, reaches, seal)
