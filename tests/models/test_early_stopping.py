"""Early stopping: no label fitted on reaches into the days that validate, and a model that overfits is stopped."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
import pytest

from nightdesk.errors import BadInput
from nightdesk.labels.forward import forward_returns
from nightdesk.models import RECIPES, family
from nightdesk.models.early_stopping import held_out, stopping_of
from nightdesk.models.recipe import Training, rounds_of
from nightdesk.models.training_set import training_set
from nightdesk.sources.synthetic import synthetic
from nightdesk.tables import DATE, FORWARD_RETURN, SYMBOL

GROWING: dict[str, dict[str, float | int | str]] = {
    "lightgbm": {"rounds": 120, "learning_rate": 0.3, "num_leaves": 31, "min_data_in_leaf": 5},
    "xgboost": {"rounds": 120, "eta": 0.3, "max_depth": 6, "min_child_weight": 1},
}
"""Parameters that learn noise by heart."""

STOPPED: dict[str, float | int | str] = {"early_stopping": 10, "validation": 0.25}


@lru_cache(maxsize=2)
def labelled(horizon: int) -> tuple[pl.DataFrame, tuple[dt.date, ...]]:
    """Labels of a market of which one symbol vanishes before the days that validate, and its trading days."""
    source = synthetic(symbols=12, days=260, signal_ic=0.0, seed=3)
    bars = source.bars(None, source.last_day())
    days = tuple(sorted(bars[DATE].unique()))
    gone = (pl.col(SYMBOL) == "SYN0001") & (pl.col(DATE) > days[190])
    return forward_returns(bars.filter(~gone), days, [horizon]), days


def rows_of(horizon: int, every: int) -> tuple[Training, pl.DataFrame]:
    """Training rows whose one feature is their number among the labels, and those labels."""
    labels, days = labelled(horizon)
    numbered = labels.drop_nulls(FORWARD_RETURN).with_row_index("number")
    features = numbered.select(SYMBOL, DATE, pl.col("number").cast(pl.Float32))
    return training_set(features, labels, horizon, ["number"], days[::every]), numbered


def told(training: Training, labels: pl.DataFrame) -> pl.DataFrame:
    return labels[training.features[:, 0].astype(int)]


@pytest.mark.parametrize(("horizon", "every", "share"), [(5, 1, 0.2), (20, 1, 0.25), (20, 5, 0.2), (60, 5, 0.3)])
def test_no_label_interval_of_a_row_that_is_fitted_on_touches_a_day_that_validates(
    horizon: int, every: int, share: float
) -> None:
    training, labels = rows_of(horizon, every)
    fitted, newest = (told(part, labels) for part in held_out(training, share))
    dates = sorted(told(training, labels)[DATE].unique())
    validating = sorted(newest[DATE].unique())
    assert validating == dates[-int(np.ceil(share * len(dates))) :]
    assert (fitted["exit_date"] < validating[0]).all()
    assert (fitted["known_date"] < validating[0]).all()
    # Nothing else is lost: every row of those dates validates, every label known before them is fitted on.
    everything = told(training, labels)
    assert newest.height == everything.filter(pl.col(DATE) >= validating[0]).height
    assert fitted.height == everything.filter(pl.col("known_date") < validating[0]).height
    # The last labels end well before the last date that could be fitted on: something was purged.
    assert fitted[DATE].max() < dates[-len(validating) - 1]


def test_a_delisting_that_is_settled_late_is_purged_though_its_exit_came_in_time() -> None:
    training, labels = rows_of(5, 1)
    share = 0.226  # the first day that validates comes days after the last bar of the symbol that vanished
    fitted, newest = (told(part, labels) for part in held_out(training, share))
    first = newest[DATE].min()
    late = labels.filter(pl.col("known_date") >= first, pl.col("exit_date") < first)
    assert late.height > 0
    assert late["delisted"].all()
    assert fitted.join(late, on=[SYMBOL, DATE], how="semi").is_empty()


def test_both_parts_weigh_each_date_the_same() -> None:
    for part in held_out(rows_of(5, 1)[0], 0.2):
        assert part.weight.mean() == pytest.approx(1.0)
        frame = pl.DataFrame({"decided": part.decided, "weight": part.weight})
        by_date = frame.group_by("decided").agg(pl.col("weight").sum())["weight"].to_numpy()
        assert np.ptp(by_date) < 0.5 * by_date.mean()


def noise(dates: int = 60, symbols: int = 25, columns: int = 6, signal: float = 0.0) -> Training:
    """Rows of random features and targets, every date's label known five dates later."""
    random = np.random.default_rng(8)
    features = random.standard_normal((dates * symbols, columns)).astype(np.float32)
    target = signal * features[:, 0] + random.uniform(-0.5, 0.5, dates * symbols)
    days = np.datetime64("2020-01-01") + np.repeat(np.arange(dates), symbols)
    return Training(features, target, np.ones(dates * symbols), days, days + 5)


def fit(name: str, training: Training, **more: float | int) -> Any:
    return family(name).fit(training, {**GROWING[name], **more}, 4, 1)


@pytest.mark.parametrize("name", GROWING)
def test_a_model_that_overfits_is_stopped_and_says_less_of_noise(name: str) -> None:
    training, fresh = noise(), np.random.default_rng(9).standard_normal((500, 6)).astype(np.float32)
    whole, stopped = fit(name, training), fit(name, training, **STOPPED)
    assert rounds_of(whole) == 120
    assert rounds_of(stopped) < 15
    # There is nothing to say: what is said of fresh rows is all wrong.
    assert np.var(stopped.predict(fresh)) < 0.3 * np.var(whole.predict(fresh))


@pytest.mark.parametrize("name", GROWING)
def test_a_signal_is_learnt_for_longer_than_noise(name: str) -> None:
    learnt = fit(name, noise(signal=1.0), **STOPPED)
    assert rounds_of(learnt) > rounds_of(fit(name, noise(), **STOPPED))


@pytest.mark.parametrize("name", GROWING)
def test_rows_between_the_parts_change_nothing_and_rows_that_validate_only_the_number_of_rounds(name: str) -> None:
    training = noise(signal=0.3)
    fitted, newest = held_out(training, 0.25)
    assert training.decided is not None
    assert fitted.decided is not None
    assert newest.decided is not None
    between = (training.decided > fitted.decided.max()) & (training.decided < newest.decided.min())
    assert between.sum() == 5 * 25
    probe = np.random.default_rng(2).standard_normal((80, 6)).astype(np.float32)
    plain = fit(name, training, **STOPPED)
    moved = replace(training, target=np.where(between, -training.target, training.target))
    assert fit(name, moved, **STOPPED).predict(probe).tobytes() == plain.predict(probe).tobytes()
    last = training.decided >= newest.decided.min()
    turned = fit(name, replace(training, target=np.where(last, -training.target, training.target)), **STOPPED)
    assert rounds_of(turned) < rounds_of(plain)
    # As many rounds of the one as the other kept are the same trees.
    alone = fit(name, fitted, rounds=rounds_of(plain))
    assert alone.predict(probe).tobytes() == plain.predict(probe).tobytes()


@pytest.mark.parametrize("name", GROWING)
def test_a_least_number_of_rounds_is_kept_and_a_refit_fits_all_rows_with_what_was_kept(name: str) -> None:
    training, probe = noise(), np.random.default_rng(2).standard_normal((80, 6)).astype(np.float32)
    kept = fit(name, training, **STOPPED, least_rounds=9)
    assert rounds_of(kept) == 9
    refitted = fit(name, training, **STOPPED, least_rounds=9, refit=1)
    assert refitted.predict(probe).tobytes() == fit(name, training, rounds=9).predict(probe).tobytes()
    assert refitted.predict(probe).tobytes() != kept.predict(probe).tobytes()


def test_the_voters_booster_is_stopped_by_the_same_days() -> None:
    small = {"forest_n_estimators": 3, "forest_max_depth": 2, "boosted_max_depth": 6}
    own = {**small, "boosted_rounds": 100, "boosted_eta": 0.3}
    whole, stopped = (family("voter").fit(noise(), {**own, **more}, 4, 1) for more in ({}, STOPPED))
    assert rounds_of(whole.booster) == 100
    assert rounds_of(stopped.booster) < 15


def test_rows_without_dates_or_too_few_of_them_are_refused() -> None:
    bare = replace(noise(), decided=None)
    with pytest.raises(BadInput, match="needs rows with the dates of decision and of known labels, got rows without"):
        fit("lightgbm", bare, **STOPPED)
    with pytest.raises(BadInput, match=r"got none of 6 dates with a share of 0\.5: give more days"):
        held_out(noise(dates=6), 0.5)
    with pytest.raises(BadInput, match="got none of 0 dates"):
        held_out(noise(dates=0), 0.5)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"early_stopping": -1}, "early_stopping must be 0 .never. or more rounds, got -1"),
        ({"early_stopping": 5, "validation": 1.0}, "validation must lie between 0 and 1, got 1.0"),
        ({"early_stopping": 5, "least_rounds": 0}, "least_rounds must be 1 or more, got 0"),
    ],
)
def test_parameters_that_break_a_rule_are_named(parameters: dict[str, float | int | str], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        stopping_of(parameters)


def test_stopping_is_off_unless_asked_for() -> None:
    assert stopping_of({"early_stopping": 0, "validation": 0.3}) is None
    asked = {name for name, one in RECIPES.items() if stopping_of(dict(one.parameters)) is not None}
    assert asked == {"lightgbm_stopped", "xgboost_stopped", "qlib_lightgbm"}
