"""A hundred nights under random faults and kills, and a table of what came of them (`make chaos`)."""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from chaos_places import Place, embedded, on_postgresql, over_http, run_outside, with_registry
from chaos_prefect import FAULTS as PREFECT_FAULTS
from chaos_prefect import deployed
from chaos_starts import BUSY, DONE, KILLED, RAW, Ending, Start, begin, ending
from logical_state import differences
from small_nights import market_days

from nightdesk.errors import NothingThere
from nightdesk.publish.publication import STALE, latest
from nightdesk.store import schema
from nightdesk.store.decisions import MOVING

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(7200)]

NIGHTS = 10
"""Nights of a chain, one after the other in one home."""
CHAINS: dict[str, tuple[Callable[[Path], AbstractContextManager[Place]], int]] = {
    "embedded": (embedded, 3),
    "postgresql": (on_postgresql, 2),
    "http": (over_http, 2),
    "registry": (with_registry, 2),
}
FAULTS_A_NIGHT = 3
"""After so many, the next start is left in peace: it must end the night."""
ROWS = ("bars", "quarantine", "batches", "forecasts", "matured", "decisions")


@dataclass
class Tally:
    """What befell the nights, and what came of it; everything in `wrong` must stay empty."""

    nights: int = 0
    starts: int = 0
    endings: Counter[tuple[str, str]] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    doubled: Counter[str] = field(default_factory=Counter)
    wrong: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in WRONG})

    def add(self, other: Tally) -> None:
        """Take in what another chain found."""
        self.nights += other.nights
        self.starts += other.starts
        for name in ("endings", "told", "lost", "doubled"):
            getattr(self, name).update(getattr(other, name))
        for name, lines in other.wrong.items():
            self.wrong[name] += lines


WRONG = (
    "promotions on incomplete data",
    "last good forecasts gone",
    "last good forecasts not marked stale",
    "faults neither recovered nor told",
    "errors outside nightdesk's tree",
    "nights that never ended",
    "states that differ in the end",
)


@dataclass(frozen=True)
class Reference:
    """A chain in peace: its logical state, bars a day, ranking a night, and how long a night takes (seconds)."""

    state: dict[str, Any]
    bars: dict[dt.date, int]
    seconds: float


def test_a_hundred_nights_under_faults_end_as_if_nothing_had_happened(tmp_path: Path) -> None:
    days, tally = market_days(NIGHTS), Tally()
    references = {kind: in_peace(place, tmp_path / f"{kind}-peace", days) for kind, (place, _) in CHAINS.items()}
    with ThreadPoolExecutor(2) as both:
        chains = [
            both.submit(chain, place, tmp_path / f"{kind}-{number}", days, references[kind], f"{kind} {number}")
            for number in range(max(many for _, many in CHAINS.values()))
            for kind, (place, many) in CHAINS.items()
            if number < many
        ]
        for one in chains:
            tally.add(one.result())
    print("\nWithout Prefect", *table(tally), sep="\n", flush=True)
    tally.add(through_prefect(tmp_path / "prefect", days, references["embedded"]))
    print("\nAll together", *table(tally), sep="\n", flush=True)
    assert tally.nights == NIGHTS * (1 + sum(many for _, many in CHAINS.values()))
    assert not (+tally.lost)
    assert not (+tally.doubled)
    assert {name: lines for name, lines in tally.wrong.items() if lines} == {}


def in_peace(place: Callable[[Path], AbstractContextManager[Place]], folder: Path, days: list[dt.date]) -> Reference:
    """The nights of a chain with nothing befalling them."""
    with place(folder) as here:
        began = time.monotonic()
        for number, day in enumerate(days):
            start = Start(here.environment, day, folder / f"{number}.log")
            assert ending(start, begin(start)) == Ending(DONE)
        seconds = (time.monotonic() - began) / len(days)
        with here.engine() as engine:
            return Reference(here.state(), bars_by_day(engine), seconds)


def chain(
    place: Callable[[Path], AbstractContextManager[Place]],
    folder: Path,
    days: list[dt.date],
    reference: Reference,
    name: str,
) -> Tally:
    """The nights of a chain under faults drawn from its name, and what is wrong at any time and in the end."""
    tally, chance = Tally(), Random(name)
    with place(folder) as here:
        for day in days:
            night(here, day, reference, chance, tally, f"{name}, {day}")
        compare(here, reference, tally, name)
    return tally


def through_prefect(folder: Path, days: list[dt.date], reference: Reference) -> Tally:
    """A chain of runs of the nightly deployment under a worker."""
    tally, chance = Tally(), Random("prefect")
    with deployed(folder) as desk:
        for day in days:
            tally.nights += 1
            faults = [chance.choice(sorted(PREFECT_FAULTS)) for _ in range(chance.randint(1, 2))]
            for number, fault in enumerate([*faults, "none (Prefect)", "none (Prefect)"]):
                found = desk.night(day, fault, chance)
                tally.starts += 1
                tally.endings[fault, found.how] += 1
                # What Prefect tells of a run bears the run's name, what the next start tells of it the night's date.
                look(desk.place, day, reference, tally, f"prefect, {day}, start {number} ({fault})", told=False)
                if found.how == DONE:
                    break
                if found.how == RAW:
                    tally.wrong["errors outside nightdesk's tree"].append(f"prefect, {day}, {fault}: {found.said}")
            else:
                tally.wrong["nights that never ended"].append(f"prefect, {day}: {found.said}")
        with desk.place.engine() as engine, engine.connect() as connection:
            killed = sa.select(schema.nights.c.as_of, schema.nights.c.run_id)
            for day, run in connection.execute(killed.where(schema.nights.c.status == "abandoned")):
                if desk.place.told.about(f"night-crashed/live/{day}") or desk.place.told.about(f"night-crashed/{run}"):
                    tally.told["run killed (Prefect)"] += 1
                else:
                    tally.wrong["faults neither recovered nor told"].append(f"prefect, {day}: the killed run {run}")
        compare(desk.place, reference, tally, "prefect")
    return tally


def compare(here: Place, reference: Reference, tally: Tally, name: str) -> None:
    """What is lost, doubled or otherwise different in the end."""
    found = here.state()
    for table_name in ROWS:
        expected, there = Counter(reference.state["rows"][table_name]), Counter(found["rows"][table_name])
        tally.lost[table_name] += (expected - there).total()
        tally.doubled[table_name] += (there - expected).total()
    for line in differences(found, reference.state)[:10]:
        tally.wrong["states that differ in the end"].append(f"{name}: {line}")


def night(here: Place, day: dt.date, reference: Reference, chance: Random, tally: Tally, name: str) -> None:
    """One night: started under a fault until it is through, at last in peace."""
    tally.nights += 1
    faults = [chance.choice(sorted(here.faults)) for _ in range(chance.randint(1, FAULTS_A_NIGHT))]
    for number, fault in enumerate([*faults, "none", "none"]):
        log = here.home.parent / f"{day}-{number}.log"
        planned = here.faults[fault](Start(here.environment, day, log), chance, reference.seconds)
        process = begin(planned.start)
        outside = run_outside(planned, process)
        found = ending(planned.start, process)
        if outside is not None:
            outside.join(60)
        tally.starts += 1
        tally.endings[fault, found.how] += 1
        look(here, day, reference, tally, f"{name}, start {number} ({fault})")
        if found.how == DONE:
            return
        if found.how == RAW:
            tally.wrong["errors outside nightdesk's tree"].append(f"{name}, {fault}: {found.said} ({log})")
        if found.how not in (KILLED, BUSY):
            key = f"night-failed/live/{day}"
            if here.told.about(key):
                tally.told[fault] += 1
            else:
                tally.wrong["faults neither recovered nor told"].append(f"{name}, {fault}: {found.said}")
    tally.wrong["nights that never ended"].append(f"{name}: {found.said}")


def look(here: Place, day: dt.date, reference: Reference, tally: Tally, name: str, *, told: bool = True) -> None:
    """What must hold at any moment: a killed night was told, forecasts stand and say their age, nothing was rushed."""
    if not here.begun():
        return
    nights, decisions = schema.nights, schema.decisions
    with here.engine() as engine, engine.connect() as connection:
        statuses = set(connection.scalars(sa.select(nights.c.status).where(nights.c.as_of == day)))
        moving = decisions.c.action.in_(MOVING) & decisions.c.moves_alias & (decisions.c.as_of == day)
        promoted = connection.scalar(sa.select(sa.func.count()).where(moving))
        whole = bars_by_day(engine).get(day, 0) == reference.bars[day]
    if promoted and not whole:
        tally.wrong["promotions on incomplete data"].append(name)
    if told and "abandoned" in statuses and not here.told.about(f"night-crashed/live/{day}"):
        tally.wrong["faults neither recovered nor told"].append(f"{name}: a killed night")
    try:
        last = latest(here.home / "published", "live")
        whole = not last.ranking().is_empty()
    except (NothingThere, OSError, pl.exceptions.PolarsError) as error:
        if day != market_days(NIGHTS)[0]:
            tally.wrong["last good forecasts gone"].append(f"{name}: {error}")
        return
    if not whole:
        tally.wrong["last good forecasts gone"].append(f"{name}: empty")
    begun = statuses - {"done"}
    if begun and last.as_of < day and last.status != STALE:
        tally.wrong["last good forecasts not marked stale"].append(name)


def bars_by_day(engine: sa.Engine) -> dict[dt.date, int]:
    """How many bars the store has of each day."""
    bars = schema.bars
    with engine.connect() as connection:
        rows = connection.execute(sa.select(bars.c.date, sa.func.count()).group_by(bars.c.date))
        return dict(rows.tuples().all())


def table(tally: Tally) -> Iterator[str]:
    """The table that `make chaos` prints."""
    how = sorted({one for _, one in tally.endings})
    yield f"{tally.nights} nights, {tally.starts} starts"
    yield f"{'fault':<28}" + "".join(f"{one:>12}" for one in how) + f"{'told':>12}"
    for fault in sorted({one for one, _ in tally.endings}):
        counts = "".join(f"{tally.endings[fault, one]:>12}" for one in how)
        yield f"{fault:<28}{counts}{tally.told[fault]:>12}"
    for name in ROWS:
        yield f"{'rows of ' + name:<28}{tally.lost[name]:>6} lost {tally.doubled[name]:>6} doubled"
    for name in WRONG:
        yield f"{name:<48}{len(tally.wrong[name]):>6}"
        yield from (f"    {line}" for line in tally.wrong[name])
