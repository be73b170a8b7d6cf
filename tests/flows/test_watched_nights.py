"""Drift over nights: a source that breaks is told, named and asks for a training; a clean one is not spoken of."""

from __future__ import annotations

import datetime as dt
import functools
import json
import re
from pathlib import Path

import polars as pl
import pytest
from bar_samples import csv_of, put, synthetic_bars
from small_nights import choose_home, run_night

from flows.show_drift import show_drift
from nightdesk.errors import NothingThere
from nightdesk.operations.night import plan_night
from nightdesk.settings import read_settings
from nightdesk.store.database import open_store
from nightdesk.store.incidents import all_incidents
from nightdesk.store.monitoring import drift_of, outcomes_of, reference_of, slices_of
from nightdesk.tables import DATE, LOW, SYMBOL

FIRST, EVE, BROKEN, ALARMED = 760, 763, 764, 781
"""Positions of nights: the first, one before the break, the first broken day, and one 21 days after the first."""
STAY_WHOLE = 5
"""Symbols that the break passes over."""


@functools.cache
def market() -> pl.DataFrame:
    return synthetic_bars(symbols=30, days=790, seed=11, signal_ic=0.1, horizon=1, faults=False)


@functools.cache
def days() -> list[dt.date]:
    return market()[DATE].unique().sort().to_list()


def broken() -> pl.DataFrame:
    """From one day on the source's lows are a tenth too low, of all symbols but five."""
    names = market()[SYMBOL].unique().sort().to_list()[STAY_WHOLE:]
    struck = (pl.col(DATE) >= days()[BROKEN]) & pl.col(SYMBOL).is_in(names)
    return market().with_columns(pl.when(struck).then(0.9 * pl.col(LOW)).otherwise(pl.col(LOW)).alias(LOW))


def choose_desk(monkeypatch: pytest.MonkeyPatch, home: Path, bars: pl.DataFrame) -> Path:
    choose_home(monkeypatch, home)
    put(home.parent / "bars", {"bars.csv": csv_of(bars)})
    options = {"folder": str(home.parent / "bars"), "price_basis": "adjusted_as_known", "calendar": "XNYS"}
    monkeypatch.setenv("NIGHTDESK_SOURCE__NAME", "files")
    monkeypatch.setenv("NIGHTDESK_SOURCE__OPTIONS", json.dumps({**options, "currency": "USD"}))
    monkeypatch.setenv("NIGHTDESK_HORIZONS", "[1]")
    monkeypatch.setenv("NIGHTDESK_TRAINING__RECIPES", '["ridge"]')
    monkeypatch.setenv("NIGHTDESK_TRAINING__RETRAIN_AFTER", "60")
    return home


def incidents(home: Path) -> dict[str, dict]:
    rows = all_incidents(open_store(f"sqlite:///{home / 'store.db'}")).iter_rows(named=True)
    return {row["key"]: row for row in rows}


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", Path(page).read_text(encoding="utf-8")).split())


@pytest.mark.proof
def test_a_broken_source_is_told_named_and_asks_for_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("evidently", reason="Evidently draws the page of what drifted, and is not installed")
    home = choose_desk(monkeypatch, tmp_path / "home", broken())
    run_night(days()[FIRST])
    eve = run_night(days()[EVE])
    assert incidents(home) == {}
    assert eve.inputs == ("clean at 1 day: none of 20 features drifted over 15 nights",)
    assert "Evidently" not in text_of(eve.report)
    told = run_night(days()[ALARMED])
    (key,) = incidents(home)
    assert key == "drifting/live/inputs"
    assert told.trained
    assert "features drifted over 15 nights" in told.training_reason
    assert f"since {days()[BROKEN]}" in told.training_reason
    engine = open_store(f"sqlite:///{home / 'store.db'}")
    row = drift_of(engine, "live", days()[ALARMED], days()[ALARMED]).row(0, named=True)
    assert (row["verdict"], row["since"]) == ("gross", days()[BROKEN])
    flagged = {one["feature"]: one["since"] for one in json.loads(row["flagged"])}
    assert {"range_position", "stochastic_k_14"} <= set(flagged)
    assert flagged["range_position"] == str(days()[BROKEN])
    struck = market()[SYMBOL].unique().sort().to_list()[STAY_WHOLE:]
    assert {symbol for symbol, _ in json.loads(row["symbols"])} <= set(struck)
    # The report names features, their night and the symbols, and leads to a page that needs nothing but itself.
    shown = text_of(told.report)
    assert f"range_position {days()[BROKEN]}" in shown
    assert json.loads(row["symbols"])[0][0] in shown
    page = home / "reports/live/quality" / str(days()[ALARMED]) / "drift.html"
    assert f'href="quality/{days()[ALARMED]}/drift.html"' in Path(told.report).read_text(encoding="utf-8")
    assert page.stat().st_size < 4_100_000
    # What the new model is judged by was not learnt from the fault, which is still told, once.
    night = plan_night(read_settings(), "live", days()[ALARMED], "auto", dt.datetime(2026, 1, 5, tzinfo=dt.UTC))
    _, reference = reference_of(night.features, told.serving[0].content) or ("", pl.DataFrame())
    assert BROKEN - 257 <= reference["nights"][0] <= BROKEN - 252
    after = run_night(days()[ALARMED + 1])
    assert not after.trained
    assert "an alarm asks for none before it is 20" in after.training_reason
    assert list(incidents(home)) == [key]
    assert incidents(home)[key]["occurrence"] == 1
    show_drift(read_settings(), "live", None)
    assert "range_position" in capsys.readouterr().out


@pytest.mark.proof
def test_a_clean_source_is_never_spoken_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = choose_desk(monkeypatch, tmp_path / "home", market())
    with pytest.raises(NothingThere, match="drift is judged by nights that begin with a served model"):
        show_drift(read_settings(), "live", None)
    first = run_night(days()[FIRST])
    assert (first.inputs, first.outcomes) == ((), ())
    for place in (EVE, ALARMED):
        summary = run_night(days()[place])
        assert not summary.trained
        # A single feature may lean now and then; that is shown, and wakes nobody.
        (said,) = summary.inputs
        assert said.startswith("clean at 1 day: none of 20") or "drifted over 15 nights (5%, not gross)" in said
    assert incidents(home) == {}
    engine = open_store(f"sqlite:///{home / 'store.db'}")
    kept = outcomes_of(engine, "live", days()[0], days()[ALARMED])
    assert kept["verdict"].to_list() == ["held", "held"]
    assert kept["nights"].to_list() == [1, 2]
    # Every matured night has its regime; without lists of members there are no sectors.
    slices = slices_of(engine, "live", days()[ALARMED])
    assert slices["slicing"].unique().to_list() == ["regime"]
    assert slices.height == kept["nights"][-1]
