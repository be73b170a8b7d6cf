"""How pictures with a row a feature are laid out: margins in inches, a title, names of rows, a bar of colours, SVG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Final

from matplotlib.figure import Figure

from nightdesk.report.feature_picture import NO_METADATA
from nightdesk.report.pictures import GREY

ROW: Final = 0.2
"""Height of a row, in inches."""

LEFT: Final = 2.7
"""Left margin, in inches: the names of features stand there."""

GROWING: Final = "Blues"
"""Colours of what grows from nothing."""

_TOP, _BOTTOM, _RIGHT = 0.75, 0.75, 0.25


def figure_with_title(title: str, note: str, across: float, height: float) -> Any:
    """A figure with room for what is `across` wide and `height` high, in inches, under a title and a note."""
    whole = LEFT + across + _RIGHT, _TOP + height + _BOTTOM
    figure = Figure(figsize=whole)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.text(0.12 / whole[0], 1.0 - 0.28 / whole[1], title, fontsize=12, fontweight="bold")
    axes.text(0.12 / whole[0], 1.0 - 0.5 / whole[1], note, fontsize=9, color=GREY)
    return figure


def axes_in_inches(figure: Any, left: float, width: float, height: float) -> Any:
    """Axes with margins in inches: a layout that measured text would hang on the fonts of the machine."""
    whole = figure.get_size_inches()
    axes = figure.add_axes((left / whole[0], _BOTTOM / whole[1], width / whole[0], height / whole[1]))
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)
    return axes


def row_names(axes: Any, labels: Sequence[str]) -> None:
    """Name the rows, the first on top."""
    axes.set_ylim(len(labels), 0)
    axes.set_yticks([place + 0.5 for place in range(len(labels))], labels, fontsize=8)


def colour_bar(figure: Any, mesh: Any, words: str, ticks: Sequence[float]) -> None:
    """Say what the colours of `mesh` mean, in the lower left corner."""
    whole = figure.get_size_inches()
    axes = figure.add_axes((0.12 / whole[0], 0.42 / whole[1], 1.6 / whole[0], 0.1 / whole[1]))
    bar = figure.colorbar(mesh, cax=axes, orientation="horizontal", ticks=list(ticks))
    bar.outline.set_visible(False)
    axes.tick_params(length=0, labelsize=7)
    axes.set_title(words, fontsize=8, color=GREY, loc="left", pad=3)


def blue(strength: float) -> tuple[float, float, float]:
    """Blue of a strength, 0 to 1."""
    return (1.0 - strength * 0.88, 1.0 - strength * 0.65, 1.0 - strength * 0.43)


def svg_of(figure: Any) -> str:
    """The figure as an SVG document, without what changes from day to day."""
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata=NO_METADATA)
    return written.getvalue()
