"""Reigns: since when a recipe is served, what put it in place, and who was served before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nightdesk.store.decisions import REPLACE, UNDO, Move

WATCHED = (REPLACE, UNDO)
"""What begins a reign that the former champion may end: a rollback is itself not taken back by a test of its own."""


@dataclass(frozen=True, slots=True)
class Reign:
    """The served recipe: the move that put it in place, the newest fit of it, and the last move of another recipe."""

    began: Move
    newest: Move
    former: Move | None

    @property
    def watched(self) -> bool:
        """Whether the former champion is tested against this one."""
        return self.began.action in WATCHED and self.former is not None


def reign_of(moves: Sequence[Move]) -> Reign | None:
    """The reign that stands after `moves` of one horizon, in order; None after none.

    Refreshes go on with a reign, and so does a way back to an earlier fit of the same recipe. Who was chosen by a night
    of the past, and never served, is no part of it.
    """
    if not moves:
        return None
    moves = [*(one for one in moves[:-1] if one.moved), moves[-1]]
    start = len(moves) - 1
    while start > 0 and moves[start - 1].recipe is not None and moves[start - 1].recipe == moves[-1].recipe:
        start -= 1
    return Reign(moves[start], moves[-1], moves[start - 1] if start else None)


def moves_before(moves: Sequence[Move]) -> list[Move]:
    """Of each model that was served earlier than the newest of `moves`, its last move; the last one served first."""
    found: dict[str, Move] = {}
    for move in reversed([*(one for one in moves[:-1] if one.moved), *moves[-1:]]):
        found.setdefault(move.serving.content, move)
    return list(found.values())[1:]
