"""What the gates of a desk can see: the newest walk-forward's models, compared day by day."""

from __future__ import annotations

import datetime as dt

import polars as pl

from nightdesk.evaluation.sight import SIGHT, sight_of_pairs
from nightdesk.operations.night import Night
from nightdesk.scoring.intervals import mean_interval
from nightdesk.scoring.rank_ic import RANK_IC
from nightdesk.tables import HORIZON, MODEL


def sight(night: Night, walked: pl.DataFrame) -> pl.DataFrame:
    """Compare the best model at each horizon with every other one, and with the best baseline.

    `walked` is the newest walk-forward, as `store.decisions.newest_walk_forward` gives it. Returns rows of
    `evaluation.sight.SIGHT`; none of a walk-forward whose daily results are no longer there.
    """
    parts = [pl.DataFrame(schema=SIGHT)]
    for (horizon, as_of), rows in walked.partition_by(HORIZON, "as_of", as_dict=True, maintain_order=True).items():
        daily: dict[str, pl.DataFrame] = {}
        best = rows.row(0, named=True)
        for row in rows.filter(
            (pl.col("kind") == "model") | pl.col(MODEL).eq_missing(pl.lit(best["rival"], pl.String))
        ).iter_rows(named=True):
            if (found := daily_of(night, as_of, horizon, row[MODEL], row["mean"])) is not None:
                daily[row[MODEL]] = found
        others = [name for name in daily if name != best[MODEL]]
        if best[MODEL] in daily:
            parts.append(sight_of_pairs(daily, [(best[MODEL], other) for other in others], horizon))
    return pl.concat(parts)


def daily_of(night: Night, as_of: dt.date, horizon: int, model: str, mean: float | None) -> pl.DataFrame | None:
    """The daily results that `mean` is of: a night that was started again under other settings left others beside."""
    for path in sorted(night.home.evaluations(night.realm, as_of).glob(f"h{horizon}-{model}-*.parquet")):
        daily = pl.read_parquet(path)
        # Beside them lie those of each market, and what the model said of each symbol.
        whole = RANK_IC in daily.columns and "market" not in daily.columns
        if whole and mean_interval(daily[RANK_IC], horizon).mean == mean:
            return daily
    return None
