"""Evaluates one candidate as a night would, and further: metrics, rivals, trading, conditions, robustness."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import polars as pl

from nightdesk.errors import BadInput
from nightdesk.evaluation.backtest import Backtest, Costs, Summary, backtest, decile_weights, staggered
from nightdesk.evaluation.bootstrap import BootstrapInterval, block_interval
from nightdesk.evaluation.candidate import Candidate, candidate_of
from nightdesk.evaluation.comparison import DieboldMariano, diebold_mariano
from nightdesk.evaluation.forecast_metrics import forecast_metrics, ic_within_markets, return_metrics
from nightdesk.evaluation.overfitting import DeflatedSharpe, Overfitting, deflated_sharpe, overfitting_probability
from nightdesk.evaluation.power import effective_days
from nightdesk.evaluation.slices import SECTOR, SLICE, by_regime, by_sector, by_slice, by_year, volatility_regimes
from nightdesk.evaluation.trading_panel import TradingPanel, trading_panel
from nightdesk.evaluation.walk_forward import (
    FittedFold,
    Plan,
    fitted_folds,
    met_by,
    rows_tested,
    said_by_ranking,
    said_of,
)
from nightdesk.models.baselines import LINEAR, RANKINGS
from nightdesk.models.training_set import feature_columns, to_matrix
from nightdesk.scoring.intervals import MeanInterval, Verdict, beats, mean_interval, paired_interval
from nightdesk.scoring.observed import FloatArray
from nightdesk.scoring.rank_ic import RANK_IC, rank_ic_within_markets
from nightdesk.tables import DATE, SCORE, SYMBOL

COST_MULTIPLES: Final = (0.5, 1.0, 2.0, 4.0)
NOISE: Final = (0.1, 0.5)
"""Standard deviations of a feature that are added to it as noise."""
BLOCKS: Final = 16
AFTER_EXIT: Final = 2
"""Days that the last decision needs to be filled and marked."""


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What a candidate is fitted and judged on, the same for all.

    Attributes
    ----------
    features
        symbol, date and feature columns, sorted by date; null where missing.
    labels
        As `labels.forward.forward_returns` gives them.
    bars
        `tables.BARS` of the market that is traded, and `days` its trading days up to the as-of day.
    sectors
        date, symbol, sector as known on each date; None where nobody knows.
    annual_days
        Trading days of a year.
    """

    features: pl.DataFrame
    labels: pl.DataFrame
    bars: pl.DataFrame
    days: tuple[dt.date, ...]
    sectors: pl.DataFrame | None = None
    annual_days: int = 252


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """What was tried before on these days: how many trials, their Sharpe ratios (of one day) and returns, if known.

    `returns` has a row a day and a column a trial, and date; None where none are known.
    """

    count: int = 0
    sharpes: tuple[float, ...] = ()
    returns: pl.DataFrame | None = None


NOTHING: Final = Tried()
USUAL: Final = Costs()


@dataclass(frozen=True, slots=True)
class SeedRun:
    """The same candidate with another seed: mean rank IC, and the Sharpe ratio of one day after costs."""

    seed: int
    rank_ic: float | None
    sharpe: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Everything that was found of one candidate at one horizon; None and null where undefined.

    Frames: `baselines` has name, mean, lower, upper (rank IC), difference, difference_lower, difference_upper (the
    candidate's less its own, on the same days). `by_year`, `by_sector`, `by_regime` and `by_stretch` have slice, days,
    mean, lower, upper; the last tells open and sealed days apart, and has no rows where none are sealed. `costs` has
    multiple, net (fraction a year), sharpe (annualised). `noise` has noise (standard deviations of each feature),
    rank_ic. `daily` has date, rank_ic, ic; `returns` date, gross, net (fractions).

    Attributes
    ----------
    metrics
        By the names of `forecast_metrics.MEANINGS`.
    rank_ic, bootstrap
        Mean daily rank IC with its 95 % interval by the cosine variance, and by drawing blocks of days anew.
    worth
        How many independent days would say as much.
    verdict
        The paired difference to the best baseline; it is beaten where the lower bound is above zero.
    diebold_mariano
        The same pair, for reading; None where no baseline has a rank IC.
    deflated
        The net returns judged as the best of every trial so far, this one and its seeds among them.
    overfitting
        Of this candidate, its baselines and earlier looks whose returns are known; None where there are too few days.
    strategy
        The best tenth bought and the worst sold short, each decision held over the horizon.
    """

    name: str
    content: str
    horizon: int
    as_of: dt.date
    first_day: dt.date
    last_day: dt.date
    rows: int
    features: int
    metrics: Mapping[str, float | None]
    rank_ic: MeanInterval
    bootstrap: BootstrapInterval
    worth: float | None
    baselines: pl.DataFrame
    verdict: Verdict
    diebold_mariano: DieboldMariano | None
    deflated: DeflatedSharpe
    overfitting: Overfitting | None
    strategy: Summary
    by_year: pl.DataFrame
    by_sector: pl.DataFrame | None
    by_regime: pl.DataFrame
    by_stretch: pl.DataFrame
    seeds: tuple[SeedRun, ...]
    costs: pl.DataFrame
    noise: pl.DataFrame
    daily: pl.DataFrame = field(repr=False)
    returns: pl.DataFrame = field(repr=False)

    @property
    def sharpe(self) -> float | None:
        """Sharpe ratio of one day after costs."""
        return _daily_sharpe(self.returns["net"])


def evaluate_candidate(
    model: object,
    material: Material,
    plan: Plan,
    tried: Tried = NOTHING,
    costs: Costs = USUAL,
    seeds: int = 3,
    unsealed_from: dt.date | None = None,
) -> Evaluation:
    """Fit `model` on the past of each test block, score the block, and find out what that is worth.

    Parameters
    ----------
    model
        A Recipe, or an object with fit(X, y) and predict(X); see `candidate.candidate_of`.
    material, plan
        As a night has them: what is tested, and from which days it may be learnt.
    tried
        What was tried before: it deflates.
    seeds
        How many other seeds are tried, 0 to 20; none where no seed can change the fit.
    unsealed_from
        The first sealed day that is scored after all: those days are shown by themselves.

    Raises
    ------
    BadInput
        The model, the plan or `seeds` breaks a rule, or a feature that a recipe names is not there.
    """
    if not 0 <= seeds <= 20:
        raise BadInput(f"seeds must be 0 to 20, got {seeds}: choose for example 3")
    candidate = candidate_of(model)
    columns = _columns(material, candidate)
    folds = list(fitted_folds(material.features, material.labels, columns, candidate.fit, plan))
    said = _said(folds, material, columns, plan)
    met = met_by(said, material.labels, plan)
    first, last = folds[0].fold.test_days[0], folds[-1].fold.test_days[-1]
    traded = _Trading(
        trading_panel(material.bars, material.days).between(first, _after(material.days, last)), plan.horizon, last
    )
    own = traded.earned(said, costs)
    daily = _daily(met)
    spoken = _rivals(material, plan)
    rivals = {name: _aligned(daily, met_by(one, material.labels, plan)) for name, one in spoken.items()}
    others = range(1, seeds + 1) if candidate.seeded else ()
    runs = tuple(_with_seed(candidate, material, plan, traded, costs, number) for number in others)
    verdict = beats(daily[RANK_IC], rivals, plan.horizon)
    sharpes = [_daily_sharpe(own.daily["net"]), *(one.sharpe for one in runs), *tried.sharpes]
    returns = own.daily.select(DATE, "gross", "net")
    return Evaluation(
        name=candidate.name,
        content=candidate.content,
        horizon=plan.horizon,
        as_of=plan.days[-1],
        first_day=first,
        last_day=last,
        rows=met.height,
        features=len(columns),
        metrics=forecast_metrics(met) | return_metrics(returns["gross"], returns["net"], material.annual_days),
        rank_ic=mean_interval(daily[RANK_IC], plan.horizon),
        bootstrap=block_interval(daily[RANK_IC], 2 * plan.horizon),
        worth=effective_days(daily[RANK_IC], plan.horizon),
        baselines=_baselines(daily, rivals, plan.horizon),
        verdict=verdict,
        diebold_mariano=_diebold_mariano(daily, rivals, verdict, plan.horizon),
        deflated=deflated_sharpe(
            returns["net"],
            [one for one in sharpes if one is not None] or [0.0],
            tried.count + 1 + len(runs),
            by_luck=True,
        ),
        overfitting=_overfitting(returns, [traded.earned(one, costs) for one in spoken.values()], tried.returns),
        strategy=own.summary(material.annual_days),
        by_year=by_year(daily, plan.horizon),
        by_sector=_by_sector(met, material.sectors, plan.horizon),
        by_regime=by_regime(daily, volatility_regimes(material.bars, material.days), plan.horizon),
        by_stretch=_by_stretch(daily, unsealed_from, plan.horizon),
        seeds=runs,
        costs=_costs(said, traded, costs, material.annual_days),
        noise=_noise(folds, material, columns, plan),
        daily=daily,
        returns=returns,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Trading:
    """The panel of the tested days, and how scores become weights on it."""

    panel: TradingPanel
    horizon: int
    last: dt.date

    def earned(self, said: pl.DataFrame, costs: Costs) -> Backtest:
        """What the best tenth bought and the worst sold would have earned, each decision held over the horizon."""
        scores = self.panel.wide(said, SCORE)
        return backtest(staggered(decile_weights(scores), self.horizon), self.panel, costs)


def _columns(material: Material, candidate: Candidate) -> list[str]:
    columns = feature_columns(material.features, candidate.features)
    lacking = [name for name in columns if name not in material.features.columns]
    if lacking:
        raise BadInput(
            f"{candidate.name} must be given {len(columns)} features, got none called {', '.join(lacking)}: name them "
            "in features.add"
        )
    return columns


def _said(
    folds: Sequence[FittedFold], material: Material, columns: Sequence[str], plan: Plan, noise: float = 0.0
) -> pl.DataFrame:
    """What was said on all test days (symbol, date, score); with `noise` standard deviations in every feature."""
    random, parts = np.random.default_rng(plan.seed), []
    for one in folds:
        test = rows_tested(material.features, one.fold)
        matrix = to_matrix(test, columns)
        if noise > 0.0:
            spread = np.array([test[name].std() or 0.0 for name in columns], dtype=np.float32)
            matrix = matrix + noise * spread * random.standard_normal(matrix.shape, dtype=np.float32)
        parts.append(said_of(test, one.fitted.predict(matrix)))
    return pl.concat(parts)


def _daily(met: pl.DataFrame) -> pl.DataFrame:
    ranks = rank_ic_within_markets(met).select(DATE, RANK_IC)
    return ranks.join(ic_within_markets(met).select(DATE, "ic"), on=DATE, how="left", maintain_order="left")


def _rivals(material: Material, plan: Plan) -> dict[str, pl.DataFrame]:
    """What each baseline said on the same days: symbol, date, score."""
    said = {name: said_by_ranking(material.features, name, plan) for name in RANKINGS}
    linear = candidate_of(LINEAR)
    columns = _columns(material, linear)
    folds = list(fitted_folds(material.features, material.labels, columns, linear.fit, plan))
    return {**said, LINEAR.name: _said(folds, material, columns, plan)}


def _aligned(daily: pl.DataFrame, met: pl.DataFrame) -> pl.Series:
    """A rival's daily rank IC on the candidate's days."""
    other = rank_ic_within_markets(met).select(DATE, pl.col(RANK_IC).alias("rival"))
    return daily.select(DATE).join(other, on=DATE, how="left", maintain_order="left")["rival"]


def _baselines(daily: pl.DataFrame, rivals: Mapping[str, pl.Series], horizon: int) -> pl.DataFrame:
    rows = []
    for name, aligned in rivals.items():
        alone, apart = mean_interval(aligned, horizon), paired_interval(daily[RANK_IC], aligned, horizon)
        rows.append((name, alone.mean, alone.lower, alone.upper, apart.mean, apart.lower, apart.upper))
    names = ("mean", "lower", "upper", "difference", "difference_lower", "difference_upper")
    schema = {"name": pl.String(), **dict.fromkeys(names, pl.Float64())}
    return pl.DataFrame(rows, schema=schema, orient="row").sort(
        "mean", "name", descending=[True, False], nulls_last=True
    )


def _diebold_mariano(
    daily: pl.DataFrame, rivals: Mapping[str, pl.Series], verdict: Verdict, horizon: int
) -> DieboldMariano | None:
    if verdict.best_baseline is None:
        return None
    return diebold_mariano(-daily[RANK_IC], -rivals[verdict.best_baseline], horizon)


def _with_seed(
    candidate: Candidate, material: Material, plan: Plan, traded: _Trading, costs: Costs, number: int
) -> SeedRun:
    other = replace(plan, seed=plan.seed + number)
    columns = _columns(material, candidate)
    folds = list(fitted_folds(material.features, material.labels, columns, candidate.fit, other))
    said = _said(folds, material, columns, other)
    found = rank_ic_within_markets(met_by(said, material.labels, other))[RANK_IC].mean()
    sharpe = _daily_sharpe(traded.earned(said, costs).daily["net"])
    return SeedRun(other.seed, found if isinstance(found, float) else None, sharpe)


def _costs(said: pl.DataFrame, traded: _Trading, costs: Costs, annual_days: int) -> pl.DataFrame:
    rows = []
    for multiple in COST_MULTIPLES:
        dearer = Costs(
            costs.commission * multiple, costs.half_spread * multiple, costs.impact * multiple, costs.capital
        )
        found = traded.earned(said, dearer).summary(annual_days)
        rows.append((multiple, found.net, found.sharpe_net))
    return pl.DataFrame(rows, schema={"multiple": pl.Float64, "net": pl.Float64, "sharpe": pl.Float64}, orient="row")


def _noise(folds: Sequence[FittedFold], material: Material, columns: Sequence[str], plan: Plan) -> pl.DataFrame:
    found = []
    for noise in NOISE:
        met = met_by(_said(folds, material, columns, plan, noise), material.labels, plan)
        found.append((noise, rank_ic_within_markets(met)[RANK_IC].mean()))
    return pl.DataFrame(found, schema={"noise": pl.Float64, RANK_IC: pl.Float64}, orient="row")


def _overfitting(returns: pl.DataFrame, rivals: Sequence[Backtest], before: pl.DataFrame | None) -> Overfitting | None:
    """Of the candidate, the baselines that trade at all, and earlier looks at all of these days."""
    table = [returns["net"], *(one.daily["net"] for one in rivals if one.daily["turnover"].sum() > 0.0)]
    if before is not None:
        earlier = returns.select(DATE).join(before, on=DATE, how="left", maintain_order="left").drop(DATE)
        table += [one for one in earlier if one.null_count() == 0]
    if returns.height < 2 * BLOCKS or len(table) < 2:
        return None
    return overfitting_probability(np.column_stack([one.to_numpy() for one in table]), BLOCKS)


def _by_sector(met: pl.DataFrame, sectors: pl.DataFrame | None, horizon: int) -> pl.DataFrame | None:
    if sectors is None:
        return None
    return by_sector(met.join(sectors.select(DATE, SYMBOL, SECTOR), on=[DATE, SYMBOL], how="inner"), horizon)


def _by_stretch(daily: pl.DataFrame, unsealed_from: dt.date | None, horizon: int) -> pl.DataFrame:
    if unsealed_from is None:
        return by_slice(daily.clear().with_columns(pl.lit("").alias(SLICE)), horizon)
    stretch = pl.when(pl.col(DATE) >= unsealed_from).then(pl.lit("sealed")).otherwise(pl.lit("open"))
    return by_slice(daily.with_columns(stretch.alias(SLICE)), horizon)


def _after(days: Sequence[dt.date], last: dt.date) -> dt.date:
    """The day on which the last decision's first return is known."""
    return days[min(days.index(last) + AFTER_EXIT, len(days) - 1)]


def _daily_sharpe(returns: pl.Series) -> float | None:
    values: FloatArray = returns.to_numpy()
    deviation = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return float(values.mean()) / deviation if deviation > 0.0 else None
