"""Proposes who should be served at one horizon: by a fault, by the evidence, or by tonight's fits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl

from nightdesk.models.tuned import is_tuned
from nightdesk.operations.evidence import Due, Weighed
from nightdesk.operations.night import Night
from nightdesk.operations.standing import UNPROVEN, fit_of, fits_beside, moves_at, standing_fault
from nightdesk.operations.training import Tested
from nightdesk.promotion.backtest_gate import BY_BACKTEST, better_by_backtest
from nightdesk.promotion.gate import Fit, choose
from nightdesk.promotion.refresh import RefreshVerdict, judge_refresh
from nightdesk.promotion.reign import moves_before
from nightdesk.promotion.standing import judge_rollback
from nightdesk.scoring.intervals import mean_interval
from nightdesk.scoring.rank_ic import RANK_IC
from nightdesk.store.decisions import (
    KEEP,
    MOVING,
    REFRESH,
    REPLACE,
    ROLLBACK,
    Decision,
    Move,
    Serving,
    decided_after,
    serving_on,
)
from nightdesk.store.evidence import PROVEN, evidence_scores, proven_recipes
from nightdesk.store.features import FeatureTable
from nightdesk.store.nights import RETRAIN, newest_begun, running_kind
from nightdesk.tables import DATE

ONE_DAY = dt.timedelta(days=1)
_UNSCORED = pl.DataFrame(schema={DATE: pl.Date, RANK_IC: pl.Float64})


@dataclass(frozen=True, slots=True)
class Change:
    """What to do, with which model of which recipe (None: nobody moves), and why."""

    action: str
    to: Serving | None
    recipe: str | None
    reasons: tuple[str, ...]
    skill: str = UNPROVEN


def served_by(night: Night) -> list[Serving]:
    """Who is served tonight; in a retrain, on the night that comes next."""
    return serving_on(night.engine, night.realm, _counts_for(night))


def proposal(
    night: Night, table: FeatureTable, horizon: int, fits: Sequence[Tested], weighed: Weighed
) -> Decision | None:
    """Who should be served at `horizon` from tonight on; None where nothing speaks for a change, nor was fitted.

    First comes a champion that cannot serve, then what the evidence says, then, where settings choose it, a better
    walk-forward, then tonight's fits.
    """
    moves = moves_at(night, horizon, _counts_for(night))
    later = _later_night(night)
    if moves and later is None:
        change = _change(night, table, moves, fits, weighed.at(horizon))
    else:
        change = _by_fits(night, moves[-1] if moves else None, horizon, fits) if fits else None
        if moves and change is not None and change.action in MOVING:
            # Its nights have forecast with the champion of then: to serve another from here on would rewrite that.
            reason = f"the night of {later} has run: a night of the past moves nothing"
            change = Change(KEEP, None, None, (reason,))
    return None if change is None else decided(night, horizon, change, _begun_before(night))


def decided(night: Night, horizon: int, change: Change, counts_after: dt.date | None) -> Decision:
    """A change as the decision of `night`; skill is what the evidence says of the recipe."""
    moving, to = change.action in MOVING, change.to
    known = moving and (horizon, change.recipe) in proven_recipes(night.engine, night.realm, night.as_of)
    after = counts_after if moving else None
    return Decision(
        night.realm,
        night.as_of,
        horizon,
        change.action,
        None if to is None else to.model,
        None if to is None else to.content,
        None if to is None else to.version,
        (PROVEN if known else change.skill) if moving else None,
        "; ".join(change.reasons),
        # A night of the past says who would have been served then; the alias belongs to the newest night.
        moving and not decided_after(night.engine, night.realm, night.as_of, horizon, after),
        after,
    )


def _change(
    night: Night, table: FeatureTable, moves: Sequence[Move], fits: Sequence[Tested], due: Due | None
) -> Change | None:
    champion = moves[-1].serving
    fault = standing_fault(night, table, champion)
    if fault is not None:
        return _without_champion(night, table, moves, fits, fault)
    if due is not None:
        return _by_evidence(night, table, moves, fits, due)
    if night.settings.promotion.replace == "backtest":
        better = _by_backtest(night, moves[-1], fits)
        if better is not None:
            return better
    return _by_fits(night, moves[-1], champion.horizon, fits) if fits else None


def _without_champion(
    night: Night, table: FeatureTable, moves: Sequence[Move], fits: Sequence[Tested], fault: str
) -> Change | None:
    """A broken champion goes at once: to its recipe's fit of tonight, to who was served before, or to the best fit.

    None where nobody can take its place: then the night ends by its fault.
    """
    served, horizon = moves[-1], moves[-1].serving.horizon
    broken = f"{_called(served.serving)} can serve no more: {fault}"
    refreshed = _by_fits(night, served, horizon, fits, compare=False) if fits else None
    if refreshed is not None and refreshed.action == REFRESH:
        return replace(refreshed, reasons=(*refreshed.reasons, broken))
    for move in moves_before(moves):
        if standing_fault(night, table, move.serving) is None:
            names = (_called(move.serving), _called(served.serving))
            found = judge_rollback(_UNSCORED, _UNSCORED, (), served.first, names, horizon, (fault,))
            return Change(ROLLBACK, move.serving, move.recipe, found.reasons)
    if not fits:
        return None
    best = _by_fits(night, None, horizon, fits)
    return replace(best, reasons=(broken, *best.reasons))


def _by_evidence(night: Night, table: FeatureTable, moves: Sequence[Move], fits: Sequence[Tested], due: Due) -> Change:
    """The newest sound fit of the recipe that the evidence is for; without one the champion is kept."""
    for one in _fits_of(night, moves, fits, due):
        if standing_fault(night, table, one) is None:
            return Change(due.action, one, due.recipe, due.reasons)
    reason = f"{due.model} has no sound fit that could serve, so the champion stays; the next night asks again"
    return Change(KEEP, None, None, (*due.reasons, reason))


def _by_backtest(night: Night, served: Move, fits: Sequence[Tested]) -> Change | None:
    """Another recipe's sound fit of tonight with a better walk-forward than the served recipe's; None without one."""
    sound = [one for one in fits if one.fault is None and one.recipe is not None]
    own = next((one for one in sound if one.recipe == served.recipe), None)
    if own is None:
        return None
    # A tuned recipe was chosen on the days of the walk-forward: only evidence lets it in.
    others = {one.model: one for one in sound if one.recipe != served.recipe and not is_tuned(one.model)}
    dailies = {name: one.daily.read() for name, one in others.items()}
    choice = better_by_backtest(own.model, own.daily.read(), dailies, own.horizon)
    if choice.model is None:
        return None
    fit = others[choice.model]
    return Change(REPLACE, _serving(night, fit), fit.recipe, choice.reasons, BY_BACKTEST)


def _fits_of(night: Night, moves: Sequence[Move], fits: Sequence[Tested], due: Due) -> Iterator[Serving]:
    yield from (_serving(night, one) for one in fits if one.recipe == due.recipe and one.fault is None)
    newest = fit_of(fits_beside(night), due.horizon, due.recipe)
    if newest is not None:
        yield newest
    yield from (move.serving for move in reversed(moves) if move.recipe == due.recipe)


def _by_fits(
    night: Night, served: Move | None, horizon: int, fits: Sequence[Tested], *, compare: bool = True
) -> Change:
    """What tonight's fits say; with `compare`, a newer fit shown to be inferior to the served one is refused."""
    means = {one.model: mean_interval(one.daily.read()[RANK_IC], horizon).mean for one in fits}
    candidates = [Fit(one.model, one.recipe or "", means[one.model], one.fault) for one in fits]
    newer = _newer(night, served, horizon, fits) if served is not None and compare else None
    model, recipe = (None, None) if served is None else (served.serving.model, served.recipe)
    choice = choose(model, recipe, candidates, newer)
    fit = next((one for one in fits if one.model == choice.model), None)
    if fit is None:
        return Change(choice.action, None, None, choice.reasons)
    same = served is not None and served.recipe == fit.recipe and served.serving.skill == BY_BACKTEST
    skill = BY_BACKTEST if same else UNPROVEN
    return Change(choice.action, _serving(night, fit), fit.recipe, choice.reasons, skill)


def _newer(night: Night, served: Move, horizon: int, fits: Sequence[Tested]) -> RefreshVerdict | None:
    """The recipe's walk-forward against the champion as it stands: what that logged on nights it was not fitted on."""
    own = next((one for one in fits if one.recipe == served.recipe), None)
    if own is None:
        return None
    logged = evidence_scores(night.engine, night.realm, horizon, night.as_of)
    return judge_refresh(own.daily.read(), logged.filter(pl.col("model_content") == served.serving.content), horizon)


def _serving(night: Night, fit: Tested) -> Serving:
    """A fit of tonight as it would be served."""
    version = "" if fit.version is None else fit.version.version
    return Serving(fit.horizon, fit.model, fit.content, version, UNPROVEN, night.as_of)


def _called(one: Serving) -> str:
    return f"{one.model} version {one.version}"


def _counts_for(night: Night) -> dt.date:
    """The night that a decision of this one counts for first."""
    begun = _begun_before(night)
    return night.as_of if begun is None else begun + ONE_DAY


def _begun_before(night: Night) -> dt.date | None:
    """In a retrain, the newest night that has begun, unless that is before its own: that one forecasts without it."""
    if running_kind(night.engine, night.realm, night.as_of) != RETRAIN:
        return None
    begun = newest_begun(night.engine, night.realm)
    return begun if begun is not None and begun >= night.as_of else None


def _later_night(night: Night) -> dt.date | None:
    """The newest night that has begun, where that is a later one than this; a retrain counts after all of them."""
    begun = newest_begun(night.engine, night.realm)
    later = begun is not None and begun > night.as_of and _begun_before(night) is None
    return begun if later else None
