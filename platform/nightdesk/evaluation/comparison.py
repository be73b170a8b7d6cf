"""Comparison of models on the same days, for reading: Diebold-Mariano and the model confidence set decide nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from arch.bootstrap import MCS
from scipy import stats

from nightdesk.errors import BadInput
from nightdesk.scoring.checks import check_horizon
from nightdesk.scoring.intervals import MIN_DAYS
from nightdesk.scoring.observed import FloatArray, Values, check_lengths, observed_pairs


@dataclass(frozen=True, slots=True)
class DieboldMariano:
    """Mean difference of losses (first - second), its t-like statistic and two-sided p-value; None where undefined."""

    mean: float | None
    statistic: float | None
    p_value: float | None
    days: int


@dataclass(frozen=True, slots=True)
class ConfidenceSet:
    """Models that cannot be told from the best, and every model's p-value (0 to 1, high: stays), over `days` days."""

    included: tuple[str, ...]
    p_values: Mapping[str, float]
    days: int


def diebold_mariano(first: Values, second: Values, horizon: int) -> DieboldMariano:
    """Test whether two forecasts have the same mean loss (Diebold & Mariano 1995).

    With the small-sample correction and Student's t of Harvey, Leybourne & Newbold (1997), and the rectangular kernel
    of `horizon` - 1 autocovariances that both papers use.

    Parameters
    ----------
    first, second
        Losses, one a trading day, aligned, less is better (negate a rank IC). A day without either is left out.
    horizon
        Trading days held, 1 to 60.

    Returns
    -------
    DieboldMariano
        A negative statistic favours the first. Undefined on fewer than max(20, 3 horizon) days, and where the kernel's
        variance is not above zero: the paper's estimator can be negative, and another one would be another test.

    Raises
    ------
    BadInput
        The horizon breaks its rule, the lengths differ, or a value is infinite.
    """
    check_horizon(horizon)
    a, b = observed_pairs(first, second)
    difference, days = a - b, len(a)
    if days < max(MIN_DAYS, 3 * horizon):
        return DieboldMariano(None, None, None, days)
    mean = float(difference.mean())
    variance = _rectangular(difference - mean, horizon)
    # Below rounding, a constant difference has no variance either.
    if variance <= np.finfo(np.float64).eps * float(np.mean(difference**2)):
        return DieboldMariano(mean, None, None, days)
    correction = (days + 1 - 2 * horizon + horizon * (horizon - 1) / days) / days
    statistic = math.sqrt(correction) * mean / math.sqrt(variance / days)
    return DieboldMariano(mean, statistic, float(2 * stats.t.sf(abs(statistic), days - 1)), days)


def confidence_set(
    losses: Mapping[str, Values], horizon: int, size: float = 0.1, samples: int = 1000, seed: int = 0
) -> ConfidenceSet:
    """Find the models that cannot be told from the best (Hansen, Lunde & Nason 2011), by the `arch` library.

    Parameters
    ----------
    losses
        By model, one loss a trading day, aligned, less is better. A day on which any is null is left out.
    horizon
        Trading days held, 1 to 60; blocks of the bootstrap are twice that long.
    size
        Chance of losing the best model from the set, a fraction.

    Returns
    -------
    ConfidenceSet
        Names as in `losses`, in their order.

    Raises
    ------
    BadInput
        Fewer than two models, fewer than max(20, 3 horizon) days, or a number that breaks its rule.
    """
    check_horizon(horizon)
    if len(losses) < 2 or not 0.0 < size < 1.0:
        raise BadInput(
            f"a confidence set needs two models and a size between 0 and 1, got {len(losses)} and {size}: choose 0.1"
        )
    table = pd.DataFrame(_shared_days(losses))
    days = len(table)
    if days < max(MIN_DAYS, 3 * horizon):
        raise BadInput(f"a confidence set needs {max(MIN_DAYS, 3 * horizon)} shared days, got {days}: wait for more")
    found = MCS(table, size, reps=samples, block_size=2 * horizon, seed=seed)
    found.compute()
    p_values = found.pvalues["Pvalue"].to_dict()
    included = set(found.included)
    return ConfidenceSet(
        tuple(name for name in losses if name in included), {name: float(p_values[name]) for name in losses}, days
    )


def _rectangular(centred: FloatArray, horizon: int) -> float:
    covariances = [float(centred[lag:] @ centred[: len(centred) - lag]) / len(centred) for lag in range(horizon)]
    return covariances[0] + 2 * sum(covariances[1:])


def _shared_days(losses: Mapping[str, Values]) -> dict[str, FloatArray]:
    names = list(losses)
    columns = {
        name: pd.array(list(losses[name]), dtype="Float64").to_numpy(np.float64, na_value=np.nan) for name in names
    }
    for name in names[1:]:
        check_lengths(len(columns[names[0]]), len(columns[name]))
    known = np.logical_and.reduce([np.isfinite(column) for column in columns.values()])
    return {name: column[known] for name, column in columns.items()}
