"""Renders a comparison of recipes with all baselines as a page: no script, nothing from outside."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import polars as pl

from nightdesk.report import wording
from nightdesk.report.against_baselines import against_part
from nightdesk.report.template import template
from nightdesk.tables import HORIZON

TEMPLATE = "comparison.html.jinja"


def render_comparison(
    as_of: dt.date, span: tuple[dt.date, dt.date], means: pl.DataFrame, table: pl.DataFrame, notes: Sequence[str]
) -> str:
    """Render the page: HTML, byte for byte the same for equal frames; what is undefined is said to be.

    `span` is the first and the last day that was forecast; `means` has horizon, model, kind, mean, lower, upper, days,
    and `table` is as `evaluation.against_baselines.COMPARED`.
    """
    parts = means.partition_by(HORIZON, as_dict=True, maintain_order=True)
    return template(TEMPLATE).render(
        as_of=as_of,
        first=span[0],
        last=span[1],
        means=[(int(horizon), rows.to_dicts()) for (horizon,), rows in parts.items()],
        against=against_part(table),
        notes=notes,
        words=wording,
    )
