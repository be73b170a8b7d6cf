"""The paper book as the morning report shows it: a picture a horizon, and each line in figures and words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl
from matplotlib import style
from matplotlib.figure import Figure

from nightdesk.publish.paper_book import ABOVE, BELOW, EARLY, RANKING, WITHIN
from nightdesk.report.contents import PaperLine
from nightdesk.report.pictures import _STYLE, BLUE, GREY, INK, WIDTH, _axes, _date_axis, _svg
from nightdesk.report.wording import UNDEFINED, signed
from nightdesk.tables import DATE

_WORTH: Final = "worth"


@dataclass(frozen=True, slots=True)
class BookPart:
    """One horizon of the book: its lines in figures, and the picture of them."""

    horizon: int
    rows: list[dict[str, Any]]
    picture: str


def book_parts(books: Sequence[PaperLine]) -> list[BookPart]:
    """What the page shows of the book; nothing before its first day."""
    horizons = sorted({one.horizon for one in books if one.days.height})
    return [_part(horizon, [one for one in books if one.horizon == horizon]) for horizon in horizons]


def standing_sentence(one: PaperLine) -> str:
    """Say how a line stands beside the backtest of its rule; its figures are a day's, in basis points."""
    found = one.standing
    if found.lower is None or one.tested is None:
        if one.line != RANKING:
            return "no backtest: what would have been suggested on past days is not known"
        return "no backtest of its rule yet: nothing is expected of it"
    said = (
        f"{_points(found.mean)} a day beyond every symbol; the walk-forward of {one.tested[0]} to {one.tested[1]} lets "
        f"expect {_points(found.expected)}, over so many days {_points(found.lower)} to {_points(found.upper)}"
    )
    return f"{_VERDICTS[found.verdict]}: {said}"


def book_picture(lines: Sequence[PaperLine]) -> str:
    """Draw what each line of one horizon, and every symbol in equal weights, is worth, from 1: an `<svg>` element."""
    horizon, market = lines[0].horizon, _market(lines)
    drawn = [(GREY, market), *((BLUE if one.line == RANKING else INK, _worth(one.days)) for one in lines)]
    with style.context(["default", _STYLE, {"svg.hashsalt": f"book-{horizon}"}]):
        figure = Figure(figsize=(WIDTH, 2.2))
        axes = _axes(figure, left=0.55)
        for colour, worth in drawn:
            axes.plot(_at(worth), worth[_WORTH].to_list(), color=colour, linewidth=1.6, clip_on=False)
        _date_axis(axes, _at(market), _ends(pl.concat([worth[_WORTH] for _, worth in drawn])))
        axes.set_xlabel("close", fontsize=9)
        made = "; ".join(f"{one.line} {signed(one.days['equity'][-1] - 1.0)}" for one in lines)
        return _svg(figure, f"Paper book at {horizon} days up to {market[DATE][-1]}, return since its start: {made}.")


_VERDICTS: Final = {
    WITHIN: "as the backtest lets expect",
    ABOVE: "better than the backtest lets expect",
    BELOW: "worse than the backtest lets expect",
    EARLY: "too early to say",
}


def _part(horizon: int, lines: list[PaperLine]) -> BookPart:
    return BookPart(horizon, [line_row(one) for one in lines], book_picture(lines))


def line_row(one: PaperLine) -> dict[str, Any]:
    """A line of the book in figures: fractions since its start, and words."""
    days, benchmark = one.days, one.days["benchmark"].drop_nulls()
    return {
        "line": one.line,
        "days": days.height,
        "net": days["equity"][-1] - 1.0,
        "costs": float((days["commission"] + days["spread"] + days["impact"]).sum()),
        "benchmark": float((1.0 + benchmark).product() - 1.0) if benchmark.len() else None,
        "turnover": days["turnover"].mean(),
        "holdings": days["holdings"][-1],
        "said": standing_sentence(one),
    }


def _worth(days: pl.DataFrame) -> pl.DataFrame:
    return days.select(DATE, pl.col("equity").alias(_WORTH))


def _market(lines: Sequence[PaperLine]) -> pl.DataFrame:
    """What every ranked symbol in equal weights is worth, over the days of the line that began first."""
    first = min(lines, key=lambda one: one.days[DATE][0])
    return first.days.select(DATE, (1.0 + pl.col("benchmark").fill_null(0.0)).cum_prod().alias(_WORTH))


def _at(worth: pl.DataFrame) -> list[int]:
    return [day.toordinal() for day in worth[DATE]]


def _ends(values: pl.Series) -> tuple[float, float]:
    """Around what is drawn: what moves between 0.98 and 1.03 shows nothing on an axis that begins at 0."""
    least, most = float(values.min()), float(values.max())  # type: ignore[arg-type]
    air = 0.08 * ((most - least) or 0.02)
    return least - air, most + air


def _points(value: float | None) -> str:
    """A daily return in basis points, or `undefined`."""
    return UNDEFINED if value is None else f"{signed(10_000 * value, 1)} bp"
