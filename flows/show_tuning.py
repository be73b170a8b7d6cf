"""What the command line shows of tuning: every trial, the best of them, and whether it beats the recipe as it was."""

from __future__ import annotations

from rich.table import Table

from flows.show import UNDEFINED, console
from nightdesk.operations.studies import Tuned
from nightdesk.scoring.intervals import MeanInterval
from nightdesk.tuning.outcome import Kept
from nightdesk.tuning.study import Tried

_AS_IT_IS = " (as it is)"

SHOWN = 30
"""Trials shown at most: the best ones of a longer study."""


def show_tuned(found: Tuned) -> None:
    """Show the trials, how the search ended, and what the best is worth where no trial has looked."""
    out = console()
    out.print(
        f"{found.recipe.name} at {found.horizon} days, as of {found.as_of}: {len(found.trials)} trials, scored from "
        f"{found.first_day} to {found.last_day}",
        soft_wrap=True,
    )
    out.print(_trials(found))
    for sentence in sentences(found):
        out.print(sentence, soft_wrap=True)


def sentences(found: Tuned) -> list[str]:
    """What it comes to, a sentence each."""
    said = []
    if found.stopped is not None:
        said.append(f"Stopped: {found.stopped}. The same command goes on from there.")
    if found.cost is not None:
        said.append(f"This start cost {found.cost:.4f}.")
    if found.best is None:
        return [*said, "No trial was made whole, so there is nothing to compare."]
    lead = "" if found.lead is None else f"; of as many trials of equal worth the best would lead by {found.lead:.4f}"
    said.append(
        f"Best: trial {found.best.number}, rank IC {_signed(found.best.rank_ic)} where trials are scored{lead}."
    )
    if found.winner is None or found.kept is None:
        return [*said, f"No trial was better there than {found.recipe.name} as it is, so nothing changes."]
    return [*said, *_judged(found.winner.name, found.recipe.name, found.kept)]


def _judged(winner: str, default: str, kept: Kept) -> list[str]:
    difference = kept.difference
    days = f"from {kept.first_day} to {kept.last_day}, which no trial has seen"
    if difference.mean is None:
        verdict = f"Whether {winner} beats {default} is not known: {difference.days} days are too few to say, {days}."
    else:
        outcome = "beats" if kept.beats else "does not beat"
        verdict = (
            f"{winner} {outcome} {default} out of sample: rank IC {_interval(kept.winner)} against "
            f"{_interval(kept.default)}, {_interval(difference)} more by day at {kept.level:.1%} confidence, on "
            f"{difference.days} days {days}."
        )
    chance = kept.deflated.probability
    worth = UNDEFINED if chance is None else f"{chance:.0%}"
    return [
        verdict,
        f"Chance that its returns there are more than the luck of {kept.deflated.trials} trials: {worth}.",
        f"Kept as recipe {winner}: name it in training.recipes, and nights train it as a challenger.",
    ]


def _trials(found: Tuned) -> Table:
    varied = [name for name, _ in found.recipe.parameters if len({_value(one, name) for one in found.trials}) > 1]
    table = Table("trial", "rank IC", "folds", "seconds", "ended", "parameters", box=None, pad_edge=False)
    for one in _shown(found.trials):
        seconds = "" if one.seconds is None else f"{one.seconds:.1f}"
        ended = f"{one.ended}: {one.why}" if one.why else one.ended
        values = ", ".join(f"{name} {_text(_value(one, name))}" for name in varied)
        table.add_row(
            str(one.number), _signed(one.rank_ic), str(one.folds), seconds, ended, values + _AS_IT_IS * one.default
        )
    return table


def _shown(trials: tuple[Tried, ...]) -> list[Tried]:
    if len(trials) <= SHOWN:
        return list(trials)
    ranked = sorted(trials, key=lambda one: (one.ended != "complete", -(one.rank_ic or 0.0)))
    return sorted(ranked[:SHOWN], key=lambda one: one.number)


def _value(one: Tried, name: str) -> float | int | str:
    return dict(one.parameters)[name]


def _text(value: float | int | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _interval(one: MeanInterval) -> str:
    return f"{_signed(one.mean)} ({_signed(one.lower)} to {_signed(one.upper)})"


def _signed(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:+.4f}"
