"""Fits and tests one recipe or baseline at one horizon, and records it: what the training tasks call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from nightdesk.ensemble.calibration import KeptCalibration, calibrate
from nightdesk.ensemble.kept import to_json
from nightdesk.ensemble.out_of_fold import beside_outcomes
from nightdesk.evaluation.slices import volatility_regimes
from nightdesk.evaluation.walk_forward import Plan, WalkForward, fit_recipe, walk_forward, walk_forward_ranking
from nightdesk.features.matrix import version_of
from nightdesk.models.artifacts import ModelVersion, Run, load_version, log_model, log_runs, night_tag
from nightdesk.models.baselines import LINEAR, RANKINGS
from nightdesk.models.bundle import Bundle, manifest_of
from nightdesk.models.recipe import Fitted, Recipe, identity, rounds_of
from nightdesk.models.training_set import feature_columns
from nightdesk.operations.code import code_version
from nightdesk.operations.night import Night
from nightdesk.operations.panel import bars_of, first_day, labels_of, volatility_of
from nightdesk.operations.recipes import known_recipe
from nightdesk.operations.references import keep_reference
from nightdesk.promotion.smoke import smoke_fault
from nightdesk.scoring.intervals import MeanInterval, mean_interval
from nightdesk.store.features import FeatureTable, read_features, write_needs
from nightdesk.store.files import content_of
from nightdesk.store.refs import FrameRef, save_frame
from nightdesk.store.trials import FIT, Trial, log_trials
from nightdesk.tables import DATE, SCORE, SYMBOL


@dataclass(frozen=True, slots=True)
class Tested:
    """A model's or baseline's walk-forward: its daily rank IC, and, for a recipe, the registered fit.

    `recipe` is its identity (`models.recipe.identity`); `markets` is the daily rank IC of each market by itself, where
    there are several; `said` is what a recipe said out of fold: symbol, date, score.
    """

    content: str
    horizon: int
    model: str
    kind: str
    daily: FrameRef
    recipe: str | None
    version: ModelVersion | None
    fault: str | None
    markets: FrameRef | None = None
    said: FrameRef | None = None


def examine_recipe(night: Night, table: FeatureTable, bars: pl.DataFrame, name: str, horizon: int) -> Tested:
    """Walk a recipe forward, fit it on all that has matured, record every fit, register the last, smoke-test it."""
    recipe, features = known_recipe(night.home, name), chosen_of(night, table)
    plan = night.plan(first_day(night, bars), horizon)
    labels = labels_of(night, bars, [horizon])
    walked = walk_forward(features, labels, recipe, plan)
    count_trial(night, recipe, horizon, walked)
    fitted, rows = fit_recipe(features, labels, recipe, plan)
    columns = feature_columns(features, recipe.features)
    calibration = calibration_of_walk(night, bars, labels, plan, walked)
    return registered(night, table, features, Made(recipe, columns, fitted, rows, calibration), horizon, walked)


def examine_baselines(night: Night, table: FeatureTable, bars: pl.DataFrame, horizon: int) -> tuple[Tested, ...]:
    """Walk every baseline forward over the same days; the linear one is fitted, and its fits are recorded."""
    features = chosen_of(night, table)
    plan = night.plan(first_day(night, bars), horizon)
    labels = labels_of(night, bars, [horizon])
    walked = {name: walk_forward_ranking(features, labels, name, plan) for name in RANKINGS}
    linear = walk_forward(features, labels, LINEAR, plan)
    count_trial(night, LINEAR, horizon, linear)
    run = _run(night, table, LINEAR, horizon, 0, mean_interval(linear.daily["rank_ic"], horizon), None)
    log_runs(night.tracking, _fold_runs(run, linear))
    walked[LINEAR.name] = linear
    kept = {name: _kept(night, horizon, name, one) for name, one in walked.items()}
    return tuple(
        Tested(daily.content, horizon, name, "baseline", daily, None, None, None, markets)
        for name, (daily, markets) in kept.items()
    )


@dataclass(frozen=True, slots=True)
class Made:
    """A fit for serving: its recipe, its columns of the features, the rows it learnt from, and its calibration."""

    recipe: Recipe
    columns: Sequence[str]
    fitted: Fitted
    rows: int
    calibration: KeptCalibration


def registered(
    night: Night, table: FeatureTable, features: pl.DataFrame, made: Made, horizon: int, walked: WalkForward
) -> Tested:
    """Record and register a fit with all that is kept beside it, and try it as it comes back from the registry."""
    recipe, columns = made.recipe, made.columns
    manifest = manifest_of(recipe, horizon, night.as_of, columns, _version(night), table.content, code_version())
    bundle = Bundle(manifest, made.fitted, to_json(made.calibration))
    tonight = features.filter(pl.col(DATE) == night.as_of)
    score = mean_interval(walked.daily["rank_ic"], horizon)
    run = _run(night, table, recipe, horizon, made.rows, score, rounds_of(made.fitted))
    version = log_model(night.tracking, run, bundle, horizon, tonight.head(5))
    contents = {feature.name: feature.content for feature in night.chosen}
    write_needs(night.features, version.content, {column: contents[column] for column in columns})
    keep_reference(night, table, features, columns, version.content)
    log_runs(night.tracking, _fold_runs(run, walked), version.run_id)
    fault = smoke_fault(load_version(night.tracking, version), bundle, tonight)
    daily, markets = _kept(night, horizon, recipe.name, walked)
    said = save_frame(night.evaluations, said_name(horizon, recipe.name), walked.said)
    used = identity(recipe, version_of(feature for feature in night.chosen if feature.name in columns))
    return Tested(version.content, horizon, recipe.name, "model", daily, used, version, fault, markets, said)


def said_name(horizon: int, model: str) -> str:
    """How the file begins that keeps what a model said out of fold."""
    return f"h{horizon}-{model}-said"


def calibration_of_walk(
    night: Night, bars: pl.DataFrame, labels: pl.DataFrame, plan: Plan, walked: WalkForward
) -> KeptCalibration:
    """Calibrate a recipe on what it said out of fold."""
    met = beside_outcomes({SCORE: walked.said}, labels, plan)
    moved = met.join(volatility_of(night, bars), on=[SYMBOL, DATE], how="left", maintain_order="left")
    regimes = volatility_regimes(bars_of(night.source, bars), plan.days)
    return calibrate(moved, plan.horizon, night.as_of, regimes, coverage=night.settings.ensemble.coverage)


def count_trial(night: Night, recipe: Recipe, horizon: int, tested: WalkForward) -> None:
    """Enter a walk-forward in the ledger of trials, whatever comes of it; a night started again counts once."""
    span = tested.fits[0].test_first, tested.fits[-1].test_last
    seed = night.settings.training.seed
    trial = Trial(night.realm, FIT, recipe.name, recipe.content, horizon, night.as_of, *span, seed)
    log_trials(night.engine, [trial], "night", night.started)


def chosen_of(night: Night, table: FeatureTable) -> pl.DataFrame:
    """The features that settings choose: the table may hold others, which only earlier models still need."""
    return read_features(table).select(SYMBOL, DATE, *(feature.name for feature in night.chosen))


def _version(night: Night) -> str:
    return version_of(night.chosen)


def _kept(night: Night, horizon: int, name: str, tested: WalkForward) -> tuple[FrameRef, FrameRef | None]:
    """The daily rank IC among the night's evaluations, and that of each market by itself where there are several."""
    daily = save_frame(night.evaluations, f"h{horizon}-{name}", tested.daily)
    if tested.markets is None:
        return daily, None
    return daily, save_frame(night.evaluations, f"h{horizon}-{name}-markets", tested.markets)


def _run(
    night: Night,
    table: FeatureTable,
    recipe: Recipe,
    horizon: int,
    rows: int,
    score: MeanInterval,
    rounds: int | None,
) -> Run:
    interval = {"rank_ic": score.mean, "rank_ic_lower": score.lower, "rank_ic_upper": score.upper}
    metrics = {**interval, "rounds": rounds}
    return Run(
        f"{recipe.name} h{horizon} {night.as_of}",
        content_of(night.realm, night.as_of, night.content, table, recipe.content, horizon),
        night_tag(night.realm, night.as_of),
        {
            **{name: str(value) for name, value in recipe.parameters},
            "family": recipe.family,
            "horizon": str(horizon),
            "seed": str(night.settings.training.seed),
            "every": str(night.settings.training.every),
            "folds": str(night.settings.training.folds),
        },
        {
            "rows": float(rows),
            "days": float(score.days),
            **{k: float(v) for k, v in metrics.items() if v is not None},
        },
        {
            "recipe": recipe.name,
            "recipe_content": recipe.content,
            "as_of": str(night.as_of),
            "data": table.content,
            "feature_version": _version(night),
            "code": code_version(),
        },
    )


def _fold_runs(run: Run, tested: WalkForward) -> list[Run]:
    runs = []
    for fit in tested.fits:
        known = {"rows": fit.rows, "rank_ic": fit.rank_ic, "rounds": fit.rounds}
        metrics = {name: float(value) for name, value in known.items() if value is not None}
        spans = {
            "train_first": fit.train_first,
            "train_last": fit.train_last,
            "test_first": fit.test_first,
            "test_last": fit.test_last,
        }
        parameters = {**run.parameters, **{name: str(day) for name, day in spans.items()}}
        name = f"{run.name} fold {fit.number}"
        runs.append(
            Run(
                name,
                f"{run.key}-{fit.number}",
                run.night,
                parameters,
                metrics,
                {**run.tags, "fold": str(fit.number)},
            )
        )
    return runs
