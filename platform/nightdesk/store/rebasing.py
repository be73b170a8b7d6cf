"""A vendor's rebased history: one row a symbol in the place of a new version of every bar.

A vendor of adjusted prices restates a symbol's whole history by one factor after each split or dividend. Every stored
bar holds how many of its symbol's rebases its values have seen (`rebased`); a read brings all bars of a symbol to the
basis that was known at its cut-off, forwards or backwards, so that no read ever mixes two.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import Final

import polars as pl
import sqlalchemy as sa

from nightdesk.store import schema
from nightdesk.store.bulk import Place, read
from nightdesk.store.differing import FOLLOWED, newest
from nightdesk.tables import (
    BARS,
    BASIS,
    CLOSE,
    DATE,
    EX_DATE,
    INGESTED_AT,
    KNOWN_AT,
    OBSERVED,
    PRICES,
    SYMBOL,
    VOLUME,
)

REBASED: Final = "rebased"
PRICE_FACTOR: Final = "price_factor"
VOLUME_FACTOR: Final = "volume_factor"
LATE: Final = "late"
CHANGED: Final = "changed"

REBASES: Final = {
    SYMBOL: pl.String(),
    EX_DATE: pl.Date(),
    PRICE_FACTOR: pl.Float64(),
    VOLUME_FACTOR: pl.Float64(),
    LATE: pl.Boolean(),
}
"""One row a rebase: prices of the bars before it over `price_factor`, and their volume times `volume_factor`, are what
the vendor states since. `ex_date` is the first day on the new basis; `late` says that bars from it on had come before.
"""

ENOUGH: Final = 5
"""So many bars must follow one factor: fewer may agree by chance, and cost little as restated rows."""

_FLOATING: Final = 1e-6  # relative: single precision, which some vendors compute in, is off by a tenth of it
_COARSE: Final = 1e-4  # rounding of a price of some dollars in cents
_PLAIN: Final = 1e-3  # a volume factor nearer to 1, or to the price's, is that one
_LARGE: Final = 1.28  # from such a factor on the bars before tell a rebase from a wrong unit that was mended
_MOST: Final = 0.5
_NUMBER, _KNOWN, _EDGE, _MOVED, _VOLUME_MOVED = "number", "known", "edge", "moved", "volume_moved"
_STEP, _VOLUME_STEP = "step", "volume_step"
_NEVER: Final = dt.date(9999, 12, 31)
NAMED: Final = 10_000
"""Symbols up to which a query names each of them: databases take no more than some ten thousand values."""


def all_rebases(place: Place, source: str) -> pl.DataFrame:
    """Every rebase of `source`: `REBASES` and when it was known, sorted by symbol and then in their order."""
    table = schema.rebases
    wanted = sa.select(*(table.c[name] for name in (*REBASES, KNOWN_AT))).where(table.c.source == source)
    return read(place, wanted.order_by(table.c.symbol, table.c.known_at))


def in_one_basis(bars: pl.DataFrame, rebases: pl.DataFrame, known: pl.Expr) -> pl.DataFrame:
    """`bars` with the values that they have once each symbol's `known` rebases, and no others, are applied.

    `bars` have `tables.BARS` and `rebased`, sorted by symbol and date; `rebases` are sorted as `all_rebases` gives
    them. A bar that has seen just the known ones keeps every bit. Beside the columns of `bars` come `moved` and
    `volume_moved`: what its prices were divided by, and its volume multiplied with (1: nothing). Null stays null.
    """
    numbered = rebases.with_columns(
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over(SYMBOL).alias(_NUMBER), known.alias(_KNOWN)
    )
    edges = (
        pl.concat(
            [
                numbered.filter(LATE).select(SYMBOL, pl.col(EX_DATE).alias(_EDGE)),
                numbered.select(SYMBOL, pl.lit(_NEVER).alias(_EDGE)),
            ]
        )
        .unique()
        .sort(SYMBOL, _EDGE)
    )
    applies = ~pl.col(LATE) | (pl.col(EX_DATE) >= pl.col(_EDGE))
    each = edges.join(numbered, on=SYMBOL, maintain_order="left_right").with_columns(
        pl.when(applies).then(PRICE_FACTOR).otherwise(1.0).alias("p"),
        pl.when(applies).then(VOLUME_FACTOR).otherwise(1.0).alias("v"),
    )
    wanted = each.group_by(SYMBOL, _EDGE).agg(pl.col("p", "v").filter(pl.col(_KNOWN)).product().name.suffix("_wanted"))
    seen = each.select(SYMBOL, _EDGE, _NUMBER, pl.col("p", "v").cum_prod().over(SYMBOL, _EDGE).name.suffix("_seen"))
    met = (
        bars.join_asof(
            edges,
            left_on=DATE,
            right_on=_EDGE,
            by=SYMBOL,
            strategy="forward",
            allow_exact_matches=False,
            check_sortedness=False,  # within a symbol both are sorted; polars cannot see that, and would warn
            coalesce=False,
        )
        .with_columns(pl.col(REBASED).cast(pl.Int64))
        .join(wanted, on=[SYMBOL, _EDGE], how="left", maintain_order="left")
        .join(
            seen, left_on=[SYMBOL, _EDGE, REBASED], right_on=[SYMBOL, _EDGE, _NUMBER], how="left", maintain_order="left"
        )
        .with_columns(pl.col("p_wanted", "v_wanted", "p_seen", "v_seen").fill_null(1.0))
    )
    price, volume = (pl.col(f"{name}_wanted") == pl.col(f"{name}_seen") for name in "pv")
    return met.select(
        *(name for name in bars.columns if name not in (*PRICES, VOLUME)),
        *(
            pl.when(price).then(name).otherwise(pl.col(name) / pl.col("p_wanted") * pl.col("p_seen")).alias(name)
            for name in PRICES
        ),
        pl.when(volume).then(VOLUME).otherwise(pl.col(VOLUME) * pl.col("v_wanted") / pl.col("v_seen")).alias(VOLUME),
        (pl.col("p_wanted") / pl.col("p_seen")).alias(_MOVED),
        (pl.col("v_wanted") / pl.col("v_seen")).alias(_VOLUME_MOVED),
    )


def newest_bars(place: Place, source: str, symbols: Sequence[str], days: pl.Series | None = None) -> pl.DataFrame:
    """The newest version of each bar of `symbols`: `tables.BARS`, `rebased` and when it was known, by symbol and date.

    From the first to the last of `days`; None: of all.
    """
    table = schema.bars
    columns = (*BARS, REBASED, KNOWN_AT)
    wanted = sa.select(*(table.c[name] for name in columns)).where(table.c.source == source)
    if len(symbols) <= NAMED:
        wanted = wanted.where(table.c.symbol.in_(symbols))
    if days is not None:
        wanted = wanted.where(table.c.date.between(days.min(), days.max()))
    versions = read(place, wanted.order_by(table.c.source, table.c.symbol, table.c.date, table.c.known_at))
    return newest(versions, (SYMBOL, DATE)).filter(pl.col(SYMBOL).is_in(pl.Series(symbols, dtype=pl.String).implode()))


def met_with(offered: pl.DataFrame, known: pl.DataFrame, rebases: pl.DataFrame) -> pl.DataFrame:
    """`offered` bars beside what is `known` of them (`newest_bars`), in the basis of all `rebases`, and which differ.

    Sorted by symbol and date; known values under their names with `_known`, in `FOLLOWED` when they were known, null
    where there is no bar. `changed` says of a known bar that it differs: in any bit, or, where its values come from a
    rebase, by more than the rounding in which the vendor writes them.
    """
    now = in_one_basis(known, rebases, pl.lit(value=True)).drop(REBASED).rename({KNOWN_AT: FOLLOWED})
    met = offered.sort(SYMBOL, DATE).join(now, on=[SYMBOL, DATE], how="left", suffix="_known", maintain_order="left")
    cents, finer = (
        pl.all_horizontal(_multiple_of(name, step).all().over(SYMBOL) for name in PRICES) for step in (1e-2, 1e-4)
    )
    met = met.with_columns(
        pl.when(cents).then(1e-2).when(finer).then(1e-4).otherwise(0.0).alias(_STEP),
        pl.when(_multiple_of(VOLUME, 1.0).all().over(SYMBOL)).then(1.0).otherwise(0.0).alias(_VOLUME_STEP),
    )
    return met.with_columns((pl.col(FOLLOWED).is_not_null() & ~_follows(pl.lit(1.0), pl.lit(1.0))).alias(CHANGED))


def new_rebases(met: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """What the offered bars in `met` (see `met_with`) show to be a rebase: `REBASES`, at most one a symbol.

    `known` are all bars of its symbols, in the basis of `met`. A symbol is rebased where its offered bars reach to its
    newest known one, and most of them, up to the last that does, follow one factor. Where they do not reach back to its
    oldest, the first must follow too, and a large factor must not make a jump of the step before it: a wrong unit that
    was mended for some days does.
    """
    both = _fitted(met.filter(pl.col(FOLLOWED).is_not_null()))
    after = pl.col("after")
    told = both.group_by(SYMBOL, maintain_order=True).agg(
        pl.col(PRICE_FACTOR, VOLUME_FACTOR).first(),
        pl.col("fits").sum().alias("count"),
        pl.col("fits").filter(~after).mean().alias("share"),
        pl.col("fits").first().alias("first_fits"),
        # What stays as it was after it had been adjusted before: the vendor came late to the bars before it.
        (~pl.col(CHANGED).filter(after).first()).fill_null(value=False).alias(LATE),
        pl.col(DATE).filter(after).first().alias("stays_from"),
        pl.col(DATE).first().alias("first"),
        pl.col(DATE).last().alias("last"),
        pl.col(f"{CLOSE}_known").first().alias("first_close"),
    )
    told = told.join(_around(met, known, told), on=SYMBOL, maintain_order="left")
    price, step = pl.col(PRICE_FACTOR), pl.col("first_close") / pl.col("close_before")
    mended = (price.log().abs() > math.log(_LARGE)) & (step.log().abs() > (step / price).log().abs())
    reaches_back = pl.col("close_before").is_null() | (pl.col("first_fits") & ~mended)
    is_one = (pl.col("count") >= ENOUGH) & (pl.col("share") >= _MOST) & (pl.col("last") == pl.col("newest"))
    next_day = pl.coalesce("new", pl.col("last").dt.offset_by("1d"))
    return told.filter(is_one & reaches_back & ((price - 1).abs() > _FLOATING)).select(
        SYMBOL,
        pl.when(LATE).then("stays_from").otherwise(next_day).alias(EX_DATE),
        PRICE_FACTOR,
        VOLUME_FACTOR,
        LATE,
    )


def as_versions(found: pl.DataFrame, before: pl.DataFrame, source: str, at: dt.datetime) -> pl.DataFrame:
    """`found` rebases (`REBASES`) as rows of their table, known from `at` (UTC): never at the instant of the last one.

    `before` are those that there are.
    """
    last = before.group_by(SYMBOL).agg(pl.col(KNOWN_AT).max().alias("last"))
    instant = pl.lit(at).dt.cast_time_unit("us")
    return found.join(last, on=SYMBOL, how="left", maintain_order="left").with_columns(
        pl.lit(source).alias("source"),
        pl.max_horizontal(instant, pl.col("last") + pl.duration(microseconds=1)).alias(KNOWN_AT),
        instant.alias(INGESTED_AT),
        pl.lit(OBSERVED).alias(BASIS),
    )


def seen_by(bars: pl.DataFrame, rebases: pl.DataFrame) -> pl.DataFrame:
    """`bars` with `rebased`: how many of the `rebases` of its symbol a bar that comes now has seen, which is all."""
    counts = rebases.group_by(SYMBOL).agg(pl.len().cast(pl.Int64).alias(REBASED))
    return bars.join(counts, on=SYMBOL, how="left", maintain_order="left").with_columns(pl.col(REBASED).fill_null(0))


def _fitted(both: pl.DataFrame) -> pl.DataFrame:
    """Bars with a known one: the factors of their symbol, whether they follow it, and whether they come after all that
    do."""
    ratio = pl.col(f"{CLOSE}_known") / pl.col(CLOSE)
    usable = pl.col(CHANGED) & ratio.is_finite() & (ratio > 0)
    both = both.with_columns(ratio.filter(usable).median().over(SYMBOL).alias("guess")).drop_nulls("guess")
    near = pl.all_horizontal(
        (pl.col(f"{name}_known") / pl.col("guess") - pl.col(name)).abs() <= pl.col(name) * _COARSE + pl.col(_STEP)
        for name in PRICES
    ).fill_null(value=False)
    known, stated = (
        pl.sum_horizontal(f"{name}{suffix}" for name in PRICES).filter(near).sum().over(SYMBOL)
        for suffix in ("_known", "")
    )
    traded = pl.col(VOLUME) / pl.col(f"{VOLUME}_known")
    volume = traded.filter(near & traded.is_finite() & (traded > 0)).median().over(SYMBOL).fill_null(1.0)
    # Of rounded prices the sum tells the factor best; of others each bar does, and a restated one must not blur it.
    price = pl.when((pl.col(_STEP) > 0) & near.any().over(SYMBOL)).then(known / stated).otherwise("guess")
    both = both.with_columns(price.alias(PRICE_FACTOR), volume.alias(VOLUME_FACTOR))
    price, volume = pl.col(PRICE_FACTOR), pl.col(VOLUME_FACTOR)
    plain = pl.when((volume - 1).abs() < _PLAIN).then(1.0).when((volume / price - 1).abs() < _PLAIN).then(price)
    both = both.with_columns(plain.otherwise(volume).alias(VOLUME_FACTOR))
    both = both.with_columns((pl.col(CHANGED) & _follows(price, volume)).alias("fits"))
    last = pl.col(DATE).filter("fits").max().over(SYMBOL)
    return both.with_columns((pl.col(DATE) > last).fill_null(value=False).alias("after"))


def _around(met: pl.DataFrame, known: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """Of each symbol: its newest known day, its last known close before the offered bars, and its first new day."""
    spans = told.select(SYMBOL, "first", "last")
    lives = known.join(spans, on=SYMBOL, maintain_order="left").group_by(SYMBOL)
    new = met.filter(pl.col(FOLLOWED).is_null()).join(spans, on=SYMBOL).filter(pl.col(DATE) > pl.col("last"))
    return lives.agg(
        pl.col(DATE).max().alias("newest"),
        pl.col(CLOSE).filter(pl.col(DATE) < pl.col("first")).last().alias("close_before"),
    ).join(new.group_by(SYMBOL).agg(pl.col(DATE).min().alias("new")), on=SYMBOL, how="left")


def _follows(price_factor: pl.Expr, volume_factor: pl.Expr) -> pl.Expr:
    """Whether an offered bar is the known one over these factors: exactly, or within rounding where one is not 1."""
    moved, traded = price_factor * pl.col(_MOVED), volume_factor * pl.col(_VOLUME_MOVED)
    # Half a step of what is stated, and of what was stated before it was divided.
    rounding = pl.when(moved != 1).then(pl.col(_STEP) * (0.5 + 0.5 / moved)).otherwise(0.0)
    lots = pl.when(traded != 1).then(pl.col(_VOLUME_STEP) * (0.5 + 0.5 * traded)).otherwise(0.0)
    prices = [
        _alike(pl.col(name), pl.col(f"{name}_known") / price_factor, rounding, exactly=moved == 1) for name in PRICES
    ]
    volume = _alike(pl.col(VOLUME), pl.col(f"{VOLUME}_known") * volume_factor, lots, exactly=traded == 1)
    return pl.all_horizontal(*prices, volume)


def _alike(stated: pl.Expr, expected: pl.Expr, rounding: pl.Expr, *, exactly: pl.Expr) -> pl.Expr:
    within = (stated - expected).abs() <= rounding + stated.abs() * _FLOATING
    return stated.eq_missing(expected) | (~exactly & within).fill_null(value=False)


def _multiple_of(name: str, step: float) -> pl.Expr:
    steps = pl.col(name) / step
    return ((steps - steps.round()).abs() <= _FLOATING).fill_null(value=True)
