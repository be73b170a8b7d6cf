"""What the command line shows of evidence: where each question stood, why somebody served, what a person moved."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from rich.table import Table

from flows.show import console
from nightdesk.promotion.approval import named
from nightdesk.promotion.verdicts import question, shown
from nightdesk.store.decisions import Decision, moves_up_to
from nightdesk.store.evidence import newest_weighed, verdicts_of


def show_why(engine: sa.Engine, realm: str, on: dt.date) -> None:
    """Say why each model that was served on a date was, and where the evidence stood then."""
    newest = {one.serving.horizon: one for one in moves_up_to(engine, realm, on)}
    for horizon, move in sorted(newest.items()):
        console().print(f"{horizon} days: {move.action} on {move.serving.since}: {move.reasons}", soft_wrap=True)
    show_verdicts(engine, realm, on)


def show_verdicts(engine: sa.Engine, realm: str, as_of: dt.date) -> None:
    """Show every verdict of the newest night up to `as_of` that has one; nothing where none has."""
    night = newest_weighed(engine, realm, as_of)
    if night is None:
        return
    table = Table(
        "horizon", "question", "answer", "evidence", "pairs", "smallest edge found", "reasons",
        title=f"Evidence on the night of {night}", title_justify="left", title_style="bold", box=None, pad_edge=False,
    )  # fmt: skip
    for one in verdicts_of(engine, realm, night):
        table.add_row(str(one.horizon), question(one), *shown(one), one.reasons)
    console().print(table)


def show_decided(decision: Decision) -> None:
    """Show what a person's decision did."""
    console().print(
        f"{decision.horizon} days: {named(decision)} is carried out ({decision.reasons}); skill: {decision.skill}; it "
        "serves from the next night on",
        soft_wrap=True,
    )
