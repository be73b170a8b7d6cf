"""A picture of a selection over time: which features were chosen on which day, and how often."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib import style

from nightdesk.report.feature_picture import STYLE
from nightdesk.report.row_drawing import (
    GROWING,
    LEFT,
    ROW,
    axes_in_inches,
    blue,
    figure_with_title,
    row_names,
    svg_of,
)
from nightdesk.selection.selector import Mask
from nightdesk.selection.stability import Agreement

ROWS: Final = 40
"""Rows of a picture at most."""


def selection_picture(
    title: str, days: Sequence[dt.date], names: Sequence[str], chosen: Mask, agreed: Agreement
) -> str:
    """Draw which features were chosen on which day, and how often; returns an SVG document.

    `chosen` is days by features. Features that were never chosen are left out, and so are those beyond the ROWS that
    were chosen most often.
    """
    ever = [int(place) for place in np.argsort(-agreed.share, kind="stable") if agreed.share[place] > 0]
    shown = ever[:ROWS]
    beside = f"; without {len(ever) - ROWS} that were chosen more seldom" if ever[ROWS:] else ""
    height, width, bar = ROW * len(shown), max(0.3 * len(days), 2.0), 1.6
    stable = "stability undefined"
    if agreed.stability is not None:
        stable = f"stability {agreed.stability:.2f} ({agreed.lower:.2f} to {agreed.upper:.2f})"
    note = f"{stable}; {len(names) - len(ever)} of {len(names)} features never chosen{beside}"
    with style.context(["default", STYLE]):
        figure = figure_with_title(title, note, width + 0.3 + bar, height)
        when = axes_in_inches(figure, LEFT, width, height)
        when.pcolormesh(chosen[:, shown].T.astype(float), cmap=GROWING, vmin=0.0, vmax=1.3, edgecolor="white")
        row_names(when, [names[place] for place in shown])
        sides = [0, len(days) - 1] if len(days) > 1 else [0]
        when.set_xticks([place + 0.5 for place in sides], [str(days[place]) for place in sides], fontsize=8)
        when.set_xlabel("training up to", fontsize=8)
        often = axes_in_inches(figure, LEFT + width + 0.3, bar, height)
        often.barh(np.arange(len(shown)) + 0.5, agreed.share[shown], height=0.6, color=blue(0.95))
        row_names(often, [""] * len(shown))
        often.set_xlim(0.0, 1.0)
        often.set_xticks([0.0, 0.5, 1.0], ["0", "50 %", "100 %"], fontsize=8)
        often.set_xlabel("chosen", fontsize=8)
        return svg_of(figure)
