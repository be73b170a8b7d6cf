"""Which symbols belong to the universe of a day, by rule: pure functions of what was known then."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import polars as pl

from nightdesk.sources.aliases import named_as_bars
from nightdesk.tables import CLOSE, DATE, SYMBOL, VOLUME


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
