"""Pictures of what features say together and over time: clusters, missing values, stability, what is chosen."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib import style
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import dendrogram

from nightdesk.monitoring.feature_study import ALIKE, ROWS, Clusters, Missing, Stability
from nightdesk.report.feature_picture import NO_METADATA, STYLE
from nightdesk.report.pictures import FAINT, GREY, INK
from nightdesk.scoring.observed import FloatArray
from nightdesk.selection.selector import Mask
from nightdesk.selection.stability import Agreement

_ROW: Final = 0.2  # inches
_TOP, _BOTTOM, _LEFT, _RIGHT = 0.75, 0.75, 2.7, 0.25
_DIVERGING, _GROWING = "RdBu", "Blues"
_STRONG: Final = 0.25
"""A population stability index that is usually called another distribution."""


def clusters_picture(title: str, found: Clusters) -> str:
    """Draw the correlations of features as a square, and beside it the tree that orders them; returns an SVG document.

    Squares are framed where features say much the same.
    """
    count = len(found.names)
    size = _ROW * count
    with style.context(["default", STYLE]):
        figure = _figure(title, _note(found), size + 1.6, size)
        square = _axes(figure, _LEFT, size, size)
        mesh = square.pcolormesh(found.correlation, cmap=_DIVERGING, vmin=-1.0, vmax=1.0, linewidth=0.0)
        _rows(square, [_named(*one) for one in zip(found.names, found.members, strict=True)])
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
        tree = _axes(figure, _LEFT + size + 0.1, 1.4, size, across=size + 1.6)
        drawn = dendrogram(found.tree, no_plot=True)
        for across, up in zip(drawn["dcoord"], drawn["icoord"], strict=True):
            tree.plot(across, np.array(up) / 10.0, color=GREY, linewidth=0.8)
        tree.axvline(1.0 - ALIKE, color=FAINT, linewidth=0.8)
        tree.set_xlim(0.0, 1.0)
        tree.set_ylim(count, 0)
        tree.set_yticks([])
        tree.set_xticks([0.0, 1.0 - ALIKE, 1.0], ["1", f"{ALIKE:g}", "0"])
        tree.set_xlabel("joined at |rank correlation|", fontsize=8)
        _bar(figure, mesh, "rank correlation", [-1, 0, 1])
        return _written(figure)


def missing_picture(title: str, found: Missing) -> str:
    """Draw the share of missing values, features by months; returns an SVG document."""
    width, height = max(0.11 * len(found.months), 4.0), _ROW * len(found.names)
    with style.context(["default", STYLE]):
        figure = _figure(title, "features with the same gaps are one row", width, height)
        axes = _axes(figure, _LEFT, width, height)
        mesh = axes.pcolormesh(found.shares, cmap=_GROWING, vmin=0.0, vmax=1.0, linewidth=0.0)
        _rows(axes, [_named(*one) for one in zip(found.names, found.members, strict=True)])
        years = [place for place, month in enumerate(found.months) if month.endswith("-01") or place == 0]
        axes.set_xticks([place + 0.5 for place in years], [found.months[place] for place in years], fontsize=8)
        _bar(figure, mesh, "share missing", [0, 0.5, 1])
        return _written(figure)


def stability_picture(title: str, found: Stability) -> str:
    """Draw how features keep their ranks (left) and their distribution (right); returns an SVG document."""
    height, half = _ROW * len(found.names), 3.0
    across = 0.55 * len(found.years)
    with style.context(["default", STYLE]):
        figure = _figure(title, "least stable first", half + 0.3 + across, height)
        kept = _axes(figure, _LEFT, half, height, across=half + 0.3 + across)
        middles = np.arange(len(found.names)) + 0.5
        for column, lag in enumerate(found.lags):
            shade = 0.95 - 0.6 * column / max(len(found.lags) - 1, 1)
            kept.plot(
                found.persistence[:, column], middles, "o", color=_shade(shade), markersize=5, label=f"{lag} days"
            )
        kept.axvline(0.0, color=FAINT, linewidth=0.8, zorder=0)
        known = found.persistence[~np.isnan(found.persistence)]
        kept.set_xlim(min(-0.05, float(known.min(initial=0.0)) - 0.05), 1.05)
        _rows(kept, list(found.names))
        kept.set_xlabel("rank correlation with itself, days before", fontsize=8)
        kept.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(found.lags), frameon=False, fontsize=8)
        shifts = _axes(figure, _LEFT + half + 0.3, across, height, across=half + 0.3 + across)
        mesh = shifts.pcolormesh(found.shift, cmap=_GROWING, vmin=0.0, vmax=2 * _STRONG, linewidth=0.0)
        _rows(shifts, [""] * len(found.names))
        shifts.set_xticks([place + 0.5 for place in range(len(found.years))], [str(y) for y in found.years], fontsize=8)
        _numbers(shifts, found.shift)
        _bar(figure, mesh, "stability index against other years", [0, _STRONG, 2 * _STRONG])
        return _written(figure)


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
    height, width, bar = _ROW * len(shown), max(0.3 * len(days), 2.0), 1.6
    stable = "stability undefined"
    if agreed.stability is not None:
        stable = f"stability {agreed.stability:.2f} ({agreed.lower:.2f} to {agreed.upper:.2f})"
    note = f"{stable}; {len(names) - len(ever)} of {len(names)} features never chosen{beside}"
    with style.context(["default", STYLE]):
        figure = _figure(title, note, width + 0.3 + bar, height)
        when = _axes(figure, _LEFT, width, height)
        when.pcolormesh(chosen[:, shown].T.astype(float), cmap=_GROWING, vmin=0.0, vmax=1.3, edgecolor="white")
        _rows(when, [names[place] for place in shown])
        sides = [0, len(days) - 1] if len(days) > 1 else [0]
        when.set_xticks([place + 0.5 for place in sides], [str(days[place]) for place in sides], fontsize=8)
        when.set_xlabel("training up to", fontsize=8)
        often = _axes(figure, _LEFT + width + 0.3, bar, height)
        often.barh(np.arange(len(shown)) + 0.5, agreed.share[shown], height=0.6, color=_shade(0.95))
        _rows(often, [""] * len(shown))
        often.set_xlim(0.0, 1.0)
        often.set_xticks([0.0, 0.5, 1.0], ["0", "50 %", "100 %"], fontsize=8)
        often.set_xlabel("chosen", fontsize=8)
        return _written(figure)


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


def _figure(title: str, note: str, across: float, height: float) -> Any:
    whole = _LEFT + across + _RIGHT, _TOP + height + _BOTTOM
    figure = Figure(figsize=whole)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.text(0.12 / whole[0], 1.0 - 0.28 / whole[1], title, fontsize=12, fontweight="bold")
    axes.text(0.12 / whole[0], 1.0 - 0.5 / whole[1], note, fontsize=9, color=GREY)
    return figure


def _axes(figure: Any, left: float, width: float, height: float, across: float | None = None) -> Any:
    """Axes with margins in inches: a layout that measured text would hang on the fonts of the machine."""
    whole = figure.get_size_inches()
    axes = figure.add_axes((left / whole[0], _BOTTOM / whole[1], width / whole[0], height / whole[1]))
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)
    return axes


def _rows(axes: Any, labels: Sequence[str]) -> None:
    axes.set_ylim(len(labels), 0)
    axes.set_yticks([place + 0.5 for place in range(len(labels))], labels, fontsize=8)


def _bar(figure: Any, mesh: Any, words: str, ticks: Sequence[float]) -> None:
    whole = figure.get_size_inches()
    axes = figure.add_axes((0.12 / whole[0], 0.42 / whole[1], 1.6 / whole[0], 0.1 / whole[1]))
    bar = figure.colorbar(mesh, cax=axes, orientation="horizontal", ticks=list(ticks))
    bar.outline.set_visible(False)
    axes.tick_params(length=0, labelsize=7)
    axes.set_title(words, fontsize=8, color=GREY, loc="left", pad=3)


def _numbers(axes: Any, values: FloatArray) -> None:
    for row, own in enumerate(values):
        for column, value in enumerate(own):
            if not np.isnan(value):
                ink = "white" if value > 1.3 * _STRONG else INK
                axes.text(column + 0.5, row + 0.5, f"{value:.2f}", ha="center", va="center", fontsize=6.5, color=ink)


def _shade(strength: float) -> tuple[float, float, float]:
    """Blue of a strength, 0 to 1."""
    red, green, blue = 0.12, 0.35, 0.57
    return (1 - strength * (1 - red), 1 - strength * (1 - green), 1 - strength * (1 - blue))


def _written(figure: Any) -> str:
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata=NO_METADATA)
    return written.getvalue()
