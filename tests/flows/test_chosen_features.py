"""Nights with features chosen by settings: built, learnt from, told; members as known; one drawn."""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from small_nights import choose_home, market_days, run_night

from flows import cli
from nightdesk.operations.night import plan_night
from nightdesk.settings import read_settings
from nightdesk.store.features import FeatureTable, read_features
from nightdesk.store.schema import stages

NOW = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)


def feature_table(day: dt.date) -> FeatureTable:
    night = plan_night(read_settings(), "live", day, "auto", NOW)
    wanted = sa.select(stages.c.result).where(stages.c.stage == "features", stages.c.as_of == day)
    with night.engine.connect() as connection:
        return FeatureTable(**_with_date(json.loads(connection.scalars(wanted).one())))


def _with_date(record: dict[str, object]) -> dict[str, object]:
    return {**record, "as_of": dt.date.fromisoformat(str(record["as_of"]))}


def test_a_night_builds_what_is_chosen_and_one_feature_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = choose_home(monkeypatch, tmp_path / "home")
    monkeypatch.setenv("NIGHTDESK_FEATURES__GROUPS", json.dumps(["momentum"]))
    monkeypatch.setenv("NIGHTDESK_FEATURES__ADD", json.dumps(["volatility_60", "week_return_4"]))
    monkeypatch.setenv("NIGHTDESK_FEATURES__LEAVE_OUT", json.dumps(["return_1"]))
    monkeypatch.setenv("NIGHTDESK_FEATURES__CROSS_SECTIONS", json.dumps(["rank"]))
    (day,) = market_days(1)
    summary = run_night(day)
    assert summary.status == "published"
    assert summary.failed_fits == ()
    features = read_features(feature_table(day), [day])
    assert {"momentum_252_21", "volatility_60", "week_return_4", "week_return_4_rank"} <= set(features.columns)
    assert not {"return_1", "return_1_rank", "rsi_14"} & set(features.columns)
    assert features["week_return_4_rank"].is_between(0, 1).all()
    assert features["week_return_4_rank"].rank().equals(features["week_return_4"].rank())
    page = (home / "reports" / "live" / f"{day}.html").read_text()
    assert "week_return_4_rank" in page

    symbol = features["symbol"][0]
    monkeypatch.setattr(sys, "argv", ["nightdesk", "features", "week_return_4", "--symbol", symbol])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    drawn = Path(capsys.readouterr().out.split("Picture: ")[1].strip())
    assert drawn.is_relative_to(home)
    assert f"week_return_4 of {symbol}" in drawn.read_text()
    assert pl.read_parquet(next((home / "features").glob("*/date=*/*.parquet"))).height > 0
