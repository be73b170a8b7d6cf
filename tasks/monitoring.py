"""What the served models are given tonight and what came of their forecasts: judged before it is decided to train."""

from __future__ import annotations

from nightdesk.monitoring.findings import Watched
from nightdesk.operations.monitoring import watch as judge
from nightdesk.operations.night import Night
from nightdesk.store.features import FeatureTable
from tasks.serving import Logged
from tasks.stage import stage


@stage("drift")
def watch(night: Night, table: FeatureTable, matured: Logged) -> Watched:
    """Judge the inputs and outcomes of who was served up to tonight."""
    del matured  # its content is part of this stage's key
    return judge(night, table)
