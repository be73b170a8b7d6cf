"""Nights over half-hours with features of them: as in plain Python, corrected when known, and replayed as they were."""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from bar_samples import csv_of, put, synthetic_bars
from session_features import SLOW, slow_values
from session_samples import as_csv, of_new_york, slow_measures
from small_nights import choose_home, run_night

import tasks.ingest
from flows import cli
from nightdesk.operations.night import LIVE, Night, plan_night
from nightdesk.sessions import session_close
from nightdesk.settings import Settings, read_settings
from nightdesk.sources.intraday import daily
from nightdesk.sources.session_measures import session_measures
from nightdesk.store import schema
from nightdesk.store.features import FeatureTable, read_features
from nightdesk.tables import BARS, CLOSE, DATE, MARKET, MEASURES, OPEN, SYMBOL
from tasks.features import panel
from tasks.ingest import check, fetch, load

NOW = dt.datetime.now(dt.UTC)
PLACE = pl.int_range(pl.len()).over(SYMBOL, DATE)


def corrected(bars: pl.DataFrame, symbol: str, day: dt.date) -> pl.DataFrame:
    """Another close of the fourth half-hour of a day: within its range, so that the daily bar stays as it was."""
    this = (pl.col(SYMBOL) == symbol) & (pl.col(DATE) == day) & (PLACE == 3)
    restated = bars.with_columns(pl.when(this).then((pl.col("high") + pl.col("low")) / 2).otherwise(CLOSE).alias(CLOSE))
    assert daily(restated).equals(daily(bars))
    assert not restated.equals(bars)
    return restated


def features_of(realm: str, day: dt.date) -> pl.DataFrame:
    engine = plan_night(read_settings(), "live", day, "never", NOW).engine
    wanted = sa.select(schema.stages.c.result).where(
        schema.stages.c.stage == "features", schema.stages.c.realm == realm, schema.stages.c.as_of == day
    )
    with engine.connect() as connection:
        record: dict[str, Any] = json.loads(connection.scalars(wanted).one())
    return read_features(FeatureTable(**record)).sort(SYMBOL, DATE)


def unlike_slow(found: pl.DataFrame, bars: pl.DataFrame, symbol: str) -> list[tuple[object, ...]]:
    """Values of features of sessions that differ from those worked out in plain Python."""
    own, slow = found.filter(pl.col(SYMBOL) == symbol), slow_measures(bars.filter(pl.col(SYMBOL) == symbol))
    sessions = [slow[symbol, day] for day in own[DATE]]
    wrong = []
    for name, (window, inputs, value) in SLOW.items():
        for day, ours, theirs in zip(own[DATE], own[name], slow_values(sessions, window, inputs, value), strict=True):
            if not (ours is theirs is None or abs(ours - theirs) <= 1e-9 + 2e-7 * abs(theirs)):  # type: ignore[operator]
                wrong.append((day, name, ours, theirs))
    return wrong


def test_a_correction_of_an_hour_is_seen_from_its_knowledge_on_and_a_replay_sees_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = of_new_york(synthetic_bars(faults=False, symbols=12, days=330))
    *_, restated_day, _, first, second = whole[DATE].unique().sort().to_list()
    one, other, *_ = whole[SYMBOL].unique().sort().to_list()
    home, folder = choose_home(monkeypatch, tmp_path / "home"), tmp_path / "bars"
    options = {"folder": str(folder), "bar_minutes": 30, "basis": "observed", "restate_days": 5}
    monkeypatch.setenv("NIGHTDESK_SOURCE__NAME", "files")
    monkeypatch.setenv("NIGHTDESK_SOURCE__OPTIONS", json.dumps(options))
    monkeypatch.setenv("NIGHTDESK_FEATURES__GROUPS", '["nightly", "intraday"]')
    monkeypatch.setenv("NIGHTDESK_TRAINING__RECIPES", '["ridge"]')

    put(folder, {"all.csv": as_csv(whole.filter(pl.col(DATE) <= first))})
    assert run_night(first).status == "published"
    before = features_of("live", first)
    assert set(SLOW) <= set(before.columns)
    assert unlike_slow(before, whole, one) == []

    mended = corrected(whole, one, restated_day)
    put(folder, {"all.csv": as_csv(mended)})
    assert run_night(second).status == "published"
    after = features_of("live", second)
    assert [*unlike_slow(after, mended, one), *unlike_slow(after, mended, other)] == []
    assert {name for _, name, *_ in unlike_slow(after, whole, one)} >= {"realized_volatility_5", "realized_skewness_20"}
    assert {day for day, *_ in unlike_slow(after, whole, one)} == {day for day in after[DATE] if day >= restated_day}
    past = pl.col(DATE) <= first
    assert after.filter(past, pl.col(SYMBOL) != one).equals(before.filter(pl.col(SYMBOL) != one))
    engine = plan_night(read_settings(), "live", second, "never", NOW).engine
    with engine.connect() as connection:
        kept = connection.scalar(sa.select(sa.func.count()).select_from(schema.session_measures))
    assert kept == daily(whole).height + 1

    run_night(first, realm="replay")
    assert features_of("replay", first).equals(before)

    monkeypatch.setattr(sys, "argv", ["nightdesk", "features", "session_vwap_gap", "--symbol", one])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    assert "Picture: " in capsys.readouterr().out
    assert (home / "reports/features" / f"session_vwap_gap-{one}.svg").is_file()


WHOLE = of_new_york(synthetic_bars(faults=False, symbols=3, days=140))
*_, SPOILT, EVE, NEXT = WHOLE[DATE].unique().sort().to_list()
ONE = WHOLE[SYMBOL][0]


def settings_of(tmp_path: Path, basis: str = "observed", **more: Any) -> Settings:
    options = {"folder": tmp_path / "bars", "bar_minutes": 30, "basis": basis, "restate_days": 4}
    return Settings(
        home=tmp_path / "home",
        horizons=(5,),
        source={"name": "files", "options": options},  # type: ignore[arg-type]
        training={"first_train": 100},  # type: ignore[arg-type]
        quality={"max_broken_share": 0.5},  # type: ignore[arg-type]
        **more,
    )


def panel_of(settings: Settings, day: dt.date) -> tuple[Night, pl.DataFrame]:
    """What the night of `day`, in the evening of that day, takes in and then works on."""
    night = plan_night(settings, LIVE, day, "auto", session_close("XNYS", day) + dt.timedelta(hours=3))
    return night, panel.fn(night, load.fn(night, check.fn(night, fetch.fn(night)))).read()


def measured(bars: pl.DataFrame) -> pl.DataFrame:
    """Daily bars with their measures, as a panel has them."""
    measures = session_measures(bars, "XNYS", 30)
    return daily(bars).join(measures, on=[SYMBOL, DATE], how="left", maintain_order="left")


def versions(night: Night) -> int:
    with night.engine.connect() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(schema.session_measures)) or 0)


def upto(day: dt.date, bars: pl.DataFrame = WHOLE) -> pl.DataFrame:
    return bars.filter(pl.col(DATE) <= day)


def test_a_faulty_hour_that_is_mended_is_known_from_its_arrival(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    this = (pl.col(SYMBOL) == ONE) & (pl.col(DATE) == SPOILT) & (PLACE == 3)
    broken = WHOLE.with_columns(pl.when(this).then(-1.0).otherwise(OPEN).alias(OPEN))
    put(tmp_path / "bars", {"all.csv": as_csv(upto(EVE, broken))})
    night, eve = panel_of(settings, EVE)
    expected = measured(upto(EVE)).filter((pl.col(SYMBOL) != ONE) | (pl.col(DATE) != SPOILT))
    assert eve.equals(expected)
    put(tmp_path / "bars", {"all.csv": as_csv(WHOLE)})
    _, mended = panel_of(settings, NEXT)
    assert mended.equals(measured(WHOLE))
    assert versions(night) == mended.height + 1
    assert panel_of(settings, EVE)[1].equals(eve)


@pytest.mark.parametrize("before", ["load_session_measures", "load_bars"])
def test_a_night_killed_beside_measures_or_bars_loads_both_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    settings = settings_of(tmp_path)
    put(tmp_path / "bars", {"all.csv": as_csv(upto(EVE))})
    panel_of(settings, EVE)
    put(tmp_path / "bars", {"all.csv": as_csv(WHOLE)})

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tasks.ingest, before, killed)
        with pytest.raises(KeyboardInterrupt):
            panel_of(settings, NEXT)
    night, again = panel_of(settings, NEXT)
    assert again.equals(measured(WHOLE))
    assert versions(night) == again.height


def test_a_home_older_than_measures_takes_them_all_in_with_its_next_night(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, basis="rule")
    put(tmp_path / "bars", {"all.csv": as_csv(upto(EVE))})
    night, _ = panel_of(settings, EVE)
    with night.engine.begin() as connection:
        connection.execute(schema.session_measures.delete())
    put(tmp_path / "bars", {"all.csv": as_csv(WHOLE)})
    assert panel_of(settings, NEXT)[1].equals(measured(WHOLE))


def test_bars_of_another_length_bring_measures_of_all_their_days(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, basis="rule")
    put(tmp_path / "bars", {"all.csv": as_csv(upto(EVE))})
    panel_of(settings, EVE)
    hours = WHOLE.filter(PLACE % 2 == 0)
    put(tmp_path / "bars", {"all.csv": as_csv(hours)})
    settings.source.options["bar_minutes"] = 60
    expected = session_measures(hours, "XNYS", 60)
    assert panel_of(settings, NEXT)[1].select(*expected.columns).equals(expected)


def test_a_market_of_daily_bars_beside_has_no_measures_and_one_of_minutes_has(tmp_path: Path) -> None:
    renamed = {"plain": "X", "minutes": "Y"}
    bars = {name: WHOLE.with_columns(pl.col(SYMBOL) + mark) for name, mark in renamed.items()}
    put(tmp_path / "bars", {"all.csv": as_csv(WHOLE)})
    put(tmp_path / "minutes", {"all.csv": as_csv(bars["minutes"])})
    put(tmp_path / "plain", {"all.csv": csv_of(daily(bars["plain"]))})
    beside = [
        {"name": name, "source": "files", "options": {"folder": tmp_path / name, **more, "basis": "observed"}}
        for name, more in (("plain", {}), ("minutes", {"bar_minutes": 30}))
    ]
    night, found = panel_of(settings_of(tmp_path, markets=beside), NEXT)
    assert versions(night) == 2 * daily(WHOLE).height
    own = {name: found.filter(pl.col(MARKET) == name).drop(MARKET) for name in ("files", "plain", "minutes")}
    assert own["files"].equals(measured(WHOLE))
    assert own["minutes"].equals(measured(bars["minutes"]))
    assert own["plain"].select(*BARS).equals(daily(bars["plain"]))
    assert own["plain"].select(*MEASURES).null_count().row(0) == (own["plain"].height,) * len(MEASURES)
