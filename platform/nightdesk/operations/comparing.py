"""Recipes and the named peer against all baselines on the newest data: walked forward, counted, kept, on one page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import polars as pl

from nightdesk.errors import BadInput, BadSetting, UnknownName
from nightdesk.evaluation.against_baselines import A_BASELINE, A_MODEL, DAILY, KIND, against_baselines
from nightdesk.evaluation.walk_forward import WalkForward, walk_forward, walk_forward_ranking
from nightdesk.features.build import build_features
from nightdesk.features.stages import every_feature
from nightdesk.home import Home
from nightdesk.models.baselines import LINEAR, RANKINGS
from nightdesk.models.qlib_peer import PEER, SAID
from nightdesk.models.recipe import Recipe
from nightdesk.operations.evaluating import known_bars, newest_day
from nightdesk.operations.night import LIVE, Night, plan_night
from nightdesk.operations.panel import bars_of, decided_by, first_day, labels_of
from nightdesk.operations.recipes import known_recipe
from nightdesk.operations.served_features import features_to_build
from nightdesk.operations.universe import members_of_days
from nightdesk.report.comparison import render_comparison
from nightdesk.report.wording import in_days
from nightdesk.report.write import write_page
from nightdesk.scoring.checks import check_horizon
from nightdesk.scoring.intervals import mean_interval
from nightdesk.scoring.rank_ic import RANK_IC
from nightdesk.settings import Settings
from nightdesk.store.features import read_features
from nightdesk.store.refs import save_frame
from nightdesk.store.trials import FIT, NOTEBOOK, Trial, log_trials
from nightdesk.tables import DATE, HORIZON, MODEL, SYMBOL

USUAL: Final = ("ridge", "lightgbm", "xgboost", "random_forest", "voter")
"""Recipes that are compared where none is named."""

MEANS: Final = {
    HORIZON: pl.Int64(),
    MODEL: pl.String(),
    KIND: pl.String(),
    "mean": pl.Float64(),
    "lower": pl.Float64(),
    "upper": pl.Float64(),
    "days": pl.Int64(),
}
"""Mean daily rank IC of a model or baseline with its 95 % interval; null where undefined."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Which recipes at which horizons (none named: the usual ones, the desk's), on data up to when, and who asks."""

    by: str
    recipes: tuple[str, ...] = ()
    horizons: tuple[int, ...] = ()
    as_of: dt.date | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """What was found: `means` as `MEANS`, `table` as `COMPARED`; `notes` say what stands behind the figures.

    `first_day` and `last_day` are the first and the last day that any of them forecast.
    """

    as_of: dt.date
    horizons: tuple[int, ...]
    first_day: dt.date
    last_day: dt.date
    means: pl.DataFrame
    table: pl.DataFrame
    notes: tuple[str, ...]
    page: Path


def compare(wish: Wish, settings: Settings, now: dt.datetime) -> Compared:
    """Walk recipes, the named peer and every baseline forward on the same days, and count each fit as a trial.

    Each recipe gets the features that the settings choose, or those that it names; where a market's prices are adjusted
    later, features that would show a later split are left out of a recipe that names them, and `notes` say so. What is
    sealed stays sealed. Daily results and the table are kept beside other evaluations, and the page is written.

    Raises
    ------
    BadInput
        A horizon breaks its rule.
    UnknownName
        A recipe, or a feature that one names, is not known.
    NothingThere
        The store has no bars of that day.
    BadDate, BadSetting
        As `night.plan_night`; BadSetting too where nothing is left of the features that a recipe names.
    """
    for horizon in wish.horizons:
        check_horizon(horizon)
    names = dict.fromkeys((*(wish.recipes or USUAL), PEER))
    named = [known_recipe(Home(settings.home), name) for name in names]
    night = plan_night(settings, LIVE, wish.as_of or newest_day(settings), "never", now)
    horizons = tuple(sorted(set(wish.horizons or settings.horizons)))
    allowed = [_allowed(night, recipe) for recipe in named]
    recipes = [recipe for recipe, _ in allowed]
    bars = known_bars(night)
    features = _features(night, bars, recipes)
    daily: list[pl.DataFrame] = [pl.DataFrame(schema=DAILY)]
    for horizon in horizons:
        for name, kind, walked in _walked(night, bars, features, recipes, horizon, wish.by):
            save_frame(night.home.evaluations(NOTEBOOK, night.as_of), f"compared-h{horizon}-{name}", walked.daily)
            about = (pl.lit(value).alias(key) for key, value in ((HORIZON, horizon), (MODEL, name), (KIND, kind)))
            daily.append(walked.daily.with_columns(about).select(*DAILY).cast(DAILY))  # type: ignore[arg-type]
    return _kept(night, horizons, pl.concat(daily), (SAID, *(note for _, note in allowed if note)))


def _walked(
    night: Night, bars: pl.DataFrame, features: pl.DataFrame, recipes: Sequence[Recipe], horizon: int, by: str
) -> Iterator[tuple[str, str, WalkForward]]:
    """Name, kind and walk-forward of each recipe and baseline; each fit is in the ledger before anybody sees it."""
    labels, plan = labels_of(night, bars, [horizon]), night.plan(first_day(night, bars), horizon)
    blocks = plan.blocks()
    span = blocks[0].test_days[0], blocks[-1].test_days[-1]
    chosen = features.select(SYMBOL, DATE, *(feature.name for feature in night.chosen))
    for recipe in (*recipes, LINEAR):
        walked = walk_forward(features if recipe.features else chosen, labels, recipe, plan)
        trial = Trial(NOTEBOOK, FIT, recipe.name, recipe.content, horizon, night.as_of, *span, plan.seed)
        log_trials(night.engine, [trial], by, night.started)
        yield recipe.name, A_BASELINE if recipe is LINEAR else A_MODEL, walked
    for name in RANKINGS:
        yield name, A_BASELINE, walk_forward_ranking(chosen, labels, name, plan)


def _features(night: Night, bars: pl.DataFrame, recipes: Sequence[Recipe]) -> pl.DataFrame:
    """What the settings choose and what the recipes name, of every day: as stored, built where the store lacks it."""
    known = every_feature()
    wanted = {one.name for one in features_to_build(night)} | {name for one in recipes for name in one.features}
    built = tuple(feature for name, feature in known.items() if name in wanted)
    members = members_of_days(night, built, bars_of(night.source, bars))
    return read_features(build_features(night.features, bars, built, members, decided_by(night, bars)))


def _allowed(night: Night, recipe: Recipe) -> tuple[Recipe, str]:
    """The recipe without features that these prices forbid, and what to say of that; nothing where it has none."""
    known = every_feature()
    for name in recipe.features:
        if name not in known:
            raise UnknownName.among(f"a feature of recipe {recipe.name}", name, known)
    later = any(market.facts.price_basis == "adjusted_later" for market in night.markets)
    without = [name for name in recipe.features if later and not known[name].scale_free]
    if not without:
        return recipe, ""
    left = tuple(name for name in recipe.features if name not in without)
    if not left:
        raise BadSetting(
            f"a recipe must name scale-free features where prices are adjusted later, got none of {recipe.name}: take "
            "it out of the comparison, or use raw bars"
        )
    note = (
        f"{recipe.name} is fitted without {', '.join(without)} ({len(without)} of its {len(recipe.features)} "
        "features): prices are adjusted later here, and a split that nobody knew of would show in them."
    )
    return replace(recipe, features=left), note


def _kept(night: Night, horizons: tuple[int, ...], daily: pl.DataFrame, notes: tuple[str, ...]) -> Compared:
    rows = []
    for (horizon, model, kind), own in daily.partition_by(
        HORIZON, MODEL, KIND, as_dict=True, maintain_order=True
    ).items():
        found = mean_interval(own[RANK_IC], int(horizon))
        rows.append((horizon, model, kind, found.mean, found.lower, found.upper, found.days))
    means = pl.DataFrame(rows, schema=MEANS, orient="row").sort(
        HORIZON, KIND, "mean", MODEL, descending=[False, True, True, False], nulls_last=True
    )
    table = against_baselines(daily)
    save_frame(night.home.evaluations(NOTEBOOK, night.as_of), "compared", table)
    known = daily.drop_nulls(RANK_IC)
    if known.is_empty():
        raise BadInput("a comparison needs a day on which symbols were ranked, got none: give 10 symbols or more")
    first, last = known[DATE].min(), known[DATE].max()
    silent = means.filter(pl.col(KIND) == A_MODEL, pl.col("mean").is_null())
    notes += tuple(
        f"{model} has no rank IC at {in_days([horizon])}, and stands in no comparison there: it says the same of all "
        "symbols, or days are too few."
        for horizon, model in silent.select(HORIZON, MODEL).iter_rows()
    )
    page = night.home.comparison_page(night.as_of, horizons)
    found_all = Compared(night.as_of, horizons, first, last, means, table, notes, page)  # type: ignore[arg-type]
    write_page(page, render_comparison(night.as_of, (found_all.first_day, found_all.last_day), means, table, notes))
    return found_all
