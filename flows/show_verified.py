"""What the command line shows of models that were loaded and tried: a line each, and what it was fitted with."""

from __future__ import annotations

from collections.abc import Sequence

from flows.show import console
from nightdesk.operations.verifying import Verified


def show_verified(verified: Sequence[Verified]) -> bool:
    """Show each version and whether it is fit to serve; True where all are."""
    out = console()
    for one in verified:
        who = ", ".join(filter(None, (one.model, one.role)))
        said = f"scores the features of {one.scored}" if one.fault is None else one.fault
        out.print(
            f"{'ok    ' if one.fault is None else 'BROKEN'}  {one.name} version {one.version} ({who}): {said}",
            soft_wrap=True,
        )
        if one.short is not None:
            out.print(f"        SHORT, so it never serves: {one.short}", soft_wrap=True)
        if one.environment:
            made = ", ".join(f"{name} {version}" for name, version in one.environment)
            out.print(f"        fitted with {made}", soft_wrap=True)
    broken = sum(one.fault is not None for one in verified)
    out.print(f"{len(verified)} versions loaded and tried, {broken} broken")
    return not broken
