"""An ensemble learns from out-of-fold scores alone, and the page's example builds one as it stands."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from nightdesk import models
from nightdesk.ensemble.assembled import Ensembled, ensemble_of, parted
from nightdesk.ensemble.kept import from_json, to_json
from nightdesk.ensemble.out_of_fold import out_of_fold
from nightdesk.ensemble.weights import stacked_weights
from nightdesk.errors import BadInput, UnknownName
from nightdesk.evaluation.walk_forward import Plan, fit_recipe, walk_forward
from nightdesk.features.matrix import feature_matrix
from nightdesk.labels.forward import forward_returns
from nightdesk.models.recipe import Fitted, Matrix, Recipe, Training, Vector
from nightdesk.models.training_set import to_matrix
from nightdesk.report.reliability_picture import reliability_picture
from nightdesk.sources.synthetic import synthetic

PAGE = Path(__file__).parents[2] / "infra/operations/ensemble.md"
HORIZON = 5
NAMES = ("reversal_5", "volume_ratio_20", "volatility_60")
SIGNAL = Recipe("volume", "ridge", ("volume_ratio_20",), (("alpha", 0.05),))
OTHER = Recipe("other", "ridge", ("volatility_60",), (("alpha", 0.05),))
RECALL = Recipe("recall", "recall", NAMES, ())


@dataclass(frozen=True)
class Market:
    bars: pl.DataFrame
    days: tuple[dt.date, ...]
    features: pl.DataFrame
    labels: pl.DataFrame

    def plan(self, every: int = 2, sealed_from: dt.date | None = None) -> Plan:
        return Plan(self.days, HORIZON, 2, 120, every, 0, 1, sealed_from)


@pytest.fixture(scope="module")
def market() -> Market:
    source = synthetic(symbols=40, days=460, signal_ic=0.25, horizon=HORIZON, seed=3)
    bars = source.bars(None, source.last_day())
    days = tuple(sorted(bars["date"].unique()))
    features = feature_matrix(bars, NAMES).sort("date", "symbol")
    return Market(bars, days, features, forward_returns(bars, days, [HORIZON]))


@pytest.fixture(scope="module")
def found(market: Market) -> Ensembled:
    return ensemble_of(market.features, market.labels, market.bars, [SIGNAL, OTHER], market.plan())


@dataclass
class Recall:
    """A family that knows every row it was fitted on by heart, and says noise of all others: a leak in waiting."""

    rows: dict[bytes, float] = field(default_factory=dict)

    def fit(self, training: Training, parameters: Mapping[str, float | int | str], seed: int, threads: int) -> Fitted:
        return Recall({row.tobytes(): float(y) for row, y in zip(training.features, training.target, strict=True)})

    def predict(self, features: Matrix) -> Vector:
        noise = np.random.default_rng(0).normal(0, 0.1, len(features))
        return np.array([self.rows.get(row.tobytes(), noise[n]) for n, row in enumerate(features)])

    def save(self, folder: Path) -> None:
        raise AssertionError("what is known by heart is not saved")

    def load(self, folder: Path) -> Fitted:
        raise AssertionError("what is known by heart is not loaded")


def test_stacking_does_not_fall_for_a_member_that_knows_its_training_by_heart(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "FAMILIES", {**models.FAMILIES, "recall": Recall()})
    plan = market.plan(every=1)
    met = out_of_fold(market.features, market.labels, [SIGNAL, RECALL], plan)
    honest = stacked_weights(met, ("volume", "recall"), HORIZON)
    # The leak: the same members' scores of the days they were fitted on.
    seen = market.features.filter(pl.col("date").is_in(market.days[:300])).drop_nulls()
    fooled = market.labels.join(seen, on=["symbol", "date"])
    for one in (SIGNAL, RECALL):
        fitted, _ = fit_recipe(market.features, market.labels, one, plan)
        fooled = fooled.with_columns(pl.Series(one.name, fitted.predict(to_matrix(fooled, one.features))))
    leaked = stacked_weights(fooled, ("volume", "recall"), HORIZON)
    assert leaked.of("recall") > 0.8
    assert honest.of("recall") < 0.2


def test_out_of_fold_scores_are_those_of_the_walk_forward(market: Market) -> None:
    met = out_of_fold(market.features, market.labels, [SIGNAL, OTHER], market.plan())
    walked = walk_forward(market.features, market.labels, SIGNAL, market.plan())
    own = met.group_by("date").agg(pl.corr("volume", "forward_return", method="spearman")).sort("date")
    assert own["date"].to_list() == walked.daily["date"].to_list()
    assert own["volume"].to_list() == pytest.approx(walked.daily["rank_ic"].to_list())
    assert met["date"].min() == market.days[120]


def test_what_became_known_in_a_sealed_stretch_is_left_out(market: Market) -> None:
    sealed = market.days[400]
    met = out_of_fold(market.features, market.labels, [SIGNAL, OTHER], market.plan(sealed_from=sealed))
    assert met["known_date"].max() == market.days[399]


def test_each_part_is_known_before_the_next_begins(market: Market) -> None:
    met = out_of_fold(market.features, market.labels, [SIGNAL, OTHER], market.plan())
    parts = parted(met, (0.4, 0.2, 0.2, 0.2))
    for part, after in pairwise(parts):
        assert part["known_date"].max() <= after["date"].min()
    # Nothing more is left out than the labels that cross: the horizon's days of each part but the last.
    days = met["date"].n_unique()
    assert sum(part["date"].n_unique() for part in parts) == days - 3 * HORIZON
    with pytest.raises(BadInput, match="got 12 days in all: give more, or a shorter horizon"):
        parted(met.filter(pl.col("date").is_in(market.days[120:132])), (0.4, 0.2, 0.2, 0.2))


def test_the_planted_signal_is_taken_and_helps_where_it_was_not_seen(found: Ensembled) -> None:
    by_name = {row["name"]: row for row in found.members.to_dicts()}
    assert set(by_name) == {"ensemble", "volume", "other"}
    assert by_name["ensemble"]["lower"] > 0.0
    assert found.fitted.weights.of("volume") >= 0.5
    assert found.forecasts["date"].min() > found.parts["last"][2]
    assert found.parts["days"].to_list()[-1] == found.members["days"][0]


def test_every_forecast_is_whole(found: Ensembled) -> None:
    told = found.forecasts.drop_nulls("score")
    assert told.height > 0.9 * found.forecasts.height
    assert told.select((pl.col("lower") < pl.col("expected_return")).all())["lower"][0]
    total = told.select(pl.sum_horizontal("probability_down", "probability_flat", "probability_up")).to_series()
    assert (total - 1).abs().max() < 1e-12
    assert found.coverage["coverage"][0] == pytest.approx(0.9, abs=0.05)
    assert found.brier is not None
    assert 0.4 < found.brier < 0.75
    assert found.summary().startswith(found.choice.reason)


def test_later_outcomes_change_nothing_that_was_fitted_before_them(market: Market, found: Ensembled) -> None:
    """Labels known after the judged part began are made up anew: only the judgement and the last intervals differ."""
    begins = found.forecasts["date"].min()
    random = pl.Series(np.random.default_rng(0).normal(0, 0.1, market.labels.height))
    later = pl.when(pl.col("known_date") > begins).then(random).otherwise("forward_return")
    other = ensemble_of(
        market.features, market.labels.with_columns(forward_return=later), market.bars, [SIGNAL, OTHER], market.plan()
    )
    assert other.fitted.weights == found.fitted.weights
    assert other.fitted.calibration.expected == found.fitted.calibration.expected
    assert other.fitted.calibration.directions == found.fitted.calibration.directions
    assert other.fitted.calibration.intervals.conformal == found.fitted.calibration.intervals.conformal
    assert other.fitted.calibration.intervals != found.fitted.calibration.intervals


def test_tonight_is_forecast_with_what_was_kept(market: Market, found: Ensembled) -> None:
    tonight = market.features.filter(pl.col("date") == market.days[-1])
    scores = tonight.select(
        "symbol", "date", daily_volatility=pl.lit(0.02), volume="volume_ratio_20", other="volatility_60"
    )
    kept = from_json(type(found.fitted), to_json(found.fitted))
    told = kept.forecast(scores)
    assert told.equals(found.fitted.forecast(scores))
    assert told.height == 40
    with pytest.raises(BadInput, match="must hold all of its 2 members, got none of other"):
        kept.forecast(scores.drop("other"))


def test_an_ensemble_of_one_or_of_an_unknown_recipe_is_refused(market: Market) -> None:
    with pytest.raises(BadInput, match="two or more members, each once, got ridge: name"):
        ensemble_of(market.features, market.labels, market.bars, ["ridge"], market.plan())
    with pytest.raises(BadInput, match="must not be named like a column of its table, got score: rename the recipe"):
        out_of_fold(market.features, market.labels, [SIGNAL, replace(OTHER, name="score")], market.plan())
    with pytest.raises(UnknownName, match="recipe must be one of"):
        ensemble_of(market.features, market.labels, market.bars, ["ridge", "rigde"], market.plan())


def test_the_reliability_picture_says_what_it_shows(found: Ensembled) -> None:
    picture = reliability_picture(found.reliability, "up")
    assert picture == reliability_picture(found.reliability, "up")
    assert picture.startswith("<svg")
    assert picture.endswith("</svg>")
    assert "<script" not in picture
    assert "href=" not in picture.replace('xlink:href="#', "")
    row = found.reliability.row(0, named=True)
    assert f"forecast {row['forecast']:.0%}, happened {row['observed']:.0%}" in picture
    assert "Nothing was forecast" in reliability_picture(found.reliability.head(0), "up")


def test_the_example_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    space: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), space)  # the page's own code, from this repository
    shown = capsys.readouterr().out
    assert "weights" in shown
    assert "Coverage of intervals that promise 90%" in shown
    assert "Confidence: " in shown
    assert shown.count("expected_return") == 2
