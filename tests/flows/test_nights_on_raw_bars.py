"""Nights over raw bars with corporate actions: stored as traded, and read in the shares that were known that night."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from apple_samples import SPLIT_2014, apple_actions, apple_bars
from bar_samples import csv_of, put
from polars.testing import assert_series_equal

from nightdesk.errors import DataRefused
from nightdesk.operations import incoming
from nightdesk.operations.ingest import Load, Table, ingest
from nightdesk.operations.night import Night, plan_night
from nightdesk.operations.quality_pages import qualities_of, write_quality_pages
from nightdesk.settings import Settings
from nightdesk.sources.cell_form import CellForm
from nightdesk.sources.sample import DATA, MEMBERSHIP_FILE
from nightdesk.store.inputs import bars_as_known
from nightdesk.tables import CLOSE, DATE, EX_DATE, VALUE
from tasks.features import panel
from tasks.ingest import check, fetch, load

RECORDED = Path(__file__).parents[1] / "sources/recorded"
EVE = SPLIT_2014 - dt.timedelta(days=3)
RAW = apple_bars().filter(pl.col(DATE).is_between(dt.date(2013, 2, 1), dt.date(2014, 6, 30)))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    put(tmp_path / "bars", {"bars.csv": csv_of(RAW)})
    put(tmp_path, {"actions.csv": csv_of(apple_actions())})
    options = {"folder": tmp_path / "bars", "actions": tmp_path / "actions.csv", "price_basis": "raw"}
    return Settings(
        home=tmp_path / "home",
        horizons=(5,),
        source={"name": "files", "options": options},  # type: ignore[arg-type]
        training={"first_train": 100},  # type: ignore[arg-type]
    )


def panel_of(settings: Settings, day: dt.date) -> tuple[Night, pl.DataFrame]:
    """What the night of `day` ingests and then works on."""
    night = plan_night(settings, "live", day, "auto", dt.datetime(2015, 1, 1, tzinfo=dt.UTC))
    ingested = load.fn(night, check.fn(night, fetch.fn(night)))
    assert ingested.notes == ()  # a split that is known is no suspicion
    return night, panel.fn(night, ingested).read()


def test_each_night_sees_the_shares_of_its_day_and_the_store_keeps_what_was_traded(settings: Settings) -> None:
    _, eve = panel_of(settings, EVE)
    assert eve.equals(RAW.filter(pl.col(DATE) <= EVE))
    night, after = panel_of(settings, SPLIT_2014)
    assert after.height == eve.height + 1
    assert after[-1].equals(RAW.filter(date=SPLIT_2014))
    assert_series_equal(after[:-1][CLOSE], eve[CLOSE] / 7, rel_tol=1e-12)
    assert bars_as_known(night.engine, "files", night.cutoff).equals(RAW.filter(pl.col(DATE) <= SPLIT_2014))
    assert panel_of(settings, EVE)[1].equals(eve)


def test_a_night_writes_a_page_of_the_actions_that_it_knew(settings: Settings) -> None:
    night, bars = panel_of(settings, SPLIT_2014)
    (found,) = qualities_of(night, bars)
    assert [path.name for path in write_quality_pages(night, found)] == ["bars.html", "actions.html"]
    (table,) = found.tables
    assert table.rows == apple_actions().filter(pl.col(EX_DATE) <= SPLIT_2014).height
    assert table.last == SPLIT_2014
    assert (table.findings, table.restated) == ((), 0)
    folder = night.home.quality("live", SPLIT_2014)
    page = (folder / "actions.html").read_text()
    assert "the newest ex-date is 2014-06-09." in page
    assert 'href="bars.html"' in page
    assert 'href="actions.html"' in (folder / "bars.html").read_text()


def test_a_night_writes_a_page_of_each_table_that_has_rows(settings: Settings) -> None:
    files: dict[Table, Path] = {
        "membership": DATA / MEMBERSHIP_FILE,
        "fundamentals": RECORDED / "annual_fundamentals.csv",
        "factors": RECORDED / "F-F_Research_Data_5_Factors_2x3_daily.CSV",
    }
    for table, file in files.items():
        ingest(settings, table, Load(file, CellForm()), dt.datetime(2025, 1, 1, tzinfo=dt.UTC))
    night, bars = panel_of(settings, SPLIT_2014)
    (found,) = qualities_of(night, bars)
    names = [path.stem for path in write_quality_pages(night, found)]
    assert names == ["bars", "membership", "actions", "fundamentals", "factors"]
    told = {table.page: table for table in found.tables}
    assert told["membership"].summary == "The newest list has 500 members and is 39 days old."
    lists = dict(told["membership"].coverage)["lists, the newest first"]
    assert lists["members"].to_list() == [500] * 9
    assert lists.row(-1, named=True)["joined"] is None  # nothing came before the first list
    assert "1 of the 1 symbols with a bar on the newest day (100%)" in told["fundamentals"].summary
    assert (told["fundamentals"].rows, told["fundamentals"].last) == (140, dt.date(2013, 12, 31))
    assert told["factors"].source == "fama_french"
    assert told["factors"].last < dt.date(2014, 4, 1)  # what was released later was not known
    assert {one.rule for table in found.tables for one in table.findings} <= {"sector_name"}


def test_actions_that_the_store_has_are_not_checked_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    night, _ = panel_of(settings, SPLIT_2014)
    ran: list[str] = []
    monkeypatch.setattr(incoming, "table_findings", lambda suite, _: ran.append(suite.table) or ())
    known, members = night.source.actions(SPLIT_2014), night.source.membership(SPLIT_2014)
    assert incoming.beside_findings(night, night.source, known, members) == ()
    assert ran == []
    changed = known.with_columns(pl.when(pl.col(EX_DATE) == SPLIT_2014).then(14.0).otherwise(VALUE).alias(VALUE))
    incoming.beside_findings(night, night.source, changed, members)
    assert ran == ["corporate actions"]


def test_an_action_that_cannot_be_applied_stops_the_night_before_anything_is_written(
    settings: Settings, tmp_path: Path
) -> None:
    wrong = apple_actions().with_columns(pl.when(pl.col(VALUE) == 2.0).then(-2.0).otherwise(VALUE).alias(VALUE))
    put(tmp_path, {"actions.csv": csv_of(wrong)})
    night = plan_night(settings, "live", EVE, "auto", dt.datetime(2015, 1, 1, tzinfo=dt.UTC))
    with pytest.raises(DataRefused, match=r"action_value AAPL 2000-06-21: split of -2.0, and 1 more"):
        check.fn(night, fetch.fn(night))
    assert bars_as_known(night.engine, "files", night.cutoff).is_empty()
