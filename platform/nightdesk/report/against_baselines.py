"""Every model against every baseline, as a page shows it: what it comes to in sentences, and the rows of its tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from nightdesk.report import wording
from nightdesk.tables import HORIZON, MODEL

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class AgainstBaselines:
    """What the comparison comes to, how luck counts in it, and its rows by horizon: of all days, and of each year."""

    conclusion: str
    luck: str
    pairs: Sequence[tuple[int, Rows]]
    years: Sequence[tuple[int, Rows]]


def against_part(compared: pl.DataFrame | None) -> AgainstBaselines | None:
    """What a page shows of `evaluation.against_baselines.COMPARED`; None where nothing was compared."""
    if compared is None or compared.is_empty():
        return None
    parts = [compared.filter(pl.col("year").is_null()), compared.filter(pl.col("year").is_not_null())]
    pairs, years = (
        [
            (int(horizon), rows.to_dicts())
            for (horizon,), rows in part.partition_by(HORIZON, as_dict=True, maintain_order=True).items()
        ]
        for part in parts
    )
    return AgainstBaselines(conclusion(compared), luck(compared), pairs, years)


def conclusion(compared: pl.DataFrame) -> str:
    """Who beats every baseline, and where: one sentence, reckoned from rows of `COMPARED`."""
    alone, together = _champions(compared, "lower"), _champions(compared, "joint_lower")
    if together:
        more = [one for one in alone if one not in together]
        said = f"{wording.listed(together)} beat{'s' if len(together) == 1 else ''} every baseline"
        also = f"; by their own intervals alone also {wording.listed(more)}" if more else ""
        return f"{said}, all comparisons judged together{also}."
    if alone:
        verb = "beats" if len(alone) == 1 else "beat"
        return (
            f"{wording.listed(alone)} {verb} every baseline by the 95 % intervals of each comparison alone; with all "
            "comparisons judged together none does."
        )
    return "No model beats every baseline at any horizon."


def luck(compared: pl.DataFrame) -> str:
    """How many differences stand out, and how many would by luck alone."""
    judged = compared.filter(pl.col("year").is_null() & pl.col("difference").is_not_null())
    count = judged.height
    if not count:
        return "No difference has an interval yet: there are too few days."
    above, below = int((judged["lower"] > 0).sum()), int((judged["upper"] < 0).sum())
    joint_above, joint_below = int((judged["joint_lower"] > 0).sum()), int((judged["joint_upper"] < 0).sum())
    return (
        f"Of {count} differences between a model and a baseline over all days, {above} lie above zero with their whole "
        f"95 % interval and {below} below. If there were none in truth, about {0.025 * count:.1f} would lie on each "
        f"side by luck alone. With intervals so wide that all {count} hold at once in 95 % of cases (Bonferroni), "
        f"{joint_above} lie above and {joint_below} below. Years are for reading: nothing is judged by them."
    )


def _champions(compared: pl.DataFrame, bound: str) -> list[str]:
    """Models at horizons (`ridge at 5 days`) of which this bound lies above zero against every baseline."""
    whole = compared.filter(pl.col("year").is_null())
    found = whole.group_by(MODEL, HORIZON, maintain_order=True).agg(
        ((pl.col(bound) > 0).fill_null(value=False)).all().alias("beats")
    )
    return [
        f"{model} at {wording.in_days([horizon])}"
        for model, horizon in found.filter("beats").select(MODEL, HORIZON).iter_rows()
    ]
