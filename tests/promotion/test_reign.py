"""Reigns: refreshes go on with one, another recipe begins one, and only some are watched."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from nightdesk.promotion.reign import moves_before, reign_of
from nightdesk.store.decisions import REFRESH, REPLACE, ROLLBACK, SERVE, UNDO, Move, Serving


def move(day: int, action: str, recipe: str | None, content: str) -> Move:
    first = dt.date(2017, 3, day)
    return Move(first, action, Serving(5, recipe or "old", content, content[1:], "unproven", first), recipe, "why")


SERVED, REFRESHED = move(1, SERVE, "a", "c1"), move(2, REFRESH, "a", "c2")
REPLACED, NEWER = move(3, REPLACE, "b", "c3"), move(4, REFRESH, "b", "c4")
BACK, UNDONE = move(5, ROLLBACK, "a", "c2"), move(6, UNDO, "b", "c4")


def test_nobody_has_no_reign() -> None:
    assert reign_of([]) is None


def test_a_refresh_goes_on_with_the_reign() -> None:
    reign = reign_of([SERVED, REFRESHED])
    assert reign is not None
    assert (reign.began, reign.newest, reign.former, reign.watched) == (SERVED, REFRESHED, None, False)


def test_a_replacement_begins_one_and_is_watched_through_its_refreshes() -> None:
    reign = reign_of([SERVED, REFRESHED, REPLACED, NEWER])
    assert reign is not None
    assert (reign.began, reign.newest, reign.former, reign.watched) == (REPLACED, NEWER, REFRESHED, True)


@pytest.mark.parametrize(("last", "watched"), [(BACK, False), (UNDONE, True)])
def test_a_way_back_is_not_watched_and_one_undone_is_again(last: Move, watched: bool) -> None:
    moves = [SERVED, REFRESHED, REPLACED, NEWER, BACK, UNDONE]
    reign = reign_of(moves[: moves.index(last) + 1])
    assert reign is not None
    assert (reign.began, reign.watched) == (last, watched)


def test_models_without_a_known_recipe_share_no_reign() -> None:
    first, second = move(1, SERVE, None, "c1"), move(2, REFRESH, None, "c2")
    reign = reign_of([first, second])
    assert reign is not None
    assert (reign.began, reign.former) == (second, first)


def test_who_served_before_is_listed_last_first_and_once() -> None:
    assert moves_before([SERVED, REFRESHED, REPLACED, BACK]) == [REPLACED, SERVED]
    assert moves_before([SERVED]) == []


def test_whom_a_night_of_the_past_would_have_served_is_nobody_to_go_back_to() -> None:
    past = replace(move(1, SERVE, "b", "c9"), moved=False)
    assert moves_before([past, SERVED]) == []
    assert moves_before([past, SERVED, REPLACED]) == [SERVED]
    reign = reign_of([past, SERVED])
    assert reign is not None
    assert (reign.began, reign.former) == (SERVED, None)
    # On that night itself it is who serves.
    alone = reign_of([past])
    assert alone is not None
    assert alone.newest == past
