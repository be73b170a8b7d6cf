"""What an answer makes of a promotion: as proposed, or the champion stays, with the reason and the name."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from nightdesk.promotion.approval import settled, told
from nightdesk.store.approvals import APPROVED, REFUSED, UNANSWERED, Answer, Reply
from nightdesk.store.decisions import Decision

PROPOSED = Decision("live", dt.date(2017, 3, 6), 5, "refresh", "ridge", "c2", "2", "unproven", "newer data", True)
YES, NO = Reply(APPROVED, "Ada", "sound"), Reply(REFUSED, "Ben", "")
NOBODY = Reply(UNANSWERED, None, "nobody answered within 3 s")
BUT = " (proposed: refresh ridge version 2, newer data)"


def test_what_nobody_was_asked_about_is_carried_out_as_proposed() -> None:
    assert settled(PROPOSED, (Answer(20, NO),), True) is PROPOSED


def test_what_was_approved_is_carried_out_and_says_by_whom() -> None:
    assert settled(PROPOSED, (Answer(5, YES),), True) == replace(PROPOSED, reasons="newer data; approved by Ada: sound")


@pytest.mark.parametrize(
    ("reply", "served", "action", "reasons"),
    [
        (NO, True, "keep", "refused by Ben"),
        (NO, False, "refuse", "refused by Ben"),
        (NOBODY, True, "keep", "nobody answered within 3 s; the champion stays"),
        (NOBODY, False, "refuse", "nobody answered within 3 s; nobody is served"),
    ],
)
def test_without_an_approval_nothing_moves(reply: Reply, served: bool, action: str, reasons: str) -> None:
    found = settled(PROPOSED, (Answer(5, reply),), served)
    assert (found.action, found.reasons, found.moves_alias) == (action, reasons + BUT, False)
    assert {found.model, found.content, found.version, found.skill} == {None}


def test_each_promotion_that_was_asked_about_is_told() -> None:
    other = replace(PROPOSED, horizon=20)
    assert told((PROPOSED, other), (Answer(5, NO),)) == ("5 days, refresh ridge version 2: refused by Ben",)
