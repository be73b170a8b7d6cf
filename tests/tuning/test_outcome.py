"""What a search is worth: a bad default is beaten where there is something to find, and nothing is beaten in noise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from scipy.stats import binom
from tuning_samples import RIDGE, TREES, material, outside_space, plan, rows, task

from nightdesk.models.recipe import Recipe
from nightdesk.models.tuned import tuned
from nightdesk.tuning.outcome import ERROR, Earlier, Kept, kept_plan, look, luck
from nightdesk.tuning.parts import write_parts
from nightdesk.tuning.space import Number, Space
from nightdesk.tuning.study import COMPLETE, Tried, begin_study, best_of, open_storage, tried
from nightdesk.tuning.worker import Orders, work

STUMP = outside_space(TREES, rounds=1, num_leaves=2)
"""One split: it tells the upper half from the lower, and no more."""

BLIND = outside_space(TREES, rounds=1, feature_fraction=0.25)
"""One tree, which may look at one feature in four: it does not come upon the one that matters."""

FRACTION = Space((("feature_fraction", Number(0.2, 1.0)),))
LEAVES = Space((("num_leaves", Number(2, 24, whole=True)),))


def searched(folder: Path, recipe: Recipe, space: Space, signal_ic: float, trials: int, seed: int = 3) -> Kept:
    """Search in this process, and judge the best."""
    here, whole = rows(signal_ic, seed), plan(material(signal_ic, seed))
    one, journal = task(recipe, space), str(folder / "study.journal")
    folder.mkdir(parents=True, exist_ok=True)
    write_parts(folder, one, here.features, here.labels, here.plan)
    study = begin_study(open_storage(journal), one)
    work(Orders(str(folder), journal, 0, 1, trials))
    best = best_of(tried(study, one))
    assert best is not None
    return look(recipe, tuned(recipe, dict(best.parameters)), material(signal_ic, seed), kept_plan(whole, 1), trials)


def test_a_bad_default_is_beaten_where_there_is_something_to_find(tmp_path: Path) -> None:
    found = searched(tmp_path, BLIND, FRACTION, 0.3, 6)
    assert found.beats
    assert found.winner.mean > found.default.mean + 0.1
    assert found.difference.mean == pytest.approx(found.winner.mean - found.default.mean)
    assert found.deflated.trials == 7
    assert found.deflated.significant
    assert (found.level, found.looks) == (1 - ERROR, 1)
    kept = plan(material(0.3)).blocks()[-1].test_days
    assert (found.first_day, found.last_day, found.difference.days) == (kept[0], kept[-1], len(kept))


def test_in_noise_the_best_trial_does_not_beat_the_default(tmp_path: Path) -> None:
    found = searched(tmp_path, STUMP, LEAVES, 0.0, 6)
    assert not found.beats
    assert found.difference.lower < 0 < found.difference.upper
    assert not found.deflated.significant


def test_every_look_at_the_same_days_makes_the_next_one_harder() -> None:
    here = material(0.3)
    kept = kept_plan(plan(here), 1)
    first = look(STUMP, RIDGE, here, kept, 6)
    later = look(STUMP, RIDGE, here, kept, 6, Earlier(40, (0.1, -0.2), 4))
    assert (later.looks, later.level) == (5, 1 - ERROR / 5)
    assert (later.difference.mean, later.winner) == (first.difference.mean, first.winner)
    assert later.difference.lower < first.difference.lower
    assert later.deflated.trials == 47
    assert later.deflated.expected_best > first.deflated.expected_best
    assert later.sharpe == first.sharpe == first.deflated.sharpe


def test_too_few_days_to_judge_are_no_victory() -> None:
    here = material(0.3)
    whole = replace(plan(here), folds=20)
    found = look(STUMP, RIDGE, here, kept_plan(whole, 1), 6)
    assert 0 < found.difference.days < 20
    assert found.difference.mean is None
    assert not found.beats


def test_what_the_best_of_equally_good_trials_leads_by() -> None:
    some = [Tried(n, COMPLETE, "", (), 0.02 + 0.01 * (n % 2), 2, 1.0, False) for n in range(20)]
    assert luck(some) == pytest.approx(0.0051299 * 1.9010, rel=0.001)
    assert luck(some[:1]) is None


@pytest.mark.proof
def test_in_noise_tuning_claims_a_victory_as_seldom_as_it_says(tmp_path: Path) -> None:
    markets = range(60)
    won = [searched(tmp_path / str(seed), STUMP, LEAVES, 0.0, 5, seed=100 + seed).beats for seed in markets]
    print(f"\n{sum(won)} of {len(won)} searches in noise were said to beat the default")
    assert sum(won) <= binom.ppf(0.99, len(won), ERROR / 2)
