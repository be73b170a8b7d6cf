"""Tuning on a small desk: every trial counted and recorded once, the winner judged, kept, and trained by a night."""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from small_nights import choose_home, market_days, run_night

from flows import cli
from flows.tuning import tune
from nightdesk.errors import BadInput, BadSetting, ModelBroken, NightLocked, UnknownName
from nightdesk.home import Home
from nightdesk.models import recipe
from nightdesk.models.tuned import is_tuned
from nightdesk.operations.features import chosen_features
from nightdesk.operations.night import Night, plan_night
from nightdesk.operations.recipes import known_recipe
from nightdesk.operations.studies import Tuned
from nightdesk.settings import read_settings
from nightdesk.store.decisions import newest_walk_forward
from nightdesk.store.nights import held
from nightdesk.store.trials import all_trials

NOW = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
EARLIER, DAY = market_days(2)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one night, which trained ridge alone: a search reads no more than its bars."""
    home = tmp_path_factory.mktemp("desk") / "home"
    with pytest.MonkeyPatch.context() as patch:
        choose_home(patch, home)
        patch.setenv("NIGHTDESK_TRAINING__RECIPES", '["ridge"]')
        run_night(EARLIER)
    return home


@pytest.fixture(scope="module")
def found(desk: Path) -> Tuned:
    with pytest.MonkeyPatch.context() as patch:
        choose_home(patch, desk)
        return tune("ridge", trials=4, seconds=500)


@pytest.fixture(autouse=True)
def _chosen(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choose_home(monkeypatch, desk)


def night() -> Night:
    return plan_night(read_settings(), "live", EARLIER, "never", NOW)


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["nightdesk", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capsys.readouterr()
    return int(str(ended.value.code)), out, err


def test_every_trial_is_counted_and_recorded_once(found: Tuned, desk: Path) -> None:
    assert found.stopped is None
    assert [one.number for one in found.trials] == [0, 1, 2, 3]
    assert found.trials[0].default
    assert found.trials[0].parameters == recipe("ridge").parameters
    assert found.last_day < found.kept.first_day
    for _ in range(2):
        counted = all_trials(night().engine).filter(realm="notebook").sort("kind", "name")
        assert counted["kind"].to_list() == ["look", *["tune"] * 4]
        assert counted["name"].to_list()[0] == found.winner.name
        assert counted["sharpe"].to_list() == [found.kept.sharpe, *[None] * 4]
        tried = counted.filter(kind="tune")
        assert tried["recipe"].n_unique() == 4
        assert set(tried.select("first_day", "last_day").rows()) == {(found.first_day, found.last_day)}
        assert counted.filter(kind="look")["recipe"].item() == found.winner.content
        client = MlflowClient(f"sqlite:///{desk / 'mlflow.db'}")
        experiment = client.get_experiment_by_name("nightdesk-live").experiment_id
        runs = client.search_runs([experiment], f"tags.study = '{found.study}'")
        logged = {int(one.data.tags["trial"]): one.data for one in runs}
        assert sorted(logged) == [0, 1, 2, 3]
        assert len(runs) == 4
        for one in found.trials:
            assert logged[one.number].metrics["rank_ic"] == one.rank_ic
            assert logged[one.number].params["alpha"] == str(dict(one.parameters)["alpha"])
            assert logged[one.number].tags["ended"] == one.ended
        # The same again makes nothing, counts nothing, and finds the same.
        again = tune("ridge", trials=4)
        assert (again.trials, again.kept, again.winner) == (found.trials, found.kept, found.winner)


def test_the_command_says_whether_the_default_is_beaten(
    found: Tuned, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code, out, err = run(monkeypatch, capsys, "tune", "ridge", "--trials", "4")
    assert (code, err) == (0, "")
    assert "alpha 0.05 (as it is)" in out
    assert out.count("complete") == 4
    verdict = "beats" if found.kept.beats else "does not beat"
    assert f"{found.winner.name} {verdict} ridge out of sample" in out
    assert f"{found.kept.difference.mean:+.4f}" in out
    assert "name it in training.recipes" in out
    # Lower case beside any other word of the page: trials of tuning are listed as such.
    code, out, _ = run(monkeypatch, capsys, "trials")
    assert code == 0
    assert f"@{found.study[-8:]}#3" in out


def test_the_pages_own_examples_run(found: Tuned, capsys: pytest.CaptureFixture[str]) -> None:
    page = Path(__file__).parents[2] / "infra/operations/tuning.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    known: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, str(page), "exec"), known)  # the page's own code, from this repository
    assert known["found"].trials == found.trials
    assert f"{found.winner.name} MeanInterval(" in capsys.readouterr().out
    assert known["MyFamily"].space.within({"depth": 3, "rate": 0.1, "kind": "fast"}) is not None


def test_a_night_trains_the_winner(found: Tuned, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_tuned(found.winner.name)
    assert known_recipe(night().home, found.winner.name) == found.winner
    monkeypatch.setenv("NIGHTDESK_TRAINING__RECIPES", json.dumps(["ridge", found.winner.name]))
    run_night(DAY, train="always")
    walked = newest_walk_forward(night().engine, "live", DAY)
    assert set(walked.filter(kind="model")["model"]) == {"ridge", found.winner.name}


def test_a_tuned_recipe_that_was_changed_is_refused(found: Tuned, tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.recipes.mkdir()
    (written,) = list(night().home.recipes.glob("*.json"))
    document = json.loads(written.read_text())
    document["recipe"]["parameters"][0][1] = 7.0
    (home.recipes / written.name).write_text(json.dumps(document))
    with pytest.raises(ModelBroken, match=f"a tuned recipe must be what .*{found.winner.name}"):
        known_recipe(home, found.winner.name)
    (home.recipes / written.name).write_text("{}")
    with pytest.raises(ModelBroken, match=f"a tuned recipe must be what .*{found.winner.name}"):
        known_recipe(home, found.winner.name)
    (home.recipes / written.name).unlink()
    with pytest.raises(UnknownName, match="recipe must be one of"):
        known_recipe(home, found.winner.name)


def test_a_tuned_recipe_that_is_gone_stops_no_night(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTDESK_TRAINING__RECIPES", '["ridge", "ridge@tuned-00000000"]')
    assert len(chosen_features(read_settings())) == 20


def test_a_night_depends_on_how_far_its_own_searches_go(monkeypatch: pytest.MonkeyPatch) -> None:
    before = night().content
    monkeypatch.setenv("NIGHTDESK_TUNING__PROFILE", "full")  # of what a person asks for
    assert night().content == before
    for name, value in (("WEEKLY", "quick"), ("TRIALS", "3"), ("SECONDS", "9"), ("WORKERS", "2")):
        monkeypatch.setenv(f"NIGHTDESK_TUNING__{name}", value)
        assert night().content != before
        before = night().content


@pytest.mark.proof
def test_each_trial_is_told_as_it_ends_to_whoever_sits_at_a_terminal(
    found: Tuned, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handlers = list(logging.getLogger("nightdesk").handlers)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    try:
        code, _, err = run(monkeypatch, capsys, "tune", "ridge", "--trials", "6")
    finally:
        logging.getLogger("nightdesk").handlers[:] = handlers
    told = [line for line in err.splitlines() if "ridge h5" in line]
    assert code == 0
    # Four stand in the study already.
    assert len(told) == 2
    assert "trial 4 (5 of 6) complete  rank IC" in told[0]
    assert "trial 5 (6 of 6) " in told[1]


def test_one_process_at_a_time_searches_a_study(found: Tuned) -> None:
    with (
        held(night().engine, night().home.locks, f"tuning-{found.study.split()[-1]}", EARLIER),
        pytest.raises(NightLocked, match="only one process may search a study"),
    ):
        tune("ridge", as_of=EARLIER, trials=4)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("tune", "rigde"), "recipe must be one of"),
        (("tune", "ridge", "--horizon", "90"), "horizon must be 1 to 60"),
        (("tune", "ridge", "--trials", "0"), "--trials"),
        (("tune", "ridge", "--profile", "slow"), "--profile"),
        (("tune", "ridge@tuned-12345678"), "recipe must be one of"),
    ],
)
def test_a_wrong_wish_is_one_line(
    arguments: tuple[str, ...], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(monkeypatch, capsys, *arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


def test_settings_that_leave_nothing_to_search_on_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTDESK_TUNING__KEPT_BLOCKS", "2")
    with pytest.raises(BadSetting, match=r"tuning.kept_blocks must leave a block to search on of the 2"):
        tune("ridge")
    with pytest.raises(BadInput, match="horizon must be 1 to 60"):
        tune("ridge", horizon=0)


def test_a_storage_with_a_password_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NIGHTDESK_TUNING__STORAGE", "postgresql+psycopg://somebody:hunter22@127.0.0.1:1/studies")
    code, out, err = run(monkeypatch, capsys, "settings")
    assert code == 0
    assert "hunter22" not in out + err
    code, out, err = run(monkeypatch, capsys, "tune", "ridge")
    assert code == 75
    assert "the storage of studies must answer" in err
    assert "hunter22" not in out + err
    assert err.count("\n") == 1
