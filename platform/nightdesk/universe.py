"""Which symbols belong to the universe of a day, by rule: pure functions of what was known then."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from itertools import pairwise

import polars as pl

from nightdesk.sources.aliases import named_as_bars
from nightdesk.tables import CLOSE, DATE, KNOWN_AT, MEMBERSHIP, SYMBOL, VOLUME


def most_traded(bars: pl.DataFrame, days: Sequence[dt.date], count: int) -> pl.Series:
    """The `count` symbols in which most money was traded on `days` together, sorted by name.

    Parameters
    ----------
    bars
        `tables.BARS` as known on the last of `days`; rows of other days are not looked at.
    days
        Trading days of the window.
    count
        How many; fewer where fewer traded.

    Money traded is close times volume, in the currency of the bars: it is the same before and after a split that
    adjusted both. A day without a bar, or with a close or volume that is null, counts as none, so that a young symbol
    stands behind an old one that trades as much a day. Of equals the first by name is taken; one in which nothing was
    traded never is.
    """
    money = (
        bars.filter(pl.col(DATE).is_in(list(days)))
        .group_by(SYMBOL)
        .agg((pl.col(CLOSE) * pl.col(VOLUME)).fill_nan(None).sum().alias("money"))
        .filter(pl.col("money") > 0)
    )
    return money.sort("money", SYMBOL, descending=[True, False]).head(count).get_column(SYMBOL).sort()


def members_on(members: pl.DataFrame, day: dt.date, symbols: pl.Series, aliases: pl.DataFrame) -> pl.Series:
    """The members of each index by its newest list up to `day`, sorted, without double ones, as the bars spell them.

    `members` is `tables.MEMBERSHIP` as known then, `symbols` are those with bars, `aliases` is as `sources.aliases` has
    them. A member without bars stays, as its list spells it; there are none before the first list.
    """
    past = members.filter(pl.col("snapshot_date") <= day)
    newest = past.filter(pl.col("snapshot_date") == pl.col("snapshot_date").max().over("index_name"))
    return named_as_bars(newest, symbols, aliases).get_column("of").unique().sort().rename(SYMBOL)


def members_by_day(
    versions: pl.DataFrame, evenings: Mapping[dt.date, dt.datetime], symbols: pl.Series, aliases: pl.DataFrame
) -> pl.DataFrame:
    """The members of each day as they were known on its evening: date, symbol, sector; sorted by date and symbol.

    Parameters
    ----------
    versions
        `tables.MEMBERSHIP` with `known_at`, every version of every row, sorted by when it was known.
    evenings
        Each day with the instant (UTC) up to which a row counts on it.
    symbols, aliases
        As of `members_on`.

    A symbol in two indices counts once, with the sector of the first that names one. A day before the first list has
    no row.
    """
    days = pl.DataFrame(
        {DATE: list(evenings), "evening": list(evenings.values())},
        schema={DATE: pl.Date, "evening": pl.Datetime("us", "UTC")},
    ).sort(DATE)
    # From the first evening on which it is known and its list is dated: only then can the members change.
    known = versions.with_columns(
        (days["evening"].search_sorted(versions[KNOWN_AT], "left")).alias("by_knowledge"),
        (days[DATE].search_sorted(versions["snapshot_date"], "left")).alias("by_date"),
    ).with_columns(pl.max_horizontal("by_knowledge", "by_date").alias("from"))
    changes = sorted(place for place in known["from"].unique().to_list() if place < days.height)
    parts = []
    for place, following in pairwise([*changes, days.height]):
        newest = known.filter(pl.col("from") <= place).unique(["index_name", "snapshot_date", SYMBOL], keep="last")
        listed = _newest_lists(newest.select(list(MEMBERSHIP)), days[DATE][place], symbols, aliases)
        parts.append(days[place:following].select(DATE).join(listed, how="cross"))
    empty = pl.DataFrame(schema={DATE: pl.Date, SYMBOL: pl.String, "sector": pl.String})
    return pl.concat([empty, *parts]).sort(DATE, SYMBOL)


def _newest_lists(members: pl.DataFrame, day: dt.date, symbols: pl.Series, aliases: pl.DataFrame) -> pl.DataFrame:
    """Symbol and sector of the newest list of each index up to `day`, each symbol once."""
    past = members.filter(pl.col("snapshot_date") <= day)
    newest = past.filter(pl.col("snapshot_date") == pl.col("snapshot_date").max().over("index_name"))
    named = named_as_bars(newest, symbols, aliases).sort("of", "index_name", "sector", nulls_last=True)
    return named.group_by("of", maintain_order=True).agg(pl.col("sector").drop_nulls().first()).rename({"of": SYMBOL})
