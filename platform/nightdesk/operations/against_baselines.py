"""The table of all models against all baselines of a desk's newest walk-forward: what the morning report shows."""

from __future__ import annotations

import polars as pl

from nightdesk.evaluation.against_baselines import DAILY, against_baselines
from nightdesk.operations.night import Night
from nightdesk.operations.sight import daily_of
from nightdesk.tables import HORIZON, MODEL


def newest_comparison(night: Night, walked: pl.DataFrame) -> pl.DataFrame:
    """Compare every model of the newest walk-forward with every baseline of it, on the days that both have.

    `walked` is that walk-forward, as `store.decisions.newest_walk_forward` gives it: of an earlier night where this one
    fitted nothing. Returns rows of `evaluation.against_baselines.COMPARED`; none of one whose daily results are gone.
    """
    parts = [pl.DataFrame(schema=DAILY)]
    for row in walked.filter(pl.col("mean").is_not_null()).iter_rows(named=True):
        daily = daily_of(night, row["as_of"], row[HORIZON], row[MODEL], row["mean"])
        if daily is not None:
            named = (pl.lit(row[name]).alias(name) for name in (HORIZON, MODEL, "kind"))
            parts.append(daily.with_columns(named).select(*DAILY).cast(DAILY))  # type: ignore[arg-type]
    return against_baselines(pl.concat(parts))
