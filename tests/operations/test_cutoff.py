"""What a night may know, where rows count as known when they arrived: what its first attempt read, it always reads."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from nightdesk.operations.night import Night, plan_night
from nightdesk.quality.bars import check_bars
from nightdesk.quality.thresholds import Thresholds
from nightdesk.settings import Settings
from nightdesk.sources import SOURCES, SourceFacts
from nightdesk.sources.synthetic import SyntheticSource
from nightdesk.store.inputs import bars_as_known, load_bars
from nightdesk.tables import DATE, OBSERVED, RULE

HOUR = dt.timedelta(hours=1)


@dataclass(frozen=True)
class Wire:
    """A live source: its rows count as known when they arrived."""

    recorded: SyntheticSource

    @property
    def facts(self) -> SourceFacts:
        return replace(self.recorded.facts, name="wire", basis=OBSERVED, live=True)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.recorded, name)


@pytest.fixture
def days(monkeypatch: pytest.MonkeyPatch) -> list[dt.date]:
    recorded = SOURCES["synthetic"](symbols=5, days=200, seed=3)
    monkeypatch.setitem(SOURCES, "wire", lambda: Wire(recorded))
    return recorded.bars(None, recorded.last_day())[DATE].unique().sort().to_list()


def night_of(day: dt.date, home: Path, after: dt.timedelta, realm: str = "live") -> Night:
    """The night of `day`, begun `after` the instant at which its bars should be there."""
    settings = Settings(
        home=home,
        horizons=(5,),
        source={"name": "wire", "options": {}},  # type: ignore[arg-type]
        training={"first_train": 100},  # type: ignore[arg-type]
    )
    close = plan_night(settings, realm, day, "auto", dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    return replace(close, started=close.cutoff + after)


def load(night: Night, bars: pl.DataFrame) -> None:
    verdict = check_bars(bars, bars[DATE].unique().sort().to_list(), Thresholds(0.5, 0.5), symbols_before=None)
    load_bars(night.engine, verdict.good, verdict.broken, verdict.findings, night.arrival())


def closes(night: Night) -> list[float]:
    bars = bars_as_known(night.engine, "wire", night.cutoff, last=night.as_of)
    return bars.filter(pl.col(DATE) == night.as_of)["close"].to_list()


def test_history_is_known_by_rule_and_each_later_row_from_its_arrival(days: list[dt.date], tmp_path: Path) -> None:
    first = night_of(days[-3], tmp_path, 24 * HOUR)
    assert first.arrival().basis == RULE
    load(first, first.source.bars(None, days[-3]))
    # History loaded long after its closes is read as if the desk had been there.
    old = night_of(days[-50], tmp_path, 24 * HOUR)
    assert old.cutoff < first.cutoff
    assert len(closes(old)) == len(closes(first)) == 5
    next_night = night_of(days[-2], tmp_path, HOUR)
    assert next_night.arrival().basis == OBSERVED


def test_a_row_that_came_after_the_lag_is_seen_by_its_own_night_started_again_and_replayed(
    days: list[dt.date], tmp_path: Path
) -> None:
    load(night_of(days[-3], tmp_path, HOUR), SOURCES["wire"]().bars(None, days[-3]))
    night = night_of(days[-2], tmp_path, 2 * HOUR)
    new = night.source.bars(days[-2], days[-2])
    load(night, new)
    assert night.cutoff == night.started
    assert len(closes(night)) == 5
    # The next night brings a correction of that day. The corrected day as it was known then stays as it was.
    restated = new.with_columns(pl.col("open", "high", "low", "close") * 1.01)
    load(night_of(days[-1], tmp_path, HOUR), pl.concat([restated, night.source.bars(days[-1], days[-1])]))
    again = night_of(days[-2], tmp_path, 100 * HOUR)
    replayed = night_of(days[-2], tmp_path, 100 * HOUR, realm="replay")
    assert again.cutoff == replayed.cutoff == night.cutoff
    assert closes(again) == closes(replayed) == closes(night) == new["close"].to_list()
    later = night_of(days[-1], tmp_path, 100 * HOUR)
    seen = bars_as_known(later.engine, "wire", later.cutoff, days[-2], days[-2])
    assert seen["close"].to_list() == restated["close"].to_list()


def test_a_day_without_a_row_is_cut_off_by_its_rule(days: list[dt.date], tmp_path: Path) -> None:
    load(night_of(days[-3], tmp_path, HOUR), SOURCES["wire"]().bars(None, days[-3]))
    night = night_of(days[-2], tmp_path, 5 * HOUR)
    assert night.started - night.cutoff == 5 * HOUR
    assert closes(night) == []
