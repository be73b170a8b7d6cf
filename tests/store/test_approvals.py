"""What a person was asked and answered, on both engines: it waits apart from the decisions, and changes none."""

from __future__ import annotations

import dataclasses

import pytest
import sqlalchemy as sa
from store_samples import DAYS, moment

from nightdesk.errors import NightLocked
from nightdesk.store.approvals import (
    APPROVED,
    REFUSED,
    UNANSWERED,
    Answer,
    Reply,
    all_approvals,
    answers,
    approve_late,
    ask,
    asked_about,
    decided_on,
    reply_ahead,
    reply_to_waiting,
    superseded_by,
    unanswered,
    waiting,
    withdraw,
)
from nightdesk.store.decisions import (
    KEEP,
    REFRESH,
    REFUSE,
    SERVE,
    Decision,
    confirm,
    serving_on,
    unconfirmed,
    write_intent,
)
from nightdesk.store.nights import NightKey, begin, newest_begun

PROPOSED = Decision("live", DAYS[1], 5, REFRESH, "ridge", "c2", "2", "unproven", "newer data", True)
YES, NO = Reply(APPROVED, "Ada", "sound"), Reply(REFUSED, "Ben", "")
NOBODY = Reply(UNANSWERED, None, "nobody answered within 3 s")


def carry_out(store: sa.Engine, decision: Decision) -> None:
    write_intent(store, decision, moment(9))
    confirm(store, decision)


def kept(decision: Decision = PROPOSED) -> Decision:
    return dataclasses.replace(decision, action=KEEP, model=None, content=None, version=None, moves_alias=False)


def test_a_question_waits_and_is_no_decision(store: sa.Engine) -> None:
    assert ask(store, [PROPOSED], moment(3)) == [PROPOSED]
    assert answers(store, [PROPOSED]) == ()
    assert waiting(store, "live") == [PROPOSED]
    assert asked_about(store, "live", DAYS[1], 5) == PROPOSED
    assert unconfirmed(store, "live") == []
    assert decided_on(store, "live", DAYS[1], 5) is None
    assert waiting(store, "replay") == []


@pytest.mark.parametrize("reply", [YES, NO])
def test_an_answer_of_a_person_stands_at_the_next_start(store: sa.Engine, reply: Reply) -> None:
    ask(store, [PROPOSED], moment(3))
    reply_to_waiting(store, [PROPOSED], reply, moment(4))
    assert ask(store, [PROPOSED], moment(5)) == []
    assert answers(store, [PROPOSED]) == (Answer(5, reply),)
    assert waiting(store, "live") == []


def test_without_an_answer_it_is_asked_again_until_the_night_has_gone_on(store: sa.Engine) -> None:
    ask(store, [PROPOSED], moment(3))
    reply_to_waiting(store, [PROPOSED], NOBODY, moment(4))
    assert ask(store, [PROPOSED], moment(5)) == [PROPOSED]
    assert answers(store, [PROPOSED]) == ()
    reply_to_waiting(store, [PROPOSED], NOBODY, moment(6))
    carry_out(store, kept())
    assert ask(store, [PROPOSED], moment(7)) == []
    assert answers(store, [PROPOSED]) == (Answer(5, NOBODY),)
    assert waiting(store, "live") == [PROPOSED]


def test_where_nobody_is_served_a_refusal_for_want_of_an_answer_is_asked_again(store: sa.Engine) -> None:
    first = dataclasses.replace(PROPOSED, action=SERVE)
    ask(store, [first], moment(3))
    reply_to_waiting(store, [first], NOBODY, moment(4))
    carry_out(store, dataclasses.replace(kept(first), action=REFUSE))
    assert ask(store, [first], moment(5)) == [first]


def test_an_answer_about_another_model_does_not_count(store: sa.Engine) -> None:
    ask(store, [PROPOSED], moment(3))
    reply_to_waiting(store, [PROPOSED], YES, moment(4))
    other = dataclasses.replace(PROPOSED, content="c3", version="3")
    assert answers(store, [other]) == ()
    assert ask(store, [other], moment(5)) == [other]
    assert answers(store, [PROPOSED]) == ()


def test_an_answer_given_ahead_counts_for_whatever_is_proposed(store: sa.Engine) -> None:
    reply_ahead(store, "live", DAYS[1], [5, 20], NO, moment(2))
    assert waiting(store, "live") == []
    assert ask(store, [PROPOSED], moment(3)) == []
    assert answers(store, [PROPOSED]) == (Answer(5, NO),)
    assert asked_about(store, "live", DAYS[1], 5) == PROPOSED
    assert asked_about(store, "live", DAYS[1], 20) is None


def test_the_first_answer_stands_where_two_ways_are_open_and_a_command_may_change_it(store: sa.Engine) -> None:
    ask(store, [PROPOSED], moment(3))
    reply_ahead(store, "live", DAYS[1], [5], NO, moment(4))
    reply_to_waiting(store, [PROPOSED], NOBODY, moment(5))
    assert answers(store, [PROPOSED]) == (Answer(5, NO),)
    reply_ahead(store, "live", DAYS[1], [5], YES, moment(6))
    assert answers(store, [PROPOSED]) == (Answer(5, YES),)


def test_a_late_approval_serves_only_nights_that_had_not_begun(store: sa.Engine) -> None:
    carry_out(store, dataclasses.replace(PROPOSED, as_of=DAYS[0], action=SERVE, content="c1", version="1"))
    ask(store, [PROPOSED], moment(3))
    carry_out(store, kept())
    approve_late(store, PROPOSED, YES, DAYS[2], moment(6))
    assert unconfirmed(store, "live") == [dataclasses.replace(PROPOSED, counts_after=DAYS[2])]
    assert {one.version for one in serving_on(store, "live", DAYS[4])} == {"1"}
    confirm(store, PROPOSED)
    versions = [one.version for day in DAYS for one in serving_on(store, "live", day)]
    assert versions == ["1", "1", "1", "2", "2"]
    row = all_approvals(store, "live").row(0, named=True)
    assert (row["answer"], row["by"], row["note"], row["begun"]) == ("approved", "Ada", "sound", DAYS[2])


def test_a_night_that_begins_meanwhile_keeps_a_late_approval_out(store: sa.Engine) -> None:
    ask(store, [PROPOSED], moment(3))
    carry_out(store, kept())
    begin(store, NightKey("live", DAYS[3], "c"), None, moment(6))
    with pytest.raises(NightLocked, match=f"that of {DAYS[3]} has: try again"):
        approve_late(store, PROPOSED, YES, DAYS[2], moment(6))
    assert unconfirmed(store, "live") == []
    assert waiting(store, "live") == [PROPOSED]


def test_a_question_that_a_new_start_asks_no_more_is_taken_back(store: sa.Engine) -> None:
    other = dataclasses.replace(PROPOSED, horizon=20)
    ask(store, [PROPOSED, other], moment(3))
    withdraw(store, "live", DAYS[1], [20])
    assert waiting(store, "live") == [PROPOSED]
    reply_to_waiting(store, [PROPOSED], NOBODY, moment(4))
    assert unanswered(store, "live", DAYS[1]) == {5}
    carry_out(store, kept())
    withdraw(store, "live", DAYS[1], [5])
    assert waiting(store, "live") == [PROPOSED]  # decided: it may be approved late


def test_what_a_later_night_has_decided_on_waits_no_longer(store: sa.Engine) -> None:
    ask(store, [PROPOSED], moment(3))
    later = dataclasses.replace(kept(), as_of=DAYS[3])
    write_intent(store, later, moment(4))
    assert superseded_by(store, PROPOSED) is None
    confirm(store, later)
    assert superseded_by(store, PROPOSED) == DAYS[3]
    assert waiting(store, "live") == []


def test_the_newest_night_that_has_begun_counts_however_it_ends(store: sa.Engine) -> None:
    assert newest_begun(store, "live") is None
    for day in (DAYS[2], DAYS[0]):
        begin(store, NightKey("live", day, "content"), None, moment(9))
    begin(store, NightKey("replay", DAYS[4], "content"), None, moment(9))
    assert newest_begun(store, "live") == DAYS[2]
