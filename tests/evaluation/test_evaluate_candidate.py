"""What an evaluation finds: a planted score, nothing in noise, the same as its parts; and it counts what was tried."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression

from nightdesk.errors import BadInput
from nightdesk.evaluation.backtest import Costs, backtest, decile_weights, staggered
from nightdesk.evaluation.bootstrap import block_interval
from nightdesk.evaluation.comparison import diebold_mariano
from nightdesk.evaluation.evaluate import Evaluation, Material, Tried, evaluate_candidate
from nightdesk.evaluation.slices import volatility_regimes
from nightdesk.evaluation.trading_panel import trading_panel
from nightdesk.evaluation.walk_forward import Plan, walk_forward, walk_forward_ranking
from nightdesk.features.matrix import feature_matrix
from nightdesk.labels.forward import forward_returns
from nightdesk.models import RECIPES
from nightdesk.models.recipe import Recipe
from nightdesk.scoring.intervals import mean_interval
from nightdesk.sources.synthetic import synthetic
from nightdesk.tables import DATE, SYMBOL

HORIZON = 3
FREE = Costs(0.0, 0.0, 0.0)


@lru_cache(maxsize=2)
def material(signal_ic: float) -> tuple[Material, pl.DataFrame, pl.DataFrame]:
    """A market of 40 symbols whose features hold the planted score itself."""
    source = synthetic(symbols=40, days=420, signal_ic=signal_ic, horizon=HORIZON, seed=3)
    bars = source.bars(None, source.last_day())
    days = tuple(sorted(bars[DATE].unique()))
    oracle = source.oracle().select(SYMBOL, DATE, pl.col("score").cast(pl.Float32).alias("oracle"))
    features = feature_matrix(bars).join(oracle, on=[SYMBOL, DATE]).sort(DATE, SYMBOL)
    labels = forward_returns(bars, days, [HORIZON])
    sectors = bars.select(DATE, SYMBOL, pl.when(pl.col(SYMBOL) <= "SYN0020").then(pl.lit("A")).otherwise(pl.lit("B")))
    sectors = sectors.rename({"literal": "sector"})
    return Material(features, labels, bars, days, sectors), features, labels


def plan(here: Material) -> Plan:
    return Plan(here.days, HORIZON, 2, 200, 5, seed=1, threads=1)


@lru_cache(maxsize=1)
def found() -> Evaluation:
    here, *_ = material(0.3)
    return evaluate_candidate(RECIPES["ridge"], here, plan(here), seeds=1)


def test_a_planted_score_is_found_and_traded() -> None:
    one = found()
    assert one.verdict.beats
    assert one.rank_ic.lower is not None
    assert one.rank_ic.lower > 0.1
    assert one.metrics["auc"] > 0.55
    assert one.metrics["sharpe_gross"] > 3
    assert one.deflated.significant
    assert one.diebold_mariano is not None
    assert one.diebold_mariano.p_value < 0.01
    assert one.diebold_mariano.statistic < 0
    assert one.noise["rank_ic"].is_sorted(descending=True)
    assert one.costs["net"].is_sorted(descending=True)
    assert one.overfitting is not None
    assert one.overfitting.probability < 0.1


def test_noise_is_not_called_skill() -> None:
    here, *_ = material(0.0)
    one = evaluate_candidate(LinearRegression(), here, plan(here), seeds=0)
    assert not one.verdict.beats
    assert not one.deflated.significant
    assert abs(one.metrics["r2"]) < 0.2
    assert one.seeds == ()


def test_its_parts_are_the_parts_of_a_night() -> None:
    here, features, labels = material(0.3)
    one, walked = found(), walk_forward(features, labels, RECIPES["ridge"], plan(here))
    assert one.daily.select(DATE, "rank_ic").equals(walked.daily.select(DATE, "rank_ic"))
    assert one.rank_ic == mean_interval(walked.daily["rank_ic"], HORIZON)
    assert one.bootstrap == block_interval(walked.daily["rank_ic"], 2 * HORIZON)
    assert (one.first_day, one.last_day) == (walked.fits[0].test_first, walked.fits[-1].test_last)
    momentum = walk_forward_ranking(features, labels, "momentum", plan(here)).daily
    row = one.baselines.filter(name="momentum").row(0, named=True)
    assert row["mean"] == mean_interval(momentum["rank_ic"], HORIZON).mean
    rival = one.verdict.best_baseline
    assert rival == "linear" or rival in ("momentum", "reversal", "low_volatility")
    if rival != "linear":
        daily = walk_forward_ranking(features, labels, rival, plan(here)).daily
        assert one.diebold_mariano == diebold_mariano(-walked.daily["rank_ic"], -daily["rank_ic"], HORIZON)
    assert one.by_year["days"].sum() == one.rank_ic.days
    assert one.by_sector["slice"].to_list() == ["A", "B"]
    regimes = volatility_regimes(here.bars, here.days).filter(pl.col(DATE).is_in(one.daily[DATE].implode()))
    assert one.by_regime["days"].sum() == regimes["regime"].count()
    assert one.seeds[0].rank_ic == pytest.approx(one.metrics["rank_ic"])  # an exact fit knows no seed


def test_what_it_earns_is_the_backtest_of_its_own_scores() -> None:
    """A recipe of the planted score alone ranks as that score does: its trading can be reckoned without any fit."""
    here, features, _ = material(0.3)
    alone = Recipe("oracle", "ridge", ("oracle",), (("alpha", 0.0),))
    one = evaluate_candidate(alone, here, plan(here), costs=FREE, seeds=0)
    blocks = plan(here).blocks()
    first, last = blocks[0].test_days[0], blocks[-1].test_days[-1]
    panel = trading_panel(here.bars, here.days)
    tested = features.filter(pl.col(DATE).is_between(first, last))
    weights = staggered(decile_weights(panel.wide(tested, "oracle")), HORIZON)
    rows = slice(panel.days.index(first), panel.days.index(last) + 3)
    wanted = backtest(weights, panel, FREE).daily.filter(pl.col(DATE).is_in(list(panel.days[rows][1:-1])))
    assert one.returns["gross"].to_numpy() == pytest.approx(wanted["gross"].to_numpy())
    assert one.returns[DATE].to_list() == list(panel.days[rows][1:-1])


def test_more_trials_before_it_make_it_worth_less() -> None:
    here, *_ = material(0.3)
    cheap = {"costs": Costs(0.004, 0.004, 1.0), "seeds": 0}
    worth = [
        evaluate_candidate(RECIPES["ridge"], here, plan(here), Tried(count), **cheap).deflated
        for count in (0, 20, 2000)
    ]
    assert [one.trials for one in worth] == [1, 21, 2001]
    chances = [one.probability for one in worth]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] > chances[2] + 0.01
    # Known Sharpe ratios further apart than luck's make the best of them worth less still.
    spread = Tried(20, (-0.5, 0.5))
    assert evaluate_candidate(RECIPES["ridge"], here, plan(here), spread, **cheap).deflated.probability < chances[1]


def test_earlier_looks_count_where_their_days_are_all_there() -> None:
    here, *_ = material(0.3)
    days = found().returns[DATE]
    random = np.random.default_rng(0)
    returns = pl.DataFrame(
        {DATE: days, "all": random.normal(0, 0.01, len(days)), "some": [None, *[0.1] * (len(days) - 1)]}
    )
    one = evaluate_candidate(RECIPES["ridge"], here, plan(here), Tried(2, (), returns), seeds=0)
    assert one.overfitting.trials == found().overfitting.trials + 1


def test_sealed_days_are_neither_scored_nor_known() -> None:
    here, features, labels = material(0.3)
    seal = here.days[-30]
    closed = Plan(here.days, HORIZON, 2, 200, 5, 1, 1, sealed_from=seal)
    one = evaluate_candidate(RECIPES["ridge"], here, closed, seeds=0)
    assert one.last_day == here.days[-30 - HORIZON - 2]
    known = forward_returns(here.bars.filter(pl.col(DATE) < seal), [d for d in here.days if d < seal], [HORIZON])
    before = Plan(tuple(d for d in here.days if d < seal), HORIZON, 2, 200, 5, 1, 1)
    wanted = walk_forward(features.filter(pl.col(DATE) < seal), known, RECIPES["ridge"], before)
    assert one.daily.select(DATE, "rank_ic").equals(wanted.daily.select(DATE, "rank_ic"))
    assert walk_forward_ranking(features, labels, "momentum", closed).daily[DATE].max() == one.last_day
    assert one.by_stretch.is_empty()
    opened = evaluate_candidate(RECIPES["ridge"], here, plan(here), seeds=0, unsealed_from=seal)
    assert opened.by_stretch.select("slice", "days").rows() == [
        ("open", opened.rank_ic.days - (30 - HORIZON - 1)),
        ("sealed", 30 - HORIZON - 1),
    ]


def test_what_breaks_a_rule_is_refused() -> None:
    here, *_ = material(0.3)
    with pytest.raises(BadInput, match="seeds must be 0 to 20, got -1"):
        evaluate_candidate(RECIPES["ridge"], here, plan(here), seeds=-1)
    unknown = Recipe("odd", "ridge", ("rsi_14", "none_such"), (("alpha", 0.1),))
    with pytest.raises(BadInput, match="odd must be given 2 features, got none called none_such"):
        evaluate_candidate(unknown, here, plan(here))
    with pytest.raises(BadInput, match="each fold must have a matured day"):
        evaluate_candidate(RECIPES["ridge"], here, Plan(here.days[:210], HORIZON, 20, 200, 5, 1, 1))
