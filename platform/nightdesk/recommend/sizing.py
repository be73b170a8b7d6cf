"""Suggested weights: expected edge over variance, long only, under every limit at once; and which limit bound a name.

First what cannot be sold tonight is set aside. What is wanted above that is cut back by the limits on a name, on a
sector, on what is invested and on volatility; the step from what is held to there is shortened to the limit on
turnover. Each limit is convex, so what lies between two books that keep it keeps it too: a limit is broken only where
what is held breaks it already and cannot be mended tonight, and never by more than that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from nightdesk.errors import BadInput
from nightdesk.recommend.risk import DOLLAR_VOLUME, VOLATILITY
from nightdesk.scoring.checks import check_columns
from nightdesk.scoring.metrics import EQUITY_DAYS
from nightdesk.scoring.observed import FloatArray
from nightdesk.tables import SYMBOL

BoolArray = npt.NDArray[np.bool_]

BUY, HOLD, SELL = "buy", "hold", "sell"
ACTION, EDGE, SECTOR, HELD, TRADABLE = "action", "edge", "sector", "held_weight", "tradable"
WEIGHT, LIMITS = "weight", "limits"

BY_WEIGHT, BY_LIQUIDITY, BY_SECTOR, BY_VOLATILITY = "max_weight", "liquidity", "sector", "volatility"
BY_TURNOVER, BY_POSITIONS, BY_INVESTED, BY_RISK = "turnover", "positions", "invested", "unknown_risk"
"""What bound a name. `invested`: the capital is all there is; `unknown_risk`: it has too little history to be sized."""

_CLOSE: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Limits:
    """What suggested weights keep to; weights are fractions of `capital`, which is in the currency of the prices.

    Attributes
    ----------
    positions
        Names held at most.
    max_weight, max_sector_weight
        Of one name, of one sector; symbols without a sector count as one of their own.
    max_participation
        Share of the money traded a day in a name that a position, and each trade in it, may come to.
    max_turnover
        Bought and sold together in one night, over the capital; only where holdings are known.
    volatility_target
        Annualised, of the whole book as it would have been over the last year of days.
    """

    capital: float
    positions: int
    max_weight: float
    max_sector_weight: float
    max_participation: float
    max_turnover: float
    volatility_target: float

    def __post_init__(self) -> None:
        """Refuse a limit that is not above 0."""
        for one in fields(self):
            value = getattr(self, one.name)
            if not 0.0 < value < math.inf:
                raise BadInput(f"{one.name} must be above 0, got {value}: raise it")


@dataclass(frozen=True, slots=True, eq=False)
class _Names:
    """The candidates as arrays, one place a symbol."""

    buys: BoolArray
    kept: BoolArray
    edge: FloatArray
    volatility: FloatArray
    sector: npt.NDArray[np.intp]
    sectors: int
    held: FloatArray
    tradable: FloatArray
    """What can be bought, or sold, tonight: a weight."""


def sized(
    candidates: pl.DataFrame,
    returns: FloatArray,
    limits: Limits,
    *,
    holdings_known: bool,
    annual_days: int = EQUITY_DAYS,
) -> pl.DataFrame:
    """Suggest a weight for each candidate.

    Parameters
    ----------
    candidates
        symbol (each once), action (buy, hold, sell), edge (expected return beyond the market's, fraction; only of a buy
        is it read), volatility (annualised), dollar_volume (a day, currency), sector, held_weight (0 where none is
        held), tradable (whether it has a bar tonight). Null edge, volatility or dollar_volume: nothing of it is bought;
        a null dollar_volume: nothing of it is sold either. A held name that is no buy and no sell is kept, cut back to
        its limits.
    returns
        Daily returns of the candidates over the last year (fractions), shape (days, candidates).
    holdings_known
        Whether held_weight says what is held; where it does not, there is no turnover to limit.

    Returns
    -------
    DataFrame
        symbol, weight (fraction of the capital; the rest is cash), limits (which bound it), in the order of
        `candidates`. The same input gives the same weights.

    Raises
    ------
    BadInput
        A column is missing, a symbol is there twice, or the returns do not fit.
    """
    check_columns(candidates, [SYMBOL, ACTION, EDGE, VOLATILITY, DOLLAR_VOLUME, SECTOR, HELD, TRADABLE])
    if candidates[SYMBOL].n_unique() != candidates.height or returns.shape[1:] != (candidates.height,):
        raise BadInput(
            f"each candidate must be there once and have a column of returns, got {candidates.height} rows of "
            f"{candidates[SYMBOL].n_unique()} symbols and {returns.shape} returns: make them one to one"
        )
    names, bound = _names(candidates, limits), [set[str]() for _ in range(candidates.height)]
    risk = returns * math.sqrt(annual_days)
    leaving = (names.held > 0.0) & ~names.buys & ~names.kept & (names.held <= names.tradable)
    staying = int(np.count_nonzero((names.held > 0.0) & ~leaving))
    target = _target(names, risk, limits, limits.positions - staying, bound)
    moved = float(np.abs(target - names.held).sum())
    if holdings_known and moved > limits.max_turnover:
        # What leaves in part still takes a place: as many new names as there are places free before any sale.
        bound = [set() for _ in bound]
        free = limits.positions - int(np.count_nonzero(names.held > 0.0))
        target = _target(names, risk, limits, free, bound)
        moved = float(np.abs(target - names.held).sum())
    weights = target
    if holdings_known and moved > limits.max_turnover:
        step = target - names.held
        weights = names.held + step * (limits.max_turnover / moved)
        _mark(bound, np.abs(step) > _CLOSE, BY_TURNOVER)
    return candidates.select(
        SYMBOL,
        pl.Series(WEIGHT, np.where(weights > _CLOSE, weights, 0.0), dtype=pl.Float64),
        pl.Series(LIMITS, [sorted(one) for one in bound], dtype=pl.List(pl.String)),
    )


def _names(candidates: pl.DataFrame, limits: Limits) -> _Names:
    def numbers(column: str) -> FloatArray:
        found: FloatArray = candidates[column].cast(pl.Float64).fill_null(float("nan")).to_numpy().copy()
        return found

    held = np.nan_to_num(numbers(HELD), nan=0.0)
    volatility, edge = numbers(VOLATILITY), numbers(EDGE)
    with np.errstate(invalid="ignore"):
        tradable = np.nan_to_num(limits.max_participation * numbers(DOLLAR_VOLUME) / limits.capital, nan=0.0)
        wanted = (candidates[ACTION] == BUY).to_numpy() & (edge > 0.0)
    tradable = np.where(candidates[TRADABLE].to_numpy(), tradable, 0.0)
    sells = (candidates[ACTION] == SELL).to_numpy()
    known = bool(candidates[SECTOR].is_not_null().any())
    _, codes = np.unique(np.array(candidates[SECTOR].fill_null("").to_list(), dtype=np.str_), return_inverse=True)
    return _Names(
        wanted,
        (held > 0.0) & ~wanted & ~sells,
        edge,
        volatility,
        codes,
        # Where no sector is known at all there is nothing that a limit on sectors could speak of.
        int(codes.max(initial=-1)) + 1 if known else 0,
        held,
        tradable,
    )


def _target(names: _Names, risk: FloatArray, limits: Limits, places: int, bound: list[set[str]]) -> FloatArray:
    """Where the book should go if turnover were free, from what cannot be sold tonight upwards."""
    held, ceiling = names.held, np.minimum(limits.max_weight, names.tradable)
    floor = np.maximum(0.0, held - names.tradable)
    chosen = _chosen(names, ceiling, places, bound)
    # A buy that is held and cannot be sized is not for that sold.
    kept = names.kept | (names.buys & (held > 0.0) & ~chosen)
    desired = np.where(kept, np.minimum(held, ceiling), 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        strength = np.where(chosen, names.edge / names.volatility**2, 0.0)
    free = 1.0 - float(np.maximum(np.where(chosen, 0.0, desired), np.where(chosen, 0.0, floor)).sum())
    desired = desired + _filled(strength, ceiling, max(0.0, free))
    at_ceiling = (desired >= ceiling - _CLOSE) & (chosen | kept)
    _mark(bound, at_ceiling & (ceiling >= limits.max_weight), BY_WEIGHT)
    _mark(bound, (at_ceiling & (ceiling < limits.max_weight)) | (floor > desired), BY_LIQUIDITY)
    more = np.maximum(0.0, desired - floor)
    for sector in range(names.sectors):
        own = names.sector == sector
        more = _within(more, own, limits.max_sector_weight - float(floor[own].sum()), BY_SECTOR, bound)
    more = _within(more, np.ones(len(more), dtype=np.bool_), 1.0 - float(floor.sum()), BY_INVESTED, bound)
    calm = _calm_share(risk @ floor, risk @ more, limits.volatility_target)
    if calm < 1.0:
        _mark(bound, more > _CLOSE, BY_VOLATILITY)
    return floor + calm * more


def _chosen(names: _Names, ceiling: FloatArray, places: int, bound: list[set[str]]) -> BoolArray:
    """The buys that find a place, the best edge for its volatility first; what is held already needs no new one."""
    with np.errstate(invalid="ignore", divide="ignore"):
        worth = names.edge / names.volatility
        sizeable = names.buys & (names.volatility > 0.0) & (ceiling > 0.0) & np.isfinite(worth)
    _mark(bound, names.buys & ~sizeable, BY_RISK)
    chosen = sizeable & (names.held > 0.0)
    fresh = np.flatnonzero(sizeable & ~chosen)
    ordered = fresh[np.argsort(-worth[fresh], kind="stable")]
    chosen[ordered[: max(0, places)]] = True
    _mark(bound, sizeable & ~chosen, BY_POSITIONS)
    return chosen


def _filled(strength: FloatArray, ceiling: FloatArray, total: float) -> FloatArray:
    """Share `total` in proportion to `strength`, none above its ceiling; what one cannot take goes to the others."""
    weights, left, hungry = np.zeros(len(strength)), total, strength > 0.0
    while hungry.any() and left > _CLOSE:
        share = np.where(hungry, left * strength / strength[hungry].sum(), 0.0)
        full = hungry & (share >= ceiling)
        if not full.any():
            return np.where(hungry, share, weights)
        weights[full] = ceiling[full]
        left -= float(ceiling[full].sum())
        hungry &= ~full
    return weights


def _within(more: FloatArray, own: BoolArray, room: float, limit: str, bound: list[set[str]]) -> FloatArray:
    """Scale what is wanted of `own` down to the room there is."""
    wanted = float(more[own].sum())
    if wanted <= max(0.0, room):
        return more
    _mark(bound, own & (more > _CLOSE), limit)
    return np.where(own, more * (max(0.0, room) / wanted), more)


def _calm_share(base: FloatArray, more: FloatArray, target: float) -> float:
    """The largest share of `more` at which `base` and it together stay at `target`; returns are annualised by days."""
    if len(base) < 2:
        return 1.0
    (c, b), (_, a) = np.cov(base, more)
    if c + 2.0 * b + a <= target**2:
        return 1.0
    if c >= target**2:
        return 0.0
    left = target**2 - c
    return float(left / (b + math.sqrt(b * b + a * left)))


def _mark(bound: list[set[str]], places: BoolArray, limit: str) -> None:
    for place in np.flatnonzero(places):
        bound[place].add(limit)
