"""The report and the page of members tell the same survivorship, whatever the lists call a symbol."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_nights import OPTIONS, choose_home, market_days, run_night

from nightdesk.sources import SOURCES
from nightdesk.sources.source import SourceFacts
from nightdesk.sources.synthetic import synthetic
from nightdesk.tables import MEMBERSHIP, SYMBOL

FIRST_LIST = dt.date(2017, 1, 3)
TOLD = re.compile(r"\d+ of \d+ symbols that were members of SP500 at some time have no bars(?: at all)?")


class Listed:
    """The synthetic market with an index: its bars say BRK.B where the lists say BRK-B, and a member is gone."""

    def __init__(self) -> None:
        self.market = synthetic(**OPTIONS)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.market, name)

    @property
    def facts(self) -> SourceFacts:
        return dataclasses.replace(self.market.facts, index_name="SP500")

    def bars(self, *days: Any) -> pl.DataFrame:
        return self.market.bars(*days).with_columns(pl.col("symbol").replace("SYN0003", "BRK.B")).sort("symbol", "date")

    def membership(self, last: dt.date) -> pl.DataFrame:
        symbols = [*self.market.bars(None, last)[SYMBOL].unique().sort().replace("SYN0003", "BRK-B"), "GONE"]
        rows = [("SP500", FIRST_LIST, symbol, symbol.title(), None) for symbol in symbols]
        return pl.DataFrame(rows, schema=MEMBERSHIP, orient="row")


def test_the_report_and_the_page_of_members_name_the_same_members_without_bars(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = choose_home(monkeypatch, tmp_path / "home")
    monkeypatch.setitem(SOURCES, "listed", Listed)
    monkeypatch.setenv("NIGHTDESK_SOURCE__NAME", "listed")
    monkeypatch.setenv("NIGHTDESK_SOURCE__OPTIONS", "{}")
    monkeypatch.setenv("NIGHTDESK_TRAINING__RECIPES", '["ridge"]')
    (day,) = market_days(1)
    report = Path(run_night(day).report).read_text()
    page = (home / f"reports/live/quality/{day}/membership.html").read_text()
    (in_report,), (on_page,) = set(TOLD.findall(report)), TOLD.findall(page)  # above the recommendations too
    assert in_report.startswith("1 of ")  # GONE alone: BRK-B is joined to BRK.B
    assert on_page.removesuffix(" at all") == in_report
