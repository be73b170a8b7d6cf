"""A picture of probabilities beside what happened: on the diagonal they keep their word."""

from __future__ import annotations

from typing import Any, Final

import polars as pl
from matplotlib import style
from matplotlib.figure import Figure

from nightdesk.ensemble.reliability import FORECAST, OBSERVED, ROWS
from nightdesk.report.pictures import _STYLE, BLUE, FAINT, GREY, WIDTH, _axes, _svg

_ENDS: Final = (0.0, 1.0)


def reliability_picture(table: pl.DataFrame, what: str) -> str:
    """Draw a dot and a whisker (95 %) a bin over the diagonal, and how many forecasts each bin holds beneath.

    Parameters
    ----------
    table
        As `ensemble.reliability.reliability_table` gives it: probabilities, 0 to 1; no whisker where one is null.
    what
        What was forecast, in words: `up`.

    Returns
    -------
    str
        An `<svg>` element, without script or reference, the same bytes for the same numbers.
    """
    rows = table.to_dicts()
    with style.context(["default", _STYLE, {"svg.hashsalt": f"reliability-{what}"}]):
        figure = Figure(figsize=(WIDTH, WIDTH))
        _dots_on_a_diagonal(_axes(figure, left=0.55), rows, what)
        return _svg(figure, f"Probabilities of {what} and how often it happened: {_said(rows)}.")


def _said(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "Nothing was forecast"
    return "; ".join(f"forecast {row[FORECAST]:.0%}, happened {row[OBSERVED]:.0%} of {row[ROWS]}" for row in rows)


def _dots_on_a_diagonal(axes: Any, rows: list[dict[str, Any]], what: str) -> None:
    axes.plot(_ENDS, _ENDS, color=FAINT, linewidth=1.0, zorder=0)
    total = sum(row[ROWS] for row in rows)
    for row in rows:
        axes.bar(row["from"], 0.3 * row[ROWS] / total, row["to"] - row["from"], align="edge", color=FAINT, alpha=0.6)
        if row["lower"] is not None and row["upper"] is not None:
            axes.plot([row[FORECAST]] * 2, [row["lower"], row["upper"]], color=GREY, linewidth=1.4)
        axes.plot([row[FORECAST]], [row[OBSERVED]], color=BLUE, marker="o", markersize=5, clip_on=False)
    axes.set_xlim(_ENDS)
    axes.set_ylim(_ENDS)
    axes.set_xlabel(f"probability of {what} as forecast", fontsize=9)
    axes.set_ylabel("share that happened", fontsize=9)
