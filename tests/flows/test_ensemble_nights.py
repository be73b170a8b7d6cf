"""Nights with an ensemble: assembled, tested and told as any model; short of a member it says so and never serves."""

from __future__ import annotations

import datetime as dt
import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from small_nights import begin_with, choose_home, market_days, run_night, run_retrain

from flows import cli
from nightdesk.ensemble.adaptive import feed
from nightdesk.errors import ModelBroken
from nightdesk.models.artifacts import ModelVersion, load_version, model_name
from nightdesk.models.combination import ENSEMBLE, SHORT, FittedCombination
from nightdesk.operations.by_hand import Order, replace_by_hand
from nightdesk.operations.calibrating import COLUMNS, calibrated, calibration_notes, calibration_of
from nightdesk.operations.evidence import Due, Weighed
from nightdesk.operations.explaining import reasons_of, tell
from nightdesk.operations.night import Night, plan_night
from nightdesk.operations.panel import labels_of, panel_of, volatility_of
from nightdesk.operations.proposal import proposal
from nightdesk.operations.summaries import NightSummary
from nightdesk.operations.verifying import verify_models
from nightdesk.settings import read_settings
from nightdesk.store.decisions import KEEP, REPLACE, all_decisions, newest_walk_forward, serving_on
from nightdesk.store.evidence import superiority_tests_of
from nightdesk.store.features import FeatureTable, table_of
from nightdesk.store.forecasts import forecasts_of, log_forecasts
from nightdesk.store.ledger import newest_result
from nightdesk.store.trials import all_trials

NOW = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
DAYS = market_days(12)
FIRST, LATER = DAYS[0], DAYS[9]

MODULE = '''
from nightdesk.models.ridge import RidgeFamily


class Steep(RidgeFamily):
    """Ridge with a penalty of its own."""

    def fit(self, training, parameters, seed, threads):
        return super().fit(training, {"alpha": 5.0}, seed, threads)


class Failing(RidgeFamily):
    """A family that cannot be fitted."""

    def fit(self, training, parameters, seed, threads):
        raise ArithmeticError("I cannot be fitted")
'''


@dataclass(frozen=True)
class Desk:
    home: Path
    summary: NightSummary


@pytest.fixture(scope="module")
def own_families(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A desk's own package with two families, as pip would lay it out."""
    folder = tmp_path_factory.mktemp("packages")
    (folder / "desk_members.py").write_text(MODULE)
    info = folder / "desk_members-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: desk-members\nVersion: 1.0\n")
    points = "[nightdesk.models]\nsteep = desk_members:Steep\nfailing = desk_members:Failing\n"
    (info / "entry_points.txt").write_text(points)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        importlib.invalidate_caches()
        yield
        patch.delitem(sys.modules, "desk_members", raising=False)


@pytest.fixture(scope="module")
def desk(own_families: None, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk after a night that trained two members and their ensemble, and one more in another realm."""
    home = tmp_path_factory.mktemp("together") / "home"
    with pytest.MonkeyPatch.context() as patch:
        choose(patch, home, "ridge", "steep")
        begin_with(FIRST)
        summary = run_night(FIRST)  # it is done: what it left is told again
        run_night(FIRST, realm="again")
    return Desk(home, summary)


@pytest.fixture(scope="module")
def short(own_families: None, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk after a night on which one of three members could not be fitted."""
    home = tmp_path_factory.mktemp("short") / "home"
    with pytest.MonkeyPatch.context() as patch:
        choose(patch, home, "ridge", "steep", "failing")
        return Desk(home, run_night(FIRST))


def choose(patch: pytest.MonkeyPatch, home: Path, *recipes: str) -> None:
    choose_home(patch, home)
    patch.setenv("NIGHTDESK_TRAINING__RECIPES", str(list(recipes)).replace("'", '"'))
    patch.delenv("NIGHTDESK_ENSEMBLE__MEMBERS")


def night_of(day: dt.date, realm: str = "live") -> Night:
    return plan_night(read_settings(), realm, day, "never", NOW)


def fitted(night: Night, model: str) -> FittedCombination:
    row = newest_walk_forward(night.engine, night.realm, night.as_of).filter(model=model).row(0, named=True)
    version = ModelVersion(model_name(night.realm, 5), row["version"], "", row["model_content"])
    found = load_version(night.tracking, version).fitted
    assert isinstance(found, FittedCombination)
    return found


def table_at(night: Night) -> FeatureTable:
    found = newest_result(night.engine, night.realm, "features", night.as_of)
    assert found is not None
    return table_of(json.loads(found))


def test_it_is_fitted_tested_and_told_as_any_other_model(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, desk.home, "ridge", "steep")
    night, summary = night_of(FIRST), desk.summary
    assert summary.failed_fits == ()
    walked = {one.model: one for one in summary.scores if one.kind == "model"}
    assert set(walked) == {"ridge", "steep", ENSEMBLE}
    assert walked[ENSEMBLE].days == walked["ridge"].days
    assert walked[ENSEMBLE].mean is not None
    own = fitted(night, ENSEMBLE)
    assert [one.name for one in own.members] == ["ridge", "steep"]
    assert sum(one.weight for one in own.members) == pytest.approx(1.0)
    assert all(one.scale > 0 for one in own.members)
    assert {one["name"] for one in all_trials(night.engine).iter_rows(named=True)} >= {"ridge", "steep", ENSEMBLE}
    said = forecasts_of(night.engine, "live", FIRST)
    assert {"ridge", "steep", ENSEMBLE} <= set(said["model"])
    page = Path(summary.report).read_text(encoding="utf-8")
    assert "Weights, and what the scores mean" in page
    assert f"ridge {100 * own.members[0].weight:.0f} %, steep {100 * own.members[1].weight:.0f} %" in page
    assert "Brier score" in page
    assert "short of" not in page


@pytest.mark.proof
def test_the_same_night_in_another_realm_says_the_same(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, desk.home, "ridge", "steep")
    live, again = night_of(FIRST), night_of(FIRST, "again")
    rows = [newest_walk_forward(one.engine, one.realm, FIRST).drop("version") for one in (live, again)]
    assert rows[0].equals(rows[1])
    said = [forecasts_of(one.engine, one.realm, FIRST) for one in (live, again)]
    assert said[0].equals(said[1])
    assert calibrated(live, said[0]).equals(calibrated(again, said[1]))


def test_every_version_is_verified_with_what_it_was_fitted_with(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    choose(monkeypatch, desk.home, "ridge", "steep")
    found = verify_models(read_settings(), "live", NOW)
    assert {one.model for one in found} == {"ridge", "steep", ENSEMBLE}
    assert all(one.fault is None and one.short is None for one in found)
    steep = next(one for one in found if one.model == "steep")
    assert dict(steep.environment)["desk-members"] == "1.0"
    assert dict(steep.environment)["numpy"] == np.__version__
    monkeypatch.setattr(sys, "argv", ["nightdesk", "models", "verify"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    assert capsys.readouterr().out.count("fitted with ") == 3


def test_the_served_scores_mean_something_for_every_symbol(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, desk.home, "ridge", "steep")
    night = night_of(FIRST)
    said = forecasts_of(night.engine, "live", FIRST)
    told = calibrated(night, said)
    assert told.columns == ["horizon", "symbol", *COLUMNS]
    assert told["symbol"].to_list() == said.filter("served")["symbol"].to_list()
    assert told.schema["lower"] == pl.Float64
    whole = told.drop_nulls(["lower"])
    assert whole.height > 0.8 * told.height
    assert whole.select((pl.col("lower") < pl.col("expected_return")).all()).item()
    total = whole.select(pl.sum_horizontal(pl.col("^probability_.*$"))).to_series()
    assert (total - 1).abs().max() < 1e-12
    notes = calibration_notes(night, said)
    assert notes.columns == ["horizon", "text"]
    assert notes.height == (1 if told["confidence"].null_count() == told.height else 0)
    nobody = said.with_columns(served=pl.lit(value=False))
    assert calibrated(night, nobody).is_empty()
    assert calibrated(night, nobody).schema == told.schema


def test_intervals_are_replayed_from_what_the_served_fit_logged_since(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand: each evening is fed what had become known of its own intervals by then, and nothing else."""
    choose(monkeypatch, desk.home, "ridge", "steep")
    night = night_of(FIRST)
    (served,) = serving_on(night.engine, "live", FIRST)
    random = np.random.default_rng(3)
    tonight = forecasts_of(night.engine, "live", FIRST).filter("served")
    for day in DAYS[1:9]:
        rows = tonight.with_columns(score=pl.Series(random.normal(size=tonight.height)))
        log_forecasts(night.engine, "live", day, rows)
    run_night(LATER, train="never")
    later = night_of(LATER)
    assert serving_on(later.engine, "live", LATER)[0].content == served.content
    said = forecasts_of(later.engine, "live", LATER)
    told = calibrated(later, said)

    kept = calibration_of(later, served).found
    assert kept is not None
    calibration, bars = kept.calibration, panel_of(later)
    labels = labels_of(later, bars, [5]).select("symbol", "date", "forward_return", "known_date")
    state, shown = calibration.intervals, []
    for day in DAYS[:10]:
        rows = forecasts_of(later.engine, "live", day).filter("served").select("symbol", "score")
        scored = rows.with_columns(date=pl.lit(day)).join(volatility_of(later, bars), on=["symbol", "date"], how="left")
        if shown:
            past = pl.concat(shown).join(labels, on=["symbol", "date"], how="left")
            state = feed(state, past.select("date", "lower", "upper", "forward_return", "known_date"), day)
        shown.append(state.add(calibration.without_bounds(scored)))
    assert state.fed_to == str(DAYS[3])
    assert state.miss != calibration.intervals.miss
    by_hand = shown[-1].sort("symbol")
    for column in COLUMNS:
        assert told[column].to_list() == pytest.approx(by_hand[column].to_list(), nan_ok=True), column

    # What is logged and known later changes nothing that was said before.
    log_forecasts(later.engine, "live", DAYS[10], tonight.with_columns(score=-pl.col("score")))
    assert calibrated(later, said).equals(told)
    assert calibrated(night_of(LATER), said).equals(told)


def test_one_that_serves_is_explained_and_refreshed(
    own_families: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    choose(monkeypatch, tmp_path / "home", "ridge", "steep")
    begin_with(FIRST)
    replace_by_hand(read_settings(), Order("live", 5, "Ada", "it is the steadier one"), ENSEMBLE, NOW)
    summary = run_night(DAYS[1])
    (serving,) = summary.serving
    assert serving.model == ENSEMBLE
    # It trained nothing: what the models of the last training were against every baseline stands there all the same.
    assert not summary.trained
    assert "Every model against every baseline" in Path(summary.report).read_text(encoding="utf-8")
    (told,) = tell(read_settings(), "live", 5, NOW)
    best = told.rows.row(0, named=True)
    why = reasons_of(told, best["symbol"])
    assert len(why.reasons) == len(told.names)
    assert why.base + sum(one.adds for one in why.reasons) == pytest.approx(best["score"], abs=1e-9)
    monkeypatch.setattr(sys, "argv", ["nightdesk", "explain", best["symbol"]])
    with pytest.raises(SystemExit):
        cli.main()
    assert f"{best['symbol']} as of the close of {DAYS[1]}: rank 1 of" in capsys.readouterr().out
    refreshed = run_retrain(DAYS[1])
    assert refreshed is not None
    (after,) = refreshed.serving
    assert (after.model, after.version != serving.version) == (ENSEMBLE, True)
    assert [one.version for one in run_night(DAYS[2]).serving] == [after.version]


def test_short_of_a_member_it_says_so_wherever_it_is_shown(
    short: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    choose(monkeypatch, short.home, "ridge", "steep", "failing")
    night, summary = night_of(FIRST), short.summary
    assert summary.failed_fits == ("failing h5",)
    assert {one.model for one in summary.scores if one.kind == "model"} == {"ridge", "steep", SHORT}
    assert fitted(night, SHORT).missing == ("failing",)
    assert "short of failing: never served" in Path(summary.report).read_text(encoding="utf-8")
    reason = "an ensemble must hold all of its 3 members, got none of failing"
    assert f"{SHORT} may not serve: {reason}" in all_decisions(night.engine, "live")["reasons"][0]
    monkeypatch.setattr(sys, "argv", ["nightdesk", "models", "verify"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    assert f"SHORT, so it never serves: {reason}" in capsys.readouterr().out


def test_short_of_a_member_it_is_never_promoted(short: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by tonight's fits, nor by evidence however strong, nor by hand."""
    choose(monkeypatch, short.home, "ridge", "steep", "failing")
    night = night_of(FIRST)
    assert serving_on(night.engine, "live", FIRST)[0].model in ("ridge", "steep")
    row = newest_walk_forward(night.engine, "live", FIRST).filter(model=SHORT).row(0, named=True)
    due = Due(5, REPLACE, SHORT, row["recipe"], ("overwhelming evidence",))
    decided = proposal(night, table_at(night), 5, [], Weighed("", 1, (due,)))
    assert decided is not None
    assert decided.action == KEEP
    assert "has no sound fit that could serve" in decided.reasons
    order = Order("live", 5, "somebody", "I want it")
    with pytest.raises(ModelBroken, match="got none of failing"):
        replace_by_hand(read_settings(), order, SHORT, NOW)


def test_short_of_a_member_no_test_of_evidence_is_begun_for_it(short: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(monkeypatch, short.home, "ridge", "steep", "failing")
    (serving,) = run_night(DAYS[1], train="never").serving
    (begun,) = superiority_tests_of(night_of(DAYS[1]).engine, "live", 5, DAYS[1])
    assert {begun.champion_model, begun.challenger_model} == {"ridge", "steep"}
    assert begun.champion_model == serving.model
