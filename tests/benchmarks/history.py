"""A night's ingest on a store of one and of four times the history: what it costs must not depend on the past."""

from __future__ import annotations

import datetime as dt
from contextlib import nullcontext
from functools import partial

import polars as pl
import pytest
import sqlalchemy as sa

from nightdesk.quality.bars import check_bars
from nightdesk.sessions import trading_days_before
from nightdesk.store.inputs import bars_as_known, load_bars
from nightdesk.tables import DATE, SYMBOL
from tests import postgresql_server
from tests.benchmarks.page import Section, Target, seconds
from tests.benchmarks.sample import LATER, Sample, sample
from tests.benchmarks.store import Fresh, new_database, new_file
from tests.benchmarks.timing import ROUNDS, Case, interleaved

TIMES = 4
LOOK_BACK = 60
LOAD, INGEST = "one trading day in", "a night's ingest: 60 days read, the day checked, loaded"


def measure(symbols: int | None) -> list[Section]:
    """Both engines; a line says so where no PostgreSQL is there."""
    panel = sample(symbols)
    found = [_section("SQLite", panel, new_file)]
    try:
        with postgresql_server.server() as server:
            found.append(_section("PostgreSQL", panel, partial(new_database, server)))
    except pytest.skip.Exception as none:
        found.append(Section("History, PostgreSQL", f"Not measured: {none}."))
    return found


def _section(engine_name: str, panel: Sample, fresh: Fresh) -> Section:
    with fresh() as short, fresh() as deep:
        days = panel.days[-2 * ROUNDS :]
        known = panel.verdict.good.filter(pl.col(DATE) < days[0])
        _load(panel, short, known)
        _load(panel, deep, pl.concat([*_older(known, panel), known]).sort(SYMBOL, DATE))
        cases = []
        for times, engine in ((1, short), (TIMES, deep)):
            loaded, ingested = iter(days[:ROUNDS]), iter(days[ROUNDS:])
            cases += [
                Case(f"{LOAD}, {times}x", partial(_next, loaded), partial(_load_day, panel, engine)),
                Case(f"{INGEST}, {times}x", partial(_next, ingested), partial(_ingest_day, panel, engine)),
            ]
        timings = interleaved(cases)
    rows = tuple((one.name, seconds(one.median), seconds(one.best)) for one in timings.values())
    growth = timings[f"{INGEST}, {TIMES}x"].median / timings[f"{INGEST}, 1x"].median
    sentence = (
        f"{known.height:,} bars, and {TIMES} times as many: the same symbols over {TIMES} times the trading days. A "
        f"night's ingest takes {growth:.2f} times as long on the deeper store."
    )
    target = Target(f"a night's ingest at {TIMES}x history, {engine_name}", 150, 100 * growth, "% of 1x", most=True)
    return Section(f"History, {engine_name}", sentence, ("what", "median s", "best s"), rows, (target,))


def _next(days: object) -> nullcontext[dt.date]:
    return nullcontext(next(days))  # type: ignore[call-overload]


def _older(known: pl.DataFrame, panel: Sample) -> list[pl.DataFrame]:
    """The same bars again, each time as if they were of the trading days before all others."""
    dates = known[DATE].unique().sort()
    before = trading_days_before("XNYS", dates[0], (TIMES - 1) * dates.len())
    return [
        known.with_columns(pl.col(DATE).replace_strict(dates, before[at * dates.len() : (at + 1) * dates.len()]))
        for at in range(TIMES - 1)
    ]


def _load(panel: Sample, engine: sa.Engine, bars: pl.DataFrame) -> None:
    load_bars(engine, bars, panel.verdict.broken.clear(), (), panel.arrival)


def _load_day(panel: Sample, engine: sa.Engine, day: dt.date) -> None:
    _load(panel, engine, panel.verdict.good.filter(pl.col(DATE) == day))


def _ingest_day(panel: Sample, engine: sa.Engine, day: dt.date) -> None:
    batch = panel.bars.filter(pl.col(DATE) == day)
    first, *_, eve = trading_days_before("XNYS", day, LOOK_BACK)
    symbols = batch[SYMBOL].unique().to_list()
    before = bars_as_known(engine, panel.arrival.source, LATER, first, eve, symbols)
    verdict = check_bars(batch, [day], before=before)
    load_bars(engine, verdict.good, verdict.broken, verdict.findings, panel.arrival)
