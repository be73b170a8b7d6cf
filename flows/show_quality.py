"""What the command line shows of the checks: findings by rule, rows in quarantine, and what was decided about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import polars as pl
from rich.table import Table

from flows.show import console
from nightdesk.errors import NothingThere
from nightdesk.operations.night import Night
from nightdesk.operations.panel import panel_of
from nightdesk.operations.quality_pages import Quality, qualities_of, write_quality_pages
from nightdesk.store.quarantine import HeldRow, Ruling
from nightdesk.tables import DATE, SYMBOL


def show_quality(night: Night) -> None:
    """Show what the checks find in all bars known by `night`, and write its quality pages.

    Raises NothingThere where nothing was known then.
    """
    known = panel_of(night)
    if known.is_empty():
        source = night.source.facts.name
        raise NothingThere(f"checks need bars, got none of {source!r} known on {night.as_of}: run nightdesk nightly")
    for found in qualities_of(night, known):
        _show_quality(night, found)


def _show_quality(night: Night, found: Quality) -> None:
    bars, out = found.bars, console()
    counts = bars.findings.group_by("rule", "meaning", maintain_order=True).agg(pl.len())
    held = bars.held.filter(state="held").height
    out.print(f"{bars.bars:,} bars of {bars.source} as known on {night.as_of}; {held:,} rows in quarantine")
    rows = ((rule, f"{count:,}", meaning) for rule, meaning, count in counts.iter_rows())
    out.print(_table("Odd, but held back for nothing", ("rule", "findings", "meaning"), rows))
    if found.members is not None:
        out.print(
            f"{found.members.without.height} of {found.members.members} members of {found.members.index_name} have no "
            f"bars ({found.members.without_as_spelt} as the lists spell them)",
            soft_wrap=True,
        )
    for page in write_quality_pages(night, found):
        out.print(f"Page: {page}", soft_wrap=True)


def show_held(rows: Sequence[HeldRow]) -> None:
    """Show rows of the quarantine, a line each."""
    out = console()
    if not rows:
        out.print("No row is in quarantine.")
        return
    columns = ("key", "symbol", "date", "reasons", "state", "since (UTC)")
    lines = (
        (one.key, *_place(one.values), ", ".join(one.reasons), one.state, f"{one.since:%Y-%m-%d %H:%M}") for one in rows
    )
    out.print(_table("Quarantine", columns, lines))


def show_row(row: HeldRow) -> None:
    """Show one row: its values as they came, its reasons, and every decision about it."""
    out = console()
    out.print(f"{row.key}: {' '.join(_place(row.values))}, {row.state}, for {', '.join(row.reasons)}")
    out.print(f"As it came on {row.since:%Y-%m-%d %H:%M} UTC: {_values(row.values)}", soft_wrap=True)
    for ruling in row.rulings:
        out.print(
            f"{ruling.action} on {ruling.at:%Y-%m-%d %H:%M} UTC by {ruling.by}: {ruling.reason}{_as_released(ruling)}",
            soft_wrap=True,
        )


def show_released(row: HeldRow, ruling: Ruling) -> None:
    """Show a release: what came in, and from when it is known."""
    console().print(
        f"{row.key}: {' '.join(_place(ruling.released or row.values))} is released{_as_released(ruling)}",
        soft_wrap=True,
    )


def _as_released(ruling: Ruling) -> str:
    if ruling.released is None or ruling.known_at is None:
        return ""
    return f", known from {ruling.known_at:%Y-%m-%d %H:%M} UTC: {_values(ruling.released)}"


def _place(values: Mapping[str, object]) -> tuple[str, str]:
    symbol, day = (values[name] for name in (SYMBOL, DATE))
    return ("no symbol" if symbol is None else str(symbol), "no date" if day is None else str(day))


def _values(values: Mapping[str, object]) -> str:
    told = ((name, value) for name, value in values.items() if name not in (SYMBOL, DATE))
    return ", ".join(f"{name} {'missing' if value is None else value}" for name, value in told)


def _table(title: str, columns: Iterable[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(*columns, title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    return table
