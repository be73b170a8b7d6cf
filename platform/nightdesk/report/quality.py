"""Renders what the checks of a table found as one self-contained page a table: no script, nothing from outside."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from nightdesk.report import wording
from nightdesk.report.course import course

TEMPLATE: Final = "quality.html.jinja"
PICTURED: Final = (
    ("suspected_action", "Suspected splits, spin-offs and special dividends"),
    ("price_error", "Suspected wrong prices"),
    ("large_move", "Large moves that look like news"),
)
MOST_PICTURES: Final = 60
LISTED: Final = 500
"""Rows of one kind on a page; a flood of them is cut, and the page says so."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class BarsQuality:
    """What is known of the bars of a source as of a date.

    Frames: `findings` has rule, symbol, date, value, meaning, count, confidence (0 to 1, null for what is plain to
    see), as they are to be listed. `held` has key, symbol, date, reasons, value, state. `coverage` is as in
    quality.coverage. `closes` has symbol, date, close (currency) of the symbols that are pictured, sorted by both.
    """

    source: str
    calendar: str
    as_of: dt.date
    bars: int
    days: int
    findings: pl.DataFrame
    held: pl.DataFrame
    coverage: pl.DataFrame
    closes: pl.DataFrame


@dataclass(frozen=True, slots=True, eq=False)
class MembershipQuality:
    """How the members of an index stand against the bars, as of a date.

    Counts of symbols that were members at any time, and of those without a bar, as the lists spell them and with
    aliases joined. Frames: `without` has symbol, name, sector, first, last; `joined` has alias, symbol, kind.
    """

    source: str
    index_name: str
    as_of: dt.date
    lists: int
    members_as_spelt: int
    without_as_spelt: int
    members: int
    without: pl.DataFrame
    joined: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Pictured:
    """The findings of one rule with a picture each, and how many more there are."""

    rule: str
    heading: str
    rows: list[Row]
    more: int


@dataclass(frozen=True, slots=True)
class Listed:
    """The findings of one rule as rows, as far as listed, and how many there are."""

    rule: str
    meaning: str
    rows: list[Row]
    total: int


def render_bars(found: BarsQuality, *, with_membership: bool) -> str:
    """Render the page of the bars; `with_membership` links to the other page beside it. Same bytes for equal input."""
    shown = {rule for rule, _ in PICTURED}
    counts = found.findings.group_by("rule", "meaning", maintain_order=True).agg(pl.len().alias("findings"))
    whole = found.coverage.filter((pl.col("behind") == 0) & (pl.col("missing") == 0))
    return _template().render(
        page="bars",
        other="membership.html" if with_membership else None,
        found=found,
        counts=counts.to_dicts(),
        pictured=[_pictured(found, rule, heading) for rule, heading in PICTURED],
        others=[_listed(found.findings, rule) for rule in counts["rule"].to_list() if rule not in shown],
        held=_rows(found.held),
        uneven=_rows(found.coverage.filter((pl.col("behind") > 0) | (pl.col("missing") > 0))),
        whole=whole.height,
        words=wording,
        listed_at_most=LISTED,
    )


def render_membership(found: MembershipQuality) -> str:
    """Render the page of an index's members: who has no bars, and which aliases were followed."""
    return _template().render(
        page="membership",
        other="bars.html",
        found=found,
        without=found.without.to_dicts(),
        joined=found.joined.to_dicts(),
        words=wording,
    )


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": wording.count, "text": wording.text}
    return environment.get_template(TEMPLATE)


def _pictured(found: BarsQuality, rule: str, heading: str) -> Pictured:
    rows = found.findings.filter(pl.col("rule") == rule).sort(
        "confidence", "symbol", "date", descending=[True, False, False], nulls_last=True
    )
    shown = rows.head(MOST_PICTURES).to_dicts()
    for row in shown:
        closes = found.closes.filter(pl.col("symbol") == row["symbol"])
        row["picture"] = course(closes["date"].to_list(), closes["close"].to_list(), row["date"], row["symbol"])
    return Pictured(rule, heading, shown, rows.height - len(shown))


def _listed(findings: pl.DataFrame, rule: str) -> Listed:
    rows = findings.filter(pl.col("rule") == rule)
    return Listed(rule, rows["meaning"][0], _rows(rows), rows.height)


def _rows(frame: pl.DataFrame) -> list[Row]:
    return frame.head(LISTED).to_dicts()
