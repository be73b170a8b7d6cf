"""What nights forecast is scored the night its exit price is known, published with a status, and never changed."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from scipy.stats import spearmanr
from small_nights import begin_with, choose_home, market_days, run_night
from test_replay import NOW

import tasks.ingest
from nightdesk.errors import DataRefused, NightDone, NothingServed
from nightdesk.operations.night import plan_night
from nightdesk.publish.publication import latest
from nightdesk.quality.thresholds import Thresholds
from nightdesk.settings import read_settings
from nightdesk.store.forecasts import forecasts_of, scores


def test_forecasts_are_scored_the_night_their_exit_price_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose_home(monkeypatch, tmp_path / "home")
    monkeypatch.setenv("NIGHTDESK_HORIZONS", "[1]")
    days = market_days(4)
    summaries = [run_night(day) for day in days]
    night = plan_night(read_settings(), "live", days[-1], "auto", NOW)
    scored = scores(night.engine, "live", days[-1])
    # Decided on the close of day 0, filled at the open of day 1, left at the open of day 2.
    assert [summary.matured > 0 for summary in summaries] == [False] * 2 + [True] * 2
    assert scored["as_of"].unique().sort().to_list() == days[:2]
    assert scored.filter(as_of=days[0])["exit_date"].unique().to_list() == [days[2]]
    assert scored.filter(as_of=days[0])["scored_on"].unique().to_list() == [days[2]]
    row = scored.filter(pl.col("served"), as_of=days[0]).row(0, named=True)
    assert row["rank_ic"] == pytest.approx(_rank_ic(night, days, row["model"]), abs=1e-12)


def test_a_night_that_fails_leaves_the_last_good_forecasts_marked_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = choose_home(monkeypatch, tmp_path / "home")
    good, bad, _ = market_days(3)
    begin_with(good)
    published = latest(home / "published", "live")
    with monkeypatch.context() as patch:
        strict = Thresholds(broken_share=0.0, handful=0)
        patch.setattr(tasks.ingest, "thresholds_of", lambda _: strict)
        patch.setattr(tasks.ingest, "check_bars", _with_a_broken_row(tasks.ingest.check_bars))
        with pytest.raises(DataRefused, match="broken"):
            run_night(bad)
    kept = latest(home / "published", "live")
    assert (kept.status, kept.as_of) == ("stale", good)
    assert "refused" in kept.reason
    assert kept.ranking().equals(published.ranking())
    status = json.loads((home / f"published/live/{bad}/status.json").read_text())
    assert status["status"] == "refused"
    run_night(bad)
    assert latest(home / "published", "live").status == "published"


def test_a_done_night_gives_its_summary_again_and_will_not_be_trained_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose_home(monkeypatch, tmp_path / "home")
    (day,) = market_days(1)
    first = run_night(day)
    assert run_night(day) == first
    with pytest.raises(NightDone, match="trains before it forecasts"):
        run_night(day, train="always")


def test_a_fit_that_fails_fails_alone_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choose_home(monkeypatch, tmp_path / "home")
    monkeypatch.setenv("NIGHTDESK_TRAINING__RECIPES", '["ridge", "no-such-recipe"]')
    (day,) = market_days(1)
    summary = run_night(day)
    assert summary.failed_fits == ("no-such-recipe h5",)
    assert [one.model for one in summary.serving] == ["ridge"]
    assert summary.status == "published"


def test_a_night_with_nobody_to_serve_is_refused_and_can_be_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = choose_home(monkeypatch, tmp_path / "home")
    (day,) = market_days(1)
    with pytest.raises(NothingServed, match="got none at 5 days"):
        run_night(day, train="never")
    with monkeypatch.context() as patch:
        patch.setenv("NIGHTDESK_TRAINING__RECIPES", '["no-such-recipe"]')
        with pytest.raises(NothingServed):
            run_night(day)
    assert json.loads((home / f"published/live/{day}/status.json").read_text())["status"] == "refused"
    assert run_night(day).status == "published"


def _with_a_broken_row(check):
    def checked(bars, *args, **kwargs):
        broken = bars.with_columns(high=pl.when(pl.int_range(pl.len()) < 20).then(pl.col("low") / 2).otherwise("high"))
        return check(broken, *args, **kwargs)

    return checked


def _rank_ic(night, days, model: str) -> float:
    """Spearman's correlation of the first night's scores with returns from the open of day 1 to that of day 2."""
    bars = night.source.bars(days[1], days[2])
    entry = bars.filter(date=days[1]).select("symbol", entry="open")
    exit_ = bars.filter(date=days[2]).select("symbol", exit="open")
    said = forecasts_of(night.engine, "live", days[0]).filter(model=model)
    met = said.join(entry, on="symbol").join(exit_, on="symbol").drop_nulls(["entry", "exit"])
    return float(spearmanr(met["score"], met["exit"] / met["entry"]).statistic)
