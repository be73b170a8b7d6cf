"""Why a symbol is recommended as it is, in words: the rule's figures, what drives the score, what is held, what bound.

Sentences say no more than the columns beside them; nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from nightdesk.recommend.holdings import COST, SHARES
from nightdesk.recommend.recommendations import (
    DOWN,
    EXPECTED,
    HELD_SHARES,
    NO_EDGE,
    ROUND_TRIP,
    TRUST,
    UP,
)
from nightdesk.recommend.sizing import (
    ACTION,
    BUY,
    BY_INVESTED,
    BY_LIQUIDITY,
    BY_POSITIONS,
    BY_RISK,
    BY_SECTOR,
    BY_TURNOVER,
    BY_VOLATILITY,
    BY_WEIGHT,
    EDGE,
    LIMITS,
    SECTOR,
    SELL,
    WEIGHT,
)
from nightdesk.tables import CLOSE, HORIZON, SYMBOL

DRIVERS: Final = 3
"""Features told of each kind: those that add most to the score, and those that take most from it."""

PROVEN: Final = "proven"

_BOUND: Final[Mapping[str, str]] = {
    BY_WEIGHT: "the limit on one name",
    BY_LIQUIDITY: "the share of the money traded a day that a position may be",
    BY_SECTOR: "the limit on its sector",
    BY_VOLATILITY: "the volatility target of the book",
    BY_TURNOVER: "the limit on turnover",
    BY_POSITIONS: "the number of names: others have more edge for their risk",
    BY_INVESTED: "the capital, all of which is invested",
    BY_RISK: "too little history to know its risk or the money traded in it",
}


@dataclass(frozen=True, slots=True)
class Driver:
    """What one feature adds to a score, and where its value stands among the symbols (0 lowest, 1 highest)."""

    feature: str
    meaning: str
    adds: float
    above: float | None


def reasons_of(row: Mapping[str, Any], drivers: Sequence[Driver] | None, untold: str = "") -> list[str]:
    """Say why one row of `recommendations` is as it is, a sentence each.

    `drivers` are what the features add to its score; None where that is not told, and `untold`, where it is not empty,
    says why.
    """
    told = [_rule(row), _trust(row)]
    if drivers is not None:
        told += [*_most(drivers, 1.0), *_most(drivers, -1.0)]
    elif untold:
        told.append(untold)
    return [sentence for sentence in (*told, _holding(row), _bound(row)) if sentence]


def notes_of(rows: pl.DataFrame, without_bar: Sequence[str], *, holdings_known: bool, sectors_known: bool) -> list[str]:
    """What has to be said of all of them together: where there is no edge, no proof, no calibration, no holdings."""
    told = []
    for horizon, own in _by_horizon(rows):
        days = f"{horizon} day{'' if horizon == 1 else 's'}"
        if own[EXPECTED].null_count() == own.height:
            told.append(
                f"At {days} the served model has no calibration yet: nothing is expected of it, so all is hold."
            )
        elif _flat(own):
            told.append(
                f"At {days} the model shows no edge that calibration could find, so nothing is a buy: every symbol is "
                "expected to return the same."
            )
        elif own.filter(pl.col(ACTION) == BUY).is_empty():
            told.append(f"At {days} no symbol's edge pays the cost of a round trip, so nothing is a buy.")
    unproven = [str(horizon) for horizon, own in _by_horizon(rows) if own[TRUST][0] != PROVEN]
    if unproven:
        told.append(
            f"Skill is not proven at {', '.join(unproven)} days: no evidence yet that the served model beats the best "
            "baseline."
        )
    if not holdings_known:
        told.append("No holdings were given (recommend.holdings): sizes are those of an empty book.")
    if not sectors_known:
        told.append("No sectors are known: the limit on sectors binds nothing.")
    if without_bar:
        told.append(
            f"Held, but not ranked tonight, so nothing is said of them and none is traded: {', '.join(without_bar)}."
        )
    return told


def _by_horizon(rows: pl.DataFrame) -> Iterable[tuple[int, pl.DataFrame]]:
    return ((part[HORIZON][0], part) for part in rows.partition_by(HORIZON, maintain_order=True))


def _flat(own: pl.DataFrame) -> bool:
    return own.filter(pl.col(EDGE).abs() > NO_EDGE).is_empty()


def _rule(row: Mapping[str, Any]) -> str:
    expected, edge, cost = row[EXPECTED], row[EDGE], row[ROUND_TRIP]
    if expected is None:
        return "hold: the served model has no calibrated number for it"
    if cost is None:
        return "hold: what trading it would cost is not known"
    said = f"expected to return {_percent(expected)}, {_percent(edge)} beside the mean of all; a round trip costs "
    said += f"{100 * cost:.2f} %"
    if row[UP] is not None:
        said += f"; up {100 * row[UP]:.0f} %, down {100 * row[DOWN]:.0f} %"
    if row[ACTION] in (BUY, SELL):
        return f"{row[ACTION]}: {said}"
    if abs(edge) <= NO_EDGE:
        return f"hold: calibration finds no edge; {said}"
    if edge > cost and expected <= cost:
        return f"hold: what it is expected to return does not pay for the trade; {said}"
    if abs(edge) <= cost:
        return f"hold: its edge does not pay for the trade; {said}"
    return f"hold: its direction does not agree with its edge; {said}"


def _trust(row: Mapping[str, Any]) -> str:
    if row[ACTION] not in (BUY, SELL) or row[TRUST] == PROVEN:
        return ""
    return f"trust: {row[TRUST] or 'unknown'}, nothing is proven about the model behind it"


def _most(drivers: Sequence[Driver], sign: float) -> list[str]:
    """The features that move the score most in one direction."""
    own = sorted((one for one in drivers if sign * one.adds > 0.0), key=lambda one: -sign * one.adds)[:DRIVERS]
    if not own:
        return []
    what = "adds most to its score" if sign > 0 else "takes most from its score"
    return [f"{what}: {'; '.join(_driver(one) for one in own)}"]


def _driver(one: Driver) -> str:
    where = "its value is missing" if one.above is None else f"higher than {100 * one.above:.0f} % of symbols"
    return f"{one.feature} ({one.meaning}), {where}, {one.adds:+.2g}"


def _holding(row: Mapping[str, Any]) -> str:
    held = row.get(HELD_SHARES)
    if not held:
        return ""
    paid = row.get(COST)
    gain = (
        "" if paid is None or row[CLOSE] is None else f", {_percent(row[CLOSE] / paid - 1.0)} since bought at {paid:g}"
    )
    shares = row.get(SHARES)
    after = "" if shares is None else f"; {shares:,.10g} are suggested"
    return f"held: {held:,.10g} shares{gain}{after}"


def _bound(row: Mapping[str, Any]) -> str:
    bound = row.get(LIMITS)
    if row.get(WEIGHT) is None:
        return "not sized: only symbols of the lead market are, as no currency is converted"
    if not bound:
        return ""
    sector = f" ({row[SECTOR]})" if BY_SECTOR in bound and row.get(SECTOR) else ""
    return f"its size is bound by {', and '.join(_BOUND[one] for one in bound)}{sector}"


def _percent(value: float) -> str:
    return f"{100 * value:+.2f} %"


def held_without(holdings: pl.DataFrame | None, rows: pl.DataFrame) -> list[str]:
    """The symbols that are held but not ranked tonight, sorted."""
    if holdings is None:
        return []
    ranked = rows[SYMBOL].unique().to_list()
    return sorted(holdings.filter(~pl.col(SYMBOL).is_in(ranked))[SYMBOL].to_list())
