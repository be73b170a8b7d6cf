"""What the command line shows of an evaluation: the main figures, what they come to, and where the page lies."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from flows.show import UNDEFINED, console
from nightdesk.evaluation.forecast_metrics import MEANINGS
from nightdesk.operations.evaluating import Evaluated
from nightdesk.report.evaluation import verdict_sentences


def show_evaluation(found: Evaluated, page: Path) -> None:
    """Show the main figures, and write the page at `page`."""
    out, score, strategy = console(), found.rank_ic, found.strategy
    out.print(
        f"{found.name} at {found.horizon} days, as of {found.as_of}: walk-forward from {found.first_day} to "
        f"{found.last_day}",
        soft_wrap=True,
    )
    figures = Table(box=None, pad_edge=False, show_header=False)
    worth = "" if found.worth is None else f", worth {found.worth:.0f} independent ones"
    rows = [
        (
            "rank IC",
            f"{_shown(score.mean)} ({_shown(score.lower)} to {_shown(score.upper)}) on {score.days} days{worth}",
        ),
        ("gross, net a year", f"{strategy.gross:+.2%}, {strategy.net:+.2%}"),
        (
            "break-even cost",
            UNDEFINED if strategy.break_even is None else f"{1e4 * strategy.break_even:.2f} bp of a trade",
        ),
        *((name, _shown(found.metrics[name])) for name in MEANINGS if name != "rank_ic"),
    ]
    for row in rows:
        figures.add_row(*row)
    out.print(figures)
    for sentence in verdict_sentences(found):
        out.print(sentence, soft_wrap=True)
    if found.openings:
        out.print(f"The sealed stretch was opened {len(found.openings)} times so far (nightdesk trials).")
    out.print(f"Page: {found.report(page)}", soft_wrap=True)


def _shown(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:+.4f}"
