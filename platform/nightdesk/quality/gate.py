"""Stops a batch past its thresholds: one error, with every reason in it."""

from __future__ import annotations

from nightdesk.errors import DataRefused
from nightdesk.quality.bars import Verdict


def refuse_unless_accepted(verdict: Verdict) -> None:
    """Raise DataRefused, naming every refusal of `verdict`, unless it is accepted."""
    if verdict.accepted:
        return
    count = len(verdict.refusals)
    reasons = "\n".join(f"- {refusal}" for refusal in verdict.refusals)
    raise DataRefused(
        f"a batch must hold every batch rule, this one breaks {count}:\n{reasons}\n"
        "nothing of it was written: mend the source, or change the quality thresholds"
    )
