"""Evaluates a model of anybody's on the data of a night, counts the look, and keeps the sealed stretch sealed."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, fields, replace
from functools import reduce
from pathlib import Path

import polars as pl

from nightdesk.errors import NothingThere
from nightdesk.evaluation.backtest import Costs
from nightdesk.evaluation.candidate import candidate_of
from nightdesk.evaluation.evaluate import USUAL, Evaluation, Material, Tried, evaluate_candidate
from nightdesk.evaluation.walk_forward import Plan
from nightdesk.features.build import build_features
from nightdesk.home import Home
from nightdesk.models.recipe import Recipe
from nightdesk.operations.features import check_features
from nightdesk.operations.markets import open_markets
from nightdesk.operations.night import LIVE, Night, plan_night
from nightdesk.operations.panel import bars_of, decided_by, first_day, labels_of, panel_of
from nightdesk.operations.recipes import known_recipe
from nightdesk.operations.sealing import opened_from
from nightdesk.operations.served_features import features_to_build
from nightdesk.operations.universe import members_of_days, members_of_evenings
from nightdesk.report.evaluation import render_evaluation, summarise_evaluation
from nightdesk.report.write import write_page
from nightdesk.scoring.checks import check_horizon
from nightdesk.settings import Settings
from nightdesk.store.database import open_store
from nightdesk.store.features import read_features
from nightdesk.store.files import write_frame
from nightdesk.store.inputs import last_loaded
from nightdesk.store.trials import (
    FIT,
    LOOK,
    NOTEBOOK,
    Opening,
    Trial,
    log_opening,
    log_trials,
    openings_by,
    trials_over,
)
from nightdesk.tables import DATE, SYMBOL

CRYPTO_DAYS, EQUITY_DAYS = 365, 252


@dataclass(frozen=True, slots=True, eq=False)
class Evaluated(Evaluation):
    """What was found, and what stands in the store beside it: every opening of the sealed stretch so far."""

    openings: tuple[Opening, ...]

    def _repr_html_(self) -> str:
        """Show it in a notebook."""
        return summarise_evaluation(self, self.openings)

    def report(self, path: Path | str) -> Path:
        """Write it as one page of HTML that needs nothing else; returns where."""
        page = Path(path)
        write_page(page, render_evaluation(self, self.openings))
        return page


@dataclass(frozen=True, slots=True)
class Look:
    """What somebody asks for: horizon and data, other seeds, costs, who asks, and why the seal may be broken."""

    horizon: int
    by: str
    as_of: dt.date | None = None
    unseal: str | None = None
    seeds: int = 3
    costs: Costs = USUAL


def evaluate(model: object, look: Look, settings: Settings, now: dt.datetime) -> Evaluated:
    """Evaluate `model` on features, labels and walk-forward of the night of `look.as_of`, and count it as a look.

    Parameters
    ----------
    model
        The name of a recipe, a Recipe, or an object with fit(X, y) and predict(X).
    look
        The as-of day is the newest in the store where it has none.
    settings, now
        Settings of the desk, and the clock (UTC).

    Raises
    ------
    BadInput
        The model, the horizon or the number of seeds breaks its rule; a reason to unseal is given where nothing is
        sealed, or holds no word.
    NothingThere
        The store has no bars of that day.
    BadDate, BadSetting
        As `night.plan_night`; BadSetting too where a recipe names a feature that the settings do not choose.
    """
    check_horizon(look.horizon)
    asked = known_recipe(Home(settings.home), model) if isinstance(model, str) else model
    candidate = candidate_of(asked)
    night = plan_night(settings, LIVE, look.as_of or newest_day(settings), "never", now)
    if isinstance(asked, Recipe):
        check_features(asked, night.chosen)
    material, plan, sealed_from = material_of(night, look)
    if sealed_from is not None:
        reason = str(look.unseal).strip()
        log_opening(night.engine, Opening(candidate.name, look.horizon, night.as_of, sealed_from, reason, look.by, now))
    blocks = plan.blocks()
    span = blocks[0].test_days[0], blocks[-1].test_days[-1]
    trial = Trial(
        NOTEBOOK,
        LOOK,
        candidate.name,
        candidate.content,
        look.horizon,
        night.as_of,
        *span,
        night.settings.training.seed,
    )
    tried = _tried(night, trial, look.seeds if candidate.seeded else 0)
    found = evaluate_candidate(asked, material, plan, tried, look.costs, look.seeds, sealed_from)
    # The returns first: a look that is counted can be read again by the next one.
    write_frame(_returns(night.home, trial), found.returns.select(DATE, "net"))
    others = [replace(trial, kind=FIT, seed=one.seed, sharpe=one.sharpe) for one in found.seeds]
    log_trials(night.engine, [replace(trial, sharpe=found.sharpe), *others], look.by, now)
    held = {one.name: getattr(found, one.name) for one in fields(Evaluation)}
    return Evaluated(**held, openings=openings_by(night.engine, now))


def newest_day(settings: Settings) -> dt.date:
    """The newest day in the store of the lead's bars; NothingThere where it has none."""
    source = open_markets(settings)[0].facts.name
    day = last_loaded(open_store(settings.store.url or Home(settings.home).store_url), source)
    if day is None:
        raise NothingThere(f"an evaluation reads bars from the store, got none of {source!r}: run nightdesk nightly")
    return day


def known_bars(night: Night) -> pl.DataFrame:
    """All bars known at the night's cut-off (`panel.panel_of`); NothingThere where there are none of its own day."""
    bars = panel_of(night)
    if bars_of(night.source, bars).filter(pl.col(DATE) == night.as_of).is_empty():
        raise NothingThere(
            f"an evaluation needs bars of its as-of day, got none of {night.as_of} in the store: run nightdesk nightly "
            f"--as-of {night.as_of}, or choose a day that the store has"
        )
    return bars


def material_of(night: Night, look: Look) -> tuple[Material, Plan, dt.date | None]:
    """Features and labels as a night has them, the plan, and the first sealed day that is scored, if any.

    Raises NothingThere where the store has no bars of the as-of day.
    """
    bars = known_bars(night)
    own = bars_of(night.source, bars)
    first = first_day(night, bars)
    plan = night.plan(first, look.horizon)
    sealed_from = opened_from(night.settings.evaluation.sealed_from, night.as_of, look.unseal)
    if sealed_from is not None:
        plan = replace(plan, sealed_from=None)
    built = features_to_build(night)
    members = members_of_days(night, built, own)
    table = build_features(night.features, bars, built, members, decided_by(night, bars))
    features = read_features(table).select(SYMBOL, DATE, *(feature.name for feature in night.chosen))
    return material_on(night, bars, features, plan), plan, sealed_from


def material_on(night: Night, bars: pl.DataFrame, features: pl.DataFrame, plan: Plan) -> Material:
    """What is evaluated or searched at the horizon of `plan`: of the panel `bars`, and the features built of it."""
    own = bars_of(night.source, bars)
    tested = own.filter(pl.col(DATE).is_in([day for fold in plan.blocks() for day in fold.test_days]))
    always_open = night.source.facts.calendar == "24/7"
    return Material(
        features,
        labels_of(night, bars, [plan.horizon]),
        own,
        plan.days,
        members_of_evenings(night, tested),
        CRYPTO_DAYS if always_open else EQUITY_DAYS,
    )


def _tried(night: Night, trial: Trial, seeds: int) -> Tried:
    """What was tried on the same days before, this very look and its seeds left out: they are counted anyway."""
    own = [trial, *(replace(trial, kind=FIT, seed=trial.seed + number) for number in range(1, seeds + 1))]
    known = trials_over(night.engine, trial.first_day, trial.last_day)
    others = known.filter(~pl.col("trial_id").is_in([one.trial_id for one in own]))
    kept = [
        pl.read_parquet(path).rename({"net": name})
        for name, as_of in others.filter(kind=LOOK).select("trial_id", "as_of").iter_rows()
        if (path := _file(night.home, as_of, name)).is_file()
    ]
    returns = reduce(lambda all_of, one: all_of.join(one, on=DATE, how="full", coalesce=True), kept) if kept else None
    return Tried(others.height, tuple(others["sharpe"].drop_nulls()), returns)


def _returns(home: Home, trial: Trial) -> Path:
    return _file(home, trial.as_of, trial.trial_id)


def _file(home: Home, as_of: dt.date, trial_id: str) -> Path:
    """Where the returns of a look lie."""
    return home.evaluations(NOTEBOOK, as_of) / f"look-{trial_id}.parquet"
