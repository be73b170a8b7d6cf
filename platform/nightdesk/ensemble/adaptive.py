"""Adaptive conformal intervals: the promised miss rate is corrected by what was missed, once that is known."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nightdesk.ensemble.conformal import LOWER, UPPER, Conformal, with_error
from nightdesk.errors import BadInput
from nightdesk.labels.columns import KNOWN_DATE
from nightdesk.scoring.checks import check_columns
from nightdesk.tables import DATE, FORWARD_RETURN

STEP: Final = 0.015
"""How far one date moves the miss rate: larger follows faster and swings wider, above all at long horizons."""

FLOOR: Final = 0.1
"""Share of the promised miss rate below which no interval aims: the few largest errors say little but are very wide."""


@dataclass(frozen=True, slots=True)
class Adaptive:
    """Where an adaptive interval stands: its calibration, the miss rate it aims at now, and what it has learnt from.

    `miss` may leave 0 to 1 for a while. The interval is never wider than at a tenth of the promised miss rate, nor
    narrower than the smallest error in calibration.
    `fed_to` is the newest date (ISO) whose outcome moved it, empty where none has.
    """

    conformal: Conformal
    step: float
    miss: float
    fed_to: str

    def add(self, forecast: pl.DataFrame) -> pl.DataFrame:
        """Add lower and upper to tonight's rows; see `Conformal.add`."""
        return self.conformal.add(forecast, self.aim)

    @property
    def aim(self) -> float:
        """The miss rate that an interval is made for now."""
        return max(self.miss, FLOOR * (1.0 - self.conformal.coverage))


def adaptive(conformal: Conformal, step: float = STEP) -> Adaptive:
    """Start from a calibration; BadInput unless `step` is from 0 (static) to 1."""
    if not 0.0 <= step <= 1.0:
        raise BadInput(f"the step must be 0 to 1, got {step}: choose for example {STEP}")
    return Adaptive(conformal, step, 1.0 - conformal.coverage, "")


def feed(state: Adaptive, told: pl.DataFrame, by: dt.date) -> Adaptive:
    """Learn from intervals whose outcome has become known (Gibbs & Candes 2021), date by date, in order.

    For each date, miss += step * (promised - missed), where missed is the share of its returns outside. A date waits
    until all its labels are known, and the later ones wait with it; each is learnt from once.

    Parameters
    ----------
    told
        date, lower, upper, forward_return (null where it has no price), known_date (null: not known yet).
    by
        The day on whose close this is asked: labels known later are not looked at.
    """
    check_columns(told, [DATE, LOWER, UPPER, FORWARD_RETURN, KNOWN_DATE])
    waiting = told if not state.fed_to else told.filter(pl.col(DATE) > dt.date.fromisoformat(state.fed_to))
    outside = ~pl.col(FORWARD_RETURN).is_between(LOWER, UPPER)
    daily = (
        waiting.sort(DATE)
        .group_by(DATE, maintain_order=True)
        .agg(
            outside.mean().alias("missed"),
            ((pl.col(KNOWN_DATE) <= by).fill_null(value=False)).all().alias("known"),
        )
    )
    for day, missed, known in daily.iter_rows():
        if not known:
            break
        state = _learnt(state, day, missed)
    return state


def walked(state: Adaptive, met: pl.DataFrame) -> tuple[pl.DataFrame, Adaptive]:
    """Give each date of `met` the interval that its own evening could know, one after the other.

    Parameters
    ----------
    met
        date, known_date, forward_return, expected_return, daily_volatility: forecasts after those that `state` was
        calibrated on.

    Returns
    -------
    tuple
        `met` by date with lower and upper, and the state after the last date's own evening: labels known later are not
        fed yet.

    Raises
    ------
    BadInput
        A column is missing.
    """
    horizon = state.conformal.horizon
    check_columns(met, [KNOWN_DATE])
    rows = with_error(met.sort(DATE, maintain_order=True), horizon)
    parts = rows.partition_by(DATE, maintain_order=True)
    errors = [part["error"].drop_nulls().to_numpy() for part in parts]
    known = [None if part[KNOWN_DATE].null_count() else part[KNOWN_DATE].max() for part in parts]
    days = [part[DATE][0] for part in parts]
    reaches: list[float] = []
    next_fed = 0
    for day in days:
        while next_fed < len(reaches) and _is_known(known[next_fed], day):
            missed = _missed(errors[next_fed], reaches[next_fed])
            state = _learnt(state, days[next_fed], missed)
            next_fed += 1
        reaches.append(state.conformal.reach(state.aim))
    return _bounded(parts, reaches, state.conformal), state


def _learnt(state: Adaptive, day: dt.date, missed: float | None) -> Adaptive:
    promised = 1.0 - state.conformal.coverage
    moved = state.miss if missed is None else state.miss + state.step * (promised - missed)
    return replace(state, miss=moved, fed_to=day.isoformat())


def _is_known(known: object, day: dt.date) -> bool:
    return isinstance(known, dt.date) and known <= day


def _missed(errors: NDArray[np.float64], reach: float) -> float | None:
    return float(np.mean(errors > reach)) if len(errors) else None


def _bounded(parts: Sequence[pl.DataFrame], reaches: Sequence[float], conformal: Conformal) -> pl.DataFrame:
    heights = [part.height for part in parts]
    reach = pl.lit(pl.Series("reach", np.repeat(np.asarray(reaches, dtype=np.float64), heights)))
    return conformal.bounds(pl.concat(parts).drop("error"), reach)
