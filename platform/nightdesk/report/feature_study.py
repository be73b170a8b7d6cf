"""Pictures of what features say together and over time: clusters, missing values, stability."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from matplotlib import style
from scipy.cluster.hierarchy import dendrogram

from nightdesk.monitoring.feature_study import ALIKE, Clusters, Missing, Stability
from nightdesk.report.feature_picture import STYLE
from nightdesk.report.pictures import FAINT, GREY, INK
from nightdesk.report.row_drawing import (
    GROWING,
    LEFT,
    ROW,
    axes_in_inches,
    blue,
    colour_bar,
    figure_with_title,
    row_names,
    svg_of,
)
from nightdesk.scoring.observed import FloatArray

_DIVERGING: Final = "RdBu"
_STRONG: Final = 0.25
"""A population stability index that is usually called another distribution."""


def clusters_picture(title: str, found: Clusters) -> str:
    """Draw the correlations of features as a square, and beside it the tree that orders them; returns an SVG document.

    Squares are framed where features say much the same.
    """
    count = len(found.names)
    size = ROW * count
    with style.context(["default", STYLE]):
        figure = figure_with_title(title, _note(found), size + 1.6, size)
        square = axes_in_inches(figure, LEFT, size, size)
        mesh = square.pcolormesh(found.correlation, cmap=_DIVERGING, vmin=-1.0, vmax=1.0, linewidth=0.0)
        row_names(square, [_named(*one) for one in zip(found.names, found.members, strict=True)])
        square.set_xticks([])
        first = 0
        for cluster in np.split(found.cluster, np.flatnonzero(np.diff(found.cluster)) + 1):
            if cluster.size > 1:
                side = (first, first + cluster.size)
                square.plot(
                    [side[0], side[1], side[1], side[0], side[0]],
                    [side[0], side[0], side[1], side[1], side[0]],
                    color=INK,
                    linewidth=1.0,
                )
            first += cluster.size
        tree = axes_in_inches(figure, LEFT + size + 0.1, 1.4, size)
        drawn = dendrogram(found.tree, no_plot=True)
        for across, up in zip(drawn["dcoord"], drawn["icoord"], strict=True):
            tree.plot(across, np.array(up) / 10.0, color=GREY, linewidth=0.8)
        tree.axvline(1.0 - ALIKE, color=FAINT, linewidth=0.8)
        tree.set_xlim(0.0, 1.0)
        tree.set_ylim(count, 0)
        tree.set_yticks([])
        tree.set_xticks([0.0, 1.0 - ALIKE, 1.0], ["1", f"{ALIKE:g}", "0"])
        tree.set_xlabel("joined at |rank correlation|", fontsize=8)
        colour_bar(figure, mesh, "rank correlation", [-1, 0, 1])
        return svg_of(figure)


def missing_picture(title: str, found: Missing) -> str:
    """Draw the share of missing values, features by months; returns an SVG document."""
    width, height = max(0.11 * len(found.months), 4.0), ROW * len(found.names)
    with style.context(["default", STYLE]):
        figure = figure_with_title(title, "features with the same gaps are one row", width, height)
        axes = axes_in_inches(figure, LEFT, width, height)
        mesh = axes.pcolormesh(found.shares, cmap=GROWING, vmin=0.0, vmax=1.0, linewidth=0.0)
        row_names(axes, [_named(*one) for one in zip(found.names, found.members, strict=True)])
        years = [place for place, month in enumerate(found.months) if month.endswith("-01") or place == 0]
        axes.set_xticks([place + 0.5 for place in years], [found.months[place] for place in years], fontsize=8)
        colour_bar(figure, mesh, "share missing", [0, 0.5, 1])
        return svg_of(figure)


def stability_picture(title: str, found: Stability) -> str:
    """Draw how features keep their ranks (left) and their distribution (right); returns an SVG document."""
    height, half = ROW * len(found.names), 3.0
    across = 0.55 * len(found.years)
    with style.context(["default", STYLE]):
        figure = figure_with_title(title, "least stable first", half + 0.3 + across, height)
        kept = axes_in_inches(figure, LEFT, half, height)
        middles = np.arange(len(found.names)) + 0.5
        for column, lag in enumerate(found.lags):
            shade = 0.95 - 0.6 * column / max(len(found.lags) - 1, 1)
            kept.plot(found.persistence[:, column], middles, "o", color=blue(shade), markersize=5, label=f"{lag} days")
        kept.axvline(0.0, color=FAINT, linewidth=0.8, zorder=0)
        known = found.persistence[~np.isnan(found.persistence)]
        kept.set_xlim(min(-0.05, float(known.min(initial=0.0)) - 0.05), 1.05)
        row_names(kept, list(found.names))
        kept.set_xlabel("rank correlation with itself, days before", fontsize=8)
        kept.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(found.lags), frameon=False, fontsize=8)
        shifts = axes_in_inches(figure, LEFT + half + 0.3, across, height)
        mesh = shifts.pcolormesh(found.shift, cmap=GROWING, vmin=0.0, vmax=2 * _STRONG, linewidth=0.0)
        row_names(shifts, [""] * len(found.names))
        shifts.set_xticks([place + 0.5 for place in range(len(found.years))], [str(y) for y in found.years], fontsize=8)
        _numbers(shifts, found.shift)
        colour_bar(figure, mesh, "stability index against other years", [0, _STRONG, 2 * _STRONG])
        return svg_of(figure)


def _note(found: Clusters) -> str:
    out = f"framed: joined at {ALIKE:g} or more"
    if max(found.members) > 1:
        out = f"a row: what joins at {ALIKE:g} or more; the largest {len(found.names)}, beside {found.alone} features"
    if found.left_out:
        names = ", ".join(found.left_out[:3]) + (f" and {len(found.left_out) - 3} more" if found.left_out[3:] else "")
        out += f"; without rank among symbols, left out: {names}"
    return out


def _named(name: str, members: int) -> str:
    return name if members == 1 else f"{name} +{members - 1}"


def _numbers(axes: Any, values: FloatArray) -> None:
    for row, own in enumerate(values):
        for column, value in enumerate(own):
            if not np.isnan(value):
                ink = "white" if value > 1.3 * _STRONG else INK
                axes.text(column + 0.5, row + 0.5, f"{value:.2f}", ha="center", va="center", fontsize=6.5, color=ink)
