"""A planted restatement: replayed as was and corrected, a night gives different answers, and each is the right one."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal
from small_nights import OPTIONS, choose_home, market_days, run_night

from flows.replay import ReplayParameters
from nightdesk.features.matrix import feature_matrix
from nightdesk.operations.night import plan_night
from nightdesk.settings import read_settings
from nightdesk.sources import open_source
from nightdesk.store.features import FeatureTable, read_features
from nightdesk.store.forecasts import forecasts_of
from nightdesk.store.inputs import Arrival, bars_as_known, load_bars
from nightdesk.store.schema import bars, stages
from nightdesk.tables import BARS, CLOSE, DATE, HIGH, LOW, OPEN, RULE, SYMBOL, VOLUME

NO_BROKEN = pl.DataFrame(schema={**BARS, "reasons": pl.List(pl.String)})
DAY, _, NEWEST = market_days(3)
NOW = dt.datetime.now(dt.UTC)
SOURCE = open_source("synthetic", **OPTIONS)


def arrival_at(moment: dt.datetime) -> Arrival:
    """A declared load of history: what is new is known by the rule, what is restated from this moment."""
    return Arrival("synthetic", "XNYS", SOURCE.facts.publication_lag, RULE, moment)


def slow_panel(engine: sa.Engine, cutoff: dt.datetime) -> pl.DataFrame:
    """In plain Python: of each symbol and day up to the night's, the version that was known last by the cut-off."""
    with engine.connect() as connection:
        versions = [dict(row) for row in connection.execute(sa.select(bars)).mappings()]
    known: dict[tuple[str, dt.date], dict[str, Any]] = {}
    for row in sorted(versions, key=lambda one: one["known_at"]):
        if row["known_at"] <= cutoff and row[DATE] <= DAY:
            known[(row[SYMBOL], row[DATE])] = row
    return pl.DataFrame([[known[key][name] for name in BARS] for key in sorted(known)], schema=BARS, orient="row")


def restate(engine: sa.Engine) -> None:
    """Half of the symbols traded a tenth higher on the last two days before the night, and on one day after it."""
    known = bars_as_known(engine, "synthetic", NOW)
    days = [day for day in known[DATE].unique().sort() if day < DAY][-2:]
    half = known[SYMBOL].unique().sort()[::2].to_list()
    changed = known.filter(pl.col(SYMBOL).is_in(half), pl.col(DATE).is_in([*days, NEWEST]))
    changed = changed.with_columns(pl.col(OPEN, HIGH, LOW, CLOSE) * 1.1, pl.col(VOLUME) * 2)
    assert load_bars(engine, changed, NO_BROKEN, [], arrival_at(NOW)).rows_new == changed.height > 20


def a_home_of_its_own(panel: pl.DataFrame, home: Path, monkeypatch: pytest.MonkeyPatch) -> pl.DataFrame:
    """What a desk forecasts that never had any other bars than these."""
    choose_home(monkeypatch, home)
    night = plan_night(read_settings(), "live", DAY, "auto", NOW)
    load_bars(night.engine, panel, NO_BROKEN, [], arrival_at(NOW))
    run_night(DAY)
    return forecasts_of(night.engine, "live", DAY)


def features_of(engine: sa.Engine, realm: str) -> pl.DataFrame:
    wanted = sa.select(stages.c.result).where(stages.c.stage == "features", stages.c.realm == realm)
    with engine.connect() as connection:
        (result,) = connection.scalars(wanted)
    return read_features(FeatureTable(**json.loads(result)), [DAY])


@pytest.mark.proof
def test_as_was_and_corrected_are_different_and_both_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTDESK_TRAINING__RECIPES", '["ridge"]')
    home = choose_home(monkeypatch, tmp_path / "home")
    engine = plan_night(read_settings(), "live", NEWEST, "auto", NOW).engine
    whole = SOURCE.bars(None, NEWEST).drop_nulls().filter(pl.col(LOW) <= pl.min_horizontal(OPEN, HIGH, CLOSE))
    load_bars(
        engine, whole.unique([SYMBOL, DATE], maintain_order=True), NO_BROKEN, [], arrival_at(NOW - dt.timedelta(days=1))
    )
    restate(engine)
    for corrected in (False, True):
        run_night(DAY, realm=ReplayParameters(first=DAY, last=DAY, corrected=corrected).lives_in)
    night = plan_night(read_settings(), "replay", DAY, "auto", NOW)
    panels = {"replay": slow_panel(engine, night.cutoff), "replay-corrected": slow_panel(engine, NOW)}
    assert not panels["replay"].equals(panels["replay-corrected"])
    found = {}
    for realm, panel in panels.items():
        expected = feature_matrix(panel).filter(pl.col(DATE) == DAY)
        stored = features_of(engine, realm)
        assert_frame_equal(stored.sort(SYMBOL), expected.select(stored.columns).sort(SYMBOL))
        said = forecasts_of(engine, realm, DAY).drop("model_content", strict=False)
        alone = a_home_of_its_own(panel, tmp_path / realm, monkeypatch).drop("model_content", strict=False)
        assert_frame_equal(said, alone)
        found[realm] = (stored, said)
    assert not found["replay"][0].equals(found["replay-corrected"][0])
    assert not found["replay"][1].equals(found["replay-corrected"][1])
    told = {realm: (home / "reports" / realm / f"{DAY}.html").read_text() for realm in panels}
    assert "Replay as was" in told["replay"]
    assert "Corrected replay" in told["replay-corrected"]
