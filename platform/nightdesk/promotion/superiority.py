"""Whether another recipe may replace the served one: an e-process on pairs, under a yearly budget of alpha."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import polars as pl

from nightdesk.errors import BadDate, BadInput
from nightdesk.evaluation.e_process import e_path
from nightdesk.evaluation.power import NIGHTS, minimum_detectable_edge
from nightdesk.scoring.checks import check_columns
from nightdesk.scoring.observed import FloatArray
from nightdesk.scoring.rank_ic import RANK_IC
from nightdesk.tables import DATE

YEARLY_ALPHA: Final = 0.05
SHARES: Final = (YEARLY_ALPHA / 4,) * 4
ROLLBACK_ALPHA: Final = YEARLY_ALPHA / 4
PROVEN: Final = 20.0
MIN_PAIRS: Final = 20

Outcome = Literal["superior", "open", "expired"]


@dataclass(frozen=True, slots=True)
class PairedTest:
    """A test of one recipe against another, fixed before its first pair is known.

    Attributes
    ----------
    horizon
        Trading days held, 1 to 60.
    started
        The first night whose forecasts count; nights before it never do.
    alpha
        What the test may spend, a fraction; spent when it starts, however it ends.
    """

    challenger: str
    champion: str
    horizon: int
    started: dt.date
    alpha: float

    def __post_init__(self) -> None:
        """Refuse an alpha that is no chance."""
        if not 0.0 < self.alpha < 1.0:
            raise BadInput(f"alpha must lie between 0 and 1, got {self.alpha}: take the year's next share")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where a test stands.

    Attributes
    ----------
    outcome
        `superior` from the first night on which the e-value reached 1 / alpha; `expired` after 504 nights without.
    e_value, highest, needed
        After the last night, at its highest so far, and 1 / alpha.
    nights, pairs
        Nights that count so far, and those on which both recipes had a rank IC.
    crossed
        The night of forecasts that first reached 1 / alpha, if any.
    deviation
        Standard deviation of the paired differences; None below 20 pairs.
    detectable
        The steady edge that this test finds in 80 % of cases; None where unknown, or larger than 0.4.
    """

    outcome: Outcome
    e_value: float
    highest: float
    needed: float
    nights: int
    pairs: int
    crossed: dt.date | None
    deviation: float | None
    detectable: float | None
    reasons: tuple[str, ...]


def next_share(starts: Collection[dt.date], night: dt.date, horizons: int = 1) -> float | None:
    """Alpha for a test that starts on `night`; None where the calendar year's four are spent.

    Parameters
    ----------
    starts
        When earlier tests of the same budget started, ended ones included: what was spent stays spent.
    horizons
        How many share the desk's yearly alpha alike: each has a champion of its own, and four tests a year.

    Raises
    ------
    BadDate
        A start lies after `night`.
    """
    if any(start > night for start in starts):
        raise BadDate(
            f"tests must have started by {night}, got one of {max(starts)}: shares are dealt in order of time"
        )
    spent = sum(start.year == night.year for start in starts)
    return SHARES[spent] / horizons if spent < len(SHARES) else None


def countable(
    nights: Sequence[dt.date],
    replayed: Collection[dt.date],
    waiting: Collection[dt.date],
    frozen: dt.date,
    sealed: Collection[dt.date] = (),
) -> tuple[dt.date, ...]:
    """The nights, in order, that may count for a recipe.

    Nights up to the first whose labels are not settled: one that was let in before its forerunner could be chosen for
    what it says. A replayed night counts only after the day the recipe was frozen, or where it was sealed from every
    fit, trial and look: a recipe tuned on past nights and then replayed over them selects itself.

    Parameters
    ----------
    nights
        Trading nights in order.
    replayed
        Those whose forecasts were made afterwards, by a replay.
    waiting
        Those with a forecast whose score is still to come.
    frozen
        The day the recipe's content was fixed.
    """
    settled = []
    for night in nights:
        if night in waiting:
            break
        settled.append(night)
    return tuple(night for night in settled if night not in replayed or night > frozen or night in sealed)


def paired_differences(first: pl.DataFrame, second: pl.DataFrame, nights: Sequence[dt.date]) -> FloatArray:
    """Rank IC of the first less that of the second on each night; NaN where either has none.

    Parameters
    ----------
    first, second
        date and rank_ic of each recipe, one row a night: whatever fit of it was in use; refits inherit.
    nights
        The nights that count, in order.

    Raises
    ------
    BadInput
        A column is missing, or a recipe has two scores on one night.
    """
    wanted = pl.DataFrame({DATE: list(nights)}, schema={DATE: pl.Date})
    found = []
    for scores in (first, second):
        check_columns(scores, [DATE, RANK_IC])
        own = wanted.join(scores.select(DATE, RANK_IC), on=DATE, how="left", maintain_order="left")
        if own.height != wanted.height:
            raise BadInput("a recipe must have one score a night, got two on one: choose one horizon and realm")
        found.append(own[RANK_IC].cast(pl.Float64).fill_null(float("nan")).to_numpy())
    difference: FloatArray = found[0] - found[1]
    return difference


def judge_superiority(
    test: PairedTest, challenger: pl.DataFrame, champion: pl.DataFrame, nights: Sequence[dt.date]
) -> Evidence:
    """Say where `test` stands on its nights so far.

    Parameters
    ----------
    challenger, champion
        date and rank_ic of both recipes, of forecasts that were logged before their labels were known.
    nights
        Trading nights that may count (see `countable`), in order; those before the start and beyond the 504th are left.

    Raises
    ------
    BadInput
        As `paired_differences`.
    """
    counted = [night for night in nights if night >= test.started][:NIGHTS]
    differences = paired_differences(challenger, champion, counted)
    path = e_path(differences, test.horizon) if counted else np.ones(1)
    needed = 1.0 / test.alpha
    above = np.flatnonzero(path >= needed)
    crossed = counted[int(above[0])] if len(above) else None
    outcome: Outcome = "superior" if crossed else "expired" if len(counted) == NIGHTS else "open"
    known = differences[~np.isnan(differences)]
    deviation = float(known.std(ddof=1)) if len(known) >= MIN_PAIRS else None
    detectable = _detectable(test, deviation)
    evidence = Evidence(
        outcome,
        float(path[-1]),
        float(path.max()),
        needed,
        len(counted),
        len(known),
        crossed,
        deviation,
        detectable,
        (),
    )
    return _with_reasons(evidence, test)


def _detectable(test: PairedTest, deviation: float | None) -> float | None:
    if not deviation:
        return None
    # Rounded up to half a hundredth: an estimate, and one simulation serves many nights.
    return minimum_detectable_edge(test.horizon, math.ceil(deviation * 200) / 200, test.alpha)


def _with_reasons(found: Evidence, test: PairedTest) -> Evidence:
    pairs = f"{found.pairs} pairs of {found.nights} nights since {test.started}"
    says = {
        "superior": f"{test.challenger} beats {test.champion}: evidence reached {found.needed:.0f} with the forecasts "
        f"of {found.crossed} ({pairs})",
        "open": f"{test.challenger} is not shown to beat {test.champion}: evidence {found.e_value:.2f}, at most "
        f"{found.highest:.2f}, needed {found.needed:.0f} ({pairs})",
        "expired": f"{test.challenger} did not beat {test.champion} within {found.nights} nights: evidence was at most "
        f"{found.highest:.2f}, needed {found.needed:.0f} ({pairs})",
    }
    reasons = [says[found.outcome]]
    if found.outcome != "superior" and found.deviation is not None:
        edge = "above 0.4" if found.detectable is None else f"{found.detectable:.4f}"
        reasons.append(
            f"the smallest edge that this test finds in 80 % of cases at {test.horizon} days is a rank IC of {edge}"
        )
    return replace(found, reasons=tuple(reasons))
