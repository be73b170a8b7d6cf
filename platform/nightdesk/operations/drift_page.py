"""Gives Evidently the rows it draws: the features that drifted, before their change and on the last nights."""

from __future__ import annotations

import datetime as dt
from typing import Final

from nightdesk.monitoring.causes import LOOK_BACK
from nightdesk.monitoring.drift import WINDOW
from nightdesk.monitoring.findings import Watched
from nightdesk.operations.night import Night
from nightdesk.report.evidently_page import evidently_page
from nightdesk.sessions import trading_days_before
from nightdesk.store.features import FeatureTable, read_features
from nightdesk.tables import DATE

FEATURES: Final = 5
ROWS: Final = 2000


def draw_drift(night: Night, table: FeatureTable, watched: Watched) -> str:
    """Evidently's page (HTML) of the first features that drifted, up to five of the most drifted, on 2,000 rows a side.

    The last 15 nights stand against the 60 before the earliest change; both are sampled by the night's seed.
    """
    flagged = [one for found in watched.flagged for one in found.flagged]
    names = list(dict.fromkeys(one.feature for one in flagged))[:FEATURES]
    since: dt.date = min(one.since for one in flagged)
    calendar, seed = night.source.facts.calendar, night.settings.training.seed
    now = [*trading_days_before(calendar, night.as_of, WINDOW - 1), night.as_of]
    before = trading_days_before(calendar, since, LOOK_BACK)
    sides = [read_features(table, days).select(DATE, *names) for days in (before, now)]
    reference, current = (one.sample(min(ROWS, one.height), seed=seed).drop(DATE) for one in sides)
    return evidently_page(reference, current, f"{night.realm}, night of {night.as_of}")
