"""A small market with all that makes honesty hard: restatements, late lists, lagged facts, halts, delistings."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import numpy as np
import polars as pl

from nightdesk.evaluation.pipeline import Inputs

FIRST: Final = np.datetime64("2023-01-02")
HOLIDAYS: Final = ["2023-02-20", "2023-04-07", "2023-05-29", "2023-07-04", "2023-09-04", "2023-11-23", "2023-12-25"]
BARS: Final = {
    "symbol": pl.String,
    "date": pl.Date,
    "open": pl.Float64,
    "high": pl.Float64,
    "low": pl.Float64,
    "close": pl.Float64,
    "volume": pl.Float64,
    "known_on": pl.Date,
}
FACTS: Final = {"symbol": pl.String, "period_end": pl.Date, "value": pl.Float64, "known_on": pl.Date}
MEMBERS: Final = {"symbol": pl.String, "snapshot_date": pl.Date, "known_on": pl.Date}
PERIODS: Final = ["2022-06-30", "2022-09-30", "2022-12-31", "2023-03-31", "2023-06-30", "2023-09-30", "2023-12-31"]


def small_market(days: int = 300, symbols: int = 20, seed: int = 7) -> Inputs:
    """The market of `seed`: symbols S00 and on, `days` sessions from January 2023 on; the same for equal arguments."""
    random = np.random.default_rng(seed)
    calendar = np.busdaycalendar(holidays=[np.datetime64(day, "D") for day in HOLIDAYS])
    dates: list[Any] = [
        np.busday_offset(FIRST, number, roll="forward", busdaycal=calendar).item() for number in range(days)
    ]
    lives = {f"S{number:02d}": _life(number, symbols, days) for number in range(symbols)}
    bars = _bars(random, dates, lives)
    return Inputs(
        bars=pl.DataFrame(bars + _restated(random, dates, bars), schema=BARS, orient="row").sort(
            "symbol", "date", "known_on"
        ),
        facts=pl.DataFrame(_facts(random, dates, lives), schema=FACTS, orient="row"),
        members=pl.DataFrame(_members(random, dates, lives), schema=MEMBERS, orient="row"),
    )


def split_of(inputs: Inputs, share: float = 0.6) -> dt.date:
    """The session after which `share` of the sessions have passed: a split date to start with."""
    dates = inputs.bars["date"].unique().sort()
    return dates[int(share * (len(dates) - 1))]  # type: ignore[no-any-return]


def _life(number: int, symbols: int, days: int) -> range:
    """The sessions on which a symbol is listed: late listings and delistings stand at the end of the list."""
    from_last = symbols - number
    first = {2: days // 5, 3: days // 3, 4: days // 2, 8: 7 * days // 10}.get(from_last, 0)
    last = {1: days // 2, 4: 9 * days // 10, 5: 3 * days // 4, 6: 19 * days // 20, 7: 2 * days // 3}.get(
        from_last, days
    )
    return range(first, last)


def _bars(random: np.random.Generator, dates: list[dt.date], lives: dict[str, range]) -> list[tuple[Any, ...]]:
    days, count = len(dates), len(lives)
    wild = (np.arange(days) // 45) % 2
    market = random.normal(0.0004, 1.0, days) * np.where(wild, 0.016, 0.006)
    own = random.normal(0, 1, (count, days)) * np.where(wild, 0.018, 0.011)
    moves = market * random.uniform(0.6, 1.4, (count, 1)) + own
    moves[:, 1:] += 0.15 * moves[:, :-1]
    close = random.uniform(20, 200, (count, 1)) * np.exp(np.cumsum(moves, axis=1))
    close[5 % count, 3 * days // 5 :] *= 0.5  # a split, which the older bars learn of by restatement
    gap = random.normal(0, 0.004, (count, days))
    opens = np.roll(close, 1, axis=1) * np.exp(gap)
    opens[:, 0] = close[:, 0]
    opens[5 % count, 3 * days // 5] *= 0.5
    spread = np.abs(random.normal(0, 0.006, (2, count, days)))
    high, low = np.maximum(opens, close) * (1 + spread[0]), np.minimum(opens, close) * (1 - spread[1])
    volume = np.round(random.lognormal(12, 0.4, (count, days)) * (1 + 25 * np.abs(moves)))
    rows: list[tuple[Any, ...]] = []
    for number, (symbol, life) in enumerate(lives.items()):
        for day in life:
            if (number == 3 and day % 97 in range(60, 65)) or (number == 7 and day % 50 == 49):
                continue  # halted: no bar at all
            numbers: list[float | None] = [float(table[number, day]) for table in (opens, high, low, close, volume)]
            if random.random() < 0.006:
                numbers[0] = None
            if random.random() < 0.02:
                numbers[4] = None
            if random.random() < 0.001:
                numbers[3] = None
            rows.append((symbol, dates[day], *numbers, dates[day]))
    return rows


def _restated(random: np.random.Generator, dates: list[dt.date], bars: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    split_symbol, split_day = "S05", dates[3 * len(dates) // 5]
    rows: list[tuple[Any, ...]] = []
    for symbol, date, *numbers, _ in bars:
        later: list[tuple[dt.date, float]] = []
        if random.random() < 0.03:
            known = date + dt.timedelta(days=int(random.integers(1, 25)))
            later.append((known, float(random.choice([0.96, 0.98, 1.02, 1.05]))))
            if random.random() < 0.3:
                later.append((known + dt.timedelta(days=int(random.integers(1, 40))), 1.01))
        if symbol == split_symbol and date < split_day and all(known != split_day for known, _ in later):
            later.append((split_day, 0.5))
        for known, factor in later:
            prices = [None if price is None else price * factor for price in numbers[:4]]
            rows.append((symbol, date, *prices, None if numbers[4] is None else numbers[4] / factor, known))
    return rows


def _facts(random: np.random.Generator, dates: list[dt.date], lives: dict[str, range]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for number, (symbol, life) in enumerate(lives.items()):
        value = float(random.uniform(1, 10))
        for text in PERIODS[: 4 if number == 2 else None]:  # one stops to report
            end = dt.date.fromisoformat(text)
            value *= float(np.exp(random.normal(0.02, 0.15)))
            known = end + dt.timedelta(days=int(random.integers(12, 80)))
            if life.start and known < dates[life.start] + dt.timedelta(days=20):
                continue  # the newly listed report for the first time some weeks later
            rows.append((symbol, end, None if random.random() < 0.03 else value, known))
            if random.random() < 0.35:
                again = known + dt.timedelta(days=int(random.integers(20, 100)))
                rows.append((symbol, end, value * float(random.uniform(0.8, 1.2)), again))
    return rows


def _members(random: np.random.Generator, dates: list[dt.date], lives: dict[str, range]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    chosen = set(random.choice(sorted(lives), size=max(1, 2 * len(lives) // 3), replace=False).tolist())
    for day, date in enumerate(dates):
        if day and date.month == dates[day - 1].month:
            continue
        alive = {symbol for symbol, life in lives.items() if day in life}
        chosen = {symbol for symbol in chosen & alive if random.random() > 0.12}
        rest = sorted(alive - chosen)
        chosen |= set(random.permutation(rest)[: max(0, 2 * len(alive) // 3 - len(chosen))].tolist())
        known = date + dt.timedelta(days=int(random.integers(0, 9)))
        rows.extend((symbol, date, known) for symbol in sorted(chosen))
    return rows
