"""A picture of one feature of one symbol, under the closes that it was made from."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Sequence
from typing import Any, Final

from matplotlib import style
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from nightdesk.report.pictures import BLUE, FAINT, GREY, INK

STYLE: Final = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 10.0,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": GREY,
    "xtick.color": GREY,
    "ytick.color": INK,
    "svg.hashsalt": "feature",
}
NO_METADATA: Final = dict.fromkeys(("Date", "Creator", "Format", "Type"))


def feature_picture(
    title: str, unit: str, dates: Sequence[dt.date], closes: Sequence[float | None], values: Sequence[float | None]
) -> str:
    """Draw closes above and the feature beneath, on one axis of dates; a null is a gap in its line.

    `dates` (sorted), `closes` (in the instrument's currency) and `values` (in `unit`) have one length, at least 1.
    Returns an SVG document, the same bytes for the same numbers.
    """
    with style.context(["default", STYLE]):
        figure = Figure(figsize=(9.0, 4.6))
        price = figure.add_axes((0.09, 0.56, 0.88, 0.34))
        below = figure.add_axes((0.09, 0.11, 0.88, 0.38), sharex=price)
        figure.text(0.09, 0.94, title, fontsize=12, fontweight="bold")
        _line(price, dates, closes, GREY, "close")
        _line(below, dates, values, BLUE, unit)
        price.tick_params(labelbottom=False)
        locator = AutoDateLocator()
        below.xaxis.set_major_locator(locator)
        below.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata=NO_METADATA)
    return written.getvalue()


def _line(axes: Any, dates: Sequence[dt.date], values: Sequence[float | None], colour: str, unit: str) -> None:
    known = [float("nan") if value is None else value for value in values]
    axes.plot(dates, known, color=colour, linewidth=1.2)
    axes.set_ylabel(unit if len(unit) <= 28 else f"{unit[:27]}…", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
