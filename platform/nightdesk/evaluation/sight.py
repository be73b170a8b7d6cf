"""What a gate can and cannot see: how much pairs of models differ from day to day, and the edge that this hides."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
import polars as pl

from nightdesk.errors import BadInput
from nightdesk.evaluation.power import effective_days
from nightdesk.scoring.checks import check_columns, check_horizon
from nightdesk.scoring.rank_ic import RANK_IC
from nightdesk.tables import DATE, HORIZON

ALPHA: Final = 0.0125
"""Of one test: a quarter of the year's 5 %."""

DEVIATIONS: Final = (0.02, 0.04, 0.06, 0.08, 0.10, 0.12, 0.16, 0.20, 0.30)
NEVER: Final = math.inf
EDGES: Final[Mapping[int, tuple[float, ...]]] = {
    1: (0.0059, 0.0077, 0.0104, 0.0135, 0.0171, 0.0208, 0.028, 0.0359, 0.0565),
    2: (0.0107, 0.0129, 0.0158, 0.0192, 0.0233, 0.0281, 0.0384, 0.0487, 0.0762),
    5: (0.0256, 0.0282, 0.0317, 0.0358, 0.0411, 0.0469, 0.0605, 0.0764, 0.1175),
    10: (0.0509, 0.0542, 0.0584, 0.0631, 0.0688, 0.0753, 0.0918, 0.1109, 0.1681),
    20: (0.1053, 0.1098, 0.115, 0.1211, 0.1279, 0.1354, 0.1518, 0.1739, 0.2493),
    40: (0.2299, 0.2353, 0.2412, 0.2479, 0.2555, 0.2652, 0.2893, 0.3189, NEVER),
    60: (0.3796, 0.3936, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER, NEVER),
}
"""By horizon, the smallest edge found at each of DEVIATIONS: `power.minimum_detectable_edge` at ALPHA, in 504 nights,
which takes a second each; NEVER where even 0.4 is not found. `make proof` reckons them anew."""

SIGHT: Final = {
    HORIZON: pl.Int64(),
    "model": pl.String(),
    "rival": pl.String(),
    "days": pl.Int64(),
    "deviation": pl.Float64(),
    "correlation": pl.Float64(),
    "worth": pl.Float64(),
    "edge": pl.Float64(),
}
"""A pair of models at a horizon: `days` that both have, the standard deviation of their daily difference in rank IC and
the correlation of the two, how many independent days these are worth, and the smallest steady edge that a test of 504
nights finds in 80 % of cases (infinite: none up to 0.4). Null where undefined."""


def sight_of_pairs(daily: Mapping[str, pl.DataFrame], pairs: Iterable[tuple[str, str]], horizon: int) -> pl.DataFrame:
    """Measure pairs of models on the days that both have: a row of SIGHT a pair, in their order.

    Parameters
    ----------
    daily
        date and rank_ic (null where undefined) of each model, by name.
    pairs
        Names of models to compare; a pair of which one has no rank IC on any shared day is left out.
    horizon
        Trading days held, 1 to 60.

    Raises
    ------
    BadInput
        The horizon breaks its rule, or a column is missing.
    """
    check_horizon(horizon)
    rows = []
    for model, rival in pairs:
        for name in (model, rival):
            check_columns(daily[name], [DATE, RANK_IC])
        mine, other = daily[model].select(DATE, RANK_IC), daily[rival].select(DATE, pl.col(RANK_IC).alias("rival"))
        shared = mine.join(other, on=DATE).drop_nulls().sort(DATE)
        if shared.height < 2:
            continue
        difference = shared[RANK_IC] - shared["rival"]
        deviation = float(difference.std())  # type: ignore[arg-type]
        together = np.corrcoef(shared[RANK_IC], shared["rival"])[0, 1] if _vary(shared) else None
        worth = effective_days(difference, horizon)
        edge = smallest_edge(horizon, deviation) if deviation > 0.0 else None
        rows.append((horizon, model, rival, shared.height, deviation, together, worth, edge))
    return pl.DataFrame(rows, schema=SIGHT, orient="row")


def smallest_edge(horizon: int, deviation: float) -> float:
    """The smallest steady edge in daily rank IC that a test finds in time, read between the values of EDGES.

    `deviation` is the standard deviation of the paired differences; one below the table's counts as its lowest, one
    above goes on as its last two do. Infinite where even 0.4 is not found.

    Raises
    ------
    BadInput
        The horizon breaks its rule, or the deviation is not above 0.
    """
    check_horizon(horizon)
    if not (deviation > 0.0 and math.isfinite(deviation)):
        raise BadInput(f"deviation must be above 0, got {deviation}: give that of paired differences over days")
    known = sorted(EDGES)
    below = known[bisect.bisect_right(known, horizon) - 1]
    above = known[min(bisect.bisect_left(known, horizon), len(known) - 1)]
    low, high = _at(below, deviation), _at(above, deviation)
    if below == above or math.isinf(high):
        return high
    share = math.log(horizon / below) / math.log(above / below)
    return math.exp(math.log(low) + share * math.log(high / low))


def _at(horizon: int, deviation: float) -> float:
    """The edge at a horizon of the table, straight between its deviations."""
    edges = EDGES[horizon]
    if deviation <= DEVIATIONS[0]:
        return edges[0]
    place = min(bisect.bisect_left(DEVIATIONS, deviation), len(DEVIATIONS) - 1)
    if math.isinf(edges[place]):
        return NEVER
    share = (deviation - DEVIATIONS[place - 1]) / (DEVIATIONS[place] - DEVIATIONS[place - 1])
    return edges[place - 1] + share * (edges[place] - edges[place - 1])


def _vary(shared: pl.DataFrame) -> bool:
    return all(shared[name].n_unique() > 1 for name in (RANK_IC, "rival"))
