"""A whole night over symbols that would be SQL, HTML or a path, and a command line that is given such words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from small_nights import OPTIONS, choose_home, market_days, run_night
from test_wrong_arguments import run

from nightdesk.sources import SOURCES
from nightdesk.sources.synthetic import synthetic
from nightdesk.store import schema
from nightdesk.store.forecasts import forecasts_of

NAMES = (
    "'; DROP TABLE bars; --",
    "<script>alert(1)</script>",
    "../../../etc/passwd",
    "%(x)s {0} $PATH `id`",
    "=cmd|' /C calc'!A0",
)


class Renamed:
    """The synthetic market, its symbols called otherwise."""

    def __init__(self) -> None:
        self.market = synthetic(**OPTIONS)
        symbols = self.market.bars(None, self.market.last_day())["symbol"].unique().sort()
        self.names = {symbol: f"{NAMES[number % len(NAMES)]}{number}" for number, symbol in enumerate(symbols)}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.market, name)

    def bars(self, *days: Any) -> pl.DataFrame:
        return self.market.bars(*days).with_columns(pl.col("symbol").replace(self.names)).sort("symbol", "date")

    def membership(self, *days: Any) -> pl.DataFrame:
        return self.market.membership(*days).with_columns(pl.col("symbol").replace(self.names)).sort("symbol")


@pytest.fixture
def home(store: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = choose_home(monkeypatch, tmp_path / "home")
    monkeypatch.setitem(SOURCES, "renamed", Renamed)
    monkeypatch.setenv("NIGHTDESK_SOURCE__NAME", "renamed")
    monkeypatch.setenv("NIGHTDESK_SOURCE__OPTIONS", "{}")
    monkeypatch.setenv("NIGHTDESK_TRAINING__RECIPES", '["ridge"]')
    monkeypatch.setenv("NIGHTDESK_STORE__URL", store.url.render_as_string(hide_password=False))
    return home


def test_a_night_over_hostile_symbols_publishes_them_as_they_are(
    store: sa.Engine, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (day,) = market_days(1)
    summary = run_night(day)
    assert summary.status == "published"
    logged = set(forecasts_of(store, "live", day)["symbol"])
    assert {f"{name}{number}" for number, name in enumerate(NAMES)} <= logged
    assert set(summary.top[0][1]) <= logged
    page = Path(summary.report).read_text()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page
    for words, says in (
        (("predict", NAMES[0]), "symbol must be one of"),  # shown in capitals, and so another name
        (("predict", NAMES[0], "--realm", NAMES[0]), "nightdesk"),
        (("models", "--realm", NAMES[0]), "no model is served in realm"),
        (("history", "--realm", NAMES[0]), "no night has run in realm"),
        (("train", "--realm", NAMES[0]), "a realm's name is 1 to 32 lowercase letters"),
        (("replay", "--from", str(day), "--to", str(day), "--realm", NAMES[0]), "a realm's name is"),
        (("approve", "--as-of", str(day), "--by", NAMES[0], "--note", NAMES[0]), "NIGHTDESK_PROMOTION__APPROVAL"),
    ):
        code, out, err = run(monkeypatch, capsys, *words)
        told = (out + err).strip()
        assert (code, told.count("\n")) == (2, 0), told
        assert says in told
    assert {table.name for table in schema.metadata.sorted_tables} <= set(sa.inspect(store).get_table_names())
    assert run_night(day).status == "published"
