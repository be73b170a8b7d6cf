"""Who should be served: a pure function from the served model and tonight's fits to a choice with its reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nightdesk.models.tuned import is_tuned
from nightdesk.promotion.refresh import RefreshVerdict
from nightdesk.store.decisions import KEEP, REFRESH, REFUSE, SERVE


@dataclass(frozen=True, slots=True)
class Fit:
    """A recipe's fit of tonight: mean walk-forward rank IC (None: undefined), and why it may not serve, if so."""

    model: str
    recipe: str
    rank_ic: float | None
    fault: str | None


@dataclass(frozen=True, slots=True)
class Choice:
    """What to do, with which of tonight's fits, and why."""

    action: str
    model: str | None
    reasons: tuple[str, ...]


def choose(
    served_model: str | None, served_recipe: str | None, fits: Sequence[Fit], newer: RefreshVerdict | None = None
) -> Choice:
    """Choose who is served from tonight on, by tonight's fits.

    With nobody served, the sound fit with the highest walk-forward rank IC serves, as unproven: a choice by backtest is
    no evidence of skill. A tuned recipe then serves only where nothing else is sound: it was chosen on those very days.

    With a model served, only its own recipe fitted on newer data takes its place (a refresh), unless that fit is
    broken, or `newer` (`judge_refresh`; None: nothing was compared) shows it to be inferior; another recipe needs
    superiority on forecasts logged before their labels were known, and is never let in by a backtest.
    """
    faults = tuple(f"{fit.model} may not serve: {fit.fault}" for fit in fits if fit.fault is not None)
    sound = [fit for fit in fits if fit.fault is None]
    if served_model is None:
        if not sound:
            return Choice(REFUSE, None, faults or ("no model was fitted",))
        # The days of the walk-forward chose a tuned recipe's parameters: its rank IC there is no fair match.
        rivals = [fit for fit in sound if not is_tuned(fit.model)] or sound
        best = min(rivals, key=lambda fit: (fit.rank_ic is None, -(fit.rank_ic or 0.0), fit.model))
        shown = "undefined" if best.rank_ic is None else f"{best.rank_ic:+.4f}"
        reason = f"nobody was served; of {len(rivals)} fits {best.model} has the highest walk-forward rank IC ({shown})"
        return Choice(SERVE, best.model, (reason, "chosen by backtest, so its skill is unproven", *faults))
    same = [fit for fit in fits if fit.recipe == served_recipe]
    if not same:
        reason = f"the recipe of {served_model} was not fitted tonight, and another one needs evidence to replace it"
        return Choice(KEEP, None, (reason, *faults))
    if same[0].fault is not None:
        return Choice(REFUSE, None, (*faults, f"the former fit of {served_model} stays"))
    compared = () if newer is None else newer.reasons
    if newer is not None and not newer.may_serve:
        return Choice(REFUSE, None, (*compared, *faults, f"the former fit of {served_model} stays"))
    return Choice(
        REFRESH, same[0].model, (f"the served recipe, {served_model}, fitted on newer data", *compared, *faults)
    )
