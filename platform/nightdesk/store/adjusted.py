"""Raw bars adjusted on reading: for the corporate actions that were known then, and never in the store itself."""

from __future__ import annotations

import datetime as dt
from typing import Final

import polars as pl
import sqlalchemy as sa

from nightdesk.errors import DataRefused
from nightdesk.sources.source import SourceFacts
from nightdesk.store.inputs import actions_as_known, bars_as_known
from nightdesk.store.session_measures import session_measures_as_known
from nightdesk.tables import CLOSE, DATE, DIVIDEND, EX_DATE, KIND, PRICES, SPLIT, SYMBOL, VALUE, VOLUME

_SHARES: Final = "__shares__"
_KEPT: Final = "__kept__"


def panel_as_known(engine: sa.Engine, facts: SourceFacts, cutoff: dt.datetime, last: dt.date) -> pl.DataFrame:
    """Bars up to `last` as they were known at `cutoff` (UTC), in prices that a split does not break.

    Raw bars are adjusted for the splits known then, with an ex-date up to `last`; those of another price basis come as
    they are, for their source has adjusted them, in the basis that it had come to by `last`. Columns as tables.BARS,
    and where the source makes its bars of shorter ones, tables.MEASURES of the same day, known by then too and null
    where there are none; sorted by symbol and date.
    """
    bars = bars_as_known(engine, facts.name, cutoff, last=last, rebased_until=last)
    if facts.price_basis == "raw":
        bars = adjusted(bars, actions_as_known(engine, facts.name, cutoff, last), last)
    if facts.bar_minutes is None:
        return bars
    measures = session_measures_as_known(engine, facts.name, facts.bar_minutes, cutoff, last)
    return bars.join(measures, on=[SYMBOL, DATE], how="left", maintain_order="left")


def adjusted(bars: pl.DataFrame, actions: pl.DataFrame, until: dt.date, *, dividends: bool = False) -> pl.DataFrame:
    """Raw bars in the shares of `until`: prices over, and volume times, the new shares for an old one since each bar.

    Parameters
    ----------
    bars
        `tables.BARS`, as traded, sorted by symbol and date; null stays null.
    actions
        `tables.CORPORATE_ACTIONS`, in any order, each symbol, ex-date and kind once.
    until
        Actions with a later ex-date are left out: on that day their share is still whole.
    dividends
        False gives prices whose change is the price return, which features and labels are made of: dividends are
        excluded, and a special one shows as the fall that it was. True takes each dividend out of the prices before it
        too, so that a change is the return with dividends reinvested at the close before the ex-date.

    Returns
    -------
    DataFrame
        The rows of `bars` in their order. Bars on and after a symbol's last ex-date keep every bit, and so do those of
        symbols without an action.

    Raises
    ------
    DataRefused
        A dividend is not below the close before it.
    """
    kinds = [SPLIT, DIVIDEND] if dividends else [SPLIT]
    counted = actions.filter(pl.col(EX_DATE) <= until, pl.col(KIND).is_in(kinds))
    if counted.is_empty():
        return bars
    steps = _steps(counted)
    steps = steps.with_columns(_kept(bars, steps)).select(
        SYMBOL,
        EX_DATE,
        *(pl.col(name).cum_prod(reverse=True).over(SYMBOL).alias(name) for name in (_SHARES, _KEPT)),
    )
    # Within a symbol both are sorted; polars cannot see that, and would warn.
    met = bars.join_asof(
        steps,
        left_on=DATE,
        right_on=EX_DATE,
        by=SYMBOL,
        strategy="forward",
        allow_exact_matches=False,
        check_sortedness=False,
    )
    shares, kept = (pl.col(name).fill_null(1.0) for name in (_SHARES, _KEPT))
    return met.select(
        SYMBOL,
        DATE,
        *(pl.col(price) / shares * kept for price in PRICES),
        pl.col(VOLUME) * shares,
    )


def _steps(counted: pl.DataFrame) -> pl.DataFrame:
    """One row a symbol and ex-date, sorted by both: new shares for an old one, and the dividends on a new one."""
    split, paid = (pl.col(VALUE).filter(pl.col(KIND) == kind) for kind in (SPLIT, DIVIDEND))
    return (
        counted.group_by(SYMBOL, EX_DATE)
        .agg(split.product().alias(_SHARES), paid.sum().alias(DIVIDEND))
        .sort(SYMBOL, EX_DATE)
    )


def _kept(bars: pl.DataFrame, steps: pl.DataFrame) -> pl.Series:
    """The share of each ex-date's price before it that its dividend leaves; 1 where no close is known before it."""
    before = steps.join_asof(
        bars.select(SYMBOL, DATE, CLOSE).drop_nulls(),
        left_on=EX_DATE,
        right_on=DATE,
        by=SYMBOL,
        strategy="backward",
        allow_exact_matches=False,
        check_sortedness=False,
    )
    kept = before.select(
        SYMBOL,
        EX_DATE,
        DIVIDEND,
        (1.0 - pl.col(DIVIDEND) * pl.col(_SHARES) / pl.col(CLOSE)).fill_null(1.0).alias(_KEPT),
        CLOSE,
    )
    for symbol, day, value, _, close in kept.filter(pl.col(_KEPT) <= 0.0).head(1).iter_rows():
        raise DataRefused(
            f"a dividend must be below the close before it, got {value:g} for {symbol} on {day} after a close of "
            f"{close:g}: let the source restate it"
        )
    return kept.get_column(_KEPT)
