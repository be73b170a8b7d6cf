"""What several markets take in, where rows count as known when they arrived, and where a feed is asked again."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from bar_samples import csv_of, put
from market_samples import coins, new_york, options_of, sao_paulo
from test_same_state import Killed

import flows.alerts
from nightdesk.faults import listening
from nightdesk.operations.night import Night, plan_night
from nightdesk.operations.panel import closes_of, panel_of
from nightdesk.operations.quality import held_row, list_quarantine, release_row
from nightdesk.operations.reporting import markets_of
from nightdesk.operations.universe import universe_of
from nightdesk.report.contents import LATE, NEW
from nightdesk.settings import Settings
from nightdesk.store.incidents import all_incidents
from nightdesk.store.inputs import bars_as_known
from nightdesk.tables import DATE, MARKET, SYMBOL
from tasks.features import panel
from tasks.ingest import Ingested, check, fetch, load

EVE, DAY = dt.date(2017, 6, 13), dt.date(2017, 6, 14)
EVENING = dt.datetime(2017, 6, 14, 23, 30, tzinfo=dt.UTC)


def settings_of(folder: Path, home: str = "home", **changes: Any) -> Settings:
    """A desk of New York and the coins, live, and known as observed unless `changes` say otherwise."""
    stated = {"basis": "observed", "live": True, **changes}
    market = {"name": "crypto", "source": "files", "options": options_of(folder, "crypto", **stated)}
    return Settings(
        home=folder / home,
        horizons=(1,),
        source={"name": "files", "options": options_of(folder, "us", **stated)},  # type: ignore[arg-type]
        markets=(market,),  # type: ignore[arg-type]
        training={"first_train": 100},  # type: ignore[arg-type]
    )


def night_of(settings: Settings, day: dt.date, started: dt.datetime) -> Night:
    return replace(plan_night(settings, "live", day, "auto", dt.datetime(2018, 1, 1, tzinfo=dt.UTC)), started=started)


def ingest(night: Night) -> Ingested:
    return load.fn(night, check.fn(night, fetch.fn(night)))


def newest(night: Night) -> dict[str, dt.date]:
    bars = panel.fn(night, Ingested("", 0, 0, (), ())).read()
    return dict(bars.group_by(MARKET).agg(pl.col(DATE).max()).iter_rows())


def test_what_arrives_tonight_is_seen_tonight_also_after_a_kill_between_two_markets(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    ingest(night_of(settings, EVE, EVENING - dt.timedelta(days=1)))

    def kill(point: str) -> None:
        if point == "loaded:crypto":
            raise Killed(point)

    with pytest.raises(Killed), listening(kill):
        ingest(night_of(settings, DAY, EVENING))
    again = night_of(settings, DAY, EVENING + dt.timedelta(minutes=10))
    assert ingest(again).rows_new == 20 + 3
    # The lead came last, and its arrival is the cut-off: the coins of before the kill are known by then.
    assert again.cutoff == again.started
    assert newest(again) == {"files": DAY, "crypto": EVE}
    late = night_of(settings, DAY, EVENING + dt.timedelta(days=3))
    assert (late.cutoff, newest(late)) == (again.cutoff, newest(again))


def test_a_late_market_holds_nobody_up_and_what_comes_after_asking_is_the_next_nights(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, basis="rule")
    put(tmp_path / "crypto", {"bars.csv": csv_of(coins().filter(pl.col(DATE) < EVE))})
    night = night_of(settings, DAY, EVENING)
    batches = fetch.fn(night)
    put(tmp_path / "crypto", {"bars.csv": csv_of(coins())})
    ingested = load.fn(night, check.fn(night, batches))
    assert newest(night) == {"files": DAY, "crypto": EVE - dt.timedelta(days=1)}
    lead, coins_tonight = markets_of(night, panel_of(night), ingested.markets)
    assert (lead.state, lead.symbols, lead.newest) == (NEW, 20, DAY)
    assert (coins_tonight.state, coins_tonight.expected, coins_tonight.symbols) == (LATE, EVE, 0)
    assert set(closes_of(night, panel_of(night))[MARKET]) == {"files"}
    assert newest(_next(settings))["crypto"] == DAY


def _next(settings: Settings) -> Night:
    night = night_of(settings, DAY + dt.timedelta(days=1), EVENING + dt.timedelta(days=1))
    ingest(night)
    return night


def test_a_stopped_feed_is_told_by_its_own_market_and_calendar(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    put(tmp_path / "crypto", {"bars.csv": csv_of(coins().filter(pl.col(DATE) <= dt.date(2017, 6, 10)))})
    put(tmp_path / "us", {"bars.csv": csv_of(new_york().filter(pl.col(DATE) <= DAY))})
    flows.alerts.look_around(night_of(settings, DAY, EVENING))
    night = night_of(settings, DAY, EVENING)
    (told,) = all_incidents(night.engine).iter_rows(named=True)
    assert told["key"] == "feed-stopped/crypto/2017-06-11"  # a Sunday


def test_a_row_in_quarantine_is_found_and_released_in_its_own_market(tmp_path: Path) -> None:
    strange = (pl.col(SYMBOL) == "PETR4.SA") & (pl.col(DATE) == dt.date(2017, 5, 29))
    bars = sao_paulo().with_columns(pl.when(strange).then(-1.0).otherwise("close").alias("close"))
    market = {"name": "b3", "source": "files", "options": options_of(tmp_path, "b3", bars)}
    settings = settings_of(tmp_path, basis="rule").model_copy(update={"markets": ()})
    settings = Settings(**{**dict(settings), "markets": (market,)})
    night = night_of(settings, DAY, EVENING)
    ingest(night)
    (held,) = list_quarantine(settings, everything=False)
    assert held_row(settings, held.key[:8]).values[SYMBOL] == "PETR4.SA"
    # A holiday of New York's: the row is released by the calendar of its own exchange.
    release_row(
        settings, held.key, ["close=15.5", "low=1", "high=99"], "ann", "the wire said so", EVENING, replace=False
    )
    known = bars_as_known(night.engine, "b3", dt.datetime(2018, 1, 1, tzinfo=dt.UTC)).filter(strange)
    assert known["close"].to_list() == [15.5]


def test_each_market_has_a_universe_of_its_own(tmp_path: Path) -> None:
    chosen = settings_of(tmp_path, basis="rule")
    ingest(night_of(chosen, DAY, EVENING))
    settings = Settings(**{**dict(chosen), "universe": {"rule": "top_n", "n": 2, "window": 20}})
    found = universe_of(night_of(settings, DAY, EVENING))
    of_coins = found.str.contains("/USD")
    assert ((~of_coins).sum(), of_coins.sum()) == (2, 2)
    assert found.is_sorted()
    assert universe_of(night_of(chosen, DAY, EVENING)) is None
