"""What the command line shows of a selection over time: what it chose, how often, and how much that agrees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.table import Table

from flows.show import UNDEFINED, console
from nightdesk.operations.selecting import Chosen

SHOWN = 20
"""Features of the table at most."""


def show_selection(found: Chosen, picture: Path) -> None:
    """Show how often each feature was chosen, the most often first, how stable that is, and where the picture lies."""
    out, agreed = console(), found.agreement
    times = len(found.days)
    out.print(
        f"{found.recipe} at {found.horizon} days: fitted {times} times, up to {found.days[0]} first and up to "
        f"{found.days[-1]} last",
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False)
    for heading in ("feature", "chosen", "last time"):
        table.add_column(heading)
    often = np.argsort(-agreed.share, kind="stable")
    ever = [place for place in often.tolist() if agreed.share[place] > 0]
    for place in ever[:SHOWN]:
        last = "yes" if found.chosen[-1, place] else "no"
        table.add_row(found.names[place], f"{found.chosen[:, place].sum()} of {times}", last)
    out.print(table)
    if ever[SHOWN:]:
        out.print(f"and {len(ever) - SHOWN} more that were chosen at least once", soft_wrap=True)
    out.print(f"{len(found.names) - len(ever)} of {len(found.names)} features were never chosen.", soft_wrap=True)
    kuncheva = UNDEFINED if agreed.kuncheva is None else f"{agreed.kuncheva:.2f}"
    out.print(
        f"Stability (Nogueira) {_stability(found)}; mean Jaccard {agreed.jaccard:.2f}; Kuncheva {kuncheva}",
        soft_wrap=True,
    )
    out.print("1: the same features each time; 0: what chance would choose. Training sets overlap, which lifts it.")
    out.print(f"Picture: {picture}", soft_wrap=True)


def _stability(found: Chosen) -> str:
    agreed = found.agreement
    if agreed.stability is None:
        return UNDEFINED
    return f"{agreed.stability:.2f} ({agreed.lower:.2f} to {agreed.upper:.2f})"
