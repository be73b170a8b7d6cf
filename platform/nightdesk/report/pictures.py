"""The report's pictures: matplotlib figures as SVG text for a page, the same bytes for the same numbers."""

from __future__ import annotations

import datetime as dt
import html
import io
import re
from collections.abc import Mapping
from typing import Any, Final

import polars as pl
from matplotlib import style
from matplotlib.figure import Figure

from nightdesk.report.wording import UNDEFINED, between, is_known, signed

INK, BLUE, GREY, FAINT = "#22272e", "#1f5a92", "#7b838d", "#c9ced4"
WIDTH: Final = 3.8  # inches: what a phone, or a third of a desk, shows at about its own size
LABEL: Final = 20  # characters of a model's name before it is cut
_STYLE: Final = {
    "svg.fonttype": "none",  # text stays text: the page's own fonts, crisp and searchable
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "font.size": 10.0,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": GREY,
    "xtick.color": GREY,
    "ytick.color": INK,
    "xtick.major.size": 0.0,
    "ytick.major.size": 0.0,
}
_NO_METADATA: Final = dict.fromkeys(("Date", "Creator", "Format", "Type"))


def rank_ic_pictures(walk_forward: pl.DataFrame, served: Mapping[int, str]) -> dict[int, str]:
    """Draw a dot and a whisker (95 %) a model, one picture a horizon, all on one scale.

    Parameters
    ----------
    walk_forward
        As in `NightReport`: rank IC and its bounds are pure numbers, null where undefined, and then drawn as
        the word `undefined`.
    served
        Horizon to the model that is served there, whose name is set in bold.

    Returns
    -------
    dict
        Horizon to an `<svg>` element, without script, reference or date; none where there are no rows.
    """
    low, high = _limits(walk_forward, "mean", "lower", "upper")
    drawn = {}
    for (horizon,), part in walk_forward.partition_by("horizon", as_dict=True, maintain_order=True).items():
        rows = part.to_dicts()
        with style.context(["default", _STYLE, {"svg.hashsalt": f"rank-ic-{horizon}"}]):
            figure = Figure(figsize=(WIDTH, 0.62 + 0.29 * len(rows)))
            _dots_and_whiskers(
                _axes(figure, left=0.3 + 0.072 * max(len(_short(row["model"])) for row in rows)),
                rows,
                served.get(horizon),
                (low, high),
            )
            said = "; ".join(
                f"{row['model']} ({row['kind']}) {signed(row['mean'])}"
                + (f", {between(row['lower'], row['upper'])}" if is_known(row["mean"]) else "")
                for row in rows
            )
            drawn[horizon] = _svg(figure, f"Rank IC with 95 % interval at {horizon} days ahead: {said}.")
    return drawn


def matured_pictures(nights: pl.DataFrame) -> dict[int, str]:
    """Draw each matured night's rank IC as a dot, and their mean so far as a line, one picture a horizon.

    Parameters
    ----------
    nights
        as_of, horizon, rank_ic (pure number): one row a night and horizon, all defined, sorted by as_of.

    Returns
    -------
    dict
        Horizon to an `<svg>` element; none where there are no rows.
    """
    low, high = _limits(nights, "rank_ic")
    drawn = {}
    for (horizon,), part in nights.partition_by("horizon", as_dict=True, maintain_order=True).items():
        days, values = part["as_of"].to_list(), part["rank_ic"].to_list()
        so_far = (part["rank_ic"].cum_sum() / pl.int_range(1, part.height + 1, eager=True)).to_list()
        with style.context(["default", _STYLE, {"svg.hashsalt": f"matured-{horizon}"}]):
            figure = Figure(figsize=(WIDTH, 2.2))
            _dots_and_mean(_axes(figure, left=0.55), days, values, so_far, (low, high))
            above = sum(value > 0 for value in values)
            said = (
                f"Rank IC of {len(values)} matured nights at {horizon} days ahead, forecast from "
                f"{days[0]} to {days[-1]}: mean {signed(so_far[-1])}, above zero on {above} nights."
            )
            drawn[horizon] = _svg(figure, said)
    return drawn


def course_pictures(courses: Mapping[tuple[int, str], pl.DataFrame]) -> dict[tuple[int, str], str]:
    """Draw each model's rolling mean rank IC with its 95 % band, and what was promised, all on one scale.

    Parameters
    ----------
    courses
        By horizon and model: as_of, mean, lower, upper, promised (pure numbers; promised null where nothing was).

    Returns
    -------
    dict
        Horizon and model to an `<svg>` element; none where there are no rows.
    """
    drawn_from = {key: rows for key, rows in courses.items() if rows.height}
    if not drawn_from:
        return {}
    low, high = _limits(pl.concat(list(drawn_from.values())), "mean", "lower", "upper", "promised")
    drawn = {}
    for (horizon, model), rows in drawn_from.items():
        with style.context(["default", _STYLE, {"svg.hashsalt": f"course-{horizon}-{model}"}]):
            figure = Figure(figsize=(WIDTH, 2.2))
            _mean_and_band(_axes(figure, left=0.55), rows, (low, high))
            last = rows.row(-1, named=True)
            said = (
                f"Rolling mean rank IC of {model} at {horizon} days ahead from {rows['as_of'][0]} to {last['as_of']}: "
                f"last {signed(last['mean'])}, {between(last['lower'], last['upper'])}; promised "
                f"{signed(last['promised'])}."
            )
            drawn[horizon, model] = _svg(figure, said)
    return drawn


def _dots_and_whiskers(axes: Any, rows: list[dict[str, Any]], served: str | None, limits: tuple[float, float]) -> None:
    for place, row in enumerate(rows):
        colour = GREY if row["kind"] == "baseline" else BLUE
        if not is_known(row["mean"]):
            axes.text(
                limits[0] + 0.02 * (limits[1] - limits[0]),
                place,
                UNDEFINED,
                color=GREY,
                va="center",
                fontstyle="italic",
                fontsize=9,
            )
            continue
        if is_known(row["lower"]) and is_known(row["upper"]):
            axes.plot([row["lower"], row["upper"]], [place, place], color=colour, linewidth=1.6, clip_on=False)
        beats = is_known(row["edge_lower"]) and row["edge_lower"] > 0
        fill = colour if beats or row["kind"] == "baseline" else "white"
        size = 4.5 if row["kind"] == "baseline" else 7
        axes.plot(
            [row["mean"]], [place], "o", color=colour, markerfacecolor=fill, markersize=size,
            markeredgewidth=1.6, clip_on=False,
        )  # fmt: skip
    axes.axvline(0, color=FAINT, linewidth=1, zorder=0, clip_on=False)
    axes.set_xlim(*limits)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [_short(row["model"]) for row in rows])
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_color(GREY if row["kind"] == "baseline" else INK)
        label.set_fontweight("bold" if row["model"] == served else "normal")
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("rank IC", fontsize=9)


def _dots_and_mean(
    axes: Any, days: list[dt.date], values: list[float], so_far: list[float], limits: tuple[float, float]
) -> None:
    at = [day.toordinal() for day in days]
    axes.axhline(0, color=FAINT, linewidth=1, zorder=0, clip_on=False)
    axes.plot(at, values, "o", color=BLUE, alpha=0.45, markersize=4, markeredgewidth=0, clip_on=False)
    axes.plot(at, so_far, color=INK, linewidth=1.8, clip_on=False)
    _date_axis(axes, at, limits)


def _mean_and_band(axes: Any, rows: pl.DataFrame, limits: tuple[float, float]) -> None:
    at = [day.toordinal() for day in rows["as_of"]]
    lower, mean, upper, promised = (
        rows[name].cast(pl.Float64).fill_null(float("nan")).to_list() for name in ("lower", "mean", "upper", "promised")
    )
    axes.axhline(0, color=FAINT, linewidth=1, zorder=0, clip_on=False)
    axes.fill_between(at, lower, upper, color=BLUE, alpha=0.18, linewidth=0)
    axes.plot(at, mean, color=BLUE, linewidth=1.8, marker="o", markersize=2.5, clip_on=False)
    axes.plot(at, promised, color=INK, linewidth=1.2, linestyle=(0, (4, 3)), clip_on=False)
    _date_axis(axes, at, limits)


def _date_axis(axes: Any, at: list[int], limits: tuple[float, float]) -> None:
    """Limits, and the first and last night under the axis of dates."""
    axes.set_ylim(*limits)
    axes.set_xlim(at[0] - 1, at[-1] + 1)
    axes.locator_params(axis="y", nbins=5)
    sides = ("left", "right") if at[-1] > at[0] else ("center",)
    places = [at[0], at[-1]][: len(sides)]
    axes.set_xticks(places, [str(dt.date.fromordinal(place)) for place in places])
    for label, side in zip(axes.get_xticklabels(), sides, strict=True):
        label.set_horizontalalignment(side)
    axes.set_xlabel("night of the forecast", fontsize=9)


def _axes(figure: Any, left: float) -> Any:
    """Axes with margins in inches: a layout that measured text would hang on the fonts of the machine."""
    width, height = figure.get_size_inches()
    across, up = width - left - 0.15, height - 0.56
    axes = figure.add_axes((left / width, 0.48 / height, across / width, up / height))
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.patch.set_visible(False)
    figure.patch.set_visible(False)
    axes.tick_params(labelsize=9.5)
    return axes


def _limits(frame: pl.DataFrame, *columns: str) -> tuple[float, float]:
    """Ends of the common scale: zero and every number, with a little air."""
    numbers = [value for column in columns for value in frame[column].to_list() if is_known(value)]
    low, high = min([0.0, *numbers]), max([0.0, *numbers])
    air = 0.06 * ((high - low) or 0.1)
    return low - air, high + air


def _short(name: str) -> str:
    return name if len(name) <= LABEL else f"{name[: LABEL - 1]}…"


def _svg(figure: Any, said: str) -> str:
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata=_NO_METADATA)
    drawing = written.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    # matplotlib's <style> would reach the whole page, and its group ids stand in every picture alike.
    drawing = re.sub(r"<style[^>]*>.*?</style>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r'<g id="[^"]*"', "<g", drawing)
    drawing = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", drawing, count=1)
    drawing = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", drawing, count=1)
    return drawing.replace("<svg", f'<svg role="img" aria-label="{html.escape(said)}"', 1).strip()
