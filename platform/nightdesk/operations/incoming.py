"""Checks what comes in beside the bars, by its table's suite, and only where it has a row that is new."""

from __future__ import annotations

import datetime as dt

import polars as pl
import sqlalchemy as sa

from nightdesk.operations.night import Night
from nightdesk.quality.finding import Finding
from nightdesk.quality.table_checks import table_findings
from nightdesk.quality.table_suites import TableSuite, actions_suite, membership_suite
from nightdesk.sources import Source
from nightdesk.store import schema
from nightdesk.store.inputs import members_as_known, offers_news


def beside_findings(night: Night, market: Source, actions: pl.DataFrame, members: pl.DataFrame) -> tuple[Finding, ...]:
    """What the suites find in the corporate actions and the lists of members that `market` gives tonight.

    A table that the store has already, row for row, was checked when it came: it is not checked again.
    """
    source = market.facts.name
    return (
        *findings_if_new(night.engine, schema.corporate_actions, actions_suite(), actions, source),
        *member_findings(night.engine, members, source, night.newest_of(market), night.started),
    )


def member_findings(
    engine: sa.Engine, members: pl.DataFrame, source: str, latest: dt.date, at: dt.datetime
) -> tuple[Finding, ...]:
    """What the suite of lists finds in `members`, none of which may be of a day after `latest`.

    A list is compared to the one before it, in `members` or among those known at `at` (UTC, aware).
    """
    suite = membership_suite(latest)
    if not _is_news(engine, schema.membership, suite, members, source):
        return ()
    return table_findings(membership_suite(latest, members_as_known(engine, source, at)), members)


def findings_if_new(
    engine: sa.Engine, table: sa.Table, suite: TableSuite, offered: pl.DataFrame, source: str
) -> tuple[Finding, ...]:
    """What `suite` finds in rows offered to `table`; nothing where each of them is there already."""
    return table_findings(suite, offered) if _is_news(engine, table, suite, offered, source) else ()


def _is_news(engine: sa.Engine, table: sa.Table, suite: TableSuite, offered: pl.DataFrame, source: str) -> bool:
    if dict(offered.schema) != dict(suite.columns):
        return True
    return bool(offered.select(suite.key).is_duplicated().any()) or offers_news(engine, table, offered, source)
