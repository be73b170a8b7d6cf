"""A night on which the vendor rebased a symbol's history: told as that, kept as one row, and no jump in the panel."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from bar_samples import csv_of, put, synthetic_bars
from polars.testing import assert_frame_equal

from nightdesk.operations.night import Night, plan_night
from nightdesk.sessions import session_close
from nightdesk.settings import Settings
from nightdesk.store import schema
from nightdesk.store.bulk import read
from nightdesk.store.rebasing import all_rebases
from nightdesk.tables import CLOSE, DATE, OBSERVED, PRICES, RULE, SYMBOL, VOLUME
from tasks.features import panel
from tasks.ingest import check, fetch, load

BARS = synthetic_bars(faults=False, days=200)
*_, BEFORE, EVE, SPLIT = BARS[DATE].unique().sort().to_list()
SPLIT_SYMBOL = BARS[SYMBOL][0]
REBASED = BARS.with_columns(
    *(pl.when(pl.col(SYMBOL) == SPLIT_SYMBOL).then(pl.col(name) / 2).otherwise(name).alias(name) for name in PRICES),
    pl.when(pl.col(SYMBOL) == SPLIT_SYMBOL).then(pl.col(VOLUME) * 2).otherwise(VOLUME).alias(VOLUME),
)


def settings(tmp_path: Path, basis: str) -> Settings:
    options = {"folder": tmp_path / "bars", "basis": basis, "restate_days": 6}
    return Settings(
        home=tmp_path / "home",
        horizons=(5,),
        source={"name": "files", "options": options},  # type: ignore[arg-type]
        training={"first_train": 100},  # type: ignore[arg-type]
    )


def panel_of(given: Settings, day: dt.date) -> tuple[Night, list[str], pl.DataFrame]:
    """What the night of `day`, in the evening of that day, notes and then works on."""
    night = plan_night(given, "live", day, "auto", session_close("XNYS", day) + dt.timedelta(hours=3))
    ingested = load.fn(night, check.fn(night, fetch.fn(night)))
    return night, [rule for rule, *_ in ingested.notes], panel.fn(night, ingested).read()


@pytest.mark.parametrize("basis", [RULE, OBSERVED])
def test_the_night_of_the_rebase_and_those_before_it_each_read_one_basis(tmp_path: Path, basis: str) -> None:
    given = settings(tmp_path, basis)
    put(tmp_path / "bars", {"bars.csv": csv_of(BARS.filter(pl.col(DATE) <= EVE))})
    _, quiet, eve = panel_of(given, EVE)
    assert "rebased_history" not in quiet
    put(tmp_path / "bars", {"bars.csv": csv_of(REBASED)})
    night, notes, now = panel_of(given, SPLIT)
    assert "rebased_history" in notes
    assert "suspected_action" not in notes
    # Observed, the desk decided once the rebased bars had come; by the rule, the new day was to be had before.
    expected = REBASED if basis == OBSERVED else BARS
    assert_frame_equal(now, expected, rel_tol=1e-12)
    assert panel_of(given, EVE)[2].equals(eve)
    assert all_rebases(night.engine, "files").height == 1
    assert read(night.engine, schema.bars.select()).height == BARS.height
    change = now.filter(pl.col(SYMBOL) == SPLIT_SYMBOL)[CLOSE].pct_change()
    assert_frame_equal(
        change.to_frame(), BARS.filter(pl.col(SYMBOL) == SPLIT_SYMBOL)[CLOSE].pct_change().to_frame(), rel_tol=1e-9
    )
