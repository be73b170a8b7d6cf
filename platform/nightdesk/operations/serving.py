"""Who is served and what is forecast: what the promotion and forecast tasks call."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import polars as pl

from nightdesk.models.artifacts import ModelVersion, load_version, model_name
from nightdesk.models.baselines import RANKINGS, ranked
from nightdesk.operations.night import Night
from nightdesk.operations.served_features import check_needs
from nightdesk.operations.training import Tested
from nightdesk.operations.universe import universe_of
from nightdesk.promotion.approval import settled
from nightdesk.promotion.champion import carry_out
from nightdesk.promotion.gate import Choice, Fit, choose
from nightdesk.scoring.intervals import beats, mean_interval
from nightdesk.store.approvals import Answer
from nightdesk.store.decisions import (
    KEEP,
    MARKET_SCORES,
    MOVING,
    REFRESH,
    Decision,
    Serving,
    decided_after,
    newest_walk_forward,
    serving_on,
    write_walk_forward,
    write_walk_forward_markets,
)
from nightdesk.store.features import FeatureTable, read_features
from nightdesk.store.files import content_of
from nightdesk.store.nights import RETRAIN, newest_begun, running_kind
from nightdesk.tables import DATE, HORIZON, MARKET, MODEL, SCORE, SYMBOL

UNPROVEN = "unproven"
ONE_DAY = dt.timedelta(days=1)
SILENT = ("constant", "equal_weight")
"""Baselines that say the same of every symbol: a log of that would hold nothing."""


@dataclass(frozen=True, slots=True)
class Served:
    """Who is served tonight at each horizon, as the store says after the decision, and what a person let or forbade."""

    content: str
    models: tuple[Serving, ...]
    approvals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposed:
    """What tonight's fits would change at each horizon; nothing of it is carried out yet. Empty without fits."""

    content: str
    decisions: tuple[Decision, ...]


def propose(night: Night, tested: Sequence[Tested]) -> Proposed:
    """Enter tonight's walk-forward results, and decide who should be served at each horizon."""
    decisions: list[Decision] = []
    if tested:
        write_walk_forward(night.engine, walk_forward_rows(night, tested))
        write_walk_forward_markets(night.engine, night.realm, night.as_of, market_rows(tested))
        served = {one.horizon: one for one in served_by(night)}
        for horizon in night.settings.horizons:
            fits = [one for one in tested if one.horizon == horizon and one.kind == "model"]
            decisions.append(_decision(night, horizon, served.get(horizon), fits))
    return Proposed(content_of(*(asdict(one) for one in decisions)), tuple(decisions))


def settle(night: Night, proposed: Proposed, answers: Sequence[Answer]) -> None:
    """Carry out what was proposed; where a person was asked, as they answered."""
    served = {one.horizon for one in served_by(night)}
    for decision in proposed.decisions:
        final = settled(decision, answers, decision.horizon in served)
        carry_out(night.engine, night.tracking, final, night.started)


def served_by(night: Night) -> list[Serving]:
    """Who is served tonight; in a retrain, on the night that comes next."""
    begun = _begun_before(night)
    return serving_on(night.engine, night.realm, night.as_of if begun is None else begun + ONE_DAY)


def _begun_before(night: Night) -> dt.date | None:
    """In a retrain, the newest night that has begun, unless that is before its own: that one forecasts without it."""
    if running_kind(night.engine, night.realm, night.as_of) != RETRAIN:
        return None
    begun = newest_begun(night.engine, night.realm)
    return begun if begun is not None and begun >= night.as_of else None


def walk_forward_rows(night: Night, tested: Sequence[Tested]) -> pl.DataFrame:
    """Rows of the walk_forward table: rank IC with its interval, and each model's paired edge over its best rival."""
    rows = []
    for one in tested:
        score = mean_interval(one.daily.read()["rank_ic"], one.horizon)
        row: dict[str, object] = {
            "realm": night.realm,
            "as_of": night.as_of,
            HORIZON: one.horizon,
            MODEL: one.model,
            "kind": one.kind,
            "mean": score.mean,
            "lower": score.lower,
            "upper": score.upper,
            "days": score.days,
            "recipe": one.recipe,
            "version": one.version.version if one.version else None,
            "model_content": one.content if one.version else None,
            **_edge(one, tested),
        }
        rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)


def market_rows(tested: Sequence[Tested]) -> pl.DataFrame:
    """Each market's own rank IC with its interval (`MARKET_SCORES`); no rows of a desk of one market."""
    rows = []
    for one in tested:
        own = None if one.markets is None else one.markets.read().partition_by(MARKET, as_dict=True)
        for (market,), daily in (own or {}).items():
            score = mean_interval(daily["rank_ic"], one.horizon)
            rows.append((one.horizon, one.model, market, score.mean, score.lower, score.upper, score.days))
    return pl.DataFrame(rows, schema=MARKET_SCORES, orient="row")


def forecast(night: Night, table: FeatureTable, served: Served) -> pl.DataFrame:
    """What every model says tonight of every symbol that has a bar.

    Returns horizon, model, symbol, score, served, model_content: the served models, the other recipes' newest fits
    beside them in shadow, and the ranking baselines (a symbol without the feature they rank by is left out). Of symbols
    of the night's universe alone, which changes no score: each model was fitted on, and speaks of, all of them.

    Raises ModelBroken where a model would be given features defined otherwise than those it was fitted on.
    """
    tonight = read_features(table, [night.as_of])
    parts = []
    for horizon, model, version, content, is_served in _speakers(night, served):
        check_needs(night, table, f"{model} at {horizon} days", content)
        bundle = load_version(night.tracking, ModelVersion(model_name(night.realm, horizon), version, "", content))
        scores = tonight.select(SYMBOL).with_columns(pl.Series(SCORE, bundle.score(tonight)))
        parts.append(_said(scores, horizon, model, content, is_served))
    for horizon in night.settings.horizons:
        for name in RANKINGS:
            if name not in SILENT:
                scores = ranked(name, tonight).select(SYMBOL, SCORE).drop_nulls()
                parts.append(_said(scores, horizon, name, table.version, False))
    return _within_universe(night, pl.concat(parts)).sort(HORIZON, MODEL, SYMBOL)


def _within_universe(night: Night, said: pl.DataFrame) -> pl.DataFrame:
    symbols = universe_of(night)
    return said if symbols is None else said.filter(pl.col(SYMBOL).is_in(symbols.implode()))


def _said(scores: pl.DataFrame, horizon: int, model: str, content: str, is_served: bool) -> pl.DataFrame:
    return scores.select(
        pl.lit(horizon, dtype=pl.Int64).alias(HORIZON),
        pl.lit(model).alias(MODEL),
        SYMBOL,
        SCORE,
        pl.lit(is_served).alias("served"),
        pl.lit(content).alias("model_content"),
    )


def _speakers(night: Night, served: Served) -> list[tuple[int, str, str, str, bool]]:
    """Served models, then the newest fits of the other recipes: horizon, model, version, content, served."""
    speakers = [(one.horizon, one.model, one.version, one.content, True) for one in served.models]
    taken = {(one.horizon, one.model) for one in served.models}
    newest = newest_walk_forward(night.engine, night.realm, night.as_of).filter(pl.col("version").is_not_null())
    for row in newest.iter_rows(named=True):
        if (row[HORIZON], row[MODEL]) not in taken and row[HORIZON] in night.settings.horizons:
            speakers.append((row[HORIZON], row[MODEL], row["version"], row["model_content"], False))
    return speakers


def _edge(one: Tested, tested: Sequence[Tested]) -> dict[str, object]:
    if one.kind != "model":
        return {"edge": None, "edge_lower": None, "edge_upper": None, "rival": None}
    rivals = {
        other.model: _aligned(other, one)
        for other in tested
        if other.kind == "baseline" and other.horizon == one.horizon
    }
    verdict = beats(one.daily.read()["rank_ic"], rivals, one.horizon)
    difference = verdict.difference
    return {
        "edge": difference.mean,
        "edge_lower": difference.lower,
        "edge_upper": difference.upper,
        "rival": verdict.best_baseline,
    }


def _aligned(other: Tested, one: Tested) -> pl.Series:
    """The other's daily rank IC on the days of the one, in their order."""
    days = one.daily.read().select(DATE)
    return days.join(other.daily.read(), on=DATE, how="left", maintain_order="left")["rank_ic"]


def _decision(night: Night, horizon: int, served: Serving | None, fits: Sequence[Tested]) -> Decision:
    means = {one.model: mean_interval(one.daily.read()["rank_ic"], horizon).mean for one in fits}
    candidates = [Fit(one.model, one.recipe or "", means[one.model], one.fault) for one in fits]
    recipe = None if served is None else _recipe_served(night, served)
    choice = choose(None if served is None else served.model, recipe, candidates)
    retrained = _begun_before(night)
    if choice.action in MOVING and served is not None and retrained is None:
        newest = newest_begun(night.engine, night.realm)
        if newest is not None and newest > night.as_of:
            # Its nights have forecast with the champion of then: to serve another from here on would rewrite that.
            choice = Choice(KEEP, None, (f"the night of {newest} has run: a night of the past moves nothing",))
    fit = next((one for one in fits if one.model == choice.model), None)
    version = None if fit is None else fit.version
    return Decision(
        night.realm,
        night.as_of,
        horizon,
        choice.action,
        choice.model,
        None if fit is None else fit.content,
        None if version is None else version.version,
        (served.skill if served and choice.action == REFRESH else UNPROVEN) if choice.action in MOVING else None,
        "; ".join(choice.reasons),
        # A night of the past says who would have been served then; the alias belongs to the newest night.
        choice.action in MOVING and not decided_after(night.engine, night.realm, night.as_of, horizon),
        retrained if choice.action in MOVING else None,
    )


def _recipe_served(night: Night, served: Serving) -> str | None:
    rows = newest_walk_forward(night.engine, night.realm, served.since)
    known = rows.filter(pl.col(HORIZON) == served.horizon, pl.col("model_content") == served.content)
    return known["recipe"].first() if known.height else None  # type: ignore[return-value]
