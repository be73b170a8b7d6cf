"""What keeps a desk in order between nights: clean-up and the doctor's checks, each with a table in the Prefect UI."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from prefect.artifacts import create_table_artifact
from prefect.context import FlowRunContext

from nightdesk.operations.cleanup import Cleaned, clean_up
from nightdesk.operations.doctor import Check, examine
from nightdesk.settings import Settings
from tasks.stage import nightly_task


@nightly_task("clean")
def clean(settings: Settings, keep: int, dry_run: bool) -> Cleaned:
    """Remove what nobody needs any more; a table of what was removed, and what stays and why, is left in the run."""
    cleaned = clean_up(settings, keep, dry_run=dry_run)
    rows = [{"what": one.what, "fate": one.fate, "why": one.why} for one in cleaned.items]
    _table(rows, "cleanup", "What was removed, and what stays and why")
    return cleaned


@nightly_task("examine")
def look(settings: Settings, now: dt.datetime) -> tuple[Check, ...]:
    """Run every check of the doctor at `now` (UTC)."""
    checks = tuple(examine(settings, now))
    _table([asdict(check) for check in checks], "doctor", "Whether this machine can run a night")
    return checks


def _table(rows: Sequence[dict[str, Any]], key: str, description: str) -> None:
    if FlowRunContext.get() is not None:
        create_table_artifact(list(rows), key=key, description=description)
