"""Evaluations and explanations on a small desk: the night's own walk-forward, counted as a trial, sealed if wanted."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from page_reader import Page
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small_nights import begin_with, choose_home, market_days, run_night

from flows import cli
from flows.evaluation import evaluate
from flows.replay import ReplayParameters, nights_to_replay
from nightdesk import models
from nightdesk.errors import BadInput, BadSetting, ModelBroken, NothingThere, UnknownName
from nightdesk.features.stages import every_feature
from nightdesk.models import RECIPES
from nightdesk.models.artifacts import Run, log_model
from nightdesk.models.bundle import Bundle, manifest_of
from nightdesk.models.qlib_peer import PEER
from nightdesk.models.recipe import Training
from nightdesk.models.selected import FittedChoice
from nightdesk.operations.comparing import _allowed
from nightdesk.operations.evaluating import Look
from nightdesk.operations.evaluating import evaluate as look_at
from nightdesk.operations.explaining import explained, reasons_of, tell
from nightdesk.operations.night import Night, plan_night
from nightdesk.operations.sealing import log_replay
from nightdesk.operations.sight import sight
from nightdesk.operations.worth import worth_of_features
from nightdesk.publish.publication import Latest, latest
from nightdesk.settings import read_settings
from nightdesk.sources.synthetic import SyntheticSource
from nightdesk.store.decisions import newest_walk_forward
from nightdesk.store.features import definitions_of, read_features
from nightdesk.store.inputs import Arrival, load_membership
from nightdesk.store.trials import all_trials, openings_by
from nightdesk.tables import DATE, MEMBERSHIP, RULE, SYMBOL

NOW = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
(DAY,) = market_days(1)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one night that trained."""
    home = tmp_path_factory.mktemp("desk") / "home"
    with pytest.MonkeyPatch.context() as patch:
        choose_home(patch, home)
        begin_with(DAY)
    return home


@pytest.fixture(autouse=True)
def _chosen(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choose_home(monkeypatch, desk)


def night() -> Night:
    return plan_night(read_settings(), "live", DAY, "never", NOW)


def test_a_night_counts_its_walk_forwards(desk: Path) -> None:
    rows = all_trials(night().engine).filter(realm="live").sort("name")
    assert rows.select("kind", "name", "horizon", "as_of", "by").rows() == [
        ("fit", name, 5, DAY, "night") for name in ("lightgbm", "linear", "ridge")
    ]
    assert rows["last_day"].unique().to_list() == market_days(7)[:1]
    assert rows.filter(name="ridge")["recipe"].item() == RECIPES["ridge"].content


def test_the_report_says_what_a_gate_can_see(desk: Path) -> None:
    page = (desk / f"reports/live/{DAY}.html").read_text(encoding="utf-8")
    walked = newest_walk_forward(night().engine, "live", DAY)
    best = walked.filter(kind="model").row(0, named=True)
    (other,) = set(walked.filter(kind="model")["model"]) - {best["model"]}
    assert "What a gate can see" in page
    for rival in (other, best["rival"]):
        assert f"{best['model']} less {rival}" in page
    found = sight(night(), walked)
    daily = {
        name: pl.read_parquet(next((desk / f"evaluations/live/{DAY}").glob(f"h5-{name}-[0-9a-f]*.parquet")))
        for name in (best["model"], other)
    }
    difference = daily[best["model"]]["rank_ic"] - daily[other]["rank_ic"]
    assert found.filter(rival=other)["deviation"].item() == pytest.approx(difference.std())
    assert f"{difference.std():.3f}" in page
    assert "The sealed stretch was opened" not in page


def test_a_recipe_is_found_to_be_what_the_night_found(desk: Path) -> None:
    before = all_trials(night().engine).height
    found = evaluate("ridge", seeds=1)
    walked = newest_walk_forward(night().engine, "live", DAY).filter(model="ridge").row(0, named=True)
    assert found.as_of == DAY
    assert (found.rank_ic.mean, found.rank_ic.lower) == (walked["mean"], walked["lower"])
    assert found.verdict.best_baseline == walked["rival"]
    assert found.verdict.difference.mean == pytest.approx(walked["edge"])
    # The look and its other seed beside the night's own three.
    assert found.deflated.trials == before + 2
    counted = all_trials(night().engine)
    assert counted.height == before + 2
    looked = counted.filter(realm="notebook", kind="look").row(0, named=True)
    assert looked["sharpe"] == pytest.approx(found.metrics["sharpe"] / 252**0.5)
    # The very same look again tells nothing new, and counts as the same.
    assert evaluate("ridge", seeds=1).deflated == found.deflated
    assert all_trials(night().engine).height == before + 2


def test_a_model_of_ones_own_is_fitted_as_a_recipe_is(desk: Path) -> None:
    rows = all_trials(night().engine).height
    found = evaluate(make_pipeline(StandardScaler(), Ridge(alpha=1.0)), as_of=DAY, seeds=2)
    assert (found.name, found.seeds[0].seed) == ("Pipeline", read_settings().training.seed + 1)
    assert found.rank_ic.mean == pytest.approx(evaluate("ridge", seeds=1).rank_ic.mean, abs=0.02)
    assert found.overfitting is not None
    assert all_trials(night().engine).height >= rows + 3
    forest = evaluate(RandomForestRegressor(4, max_depth=3), as_of=DAY, seeds=2)
    assert len({run.rank_ic for run in forest.seeds}) == 2
    # The second look sees the first one's returns.
    assert forest.overfitting is not None
    assert forest.overfitting.trials > found.overfitting.trials
    assert evaluate(make_pipeline(StandardScaler(), LogisticRegression()), as_of=DAY, seeds=0).metrics["auc"] != 0.5


def test_it_reads_well_as_page_and_in_a_notebook(desk: Path, tmp_path: Path) -> None:
    found = evaluate("ridge", seeds=1)
    shown = found._repr_html_()
    page = found.report(tmp_path / "deep" / "page.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert shown.strip() in page
    assert "<html" not in shown
    assert not re.search(r"<script|https?://|None|nan", page)
    for said in (
        "ridge, 5 days ahead",
        "best baseline",
        "trials were scored",
        "break-even",
        "calm",
        "By sector: nothing",
    ):
        assert said in page


def test_the_pages_own_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path(__file__).parents[2] / "infra/operations/evaluation.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    (block,) = [one for one in blocks if "flows.evaluation" in one]
    monkeypatch.chdir(tmp_path)
    exec(compile(block, str(page), "exec"), {})  # the page's own code, from this repository
    assert "Ridge, 5 days ahead" in (tmp_path / "my-model.html").read_text(encoding="utf-8")


def test_sealed_days_are_scored_with_a_reason_alone(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seal = market_days(40)[0]
    monkeypatch.setenv("NIGHTDESK_EVALUATION__SEALED_FROM", str(seal))
    closed = evaluate("ridge", seeds=0)
    assert closed.last_day == market_days(47)[0]  # its label ends on the last open day
    assert closed.openings == ()
    assert closed.by_stretch.is_empty()
    opened = evaluate("ridge", seeds=0, unseal="the last look")
    assert opened.last_day == market_days(7)[0]
    assert opened.by_stretch["slice"].to_list() == ["open", "sealed"]
    assert opened.by_stretch["days"].sum() == opened.rank_ic.days
    (entered,) = opened.openings
    assert (entered.reason, entered.sealed_from, entered.name) == ("the last look", seal, "ridge")
    assert "the last look" in opened._repr_html_()
    with pytest.raises(BadInput, match="must say something, got none"):
        evaluate("ridge", unseal=" ")
    with pytest.raises(BadInput, match=rf"begins on {seal}, after {market_days(41)[0]}: leave it out"):
        evaluate("ridge", as_of=market_days(41)[0], unseal="why not")
    monkeypatch.setattr("sys.argv", ["nightdesk", "trials"])
    with pytest.raises(SystemExit, match="0"):
        cli.main()
    out = capsys.readouterr().out
    assert "the last look" in out
    assert f"Sealed from {seal} on." in out
    # A night tests no later, and its report tells of the opening; it learns from all that has matured all the same.
    run_night(DAY, realm="sealed")
    assert all_trials(night().engine).filter(realm="sealed")["last_day"].unique().to_list() == [closed.last_day]
    page = (desk / f"reports/sealed/{DAY}.html").read_text(encoding="utf-8")
    assert "The sealed stretch was opened" in page
    assert "Reason given: the last look" in page


def test_a_replay_reaches_the_sealed_stretch_with_a_reason_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before, seal, _ = market_days(3)
    monkeypatch.setenv("NIGHTDESK_EVALUATION__SEALED_FROM", str(seal))
    settings = read_settings()
    assert nights_to_replay(settings, ReplayParameters(first=before, last=before), NOW) == [before]
    with pytest.raises(BadInput, match=f"which begins on {seal}, got one to {DAY}: choose .* --unseal REASON"):
        nights_to_replay(settings, ReplayParameters(first=before, last=DAY), NOW)
    opened = ReplayParameters(first=DAY, last=DAY, unseal="to compare")
    assert nights_to_replay(settings, opened, NOW) == [DAY]
    log_replay(plan_night(settings, "replay", DAY, "auto", NOW), "to compare", "me", NOW)
    (entered,) = [one for one in openings_by(night().engine, NOW) if one.name == "replay replay"]
    assert (entered.horizon, entered.reason, entered.sealed_from) == (5, "to compare", seal)
    for reason, told in (("x" * 301, "at most 300 characters, got 301"), (" ", "must say something")):
        monkeypatch.setattr("sys.argv", ["nightdesk", "replay", f"--from={DAY}", f"--to={DAY}", "--unseal", reason])
        with pytest.raises(SystemExit, match="2"):
            cli.main()
        assert told in capsys.readouterr().err


def test_a_seal_that_leaves_too_little_is_refused_before_the_night(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTDESK_EVALUATION__SEALED_FROM", str(market_days(200)[0]))
    with pytest.raises(BadSetting, match=r"evaluation\.sealed_from must leave 309 trading days .* got 220 before"):
        night()


def test_the_command_prints_figures_and_writes_a_page(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["nightdesk", "evaluate", "ridge", "--horizon", "3", "--seeds", "0"])
    with pytest.raises(SystemExit, match="0"):
        cli.main()
    out = capsys.readouterr().out
    assert f"ridge at 3 days, as of {DAY}" in out
    assert "the best baseline" in out
    page = Path(out.rsplit("Page: ", 1)[1].strip())
    assert page == desk / f"reports/evaluations/ridge-h3-{DAY}.html"
    assert "ridge, 3 days ahead" in page.read_text(encoding="utf-8")


def test_the_page_on_selections_own_recipe_is_evaluated(capsys: pytest.CaptureFixture[str]) -> None:
    page = Path(__file__).parents[2] / "infra/operations/selection.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    (block,) = [one for one in blocks if "flows.evaluation" in one]
    exec(compile(block, str(page), "exec"), {})  # the page's own code, from this repository
    assert "MeanInterval(mean=" in capsys.readouterr().out


def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    """What a command prints and what it complains of."""
    monkeypatch.setattr("sys.argv", ["nightdesk", *words])
    with pytest.raises(SystemExit):
        cli.main()
    told = capsys.readouterr()
    return told.out, told.err


def test_why_a_symbol_ranks_so_adds_up_to_its_published_score(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ranking = latest(desk / "published", "live").ranking()
    first = ranking.row(0, named=True)
    out, _ = command(monkeypatch, capsys, "explain", first["symbol"].lower(), "--top", "3")
    assert f"{first['symbol']} as of the close of {DAY}: rank 1 of {ranking.height} at 5 days" in out
    added = [float(found) for found in re.findall(r"^  ([+-]\d+\.\d{4})  ", out, re.MULTILINE)]
    assert len(added) == 3 + 1 + 1  # three reasons, the others together, and the base
    assert sum(added) == pytest.approx(first["score"], abs=5 * 0.00005)
    (told,) = tell(read_settings(), "live", 5, NOW)
    largest = reasons_of(told, first["symbol"]).reasons[0]
    assert f"{largest.feature} is {largest.value:.4g}" in out
    assert largest.meaning == every_feature()[largest.feature].meaning
    assert f"of the symbols: {largest.meaning}" in out
    assert told.added.exact
    for row in ranking.iter_rows(named=True):
        own = reasons_of(told, row["symbol"])
        assert own.base + sum(one.adds for one in own.reasons) == pytest.approx(row["score"], abs=1e-9)
    values = dict(zip(told.names, told.values.T, strict=True))[largest.feature]
    assert largest.above == pytest.approx((np.mean(values < largest.value) + np.mean(values <= largest.value)) / 2)


def test_what_moves_the_scores_of_all_is_told_and_drawn(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = command(monkeypatch, capsys, "explain", "--horizon", "5", "--top", "4")
    picture = Path(out.rsplit("Picture: ", 1)[1].strip())
    assert picture == desk / f"reports/live/explanations/{DAY}-h5.svg"
    sizes = [float(found) for found in re.findall(r"^  (\d\.\d{4})  ", out, re.MULTILINE)]
    assert len(sizes) == 4
    assert sizes == sorted(sizes, reverse=True)
    (told,) = tell(read_settings(), "live", None, NOW)
    most = told.names[int(np.abs(told.added.values).mean(axis=0).argmax())]
    assert most in out
    assert f">{most}  " in picture.read_text(encoding="utf-8")
    for words, says in (
        (("SYN001",), "symbol must be one of"),
        (("--horizon", "7"), f"--horizon must be one that was ranked on {DAY}, 5, got 7"),
    ):
        _, err = command(monkeypatch, capsys, "explain", *words)
        assert says in err
        assert err.count("\n") == 1


def test_what_is_explained_is_what_was_published(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = latest(desk / "published", "live").ranking()
    other = said.with_columns(pl.col("score") + 0.001)
    monkeypatch.setattr(Latest, "ranking", lambda self: other)
    with pytest.raises(ModelBroken, match=f"must be what was published, got other scores of .* for {DAY}"):
        tell(read_settings(), "live", 5, NOW)


def test_recipes_and_the_peer_are_compared_with_all_baselines(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = all_trials(night().engine)
    out, _ = command(monkeypatch, capsys, "compare", "ridge", "--horizon", "5")
    page = Path(out.rsplit("Page: ", 1)[1].strip())
    assert page == desk / f"reports/evaluations/comparison-h5-{DAY}.html"
    shown = Page(page.read_text(encoding="utf-8"))
    # What the night found itself: the same days, fits and intervals.
    walked = newest_walk_forward(night().engine, "live", DAY).filter(model="ridge").row(0, named=True)
    (told,) = re.findall(r"^ridge +model +(\S+)", out, re.MULTILINE)
    assert told == f"{walked['mean']:+.4f}"
    assert f"{walked['lower']:+.4f} to {walked['upper']:+.4f}" in out
    (row,) = [row for row in shown.rows_of("ridge") if row[1] == walked["rival"] and row[2] == str(walked["days"])]
    assert row[5].startswith(f"{walked['edge']:+.3f}".replace("-", "−"))
    # So few rows do not pay the peer's penalties: it splits nothing, and the page says so in the place of a zero.
    assert re.search(r"qlib_lightgbm +model +undefined", out)
    assert "qlib_lightgbm has no rank IC at 5 days, and stands in no comparison there" in shown.text
    rivals = {"linear", "low_volatility", "momentum", "reversal"}
    assert {row[1] for row in shown.rows_of("ridge") if len(row) == 7} == rivals
    assert "every baseline" in out
    assert "workflow_config_lightgbm_Alpha158.yaml" in shown.text
    # Each fit is a trial by whoever asked; made again, it is the same one.
    new = all_trials(night().engine).join(before, on="trial_id", how="anti")
    assert new.select("realm", "kind", "name").sort("name").rows() == [
        ("notebook", "fit", name) for name in ("linear", "qlib_lightgbm", "ridge")
    ]
    command(monkeypatch, capsys, "compare", "ridge", "--horizon", "5")
    assert all_trials(night().engine).height == before.height + 3
    # The night's features stay the night's.
    assert {*definitions_of(night().features, explained(read_settings(), "live", 5, NOW)[0].table.version)} == {
        feature.name for feature in night().chosen
    }


def test_features_that_would_show_a_later_split_are_left_out_of_the_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    named = night()
    assert _allowed(named, RECIPES[PEER]) == (RECIPES[PEER], "")
    facts = replace(named.source.facts, price_basis="adjusted_later")
    monkeypatch.setattr(SyntheticSource, "facts", facts)
    without, note = _allowed(named, RECIPES[PEER])
    gone = ["CORR5", "CORR10", "CORR20", "CORR30", "CORR60"]
    assert [name for name in RECIPES[PEER].features if name not in without.features] == gone
    assert f"without {', '.join(gone)} (5 of its 158 features)" in note
    assert without.content != RECIPES[PEER].content
    with pytest.raises(BadSetting, match="must name scale-free features where prices are adjusted later, got none of"):
        _allowed(named, replace(RECIPES[PEER], features=tuple(gone)))
    with pytest.raises(UnknownName, match="a feature of recipe qlib_lightgbm must be one of"):
        _allowed(named, replace(RECIPES[PEER], features=("KMIDD",)))


def test_a_night_without_the_peers_features_refuses_it_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NIGHTDESK_TRAINING__RECIPES", '["ridge", "qlib_lightgbm"]')
    _, err = command(monkeypatch, capsys, "nightly")
    assert "features must hold KMID, KLEN, KMID2, KUP and 154 others, by which qlib_lightgbm ranks or fits, got" in err
    assert err.count("\n") == 1
    monkeypatch.setenv("NIGHTDESK_TRAINING__RECIPES", '["ridge"]')
    for words in (("evaluate", "qlib_lightgbm"), ("tune", "qlib_lightgbm")):
        _, err = command(monkeypatch, capsys, *words)
        assert "by which qlib_lightgbm ranks or fits, got none called KMID" in err
        assert err.count("\n") == 1


def test_what_a_feature_is_worth_is_measured_on_days_that_no_fit_had_seen(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = all_trials(night().engine).height
    out, _ = command(monkeypatch, capsys, "explain", "--out-of-sample", "--top", "3")
    (found,) = worth_of_features(read_settings(), "live", 5, NOW)
    walked = newest_walk_forward(night().engine, "live", DAY).filter(model=found.model).row(0, named=True)
    assert (found.trained_as_of, found.days, found.step) == (DAY, walked["days"], 1)
    means = [one.loss.mean for one in found.importances]
    assert means == sorted(means, reverse=True)
    assert {one.feature for one in found.importances} == {feature.name for feature in night().chosen}
    best = found.importances[0]
    (shown,) = [line for line in out.splitlines() if line.startswith(f"{best.feature} ")]
    assert f"{best.loss.mean:+.4f}" in shown
    assert f"{best.loss.lower:+.4f} to {best.loss.upper:+.4f}" in shown
    # Fits that the night had counted itself.
    assert all_trials(night().engine).height == before


def test_the_report_holds_every_model_against_every_baseline(desk: Path) -> None:
    page = Page((desk / f"reports/live/{DAY}.html").read_text(encoding="utf-8"))
    assert "Every model against every baseline" in page.text
    walked = newest_walk_forward(night().engine, "live", DAY)
    best = walked.filter(kind="model").row(0, named=True)
    rows = [row for row in page.rows if len(row) == 7 and row[:2] == [best["model"], best["rival"]]]
    assert rows[0][5].startswith(f"{best['edge']:+.3f}".replace("-", "−"))
    assert {row[1] for row in page.rows if len(row) == 7 and row[0] == "ridge"} == {
        "linear",
        "low_volatility",
        "momentum",
        "reversal",
    }
    assert any(beats in page.text for beats in ("beats every baseline", "beat every baseline"))


def test_a_selection_is_told_over_time_and_drawn(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = replace(RECIPES["selected"], parameters=(*RECIPES["selected"].parameters, ("selection", "f_score")))
    monkeypatch.setattr(models, "RECIPES", {**RECIPES, "selected": quick})
    before = all_trials(night().engine).height
    out, _ = command(monkeypatch, capsys, "selection", "--times", "3")
    assert "selected at 5 days: fitted 3 times" in out
    chosen = [int(found) for found in re.findall(r" (\d) of 3 ", out)]
    assert sum(chosen) == 3 * 10
    assert "Stability (Nogueira)" in out
    picture = Path(out.rsplit("Picture: ", 1)[1].strip())
    assert picture == desk / "reports/features/selection-selected-h5.svg"
    assert "What selected chooses at 5 days" in picture.read_text(encoding="utf-8")
    assert all_trials(night().engine).height == before  # nothing was scored, so nothing was looked at


def test_registered_fits_tell_what_they_chose(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, names = RECIPES["selected"], ("one", "two", "three")
    for day, columns in zip(market_days(2), ((0, 2), (0, 1)), strict=True):
        made = Bundle(manifest_of(recipe, 9, day, names, "v", "data", "code"), _choice(columns))
        run = Run(f"selected {day}", f"key-{day}", f"live/{day}", {"horizon": "9"}, {}, {"as_of": str(day)})
        example = pl.DataFrame({name: [0.5, 1.0] for name in names})
        log_model(night().tracking, run, made, 9, example)
    out, _ = command(monkeypatch, capsys, "selection", "--retrains", "--horizon", "9")
    first, last = market_days(2)
    assert f"fitted 2 times, up to {first} first and up to {last} last" in out
    assert re.search(r"one +2 of 2 +yes", out)
    assert re.search(r"two +1 of 2 +yes", out)
    assert re.search(r"three +1 of 2 +no", out)


def test_what_moves_the_scores_is_told_retrain_by_retrain(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, err = command(monkeypatch, capsys, "explain", "--retrains")
    assert "--retrains compares at least two fits of" in err
    (served,) = explained(read_settings(), "live", 5, NOW)
    day = market_days(2)[0]
    manifest = replace(served.bundle.manifest, trained_as_of=str(day))
    example = read_features(served.table, [DAY]).head(3)
    run = Run("of the day before", "another key", f"live/{day}", {"horizon": "5"}, {}, {"as_of": str(day)})
    log_model(night().tracking, run, replace(served.bundle, manifest=manifest), 5, example)
    out, _ = command(monkeypatch, capsys, "explain", "--retrains", "--top", "3")
    assert f"2 retrains from {day} to {DAY}, each asked on the symbols of {DAY}" in out
    # The same model twice: each share is the same at both, and in the mean.
    shares = re.findall(r"^(\w+) +([\d.]+%) +([\d.]+%) +([\d.]+%) *$", out, re.MULTILINE)
    assert len(shares) == 3
    assert all(mean == first == last for _, mean, first, last in shares)
    (told,) = tell(read_settings(), "live", 5, NOW)
    size = np.abs(told.added.values).mean(axis=0)
    assert shares[0][:2] == (told.names[int(size.argmax())], f"{size.max() / size.sum():.1%}")
    picture = Path(out.rsplit("Picture: ", 1)[1].strip())
    assert picture == desk / f"reports/live/explanations/{DAY}-h5-retrains.svg"
    assert f">{shares[0][0]}  " in picture.read_text(encoding="utf-8")


def _choice(columns: tuple[int, ...]) -> FittedChoice:
    features = np.random.default_rng(1).standard_normal((50, len(columns))).astype(np.float32)
    inner = models.family("ridge").fit(
        Training(features, features[:, 0].astype(float), np.ones(50)), {"alpha": 1.0}, 1, 1
    )
    return FittedChoice(inner, "ridge", "f_score", columns, (0.0, 0.0, 0.0))


def test_what_breaks_a_rule_is_refused_before_it_is_counted(desk: Path, tmp_path: Path) -> None:
    before = all_trials(night().engine).height
    settings = read_settings()
    look = Look(5, "me")
    for model, asked, error, told in (
        ("rigde", look, UnknownName, "recipe must be one of .* choose .*ridge"),
        (Ridge, look, BadInput, "a model must be a Recipe or an object with fit"),
        (object(), look, BadInput, "got <object object>"),
        ("ridge", replace(look, horizon=61), BadInput, "horizon must be 1 to 60"),
        ("ridge", replace(look, seeds=21), BadInput, "seeds must be 0 to 20, got 21"),
        ("ridge", replace(look, unseal="x"), BadInput, "nothing is sealed: leave it out"),
    ):
        with pytest.raises(error, match=told):
            look_at(model, asked, settings, NOW)
    assert all_trials(night().engine).height == before
    empty = settings.model_copy(update={"home": tmp_path / "empty"})
    with pytest.raises(NothingThere, match="got none of 'synthetic': run nightdesk nightly"):
        look_at("ridge", look, empty, NOW)
    with pytest.raises(NothingThere, match="run nightdesk nightly --as-of"):
        look_at("ridge", replace(look, as_of=DAY), empty, NOW)
    assert isinstance(evaluate("ridge", seeds=0).baselines, pl.DataFrame)


def test_results_by_sector_are_by_what_was_known_of_sectors_then(desk: Path) -> None:
    """The last test of this desk: lists of members stay in its store."""
    symbols = [f"SYN{number:04}" for number in range(1, 31)]
    lists = [
        pl.DataFrame({SYMBOL: symbols, "sector": ["Early"] * 30, "snapshot_date": market_days(100)[0]}),
        pl.DataFrame(
            {SYMBOL: symbols, "sector": ["A"] * 15 + ["B"] * 14 + [None], "snapshot_date": market_days(40)[0]}
        ),
    ]
    members = pl.concat(lists).with_columns(index_name=pl.lit("ALL"), name=pl.lit(None, pl.String)).select(*MEMBERSHIP)
    source = night().source.facts
    arrival = Arrival(source.name, source.calendar, source.publication_lag, RULE, NOW)
    load_membership(night().engine, members, arrival)
    found = evaluate("ridge", seeds=0)
    assert found.by_sector is not None
    counted = dict(found.by_sector.select("slice", "days").iter_rows())
    # A list is known from the evening after its own day.
    tested = [day for day in found.daily[DATE] if day > market_days(100)[0]]
    later = [day for day in tested if day > market_days(40)[0]]
    assert counted == {"Early": len(tested) - len(later), "A": len(later), "B": len(later)}
    assert "Rank IC by sector" in found._repr_html_()
