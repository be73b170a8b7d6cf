"""Pictures of what each feature adds to scores: a dot a symbol of one night, and how that changes by retrain."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib import style

from nightdesk.report.feature_picture import STYLE
from nightdesk.report.pictures import FAINT
from nightdesk.report.row_drawing import GROWING, LEFT, axes_in_inches, colour_bar, figure_with_title, row_names, svg_of
from nightdesk.scoring.observed import FloatArray

MOST: Final = 20
"""Features of a picture at most."""

DOTS: Final = 250
"""Symbols of a picture at most: of more, so many evenly by rank."""

_ROW: Final = 0.28  # inches
_WIDTH: Final = 5.0
_SPREAD: Final = 0.32  # of a row, upwards and downwards


def explanation_picture(title: str, names: Sequence[str], added: FloatArray, above: FloatArray) -> str:
    """Draw what each feature added to each score (symbols by features), those that move scores most first.

    Symbols come by rank. `above` is the share of them whose value is lower (0 to 1; NaN where missing, and then drawn
    in the middle's grey). Returns an SVG document, the
    same bytes for the same numbers.
    """
    size = np.abs(added).mean(axis=0)
    shown = [int(place) for place in np.argsort(-size, kind="stable")[:MOST] if size[place] > 0.0]
    rest = int((size > 0.0).sum()) - len(shown)
    drawn = np.arange(len(added)) if len(added) <= DOTS else np.arange(DOTS) * len(added) // DOTS
    note = f"a dot a symbol, {len(drawn)} of {len(added)}; blue: its value is low, red: high" + (
        f"; {rest} features that move scores less are left out" if rest else ""
    )
    height = _ROW * max(len(shown), 1)
    with style.context(["default", STYLE]):
        figure = figure_with_title(title, note, _WIDTH, height)
        axes = axes_in_inches(figure, LEFT, _WIDTH, height)
        axes.axvline(0.0, color=FAINT, linewidth=0.8, zorder=0)
        for row, place in enumerate(shown):
            axes.scatter(
                added[drawn, place],
                row + 0.5 + _apart(added[drawn, place]),
                c=np.nan_to_num(above[drawn, place], nan=0.5),
                cmap="coolwarm",
                vmin=0.0,
                vmax=1.0,
                s=7.0,
                linewidths=0.0,
            )
        if shown:
            row_names(axes, [f"{names[place]}  {size[place]:.2g}" for place in shown])
            colour_bar(figure, axes.collections[0], "value among symbols", [0, 0.5, 1])
        else:
            axes.set_yticks([])
        axes.locator_params(axis="x", nbins=5)
        axes.tick_params(axis="x", labelsize=8)
        axes.set_xlabel("added to the score (beside the name: mean size)", fontsize=8)
        return svg_of(figure)


def importance_picture(title: str, days: Sequence[dt.date], names: Sequence[str], shares: FloatArray) -> str:
    """Draw how much of the scores each feature moves (retrains by features, a row's sum 1), the most in the mean first.

    Returns an SVG document, the same bytes for the same numbers.
    """
    order = [int(place) for place in np.argsort(-shares.mean(axis=0), kind="stable")]
    shown = [place for place in order[:MOST] if shares[:, place].max() > 0.0]
    width, height = max(0.4 * len(days), 2.5), _ROW * len(shown)
    note = f"share of what moves the scores, by retrain; {len(shown)} of {len(names)} features"
    with style.context(["default", STYLE]):
        figure = figure_with_title(title, note, max(width, _WIDTH), height)
        axes = axes_in_inches(figure, LEFT, width, height)
        mesh = axes.pcolormesh(shares[:, shown].T, cmap=GROWING, vmin=0.0, edgecolor="white")
        row_names(axes, [f"{names[place]}  {shares[:, place].mean():.0%}" for place in shown])
        axes.set_xticks([0.5, len(days) - 0.5], [str(days[0]), str(days[-1])], fontsize=8)
        axes.set_xlabel("retrained on (beside the name: mean share)", fontsize=8)
        largest = float(shares.max())
        colour_bar(figure, mesh, "share", [0.0, round(largest / 2, 2), round(largest, 2)])
        return svg_of(figure)


def _apart(values: FloatArray) -> FloatArray:
    """How far each dot stands off its row's middle: neighbours in value stand on other heights, in turn."""
    turn = np.empty(len(values))
    turn[np.argsort(values, kind="stable")] = np.arange(len(values)) % 7
    return (turn - 3.0) / 3.0 * _SPREAD
