"""Evaluate a model of your own from a notebook: the same data, walk-forward and counting as a night's."""

from __future__ import annotations

import datetime as dt
from getpass import getuser

from flows.secret_blocks import read_settings
from nightdesk.evaluation.backtest import Costs
from nightdesk.evaluation.evaluate import USUAL
from nightdesk.operations.evaluating import Evaluated, Look
from nightdesk.operations.evaluating import evaluate as look_at


def evaluate(
    model: object,
    as_of: dt.date | None = None,
    horizon: int = 5,
    unseal: str | None = None,
    seeds: int = 3,
    costs: Costs = USUAL,
) -> Evaluated:
    """Evaluate `model` with the settings of this desk; see infra/operations/evaluation.md.

    Parameters
    ----------
    model
        The name of a recipe, a Recipe, or an object with fit(X, y) and predict(X).
    as_of
        Trading day whose evening it is; None: the newest in the store.
    horizon
        Trading days held, 1 to 60.
    unseal
        Why sealed days are scored too; it is logged, and shown in the morning report.
    seeds
        How many other seeds are tried, 0 to 20.
    costs
        What trading costs.

    Raises
    ------
    BadInput, BadDate, BadSetting, NothingThere
        As `nightdesk.operations.evaluating.evaluate`.
    """
    look = Look(horizon, getuser(), as_of, unseal, seeds, costs)
    return look_at(model, look, read_settings(), dt.datetime.now(dt.UTC))
