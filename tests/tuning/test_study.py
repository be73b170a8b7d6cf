"""A study in one process: it tries what it should, goes on where it was interrupted, and counts what was killed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from tuning_samples import (
    BOOSTER,
    RIDGE,
    SMALL_BOOSTER,
    SMALL_TREES,
    TREES,
    material,
    outside_space,
    plan,
    rows,
    task,
    written,
)

from nightdesk.errors import BadInput, BadSetting, UnknownName
from nightdesk.evaluation.walk_forward import walk_forward
from nightdesk.faults import listening
from nightdesk.models import recipe
from nightdesk.models.extreme_boosting import ExtremeBoostingFamily
from nightdesk.models.gradient_boosting import GradientBoostingFamily
from nightdesk.tuning import SPACES, space_of
from nightdesk.tuning.outcome import kept_plan, searched_plan
from nightdesk.tuning.parts import Task, read_task
from nightdesk.tuning.space import Choice, Number, Space, space_from
from nightdesk.tuning.study import (
    COMPLETE,
    KILLED,
    PRUNED,
    UNDEFINED,
    Tried,
    begin_study,
    best_of,
    mend_journal,
    open_storage,
    tried,
)
from nightdesk.tuning.worker import Orders, work


class Killed(BaseException):
    """Ends a worker where it stands, as a kill would."""


@contextmanager
def killed_at(point: str) -> Iterator[None]:
    def hook(reached: str) -> None:
        if reached == point:
            raise Killed

    with listening(hook), pytest.raises(Killed):
        yield


def start(folder: Path, one: Task, trials: int) -> tuple[Tried, ...]:
    """One start of a study by one worker, in this process."""
    journal = folder / "study.journal"
    mend_journal(journal)
    study = begin_study(open_storage(str(journal)), one)
    if not (folder / "task.json").exists():
        written(folder, one)
    work(Orders(str(folder), str(journal), 0, 1, trials))
    return tried(study, one)


def made(trials: tuple[Tried, ...]) -> list[tuple[object, ...]]:
    """What trials tried and found, without how long it took and how they are numbered."""
    return [(one.ended, one.parameters, one.rank_ic, one.folds) for one in trials if one.ended != KILLED]


@pytest.mark.parametrize("name", sorted(SPACES))
def test_a_registered_space_holds_the_default_and_names_its_parameters(name: str) -> None:
    assert space_of(name).within(dict(recipe(name).parameters)) is not None
    assert space_from(space_of(name).plain()) == space_of(name)


def test_a_space_knows_what_it_holds() -> None:
    space = Space((("leaves", Number(2, 8, whole=True)), ("kind", Choice(("a", "b")))), 2, 3)
    assert space_from(space.plain()) == space
    assert space.within({"leaves": 2, "kind": "b", "other": 7}) == {"leaves": 2, "kind": "b"}
    for outside in (
        {"leaves": 9, "kind": "a"},
        {"leaves": 2.5, "kind": "a"},
        {"leaves": 2, "kind": "c"},
        {"kind": "a"},
    ):
        assert space.within(outside) is None


def test_a_family_without_a_space_is_told_how_to_give_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(SPACES, "ridge")  # type: ignore[misc]
    with pytest.raises(BadInput, match=r"must have a search space to be tuned, got none of 'ridge'"):
        space_of("ridge")
    with pytest.raises(UnknownName, match="model family must be one of"):
        space_of("rigde")


def test_the_kept_block_is_the_nights_own_last_one_and_no_trial_sees_its_outcomes() -> None:
    here = material(0.2)
    whole = plan(here)
    blocks, kept, searched = whole.blocks(), kept_plan(whole, 1), searched_plan(whole, 1)
    assert kept.blocks()[0].test_days == blocks[-1].test_days
    assert kept.blocks()[0].train_days == blocks[-1].train_days
    seen = [day for fold in searched.blocks() for day in (*fold.train_days, *fold.test_days)]
    known = here.labels.filter(pl.col("horizon") == whole.horizon, pl.col("date").is_in(seen))
    usual = known["known_date"].mode().max()  # what is settled late is left out by `met_by`
    assert max(seen) < blocks[-1].test_days[0]
    assert (
        known.filter(pl.col("date") == max(seen))["known_date"].min()
        < blocks[-1].test_days[0]
        <= max(usual, whole.days[-1])
    )
    for wrong in (0, 3):
        with pytest.raises(BadSetting, match=r"tuning.kept_blocks must leave a block to search on of the 3"):
            kept_plan(whole, wrong)


@pytest.mark.parametrize("one", [RIDGE, TREES], ids=lambda one: one.name)
def test_the_first_trial_is_the_recipe_itself_scored_as_a_night_scores_it(one: object, tmp_path: Path) -> None:
    here = rows()
    (first,) = start(tmp_path, task(one, SMALL_TREES if one is TREES else None), 1)
    walked = walk_forward(here.features, here.labels, one, here.plan).daily
    assert (first.ended, first.default, first.folds) == (COMPLETE, True, 2)
    assert first.parameters == one.parameters
    assert first.rank_ic == walked["rank_ic"].mean()


def test_trees_share_their_bins_and_grow_the_same_as_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = task(TREES, SMALL_TREES)
    shared = start(tmp_path / "shared", one, 7)
    assert not list((tmp_path / "shared").rglob("features.npy"))
    monkeypatch.delattr(GradientBoostingFamily, "fit_binned")
    alone = start(tmp_path / "alone", one, 7)
    assert list((tmp_path / "alone").rglob("features.npy"))
    assert made(shared) == made(alone)
    assert len({trial.rank_ic for trial in shared}) == 7


def test_boosters_of_one_process_share_their_rows_and_grow_the_same_as_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = task(BOOSTER, SMALL_BOOSTER)
    shared = start(tmp_path / "shared", one, 7)
    monkeypatch.delattr(ExtremeBoostingFamily, "fit_held")
    alone = start(tmp_path / "alone", one, 7)
    assert made(shared) == made(alone)
    assert len({trial.rank_ic for trial in shared}) == 7


def test_a_trial_says_why_it_was_given_up_and_how_many_rounds_were_kept(tmp_path: Path) -> None:
    trials = start(tmp_path, task(TREES, SMALL_TREES), 14)
    given_up = [one for one in trials if one.ended == PRUNED]
    assert given_up
    for one in given_up:
        assert one.why == f"rank IC {one.rank_ic:+.4f} after block 1 of 2 is below the median of the trials before it"
        assert one.rounds == (10,)
    assert {one.rounds for one in trials if one.ended == COMPLETE} == {(10, 10)}
    stopped = outside_space(TREES, rounds=200, early_stopping=2, learning_rate=0.5)
    (first,) = start(tmp_path / "stopped", task(stopped, SMALL_TREES), 1)
    assert len(first.rounds) == 2
    assert all(0 < kept < 200 for kept in first.rounds)


def test_bins_that_are_searched_are_not_shared(tmp_path: Path) -> None:
    written(tmp_path, task(TREES, Space((("max_bin", Number(15, 63, whole=True)),))))
    assert not list(tmp_path.rglob("bins"))


def test_the_same_seed_tries_the_same_and_another_does_not(tmp_path: Path) -> None:
    once, again = (start(tmp_path / name, task(), 7) for name in ("once", "again"))
    assert made(once) == made(again)
    other = start(tmp_path / "other", task(seed=2), 3)
    assert other[0].parameters == once[0].parameters
    assert not {trial.parameters for trial in other[1:]} & {trial.parameters for trial in once[1:]}


def test_a_killed_study_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    one = task(TREES, SMALL_TREES)
    straight = start(tmp_path / "straight", one, 8)
    with killed_at("tuning:0:1"):
        start(tmp_path / "killed", one, 8)
    with killed_at("tuning:7:1"):
        start(tmp_path / "killed", one, 8)
    journal = tmp_path / "killed" / "study.journal"
    with journal.open("ab") as torn:  # killed while it wrote
        torn.write(b'{"op_code":4,"wor')
    journal.with_name("study.journal.lock").symlink_to(journal)
    resumed = start(tmp_path / "killed", one, 8)
    assert [trial.number for trial in resumed if trial.ended == KILLED] == [0, 7]
    assert {trial.why for trial in resumed if trial.ended == KILLED} == {"the process that tuned was killed"}
    assert len(resumed) == 10
    assert made(resumed) == made(straight)
    # All are made: another start makes none.
    assert start(tmp_path / "killed", one, 8) == resumed
    assert made(start(tmp_path / "killed", one, 9))[:8] == made(straight)


def test_a_trial_worse_than_the_median_is_given_up_early(tmp_path: Path) -> None:
    trials = start(tmp_path, task(TREES, SMALL_TREES), 14)
    given_up = [trial for trial in trials if trial.ended == PRUNED]
    assert given_up
    assert all(trial.folds == 1 and trial.rank_ic is not None for trial in given_up)
    assert min(trial.number for trial in given_up) >= 5
    best = best_of(trials)
    assert best is not None
    assert best.rank_ic == max(trial.rank_ic for trial in trials if trial.ended == COMPLETE)


def test_a_rank_ic_that_is_undefined_is_no_score_and_counts_all_the_same(tmp_path: Path) -> None:
    unable = outside_space(TREES, min_data_in_leaf=100_000)
    trials = start(tmp_path, task(unable, Space((("num_leaves", Number(3, 15, whole=True)),))), 3)
    assert [(trial.ended, trial.rank_ic) for trial in trials] == [(UNDEFINED, None)] * 3
    assert trials[0].why == "the same score for every symbol on each day"
    assert best_of(trials) is None


def test_a_default_outside_its_space_is_not_tried(tmp_path: Path) -> None:
    (first,) = start(tmp_path, task(outside_space(RIDGE, alpha=1e5)), 1)
    assert not first.default
    assert dict(first.parameters)["alpha"] <= 1e2


def test_a_task_comes_back_from_its_file(tmp_path: Path) -> None:
    for one in (task(), replace(task(TREES, SMALL_TREES), seed=4)):
        assert read_task(written(tmp_path / one.study, one)) == one


def test_another_database_is_refused() -> None:
    with pytest.raises(BadSetting, match=r"tuning.storage must be postgresql\+psycopg://..., got mysql://"):
        open_storage("mysql://somebody@127.0.0.1/studies")
