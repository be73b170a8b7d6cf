"""What the command line shows of a comparison: every model against every baseline, what it comes to, and the page."""

from __future__ import annotations

import polars as pl
from rich.table import Table

from flows.show import UNDEFINED, console
from nightdesk.operations.comparing import Compared
from nightdesk.report.against_baselines import conclusion, luck
from nightdesk.report.wording import in_days


def show_comparison(found: Compared) -> None:
    """Show mean rank IC, and differences over all days; those by year stand on the page."""
    out = console()
    out.print(
        f"As of {found.as_of}: walk-forward from {found.first_day} to {found.last_day}, rank IC with 95 % interval",
        soft_wrap=True,
    )
    for horizon in found.horizons:
        means = _table(f"At {in_days([horizon])}", ("model", "kind", "rank IC", "interval", "days"))
        for row in found.means.filter(horizon=horizon).iter_rows(named=True):
            means.add_row(row["model"], row["kind"], _shown(row["mean"]), _interval(row, ""), str(row["days"]))
        out.print(means)
        pairs = _table(None, ("model", "less baseline", "difference", "interval", "all together"))
        for row in found.table.filter(pl.col("year").is_null(), horizon=horizon).iter_rows(named=True):
            shown = _shown(row["difference"]), _interval(row, ""), _interval(row, "joint_")
            pairs.add_row(row["model"], row["baseline"], *shown)
        out.print(pairs)
    if not found.table.is_empty():
        out.print(conclusion(found.table), soft_wrap=True)
        out.print(luck(found.table), soft_wrap=True)
    for note in found.notes:
        out.print(note, soft_wrap=True)
    out.print("Found in the past, with the past in view: it proves no skill. Research, not advice.", soft_wrap=True)
    out.print(f"Page: {found.page}", soft_wrap=True)


def _table(title: str | None, columns: tuple[str, ...]) -> Table:
    return Table(*columns, title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)


def _shown(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:+.4f}"


def _interval(row: dict[str, float | None], of: str) -> str:
    lower, upper = row[f"{of}lower"], row[f"{of}upper"]
    return "" if lower is None or upper is None else f"{lower:+.4f} to {upper:+.4f}"
