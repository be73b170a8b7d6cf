"""The market on which pipelines are audited: nothing in it foretells anything, and every table has its traps.

Opens lie on a random walk whose steps are independent of all that is known before; a close is the walk's value times
noise of its own, which the next open does not keep. Some bars are restated days later, some values are missing, symbols
are listed, halted and delisted, figures are published weeks after their period, and lists of members a few days late.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nightdesk.evaluation.pipeline import KNOWN_ON, Inputs
from nightdesk.tables import CLOSE, DATE, HIGH, LOW, OPEN, PRICES, SYMBOL, VOLUME

_FIRST: Final = dt.date(2019, 1, 2)
_STEP: Final = 0.015  # of the walk, over a night and over a day each
_NOISE: Final = 0.02  # of a close
_MISSING: Final = 0.02
_RESTATED: Final = 0.04

NEXT_RETURN: Final = "next_return"


@dataclass(frozen=True)
class Market:
    """Inputs of a pipeline, and what only their maker knows.

    `secret` has symbol, date and `next_return`: the log return of the walk from the open one bar after the date to the
    open two bars after, independent of all that is known on the date; null where the walk ends before.
    """

    inputs: Inputs
    secret: pl.DataFrame


def market(seed: int, symbols: int = 14, days: int = 200) -> Market:
    """Make a market of `symbols` on `days` weekdays; another seed, another course of all tables on the same dates."""
    random = np.random.default_rng(seed)
    dates = _weekdays(days)
    bars, facts, secret = [], [], []
    for number in range(symbols):
        # The same lives whatever the seed: one that is exchanged after a day brings no row that could not be.
        born, died = _life(number, days)
        name = f"S{number:02}"
        unknown = np.random.default_rng([seed, number]).uniform(size=died - born) < _MISSING
        own, hidden = _symbol(random, name, dates[born:died], ~_halted(number, days)[born:died], unknown)
        bars.append(own)
        secret.append(hidden)
        facts.append(_facts(random, name, dates[born], dates[died - 1]))
    known = pl.concat(bars)
    return Market(
        Inputs(known.sort(SYMBOL, DATE, KNOWN_ON), pl.concat(facts), _members(random, known, dates)), pl.concat(secret)
    )


def spliced(before: Inputs, after: Inputs, cut: dt.date, tables: tuple[str, ...], gap: int = 0) -> Inputs:
    """`before`, but of `tables` what became known more than `gap` days after `cut` as in `after`.

    `tables` are of `bars`, `restated` (of bars dated up to the cut, what came later), `facts` and `members`.
    """
    since = cut + dt.timedelta(days=gap)
    later = pl.col(KNOWN_ON) > since
    old = pl.col(DATE) <= cut
    exchanged = {
        "bars": later & ~old,
        "restated": later & old,
        "facts": later,
        "members": later,
    }
    of_bars = [exchanged[name] for name in tables if name in ("bars", "restated")]
    rows = {"bars": pl.any_horizontal(of_bars) if of_bars else pl.lit(False)}
    rows |= {name: exchanged[name] if name in tables else pl.lit(False) for name in ("facts", "members")}
    joined = {
        name: pl.concat([getattr(before, name).filter(~rows[name]), getattr(after, name).filter(rows[name])])
        for name in rows
    }
    return Inputs(
        joined["bars"].sort(SYMBOL, DATE, KNOWN_ON),
        joined["facts"].sort(SYMBOL, "period_end", KNOWN_ON),
        joined["members"].sort("snapshot_date", SYMBOL, KNOWN_ON),
    )


def in_other_units(inputs: Inputs, until: dt.date, factor: float) -> Inputs:
    """Multiply the prices of all bars dated up to `until` by `factor`: no return changes but across that day."""
    old = pl.col(DATE) <= until
    bars = inputs.bars.with_columns(pl.when(old).then(pl.col(c) * factor).otherwise(pl.col(c)).alias(c) for c in PRICES)
    return Inputs(bars, inputs.facts, inputs.members)


def _weekdays(count: int) -> list[dt.date]:
    days = (_FIRST + dt.timedelta(days=number) for number in range(2 * count))
    return [day for day in days if day.isoweekday() <= 5][:count]


def _life(number: int, days: int) -> tuple[int, int]:
    """First bar, and the one after the last: most live all the time, every third is delisted, every fifth is young."""
    born = days * (15 + 4 * number) // 100 if number % 5 == 4 else 0
    died = days * (45 + 4 * number) // 100 if number % 3 == 2 and born == 0 else days
    return born, died


def _halted(number: int, days: int) -> NDArray[np.bool_]:
    """Days without a bar of a symbol: two of three pause twice, at most ten days each, and on most days some do."""
    halted = np.zeros(days, dtype=np.bool_)
    for part in (11, 53) if number % 3 else ():
        first = days * ((part + 23 * number) % 97) // 100
        halted[first + 1 : first + 1 + 6 + number % 5] = True
    return halted


def _symbol(
    random: np.random.Generator,
    name: str,
    dates: list[dt.date],
    traded: NDArray[np.bool_],
    unknown: NDArray[np.bool_],
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Bars of one symbol on days on which it traded, with their restatements, and its secret; some opens `unknown`."""
    count = len(dates)
    moves = random.normal(0.0, _STEP, (2, count))
    noise = random.normal(0.0, _NOISE, count)
    walk = np.cumsum(moves.sum(axis=0)) + np.log(random.uniform(10.0, 200.0))
    opens = walk - moves[1]
    open_, close = np.exp(opens), np.exp(walk + noise)
    spread = 1.0 + np.abs(random.normal(0.0, 0.004, (2, count)))
    table = pl.DataFrame(
        {
            SYMBOL: [name] * count,
            DATE: dates,
            OPEN: open_,
            HIGH: np.maximum(open_, close) * spread[0],
            LOW: np.minimum(open_, close) / spread[1],
            CLOSE: close,
            VOLUME: random.lognormal(13.0, 0.6, count),
            KNOWN_ON: dates,
        }
    )
    missing = {OPEN: unknown, **dict.fromkeys((CLOSE, VOLUME), random.uniform(size=count) < _MISSING)}
    table = table.with_columns(
        pl.when(pl.Series(lacking)).then(None).otherwise(pl.col(c)).alias(c) for c, lacking in missing.items()
    )
    restated = random.uniform(size=count) < _RESTATED
    table, chosen = table.filter(pl.Series(traded)), table.filter(pl.Series(traded & restated))
    factor = pl.Series(np.exp(random.normal(0.0, 0.08, chosen.height)))
    late = pl.Series(random.integers(1, 25, chosen.height))
    later = chosen.with_columns(
        *(pl.col(price) * factor for price in PRICES),
        (pl.col(DATE) + pl.lit(late) * pl.duration(days=1)).alias(KNOWN_ON),
    )
    ahead = np.full(table.height, np.nan)
    ahead[:-2] = np.diff(opens[traded])[1:]
    hidden = table.select(SYMBOL, DATE, pl.Series(NEXT_RETURN, ahead))
    return pl.concat([table, later]), hidden.with_columns(pl.col(NEXT_RETURN).fill_nan(None))


def _facts(random: np.random.Generator, name: str, first: dt.date, last: dt.date) -> pl.DataFrame:
    """Figures of every 30 days, known 20 to 45 days after their end."""
    ends = [first + dt.timedelta(days=day) for day in range(0, (last - first).days + 1, 30)]
    known = [
        end + dt.timedelta(days=int(lag)) for end, lag in zip(ends, random.integers(20, 46, len(ends)), strict=True)
    ]
    values = random.normal(size=len(ends))
    return pl.DataFrame({SYMBOL: [name] * len(ends), "period_end": ends, "value": values, KNOWN_ON: known})


def _members(random: np.random.Generator, bars: pl.DataFrame, dates: list[dt.date]) -> pl.DataFrame:
    """A list every 15 trading days of about two thirds of the symbols that trade, known four days later."""
    parts = []
    for day in dates[::15]:
        trading = bars.filter(pl.col(DATE) == day, pl.col(KNOWN_ON) == day)[SYMBOL]
        listed = trading.filter(pl.Series(random.uniform(size=len(trading)) < 0.7, dtype=pl.Boolean))
        parts.append(
            pl.DataFrame({SYMBOL: listed}).with_columns(
                pl.lit(day).alias("snapshot_date"), pl.lit(day + dt.timedelta(days=4)).alias(KNOWN_ON)
            )
        )
    return pl.concat(parts)
