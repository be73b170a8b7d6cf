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
from nightdesk.errors import ModelBroken
from nightdesk.operations.feature_picture import STUDIES
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


def choose_features(monkeypatch: pytest.MonkeyPatch, **chosen: list[str]) -> None:
    for name in ("groups", "add", "leave_out", "cross_sections"):
        monkeypatch.delenv(f"NIGHTDESK_FEATURES__{name.upper()}", raising=False)
    for name, values in chosen.items():
        monkeypatch.setenv(f"NIGHTDESK_FEATURES__{name.upper()}", json.dumps(values))


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> object:
    monkeypatch.setattr(sys, "argv", ["nightdesk", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code or 0


def test_a_night_builds_what_is_chosen_and_one_feature_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = choose_home(monkeypatch, tmp_path / "home")
    choose_features(
        monkeypatch,
        groups=["momentum"],
        add=["volatility_60", "week_return_4"],
        leave_out=["return_1"],
        cross_sections=["rank"],
    )
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
    assert command(monkeypatch, "features", "week_return_4", "--symbol", symbol) == 0
    drawn = Path(capsys.readouterr().out.split("Picture: ")[1].strip())
    assert drawn.is_relative_to(home)
    assert f"week_return_4 of {symbol}" in drawn.read_text()
    for kind in STUDIES:
        assert command(monkeypatch, "features", "--picture", kind) == 0
        study = Path(capsys.readouterr().out.split("Picture: ")[1].strip())
        assert study.is_relative_to(home)
        assert study.name == f"{kind}.svg"
        assert ">What " in study.read_text()
    for wrong in (("--picture", "cluster"), ("rsi_14", "--picture", "clusters")):
        assert command(monkeypatch, "features", *wrong) != 0
        told = capsys.readouterr().err.splitlines()
        assert len(told) == 1
        assert "clusters" in told[0] or "--picture" in told[0]
    assert pl.read_parquet(next((home / "features").glob("*/date=*/*.parquet"))).height > 0


def test_what_a_served_model_needs_is_built_until_it_retires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = choose_home(monkeypatch, tmp_path / "home")
    first, second, third = market_days(3)
    choose_features(monkeypatch, groups=["momentum"], add=["volatility_60", "week_return_4_rank"])
    run_night(first)
    trained_on = read_features(feature_table(first)).columns

    choose_features(monkeypatch, groups=["bars", "momentum"], add=["volatility_60"])
    later = run_night(second)
    assert (later.status, later.trained) == ("published", False)
    table = feature_table(second)
    assert set(read_features(table).columns) == {*trained_on, "gap_open", "range_position"}
    parts = {file.parent.parent.name for file in (home / "features").glob("*/date=*/*.parquet")}
    assert len(parts) == 3  # what stood, the two new ones for the days before, and all for the new day

    # Another definition of one of them, as after an upgrade: the old model is not fed with the new numbers.
    for file in (home / "features" / "models").glob("*.parquet"):
        old = pl.when(pl.col("feature") == "return_20").then(pl.lit("0" * 16)).otherwise("content").alias("content")
        pl.read_parquet(file).with_columns(old).write_parquet(file)
    with pytest.raises(ModelBroken, match=r"must be given its features as they were .* got return_20 otherwise \(1 of"):
        run_night(third, train="never")
    mended = run_night(third)
    assert (mended.status, mended.trained) == ("published", True)
    assert mended.training_reason == "models in use were fitted on return_20 as defined before"
