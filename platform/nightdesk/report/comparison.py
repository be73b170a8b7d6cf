"""Renders a comparison of recipes with all baselines as a page: no script, nothing from outside."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from nightdesk.report import wording
from nightdesk.report.against_baselines import against_part
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
    return _template().render(
        as_of=as_of,
        first=span[0],
        last=span[1],
        means=[(int(horizon), rows.to_dicts()) for (horizon,), rows in parts.items()],
        against=against_part(table),
        notes=notes,
        words=wording,
    )


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {one.__name__: one for one in (wording.signed, wording.between, wording.count)}
    return environment.get_template(TEMPLATE)
