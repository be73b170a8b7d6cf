"""Renders what the checks of a table found as one self-contained page a table: no script, nothing from outside."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from nightdesk.quality.finding import Finding
from nightdesk.report import wording
from nightdesk.report.course import course
from nightdesk.report.template import template

TEMPLATE: Final = "quality.html.jinja"
TABLE_TEMPLATE: Final = "quality_table.html.jinja"
TITLES: Final = {
    "bars": "bars",
    "membership": "members of the index",
    "actions": "corporate actions",
    "fundamentals": "fundamentals",
    "factors": "factor returns",
}
"""What each page speaks of, by its file's name without ending, in the order in which they are linked."""

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
class RuleCount:
    """A rule with how many rows it was run on, and how many break it; one that refuses nothing is a note."""

    code: str
    meaning: str
    rows: int
    failed: int
    refuses: bool


@dataclass(frozen=True, slots=True, eq=False)
class TableQuality:
    """What is known of a table beside the bars, as of a date.

    `page` is one of `TITLES`; `first` and `last` are the days of its rows, `newest_known_at` (UTC) is when the newest
    of them was known, `restated` how many versions later ones replaced. `summary` says in words how fresh it is,
    `coverage` has captions ("symbols without ...") with a frame each, as it is to be shown.
    """

    page: str
    source: str
    as_of: dt.date
    rows: int
    first: dt.date
    last: dt.date
    newest_known_at: dt.datetime
    restated: int
    summary: str
    rules: tuple[RuleCount, ...]
    findings: tuple[Finding, ...]
    coverage: tuple[tuple[str, pl.DataFrame], ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """A frame as a table on a page, as far as listed: each column's name and class (`n`: a number, `date`)."""

    caption: str
    columns: list[tuple[str, str]]
    rows: list[Row]
    total: int


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


def render_bars(found: BarsQuality, pages: Sequence[str] = ("bars",)) -> str:
    """Render the page of the bars, with links to the other `pages` beside it. Same bytes for equal input."""
    shown = {rule for rule, _ in PICTURED}
    counts = found.findings.group_by("rule", "meaning", maintain_order=True).agg(pl.len().alias("findings"))
    whole = found.coverage.filter((pl.col("behind") == 0) & (pl.col("missing") == 0))
    return template(TEMPLATE).render(
        page="bars",
        pages=pages,
        titles=TITLES,
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


def render_table(found: TableQuality, pages: Sequence[str], audit: MembershipQuality | None = None) -> str:
    """Render the page of a table beside the bars, with links to the other `pages`.

    With `audit`, it also says which members of an index have no bars, and which aliases were followed.
    """
    return template(TABLE_TEMPLATE).render(
        page=found.page,
        pages=pages,
        titles=TITLES,
        found=found,
        shown=[_shown(caption, frame) for caption, frame in found.coverage if not frame.is_empty()],
        audit=audit,
        without=[] if audit is None else audit.without.to_dicts(),
        joined=[] if audit is None else audit.joined.to_dicts(),
        words=wording,
    )


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


def _shown(caption: str, frame: pl.DataFrame) -> Shown:
    kinds = ["n" if dtype.is_numeric() else "date" if dtype == pl.Date else "" for dtype in frame.schema.values()]
    return Shown(caption, list(zip(frame.columns, kinds, strict=True)), _rows(frame), frame.height)


def _rows(frame: pl.DataFrame) -> list[Row]:
    return frame.head(LISTED).to_dicts()
