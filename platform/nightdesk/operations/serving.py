"""Who is served and what is forecast: what the promotion and forecast tasks call."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import polars as pl

from nightdesk.errors import ModelBroken
from nightdesk.models.artifacts import ModelVersion, load_version, model_name
from nightdesk.models.baselines import RANKINGS, ranked
from nightdesk.operations.evidence import Weighed
from nightdesk.operations.night import Night
from nightdesk.operations.proposal import proposal, served_by
from nightdesk.operations.refusals import tell_of
from nightdesk.operations.served_features import check_needs
from nightdesk.operations.standing import fit_of, fits_beside, label, moves_at
from nightdesk.operations.training import Tested
from nightdesk.operations.universe import universe_of
from nightdesk.promotion.approval import settled
from nightdesk.promotion.champion import carry_out, tag_skill
from nightdesk.promotion.reign import reign_of
from nightdesk.scoring.intervals import beats, mean_interval
from nightdesk.store.approvals import Answer
from nightdesk.store.decisions import (
    MARKET_SCORES,
    Decision,
    Serving,
    write_walk_forward,
    write_walk_forward_markets,
)
from nightdesk.store.evidence import PROVEN, freeze_recipes
from nightdesk.store.features import FeatureTable, read_features
from nightdesk.store.files import content_of
from nightdesk.tables import DATE, HORIZON, MARKET, MODEL, SCORE, SYMBOL

_log = logging.getLogger("nightdesk.night")

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


def propose(night: Night, table: FeatureTable, tested: Sequence[Tested], weighed: Weighed) -> Proposed:
    """Enter tonight's walk-forward results, and decide who should be served at each horizon.

    A champion that cannot serve goes at once; then comes what the evidence says, then tonight's fits. At a horizon
    where none of them says anything, nothing is decided.
    """
    if tested:
        write_walk_forward(night.engine, walk_forward_rows(night, tested))
        write_walk_forward_markets(night.engine, night.realm, night.as_of, market_rows(tested))
        fitted = {one.recipe: one.model for one in tested if one.recipe is not None}
        freeze_recipes(night.engine, fitted, night.started)
    made = (
        proposal(
            night, table, horizon, [one for one in tested if one.horizon == horizon and one.kind == "model"], weighed
        )
        for horizon in night.settings.horizons
    )
    decisions = [one for one in made if one is not None]
    return Proposed(content_of(*(asdict(one) for one in decisions)), tuple(decisions))


def settle(night: Night, proposed: Proposed, answers: Sequence[Answer]) -> None:
    """Carry out what was proposed; where a person was asked, as they answered. What was refused is told."""
    served = {one.horizon for one in served_by(night)}
    for decision in proposed.decisions:
        final = settled(decision, answers, decision.horizon in served)
        carry_out(night.engine, night.tracking, final, night.started)
        if final.horizon in served:
            tell_of(night, final)
    for one in served_by(night):
        if one.skill == PROVEN:
            tag_skill(night.tracking, one.horizon, one.version, one.skill)


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

    Returns horizon, model, symbol, score, served, model_content: the served models, the other recipes' newest fits and
    the former champions beside them in shadow, and the ranking baselines (a symbol without the feature they rank by is
    left out). Of symbols of the night's universe alone, which changes no score: each model was fitted on, and speaks
    of, all of them.

    Raises ModelBroken where a served model is not what was registered, or would be given features defined otherwise
    than those it was fitted on; a model in shadow is silent then.
    """
    tonight = read_features(table, [night.as_of])
    parts = []
    for one, name, is_served in _speakers(night, served):
        try:
            scores = _scores(night, table, one, tonight)
        except ModelBroken as error:
            if is_served:
                raise
            # A model in shadow costs the night nothing: its pair of tonight is missing from the evidence, and no more.
            _log.warning("%s at %d days is silent in shadow: %s", name, one.horizon, error)
        else:
            parts.append(_said(scores, one.horizon, name, one.content, is_served))
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


def _scores(night: Night, table: FeatureTable, one: Serving, tonight: pl.DataFrame) -> pl.DataFrame:
    """What one model says of each symbol: symbol, score."""
    check_needs(night, table, f"{one.model} at {one.horizon} days", one.content)
    version = ModelVersion(model_name(night.realm, one.horizon), one.version, "", one.content)
    bundle = load_version(night.tracking, version)
    return tonight.select(SYMBOL).with_columns(pl.Series(SCORE, bundle.score(tonight)))


def _speakers(night: Night, served: Served) -> list[tuple[Serving, str, bool]]:
    """Who speaks, under which name, and whether it is served; a recipe speaks once at a horizon.

    The served models, then the newest fits of other recipes, then former champions whose recipe is fitted no more.
    """
    speakers = [(one, one.model, True) for one in served.models]
    moves = {horizon: moves_at(night, horizon) for horizon in night.settings.horizons}
    heard = {(horizon, own[-1].recipe) for horizon, own in moves.items() if own}
    taken = {(one.horizon, one.model) for one in served.models}
    beside = fits_beside(night)
    rivals = [
        (fit, recipe)
        for horizon, recipe in beside.select(HORIZON, "recipe").iter_rows()
        if (fit := fit_of(beside, horizon, recipe)) is not None
    ]
    former = [one.former for own in moves.values() if (one := reign_of(own)) is not None and one.former is not None]
    rivals += [(one.serving, one.recipe) for one in former]
    for fit, recipe in rivals:
        if recipe is None or (fit.horizon, recipe) in heard:
            continue
        name = label(fit.model, recipe) if (fit.horizon, fit.model) in taken else fit.model
        speakers.append((fit, name, False))
        heard.add((fit.horizon, recipe))
        taken.add((fit.horizon, fit.model))
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
