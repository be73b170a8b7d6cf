"""The look-ahead audit of pipelines: three plain leaks are named, and an honest pipeline is left alone."""

from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import Ridge

from nightdesk.errors import BadInput
from nightdesk.evaluation.audit import Leak, audit
from nightdesk.evaluation.audit_market import market, spliced
from nightdesk.evaluation.pipeline import KNOWN_ON, Inputs, Step, frames_of
from nightdesk.tables import CLOSE, DATE, SYMBOL

HORIZON = 5


class Plain:
    """A step that learns nothing."""

    def fit(self, train: pl.DataFrame, inputs: Inputs, at: dt.date) -> None:
        pass


@dataclasses.dataclass
class Momentum(Plain):
    name: str = "momentum"

    def apply(self, frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        close = pl.col(CLOSE).forward_fill().over(SYMBOL)
        bars = inputs.first_bars().with_columns(momentum=(close / close.shift(5).over(SYMBOL) - 1))
        return frame.join(bars.select(SYMBOL, DATE, "momentum"), on=[SYMBOL, DATE], how="left")


@dataclasses.dataclass
class Tomorrow(Plain):
    name: str = "tomorrow"

    def apply(self, frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        return frame.with_columns(pl.col("momentum").shift(-1).over(SYMBOL))


@dataclasses.dataclass
class Returns(Plain):
    name: str = "returns"
    fill: str = "open"
    after: int = 1

    def apply(self, frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        entry = pl.col(self.fill).shift(-self.after)
        leaves = -self.after - HORIZON
        bars = inputs.first_bars().with_columns(
            (pl.col(self.fill).shift(leaves) / entry - 1).over(SYMBOL).alias("label"),
            pl.col(DATE).shift(leaves).over(SYMBOL).alias("label_exit"),
        )
        return frame.join(bars.select(SYMBOL, DATE, "label", "label_exit"), on=[SYMBOL, DATE], how="left")


@dataclasses.dataclass
class Scale:
    name: str = "scale"
    over: str = "train"
    centre: float = 0.0

    def fit(self, train: pl.DataFrame, inputs: Inputs, at: dt.date) -> None:
        self.centre = train["momentum"].mean()

    def apply(self, frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        centre = self.centre if self.over == "train" else frame["momentum"].mean()
        return frame.with_columns(scaled=pl.col("momentum") - centre)


@dataclasses.dataclass
class Model:
    name: str = "model"
    purged: bool = True
    fitted: object = None

    def fit(self, train: pl.DataFrame, inputs: Inputs, at: dt.date) -> None:
        rows = train.drop_nulls(["scaled", "label"])
        rows = rows.filter(pl.col("label_exit") <= at) if self.purged else rows
        self.fitted = Ridge(alpha=1e-3).fit(rows.select("scaled").to_numpy(), rows["label"].to_numpy())

    def apply(self, frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        return frame.with_columns(
            score=pl.Series(self.fitted.predict(frame.select(pl.col("scaled").fill_null(0)).to_numpy()))
        )


def pipeline(**exchanged: Step) -> list[Step]:
    steps = {"momentum": Momentum(), "returns": Returns(), "scale": Scale(), "model": Model()}
    if "tomorrow" in exchanged:
        steps = {"momentum": steps["momentum"], "tomorrow": exchanged.pop("tomorrow"), **steps}
    return list((steps | exchanged).values())


def audited(steps: list[Step]) -> list[Leak]:
    return audit(steps, cuts=5)


def test_an_honest_pipeline_is_left_alone() -> None:
    assert audited(pipeline()) == []


def test_steps_learn_up_to_the_split_and_stay_as_they_were() -> None:
    steps, inputs = pipeline(), market(7).inputs
    at = inputs.bars[DATE].unique().sort()[100]
    frames = frames_of(steps, inputs, at)
    assert [frame.width for frame in frames] == [3, 5, 6, 7]
    past = frames[0].filter(pl.col(DATE) <= at)["momentum"].mean()
    assert (frames[2]["momentum"] - frames[2]["scaled"]).drop_nulls().to_numpy() == pytest.approx(past)
    assert steps[2].centre == 0.0
    assert steps[3].fitted is None


def test_tomorrows_value_is_named_with_how_far_and_how_much() -> None:
    (leak,) = audited(pipeline(tomorrow=Tomorrow()))
    assert (leak.step, leak.part, leak.columns) == ("tomorrow", "apply", ("momentum",))
    assert leak.through == ("bars",)
    assert 1 <= leak.ahead <= 15  # over a halt the next bar is two weeks off
    assert leak.behind <= 15
    assert leak.size is not None
    assert leak.size > 0.5
    assert leak.words.startswith("step 'tomorrow' looks ahead: momentum changed with bars of later days")


def test_a_scale_of_the_whole_sample_is_named() -> None:
    (leak,) = audited(pipeline(scale=Scale(over="all")))
    assert (leak.step, leak.part, leak.columns, leak.through) == ("scale", "apply", ("scaled",), ("bars",))
    assert leak.ahead >= 30
    assert leak.share > 0.8
    assert "the whole past" in leak.words


def test_labels_that_overlap_the_split_are_found_in_the_fit() -> None:
    (leak,) = audited(pipeline(model=Model(purged=False)))
    assert (leak.step, leak.part, leak.columns) == ("model", "fit", ("score",))
    assert "labels that had not matured" in leak.words


@dataclasses.dataclass
class Known(Plain):
    """A column that was made from the whole market before the audit began: no future changes it any more."""

    secret: pl.DataFrame
    name: str = "known"

    def apply(self, frame: pl.DataFrame, inputs: Inputs) -> pl.DataFrame:
        return frame.join(self.secret.rename({"next_return": "known"}), on=[SYMBOL, DATE], how="left")


def test_what_no_change_of_the_future_reaches_is_found_by_what_it_foretells() -> None:
    noisy = market(7).secret.with_columns(
        pl.col("next_return") + pl.Series(np.random.default_rng(1).normal(0, 0.03, 1))
    )
    (leak,) = audited([Momentum(), Known(noisy)])
    assert leak.step == "known"
    assert leak.correlation is not None
    assert leak.correlation > 0.5


@pytest.mark.parametrize(("fill", "after"), [("close", 0), ("open", 0)])
def test_a_fill_at_a_price_of_its_own_day_is_named(fill: str, after: int) -> None:
    found = audited(pipeline(returns=Returns(fill=fill, after=after)))
    assert [(leak.step, leak.part) for leak in found] == [("returns", "label")]


def test_markets_of_two_seeds_have_the_same_keys_and_can_be_spliced() -> None:
    here, other = market(7).inputs, market(8).inputs
    keys = [SYMBOL, DATE]
    assert here.first_bars().select(keys).equals(other.first_bars().select(keys))
    cut = here.bars[DATE].unique().sort()[90]
    joined = spliced(here, other, cut, ("bars", "restated", "facts", "members"))
    for name in ("bars", "facts", "members"):
        old = pl.col(KNOWN_ON) <= cut
        assert getattr(joined, name).filter(old).height == getattr(here, name).filter(old).height
        assert getattr(joined, name).filter(~old).height == getattr(other, name).filter(~old).height
    assert here.bars.filter(pl.col(KNOWN_ON) > pl.col(DATE)).height > 50
    assert here.bars[CLOSE].null_count() > 20


def test_what_is_no_pipeline_is_refused() -> None:
    with pytest.raises(BadInput, match="at least one step, got none"):
        audit([])
    with pytest.raises(BadInput, match="names of steps must be unique, got 'momentum' twice"):
        audit([Momentum(), Momentum()])
    with pytest.raises(BadInput, match="a step must have a name, fit and apply, got 7"):
        audit([7])
