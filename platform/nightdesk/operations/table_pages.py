"""Gathers what is known of the tables beside a market's bars: their suites run again, how far they reach, how fresh."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Final

import polars as pl
import sqlalchemy as sa

from nightdesk.operations.intake import leads
from nightdesk.operations.night import Night
from nightdesk.quality.table_checks import meanings, table_findings
from nightdesk.quality.table_suites import (
    PERIOD,
    SECTOR,
    SNAPSHOT,
    TableSuite,
    actions_suite,
    factors_suite,
    fundamentals_suite,
    membership_suite,
)
from nightdesk.report.quality import RuleCount, TableQuality
from nightdesk.sessions import trading_days
from nightdesk.sources import Source
from nightdesk.sources.fama_french import CALENDAR, SOURCE
from nightdesk.store import schema
from nightdesk.store.inputs import actions_as_known, members_as_known, versions_as_known, versions_by
from nightdesk.store.lagged import fundamentals_as_known
from nightdesk.tables import DATE, EX_DATE, FACTOR_RETURNS, KIND, SPLIT, SYMBOL, VALUE

RECENT_MONTHS: Final = 15
"""A yearly statement and its lag: a symbol whose newest period is older has no figures of its last year."""

About = tuple[str, tuple[tuple[str, pl.DataFrame], ...]]
"""How fresh a table is, in words, and frames with their captions."""


def tables_beside(night: Night, market: Source, bars: pl.DataFrame) -> Iterator[TableQuality]:
    """What is known at the night's cut-off of each table beside the `bars` of `market` that has a row.

    Factor returns belong to no market: they stand beside the lead's.
    """
    name, cutoff, last = market.facts.name, night.cutoff, night.newest_of(market)
    engine = night.engine
    members = members_as_known(engine, name, cutoff, last)
    if members.height:
        about: About = (_newest_list(members, last), (("lists, the newest first", _lists(members)),))
        yield _quality(night, market, "membership", schema.membership, membership_suite(last), members, about)
    actions = actions_as_known(engine, name, cutoff, last)
    if actions.height:
        about = (_newest_action(actions), (("kinds of actions", _kinds(actions)),))
        yield _quality(night, market, "actions", schema.corporate_actions, actions_suite(), actions, about)
    figures = fundamentals_as_known(engine, name, cutoff).filter(pl.col(PERIOD) <= last)
    if figures.height:
        symbols = bars.filter(pl.col(DATE) == pl.col(DATE).max())[SYMBOL].unique()
        about = _figures(figures, symbols, last)
        suite = fundamentals_suite(stored=True)
        yield _quality(night, market, "fundamentals", schema.fundamentals, suite, figures, about)
    if leads(night, market):
        returns = versions_as_known(engine, schema.factor_returns, list(FACTOR_RETURNS), cutoff, source=SOURCE)
        returns = returns.filter(pl.col(DATE) <= last)
        if returns.height:
            about = _returns(returns, last)
            yield _quality(night, market, "factors", schema.factor_returns, factors_suite(last), returns, about)


def _quality(
    night: Night, market: Source, page: str, table: sa.Table, suite: TableSuite, rows: pl.DataFrame, about: About
) -> TableQuality:
    last, day = night.newest_of(market), suite.place[1]
    source = SOURCE if table is schema.factor_returns else market.facts.name
    findings = table_findings(suite, rows)
    failed = {one.rule: one.count for one in findings}
    versions, newest = versions_by(night.engine, table, source, night.cutoff, last)
    summary, coverage = about
    first_day: dt.date = rows[day].min()  # type: ignore[assignment]
    last_day: dt.date = rows[day].max()  # type: ignore[assignment]
    return TableQuality(
        page,
        source,
        last,
        rows.height,
        first_day,
        last_day,
        newest,
        versions - rows.height,
        summary,
        tuple(
            RuleCount(code, meaning, rows.height, failed.get(code, 0), code not in suite.notes)
            for code, meaning in meanings(suite)
        ),
        findings,
        coverage,
    )


def _newest_list(members: pl.DataFrame, last: dt.date) -> str:
    newest: dt.date = members[SNAPSHOT].max()  # type: ignore[assignment]
    size = members.filter(pl.col(SNAPSHOT) == newest).height
    return f"The newest list has {size:,} members and is {(last - newest).days:,} days old."


def _lists(members: pl.DataFrame) -> pl.DataFrame:
    """A row a list: its members, those who joined or left since the one before, and those without a sector."""
    lists = members.group_by("index_name", SNAPSHOT, maintain_order=True).agg(
        pl.col(SYMBOL), pl.col(SECTOR).null_count().alias("without a sector")
    )
    lists = lists.with_columns(pl.col(SYMBOL).shift(1).over("index_name").alias("before"))
    return (
        lists.sort(SNAPSHOT, "index_name", descending=[True, False])
        .with_columns(
            pl.col(SYMBOL).list.len().alias("members"),
            pl.col(SYMBOL).list.set_difference("before").list.len().alias("joined"),
            pl.col("before").list.set_difference(SYMBOL).list.len().alias("left"),
        )
        .select(
            *(pl.col(SNAPSHOT).alias("list"), pl.col("index_name").alias("index")),
            *("members", "joined", "left", "without a sector"),
        )
    )


def _newest_action(actions: pl.DataFrame) -> str:
    splits = actions.filter(pl.col(KIND) == SPLIT).height
    newest: dt.date = actions[EX_DATE].max()  # type: ignore[assignment]
    return (
        f"{splits:,} splits and {actions.height - splits:,} dividends of {actions[SYMBOL].n_unique():,} symbols; the "
        f"newest ex-date is {newest}."
    )


def _kinds(actions: pl.DataFrame) -> pl.DataFrame:
    off = pl.when(pl.col(KIND) == SPLIT).then(pl.lit(1.0)).otherwise(pl.lit(0.0))
    return (
        actions.group_by(KIND)
        .agg(
            pl.len().alias("actions"),
            pl.col(SYMBOL).n_unique().alias("symbols"),
            pl.col(EX_DATE).min().alias("first ex-date"),
            pl.col(EX_DATE).max().alias("last ex-date"),
            (pl.col(VALUE) == off).sum().alias("called off"),
        )
        .sort(KIND)
    )


def _figures(figures: pl.DataFrame, symbols: pl.Series, last: dt.date) -> About:
    since = pl.select(pl.lit(last).dt.offset_by(f"-{RECENT_MONTHS}mo")).item()
    there = figures.filter(pl.col(VALUE).is_not_null())
    lives = there.group_by(SYMBOL).agg(
        pl.col(PERIOD).min().alias("first period"),
        pl.col(PERIOD).max().alias("newest period"),
        pl.col(PERIOD).n_unique().alias("periods"),
        pl.len().alias("figures"),
    )
    traded = pl.DataFrame({SYMBOL: symbols}).join(lives, on=SYMBOL, how="left")
    recent = pl.col("newest period") > since
    fresh = traded.filter(recent).height
    stale = lives.filter(~recent).sort(SYMBOL)
    items = figures.group_by("item").agg(
        pl.len().alias("figures"),
        pl.col(VALUE).null_count().alias("missing"),
        pl.col(SYMBOL).n_unique().alias("symbols"),
        pl.col(PERIOD).max().alias("newest period"),
    )
    share = f"{fresh:,} of the {traded.height:,} symbols with a bar on the newest day ({fresh / traded.height:.0%})"
    none = traded["periods"].null_count()
    summary = f"{share} have a figure of the last {RECENT_MONTHS} months, {none:,} have none at all."
    old = f"symbols whose newest figure is older than {RECENT_MONTHS} months"
    return summary, ((old, stale), ("items", items.sort("item")))


def _returns(returns: pl.DataFrame, last: dt.date) -> About:
    newest: dt.date = returns[DATE].max()  # type: ignore[assignment]
    lives = returns.group_by("dataset", "factor").agg(
        pl.col(DATE).min().alias("first day"),
        pl.col(DATE).max().alias("last day"),
        pl.len().alias("days"),
        pl.col(VALUE).null_count().alias("missing"),
    )
    behind = [len(_days_after(day, last)) for day in lives["last day"]]
    lives = lives.with_columns(pl.Series("trading days behind", behind, dtype=pl.Int64)).sort("dataset", "factor")
    summary = f"The newest day is {newest}, {len(_days_after(newest, last)):,} trading days before the night's."
    return summary, (("factors", lives.select("factor", pl.exclude("factor"))),)


def _days_after(day: dt.date, last: dt.date) -> list[dt.date]:
    return [one for one in trading_days(CALENDAR, max(day, dt.date(1990, 1, 2)), last) if one > day]
