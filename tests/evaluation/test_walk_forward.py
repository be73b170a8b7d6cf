"""Walk-forward: it finds a planted signal and none in noise, and no fit sees past its first test day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from nightdesk import models
from nightdesk.errors import BadInput
from nightdesk.evaluation.walk_forward import Plan, WalkForward, fit_recipe, walk_forward, walk_forward_ranking
from nightdesk.features.matrix import feature_matrix
from nightdesk.labels.forward import forward_returns
from nightdesk.models.recipe import Fitted, Recipe, Training
from nightdesk.scoring.intervals import MeanInterval, mean_interval
from nightdesk.scoring.rank_ic import daily_rank_ic
from nightdesk.sources.synthetic import synthetic
from nightdesk.tables import CLOSE, DATE, FORWARD_RETURN, HIGH, LOW, OPEN, SCORE, SYMBOL

HORIZON = 5
NAMES = ("reversal_5", "rsi_14", "volume_ratio_20", "volatility_60")
LINEAR = Recipe("recorded", "recorded", ("reversal_5", "volume_ratio_20"), (("alpha", 0.05),))


@dataclass(frozen=True)
class Market:
    """Bars, and what the library makes of them."""

    bars: pl.DataFrame
    days: tuple[dt.date, ...]

    @cached_property
    def features(self) -> pl.DataFrame:
        return feature_matrix(self.bars, NAMES).sort(DATE, SYMBOL)

    @cached_property
    def labels(self) -> pl.DataFrame:
        return forward_returns(self.bars, self.days, [HORIZON])

    def plan(self, first_train: int, every: int = 5) -> Plan:
        return Plan(self.days, HORIZON, 2, first_train, every, seed=1, threads=1)

    def walk(self, recipe: Recipe, first_train: int, every: int = 5) -> WalkForward:
        return walk_forward(self.features, self.labels, recipe, self.plan(first_train, every))


@lru_cache(maxsize=12)
def market(symbols: int, days: int, signal_ic: float, seed: int) -> Market:
    source = synthetic(symbols=symbols, days=days, signal_ic=signal_ic, horizon=HORIZON, seed=seed)
    bars = source.bars(None, source.last_day())
    return Market(bars, tuple(sorted(bars[DATE].unique())))


@dataclass
class Recorder:
    """A ridge family that keeps what it was given and what came of it."""

    trainings: list[Training] = field(default_factory=list)
    fitted: list[Fitted] = field(default_factory=list)

    def fit(self, training: Training, parameters: Mapping[str, float | int | str], seed: int, threads: int) -> Fitted:
        self.trainings.append(training)
        self.fitted.append(models.FAMILIES["ridge"].fit(training, parameters, seed, threads))
        return self.fitted[-1]

    def load(self, folder: Path) -> Fitted:
        raise AssertionError("a walk-forward loads nothing")


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    own = Recorder()
    monkeypatch.setattr(models, "FAMILIES", {**models.FAMILIES, "recorded": own})
    return own


def interval(walked: WalkForward) -> MeanInterval:
    return mean_interval(walked.daily["rank_ic"], HORIZON)


@pytest.mark.parametrize("name", ["ridge", "lightgbm"])
def test_a_planted_signal_is_found(name: str) -> None:
    """The features show five sixths of an IC of .08 at best; half of that is far more than the noise of one run."""
    found = interval(market(300, 640, 0.08, seed=1).walk(models.recipe(name), 300))
    assert found.mean is not None
    assert found.lower is not None
    assert 0.08 > found.mean > 0.03
    assert found.lower > 0.015


@pytest.mark.parametrize("name", ["ridge", "lightgbm"])
def test_pure_noise_shows_nothing(name: str) -> None:
    """Ten markets without signal: a 95 % interval misses 0 in half a market of ten, in three or more in 1 of 80.

    A model that saw one label of its test days would be far above 0 in all of them.
    """
    found = [interval(market(60, 420, 0.0, seed).walk(models.recipe(name), 200)) for seed in range(1, 11)]
    contain = [one.lower is not None and one.upper is not None and one.lower < 0 < one.upper for one in found]
    assert sum(contain) >= 8
    means = np.array([one.mean for one in found])
    assert abs(means.mean()) < 3 * means.std(ddof=1) / np.sqrt(len(means))


def test_a_leak_would_be_seen() -> None:
    """The proof above has power: the test days' own returns among the features lift the rank IC to nearly 1."""
    here = market(60, 420, 0.0, seed=1)
    leak = here.labels.select(SYMBOL, DATE, leak=pl.col(FORWARD_RETURN).cast(pl.Float32))
    features = here.features.join(leak, on=[SYMBOL, DATE], how="left", maintain_order="left")
    found = interval(walk_forward(features, here.labels, models.recipe("ridge"), here.plan(200)))
    assert found.mean is not None
    assert found.mean > 0.9


def test_the_fits_tell_their_days_rows_and_rank_ic() -> None:
    here = market(60, 420, 0.0, seed=1)
    walked, blocks = here.walk(models.recipe("ridge"), 200), here.plan(200).blocks()
    assert [fit.number for fit in walked.fits] == [1, 2]
    for fit, block in zip(walked.fits, blocks, strict=True):
        days = (fit.train_first, fit.train_last, fit.test_first, fit.test_last)
        assert days == (block.train_days[0], block.train_days[-1], block.test_days[0], block.test_days[-1])
        assert fit.rows == 60 * len(block.train_days[::5])
        own = walked.daily.filter(pl.col(DATE).is_between(fit.test_first, fit.test_last))["rank_ic"]
        assert fit.rank_ic == pytest.approx(own.mean())
    tested = [day for block in blocks for day in block.test_days]
    assert walked.daily[DATE].to_list() == tested


def test_the_same_walk_again_gives_the_same_bits() -> None:
    here = market(60, 420, 0.0, seed=1)
    assert here.walk(models.recipe("lightgbm"), 200).daily.equals(here.walk(models.recipe("lightgbm"), 200).daily)


def shaken(here: Market, after: dt.date, including: bool = False) -> Market:
    """The market with every price from a day on (that one included or not) another one."""
    later = pl.col(DATE) >= after if including else pl.col(DATE) > after
    random = np.random.default_rng(3)
    factor = pl.Series(np.exp(0.1 * random.standard_normal(here.bars.height)))
    prices = (pl.when(later).then(pl.col(name) * factor).otherwise(pl.col(name)).alias(name) for name in (OPEN, CLOSE))
    moved = here.bars.with_columns(prices)
    ends = pl.max_horizontal(HIGH, OPEN, CLOSE).alias(HIGH), pl.min_horizontal(LOW, OPEN, CLOSE).alias(LOW)
    return Market(moved.with_columns(*ends), here.days)


@pytest.mark.parametrize("fold", [0, 1])
def test_nothing_after_the_first_test_day_can_change_a_fit(recorder: Recorder, fold: int) -> None:
    here = market(60, 420, 0.0, seed=1)
    first_test = here.plan(200, every=1).blocks()[fold].test_days[0]
    probe = np.random.default_rng(4).standard_normal((50, 2)).astype(np.float32)
    predictions = []
    for one in (here, shaken(here, first_test), shaken(here, first_test, including=True)):
        one.walk(LINEAR, 200, every=1)
        predictions.append(recorder.fitted[fold].predict(probe))
        recorder.fitted.clear()
    assert predictions[0].tobytes() == predictions[1].tobytes()
    # The last label that a fold may know ends at the open of its first test day: that day's bar still counts.
    assert predictions[0].tobytes() != predictions[2].tobytes()


def test_a_delisting_that_is_settled_after_the_first_test_day_trains_no_earlier_fold(recorder: Recorder) -> None:
    """A symbol vanishes days before a test block: its labels end in time, but nobody knows yet that it has gone."""
    here = market(60, 420, 0.0, seed=1)
    block = here.plan(200, every=1).blocks()[0]
    last_bar = here.days[here.days.index(block.test_days[0]) - 4]
    gone = (pl.col(SYMBOL) == "SYN0001") & (pl.col(DATE) > last_bar)
    without = Market(here.bars.filter(~gone), here.days)
    labels = without.labels.filter(pl.col(DATE).is_in(block.train_days), pl.col(FORWARD_RETURN).is_not_null())
    late = labels.filter(pl.col("known_date") > block.test_days[0])
    assert late.height > 0
    assert late["delisted"].all()
    assert (late["exit_date"] <= block.test_days[0]).all()
    walked = without.walk(LINEAR, 200, every=1)
    assert walked.fits[0].rows == len(recorder.trainings[0].target) == labels.height - late.height
    # The next fold, months later, knows what became of it.
    assert walked.fits[1].rows == len(recorder.trainings[1].target)
    later = here.plan(200, every=1).blocks()[1]
    all_known = without.labels.filter(pl.col(DATE).is_in(later.train_days), pl.col(FORWARD_RETURN).is_not_null())
    assert walked.fits[1].rows == all_known.height


def test_the_last_fit_takes_every_label_that_has_matured_and_no_other(recorder: Recorder) -> None:
    here = market(60, 420, 0.0, seed=1)
    _, rows = fit_recipe(here.features, here.labels, LINEAR, here.plan(200, every=1))
    assert rows == len(recorder.trainings[0].target) == 60 * (len(here.days) - 1 - HORIZON)
    _, fifth = fit_recipe(here.features, here.labels, LINEAR, here.plan(200, every=5))
    assert fifth == 60 * len(here.days[: len(here.days) - 1 - HORIZON : 5])


def test_features_that_are_not_sorted_by_date_are_refused() -> None:
    there = market(30, 400, 0.2, 3)
    with pytest.raises(BadInput, match=r"sorted by date, got \d{4}-\d\d-\d\d after \d{4}-\d\d-\d\d"):
        walk_forward(there.features.reverse(), there.labels, models.recipe("ridge"), there.plan(200))


def test_a_ranking_baseline_is_scored_on_the_same_days_as_the_models() -> None:
    here = market(60, 420, 0.0, seed=1)
    walked = walk_forward_ranking(here.features, here.labels, "reversal", here.plan(200))
    assert walked.fits == ()
    assert walked.daily[DATE].to_list() == here.walk(models.recipe("ridge"), 200).daily[DATE].to_list()
    scores = here.features.select(SYMBOL, DATE, pl.col("reversal_5").cast(pl.Float64).alias(SCORE))
    wanted = daily_rank_ic(scores.join(here.labels.select(SYMBOL, DATE, FORWARD_RETURN), on=[SYMBOL, DATE]))
    assert walked.daily.equals(wanted.filter(pl.col(DATE).is_in(walked.daily[DATE].implode())))


def test_a_silent_baseline_has_no_rank_ic_and_not_zero() -> None:
    here = market(60, 420, 0.0, seed=1)
    walked = walk_forward_ranking(here.features, here.labels, "constant", here.plan(200))
    assert walked.daily.height > 0
    assert walked.daily["rank_ic"].null_count() == walked.daily.height
