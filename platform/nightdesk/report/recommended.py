"""The recommendations as the morning report shows them: what to act on and what is held, horizon by horizon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from nightdesk.publish.publication import Recommended
from nightdesk.recommend.recommendations import HELD_SHARES
from nightdesk.recommend.sizing import ACTION, BUY, HOLD, SELL, WEIGHT
from nightdesk.tables import HORIZON

SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class RecommendedPart:
    """One horizon: how many of each action, and the buys with the largest sizes, then what is held."""

    horizon: int
    rows: list[dict[str, Any]]
    buys: int
    sells: int
    holds: int


def recommended_parts(recommended: Recommended | None) -> list[RecommendedPart]:
    """What the page shows of them; nothing where nothing was recommended."""
    if recommended is None:
        return []
    held = pl.col(HELD_SHARES).fill_null(0.0) > 0.0
    parts = []
    for own in recommended.rows.partition_by(HORIZON, maintain_order=True):
        buys = own.filter(pl.col(ACTION) == BUY).sort(WEIGHT, "rank", descending=[True, False], nulls_last=True)
        others = own.filter(held, pl.col(ACTION) != BUY).sort("rank")
        counts = {action: own.filter(pl.col(ACTION) == action).height for action in (BUY, SELL, HOLD)}
        shown = pl.concat([buys.head(SHOWN), others.head(SHOWN)]).to_dicts()
        parts.append(RecommendedPart(own[HORIZON][0], shown, counts[BUY], counts[SELL], counts[HOLD]))
    return parts
