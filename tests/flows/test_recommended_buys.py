"""On a market whose signal calibration finds, nights recommend buys within every limit, and the book follows them."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from small_nights import OPTIONS, choose_home, run_night
from test_replay import NOW

from nightdesk.operations.night import plan_night
from nightdesk.publish.paper_book import RECOMMENDED
from nightdesk.publish.publication import latest
from nightdesk.settings import read_settings
from nightdesk.sources import open_source
from nightdesk.store.paper_book import book_of, positions_on

STRONG = {**OPTIONS, "signal_ic": 0.3, "days": 520, "faults": False}


@pytest.mark.proof
def test_buys_are_sized_and_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = choose_home(monkeypatch, tmp_path / "home")
    monkeypatch.setenv("NIGHTDESK_SOURCE__OPTIONS", json.dumps(STRONG))
    monkeypatch.setenv("NIGHTDESK_TRAINING__RECIPES", '["ridge"]')
    source = open_source("synthetic", **STRONG)
    first, second = source.bars(None, source.last_day())["date"].unique().sort().to_list()[-2:]
    run_night(first)
    rows = latest(home / "published", "live").recommendations()
    limits = read_settings().recommend
    buys = rows.filter(action="buy")
    assert 0 < buys.height < rows.height
    assert (buys["edge"] > buys["round_trip_cost"]).all()
    assert (buys["probability_up"] > buys["probability_down"]).all()
    assert buys["rank"].max() < rows.filter(action="hold")["rank"].max()
    assert (buys["target"] > buys["close"]).all()
    bought = rows.filter(pl.col("weight") > 0.0)
    assert set(bought["symbol"]) <= set(buys["symbol"])
    assert 0 < bought.height <= limits.positions
    assert bought["weight"].max() <= limits.max_weight + 1e-9
    assert bought["weight"].sum() <= 1.0 + 1e-9
    assert (bought["weight"] * limits.capital <= limits.max_participation * bought["dollar_volume"] + 1e-6).all()
    assert (bought["shares"] * bought["close"] <= bought["weight"] * limits.capital + 1e-6).all()
    assert any("trust: unproven" in reason for reason in buys["reasons"][0])
    run_night(second)
    night = plan_night(read_settings(), "live", second, "auto", NOW)
    (day,) = book_of(night.engine, "live", second).filter(line=RECOMMENDED).iter_rows(named=True)
    assert (day["date"], day["decided"]) == (second, first)
    assert day["turnover"] == pytest.approx(bought["weight"].sum())
    assert day["net"] < day["gross"]
    assert set(positions_on(night.engine, "live", 5, RECOMMENDED, second)) == set(bought["symbol"])
    assert "buy" in night.home.report("live", first).read_text(encoding="utf-8")
