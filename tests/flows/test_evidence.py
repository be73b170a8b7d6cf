"""Nights that weigh evidence: who may replace, whose skill is proven, who comes back; luck alone moves nobody."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa
from evidence_samples import (
    LOGGED,
    NEXT,
    NOW,
    PAST,
    THIRD,
    TRAINED,
    Fit,
    champion_and_rival,
    engine,
    freeze_long_ago,
    look_at,
    night_of,
    nights_to_the_brink,
    plant,
    plant_forecasts,
    plant_nights,
    plant_scores,
)
from logical_state import differences, logical_state
from small_nights import choose_home, run_night
from test_same_state import Killed

from flows.show import show_history
from nightdesk.faults import listening
from nightdesk.features.build import build_features
from nightdesk.models.artifacts import ModelVersion, client, model_name
from nightdesk.operations import training
from nightdesk.operations.by_hand import Order, roll_back
from nightdesk.operations.cleanup import WOULD_GO, clean_up
from nightdesk.operations.evidence import NOTHING_WEIGHED
from nightdesk.operations.panel import panel_of
from nightdesk.operations.served_features import features_to_build
from nightdesk.operations.serving import propose, settle
from nightdesk.promotion.backtest_gate import BY_BACKTEST
from nightdesk.promotion.champion import alias_version
from nightdesk.settings import read_settings
from nightdesk.store import schema
from nightdesk.store.approvals import REFUSED, Reply, reply_ahead
from nightdesk.store.decisions import (
    REFRESH,
    REPLACE,
    SERVE,
    Decision,
    all_decisions,
    confirm,
    serving_on,
    write_intent,
)
from nightdesk.store.evidence import SuperiorityTest, superiority_tests_of, verdicts_of, write_night
from nightdesk.store.forecasts import forecasts_of
from nightdesk.store.incidents import all_incidents
from nightdesk.store.refs import save_frame

ALPHA = 0.0125
BRINK = nights_to_the_brink(1 / ALPHA)
SEEDED = PAST[-BRINK:]
POINTS = ("weigh:begin", "weigh:written", "propose:written", "promote:intent", "promote:alias", "promote:written")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A desk after its first night, at a horizon of a day: two recipes are fitted, and one of them is served."""
    home = tmp_path_factory.mktemp("evidence") / "home"
    with pytest.MonkeyPatch.context() as patch:
        enter(patch, home)
        run_night(TRAINED)
    return home


@pytest.fixture
def home(desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(desk, tmp_path / "home")
    return enter(monkeypatch, tmp_path / "home")


def enter(monkeypatch: pytest.MonkeyPatch, home: Path) -> Path:
    choose_home(monkeypatch, home)
    monkeypatch.setenv("NIGHTDESK_HORIZONS", "[1]")
    return home


def open_test(challenger: Fit, champion: Fit) -> None:
    names = (challenger.recipe, champion.recipe, challenger.model, champion.model)
    write_night(engine(), "live", SEEDED[0], [SuperiorityTest(1, SEEDED[0], *names, ALPHA)], [])


def to_the_brink(right: bool = True, in_time: bool = True) -> tuple[Fit, Fit]:
    """Bring the challenger's evidence just below what is needed; the log of one more night decides."""
    champion, rival = champion_and_rival()
    open_test(rival, champion)
    plant_scores(rival, champion, SEEDED)
    plant_forecasts(*((rival, champion) if right else (champion, rival)))
    if in_time:
        plant_nights([*SEEDED, LOGGED])
    return champion, rival


def last_decision() -> dict[str, object]:
    return all_decisions(engine(), "live").row(-1, named=True)


def test_the_night_on_which_the_evidence_is_there_replaces_and_history_says_why(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    champion, rival = to_the_brink()
    summary = run_night(NEXT)
    assert [(one.model, one.version, one.since, one.skill) for one in summary.serving] == [
        (rival.model, rival.version, NEXT, "unproven")
    ]
    assert alias_version(night_of(NEXT).tracking, 1) == rival.version
    made = last_decision()
    why = f"{rival.model} beats {champion.model}: evidence reached 80 with the forecasts of {LOGGED}"
    assert (made["action"], made["confirmed"]) == (REPLACE, True)
    assert why in made["reasons"]
    (test,) = [one for one in superiority_tests_of(engine(), "live", 1, NEXT) if one.started == SEEDED[0]]
    assert (test.outcome, test.ended) == ("superior", NEXT)
    # The former champion goes on in shadow, and nothing removes it.
    said = forecasts_of(engine(), "live", NEXT)
    assert said.filter(pl.col("served"))["model"].unique().to_list() == [rival.model]
    assert champion.content in said["model_content"].unique().to_list()
    going = [one.what for one in clean_up(read_settings(), 1, dry_run=True).items if one.fate == WOULD_GO]
    assert going == []
    page = (home / f"reports/live/{NEXT}.html").read_text()
    assert f"may {rival.model} replace {champion.model}?" in page
    assert f"1 days, may {rival.model} replace {champion.model}? superior" in " ".join(summary.evidence)
    show_history(read_settings(), "live", NEXT)
    shown = " ".join(capsys.readouterr().out.split())
    assert f"1 days: replace on {NEXT}: {why}" in shown
    show_history(read_settings(), "live", TRAINED)
    assert f"1 days: serve on {TRAINED}: nobody was served" in " ".join(capsys.readouterr().out.split())
    # What a person takes back stays back: the same evidence does not replace twice.
    roll_back(read_settings(), Order("live", 1, "Ada", "not now"), dt.datetime.now(dt.UTC))
    assert [one.model for one in run_night(THIRD).serving] == [champion.model]


@pytest.mark.parametrize(("right", "in_time"), [(False, True), (True, False)])
def test_without_the_last_pair_or_of_nights_run_afterwards_nobody_is_replaced(
    right: bool, in_time: bool, home: Path
) -> None:
    champion, rival = to_the_brink(right, in_time)
    summary = run_night(NEXT)
    assert [one.model for one in summary.serving] == [champion.model]
    assert last_decision()["action"] == SERVE
    (verdict,) = [one for one in verdicts_of(engine(), "live", NEXT) if one.since == SEEDED[0] and one.against]
    assert verdict.outcome == "open"
    assert f"{rival.model} is not shown to beat {champion.model}" in verdict.reasons
    if in_time:
        assert verdict.pairs == len(SEEDED) + 1
        assert 0 < (verdict.e_value or 0) < (verdict.highest or 0) < verdict.needed
    else:
        assert verdict.pairs == 0
        assert f"{len(SEEDED) + 1} of {len(SEEDED) + 1} nights do not count" in verdict.reasons


@pytest.mark.parametrize("seen", [None, SEEDED[2], LOGGED])
def test_nights_run_afterwards_count_where_they_were_sealed_from_every_fit_trial_and_look(
    seen: dt.date | None, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion, rival = to_the_brink(in_time=False)
    plant_nights([*SEEDED, LOGGED], late=True)
    monkeypatch.setenv("NIGHTDESK_EVALUATION__SEALED_FROM", str(SEEDED[0]))
    if seen is not None:  # somebody knew what came of the days before, when the next night was done
        look_at(seen, NOW - dt.timedelta(days=1))
    (serving,) = run_night(NEXT).serving
    (verdict,) = [one for one in verdicts_of(engine(), "live", NEXT) if one.since == SEEDED[0] and one.against]
    if seen is None:
        assert (serving.model, verdict.pairs) == (rival.model, len(SEEDED) + 1)
        assert "do not count" not in verdict.reasons
    else:
        # It knew the open of the second day after: who fills at that open or before it, counts no more.
        lost = min([*SEEDED, LOGGED].index(seen) + 2, len(SEEDED) + 1)
        assert (serving.model, verdict.pairs) == (champion.model, len(SEEDED) + 1 - lost)
        why = "they were done after the next session had closed, and were not sealed from every fit, trial and look"
        assert f"{lost} of {len(SEEDED) + 1} nights do not count: {why}" in verdict.reasons


def test_a_looser_gate_lets_a_better_walk_forward_in_and_says_so_wherever_the_model_shows(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion, rival = champion_and_rival()
    run_night(NEXT)
    night = night_of(NEXT)
    better = np.random.default_rng(1).normal(0.2, 0.05, len(PAST))
    walked = {champion.model: better - 0.2, rival.model: better}
    fits = [
        training.Tested(
            one.content, 1, one.model, "model",
            save_frame(home / "walked", one.model, pl.DataFrame({"date": PAST, "rank_ic": walked[one.model]})),
            one.recipe, ModelVersion(model_name("live", 1), one.version, "", one.content), None,
        )
        for one in (champion, rival)
    ]  # fmt: skip
    table = build_features(night.features, panel_of(night), features_to_build(night))
    (asked,) = propose(night, table, fits, NOTHING_WEIGHED).decisions
    assert (asked.action, asked.model) == (REFRESH, champion.model)
    monkeypatch.setenv("NIGHTDESK_PROMOTION__REPLACE", "backtest")
    night = night_of(NEXT)
    proposed = propose(night, table, fits, NOTHING_WEIGHED)
    (made,) = proposed.decisions
    assert (made.action, made.model, made.skill) == (REPLACE, rival.model, BY_BACKTEST)
    assert "chosen by backtest (promotion.replace), so its skill is unproven" in made.reasons
    settle(night, proposed, ())
    (served,) = serving_on(engine(), "live", NEXT)
    assert (served.model, served.skill) == (rival.model, BY_BACKTEST)
    # Its next fit is still that choice, and the page says it in words.
    (again,) = propose(night, table, fits[1:], NOTHING_WEIGHED).decisions
    assert (again.action, again.skill) == (REFRESH, BY_BACKTEST)
    summary = run_night(THIRD)
    assert [(one.model, one.skill) for one in summary.serving] == [(rival.model, BY_BACKTEST)]
    page = (home / f"reports/live/{THIRD}.html").read_text()
    assert "At 1 day the model was chosen by backtest, which luck passes easily." in page


@pytest.mark.chaos
def test_killed_at_every_point_a_night_that_replaces_ends_in_the_same_state(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, rival = to_the_brink()
    again = tmp_path / "again"
    shutil.copytree(home, again)
    run_night(NEXT)
    undisturbed = logical_state(home)
    enter(monkeypatch, again)
    for point in POINTS:
        with pytest.raises(Killed), listening(kill_at(point)):
            run_night(NEXT)
    run_night(NEXT)
    found = logical_state(again, home)
    assert differences(found, undisturbed) == []
    assert found["registry"]["aliases"]["nightdesk-live-h1"] == {"champion": rival.version}


def kill_at(wanted: str):
    def kill(point: str) -> None:
        if point == wanted:
            raise Killed(point)

    return kill


def test_a_replacement_that_a_person_refused_is_not_proposed_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    champion, _ = to_the_brink()
    monkeypatch.setenv("NIGHTDESK_PROMOTION__APPROVAL", "manual")
    reply_ahead(engine(), "live", NEXT, [1], Reply(REFUSED, "Ben", "not now"), dt.datetime.now(dt.UTC))
    for day in (NEXT, THIRD):
        assert [one.model for one in run_night(day).serving] == [champion.model]
    made = all_decisions(engine(), "live").filter(pl.col("as_of") >= NEXT)
    assert made["action"].to_list() == ["keep"]
    assert made["reasons"][0].startswith("refused by Ben: not now (proposed: replace ")


@pytest.mark.proof
def test_a_replacement_that_nobody_answered_is_asked_about_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, rival = to_the_brink()
    monkeypatch.setenv("NIGHTDESK_PROMOTION__APPROVAL", "manual")
    run_night(NEXT)
    assert last_decision()["action"] == "keep"
    monkeypatch.setenv("NIGHTDESK_PROMOTION__APPROVAL", "automatic")
    assert [one.model for one in run_night(THIRD).serving] == [rival.model]


def replaced_long_ago() -> tuple[Fit, Fit]:
    """As if the champion of night TRAINED had been replaced by the other at the start of the seeded nights."""
    former, champion = champion_and_rival()
    with engine().begin() as connection:
        connection.execute(sa.delete(schema.decisions))
    for day, action, fit in ((PAST[-BRINK - 1], SERVE, former), (SEEDED[0], REPLACE, champion)):
        made = Decision("live", day, 1, action, fit.model, fit.content, fit.version, "unproven", "planted", True)
        write_intent(engine(), made, dt.datetime.now(dt.UTC))
        confirm(engine(), made)
    freeze_long_ago()
    return former, champion


def test_the_former_champion_comes_back_on_the_night_its_test_fires_and_people_are_told(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    former, champion = replaced_long_ago()
    plant_scores(former, champion, SEEDED)
    plant_forecasts(former, champion)
    # A way back asks nobody.
    monkeypatch.setenv("NIGHTDESK_PROMOTION__APPROVAL", "manual")
    summary = run_night(NEXT)
    assert [(one.model, one.since) for one in summary.serving] == [(former.model, NEXT)]
    made = last_decision()
    assert made["action"] == "rollback"
    assert made["reasons"].startswith(f"{former.model} beats {champion.model}: evidence reached 80")
    assert all_incidents(engine())["key"].to_list() == [f"rolled-back/live/h1/{NEXT}"]
    assert alias_version(night_of(NEXT).tracking, 1) == former.version


def test_a_broken_champion_goes_at_once_to_who_was_served_before(home: Path) -> None:
    former, champion = replaced_long_ago()
    tracking = night_of(NEXT).tracking
    client(tracking).set_model_version_tag(model_name("live", 1), champion.version, "content", "other")
    summary = run_night(NEXT)
    assert summary.status == "published"
    assert [one.model for one in summary.serving] == [former.model]
    made = last_decision()
    assert (made["action"], made["model"]) == ("rollback", former.model)
    assert f"cannot serve, {former.model} version {former.version} takes its place back" in made["reasons"]


def test_skill_is_proven_against_the_hardest_baseline_and_stands_on_the_version(home: Path) -> None:
    champion, _ = champion_and_rival()
    freeze_long_ago()
    plant(champion, 0.3, SEEDED)
    for name in ("momentum", "reversal", "low_volatility"):
        plant(Fit(name, None, "", ""), -0.3, SEEDED)
    summary = run_night(NEXT)
    assert [one.skill for one in summary.serving] == ["proven"]
    tags = client(night_of(NEXT).tracking).get_model_version(model_name("live", 1), champion.version).tags
    assert tags["skill"] == "proven"
    assert [one.skill for one in serving_on(engine(), "live", TRAINED)] == ["unproven"]


@pytest.mark.proof
def test_a_night_of_the_past_weighs_nothing_and_replaces_nobody(home: Path) -> None:
    champion, _ = to_the_brink()
    run_night(THIRD)
    with engine().begin() as connection:
        connection.execute(sa.update(schema.superiority_tests).values(outcome="open", ended=None))
    made = last_decision()
    run_night(NEXT)
    assert last_decision() == made
    assert verdicts_of(engine(), "live", NEXT) == []
    assert [one.model for one in serving_on(engine(), "live", NEXT)] == [champion.model]


def test_a_test_begins_on_schedule_before_its_first_pair_and_once_a_quarter(home: Path) -> None:
    champion, rival = champion_and_rival()
    assert superiority_tests_of(engine(), "live", 1, TRAINED) == []
    run_night(NEXT)
    wanted = SuperiorityTest(
        1, NEXT, rival.recipe, champion.recipe, rival.model, champion.model, ALPHA, outcome="open", ended=None
    )
    assert superiority_tests_of(engine(), "live", 1, NEXT) == [wanted]
    assert {one.kind for one in verdicts_of(engine(), "live", NEXT)} == {"replacement", "skill"}
    run_night(THIRD)
    assert superiority_tests_of(engine(), "live", 1, THIRD) == [wanted]
    scored = pl.read_database("SELECT * FROM matured", engine().connect())
    assert dict(scored.select("model", "recipe").iter_rows())[champion.model] == champion.recipe
    assert dict(scored.select("model", "recipe").iter_rows())["momentum"] is None


def test_a_refresh_that_is_shown_to_be_inferior_is_refused_and_told(home: Path) -> None:
    champion, _ = champion_and_rival()
    (walked,) = (home / f"evaluations/live/{TRAINED}").glob(f"h1-{champion.model}-[0-9a-f]*.parquet")
    plant(champion, 0.9, pl.read_parquet(walked)["date"].to_list())
    summary = run_night(NEXT, train="always")
    assert [(one.version, one.since) for one in summary.serving] == [(champion.version, TRAINED)]
    made = last_decision()
    assert made["action"] == "refuse"
    assert made["reasons"].startswith("the newer fit is inferior to the one that serves: ")
    assert all_incidents(engine())["key"].to_list() == [f"promotion-refused/live/h1/{NEXT}"]


@pytest.mark.proof
def test_a_champion_of_before_recipes_told_their_features_is_refreshed_as_ever(home: Path) -> None:
    champion, _ = champion_and_rival()
    walked = schema.walk_forward
    with engine().begin() as connection:
        plain = sa.func.substr(walked.c.recipe, 1, 16)
        connection.execute(sa.update(walked).where(walked.c.recipe.is_not(None)).values(recipe=plain))
        connection.execute(sa.delete(schema.recipes))
    summary = run_night(NEXT, train="always")
    assert [(one.model, one.since) for one in summary.serving] == [(champion.model, NEXT)]
    assert last_decision()["action"] == "refresh"


def test_other_features_are_another_recipe_which_speaks_in_shadow_and_is_tested(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion, _ = champion_and_rival()
    monkeypatch.setenv("NIGHTDESK_TRAINING__RECIPES", f'["{champion.model}"]')
    monkeypatch.setenv("NIGHTDESK_FEATURES__ADD", '["week_return_4"]')
    summary = run_night(NEXT, train="always")
    assert [one.version for one in summary.serving] == [champion.version]
    assert last_decision()["action"] == "keep"
    said = forecasts_of(engine(), "live", NEXT)
    beside = [name for name in said["model"].unique().to_list() if name.startswith(f"{champion.model}~")]
    assert len(beside) == 1
    with engine().begin() as connection:
        connection.execute(sa.delete(schema.superiority_tests))
    run_night(THIRD)
    (began,) = superiority_tests_of(engine(), "live", 1, THIRD)
    assert (began.challenger_model, began.champion) == (beside[0], champion.recipe)
