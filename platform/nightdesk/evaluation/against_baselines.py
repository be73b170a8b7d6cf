"""Every model against every baseline, day by day: at each horizon, over all days and by calendar year."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import polars as pl

from nightdesk.errors import BadInput
from nightdesk.scoring.checks import check_columns
from nightdesk.scoring.intervals import paired_interval
from nightdesk.scoring.rank_ic import RANK_IC
from nightdesk.tables import DATE, HORIZON, MODEL

KIND: Final = "kind"
A_MODEL, A_BASELINE = "model", "baseline"

DAILY: Final = {
    HORIZON: pl.Int64(),
    MODEL: pl.String(),
    KIND: pl.String(),
    DATE: pl.Date(),
    RANK_IC: pl.Float64(),
}
"""Daily rank IC out of sample of models and baselines (`kind`), null where undefined."""

COMPARED: Final = {
    HORIZON: pl.Int64(),
    MODEL: pl.String(),
    "baseline": pl.String(),
    "year": pl.Int64(),
    "days": pl.Int64(),
    "mean": pl.Float64(),
    "baseline_mean": pl.Float64(),
    "difference": pl.Float64(),
    "lower": pl.Float64(),
    "upper": pl.Float64(),
    "joint_lower": pl.Float64(),
    "joint_upper": pl.Float64(),
}
"""A model and a baseline on the days that both have: their mean rank IC, and the mean of their daily difference with
its 95 % interval. `year` is null for all days together, and only there is a joint interval. Null where undefined."""


def against_baselines(daily: pl.DataFrame, level: float = 0.95) -> pl.DataFrame:
    """Compare each model with each baseline on the days that both have.

    Parameters
    ----------
    daily
        Columns of `DAILY`. Models and baselines keep their order. One without a rank IC on any day is in no pair.
    level
        Confidence of intervals, a fraction.

    Returns
    -------
    DataFrame
        Rows of `COMPARED`: of each pair one of all days, then one a calendar year. Each interval allows for the overlap
        of labels (`intervals.paired_interval`), and is undefined below max(20, 3 horizon) days. The joint ones of all
        defined rows hold at once with a chance of `level` at least (Bonferroni), however the pairs depend on each
        other: whoever picks the best of many looks at those.

    Raises
    ------
    BadInput
        A column is missing, a model's day stands twice, a kind is neither model nor baseline, or a value is infinite.
    """
    check_columns(daily, list(DAILY))
    if daily.select(HORIZON, MODEL, DATE).is_duplicated().any():
        raise BadInput("a model must have one rank IC a day and horizon, got two: give each walk-forward once")
    odd = set(daily[KIND].unique()) - {A_MODEL, A_BASELINE}
    if odd:
        raise BadInput(f"kind must be {A_MODEL} or {A_BASELINE}, got {', '.join(sorted(map(str, odd)))}: name one")
    pairs = list(_pairs(daily))
    rows = [row for pair in pairs for row in _rows(*pair, level)]
    # How many comparisons there are is known only now.
    judged = sum(row["year"] is None and row["difference"] is not None for row in rows)
    together = 1.0 - (1.0 - level) / max(1, judged)
    whole = (row for row in rows if row["year"] is None)
    for row, (horizon, _, _, shared) in zip(whole, pairs, strict=True):
        found = paired_interval(shared[RANK_IC], shared["rival"], horizon, together)
        row |= {"joint_lower": found.lower, "joint_upper": found.upper}
    return pl.DataFrame(rows, schema=COMPARED)


def _pairs(daily: pl.DataFrame) -> Iterator[tuple[int, str, str, pl.DataFrame]]:
    """Horizon, model, baseline, and date, rank_ic and rival on the days that both have; none without such a day."""
    known = daily.drop_nulls(RANK_IC)
    for (horizon,), rows in known.partition_by(HORIZON, as_dict=True, maintain_order=True).items():
        of_kind = {
            kind: rows.filter(pl.col(KIND) == kind).partition_by(MODEL, as_dict=True, maintain_order=True)
            for kind in (A_MODEL, A_BASELINE)
        }
        for (model,), own in of_kind[A_MODEL].items():
            for (baseline,), other in of_kind[A_BASELINE].items():
                rival = other.select(DATE, pl.col(RANK_IC).alias("rival"))
                shared = own.select(DATE, RANK_IC).join(rival, on=DATE).sort(DATE)
                if shared.height:
                    yield int(horizon), str(model), str(baseline), shared


def _rows(horizon: int, model: str, baseline: str, shared: pl.DataFrame, level: float) -> Iterator[dict[str, Any]]:
    years = shared.with_columns(year=pl.col(DATE).dt.year()).partition_by("year", as_dict=True, maintain_order=True)
    slices = [(None, shared), *((int(year), part) for (year,), part in years.items())]
    for slice_year, part in slices:
        found = paired_interval(part[RANK_IC], part["rival"], horizon, level)
        yield {
            HORIZON: horizon,
            MODEL: model,
            "baseline": baseline,
            "year": slice_year,
            "days": part.height,
            "mean": part[RANK_IC].mean(),
            "baseline_mean": part["rival"].mean(),
            "difference": found.mean,
            "lower": found.lower,
            "upper": found.upper,
            "joint_lower": None,
            "joint_upper": None,
        }
