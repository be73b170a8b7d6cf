"""Nights of a sealed stretch count only where nothing had reached beyond them before they were done."""

from __future__ import annotations

import datetime as dt

from nightdesk.promotion.unseen import Reach, unseen_nights

DAYS = [dt.date(2017, 1, 2) + dt.timedelta(days=number) for number in range(6)]


def at(hour: int) -> dt.datetime:
    return dt.datetime(2026, 1, 1, hour, tzinfo=dt.UTC)


DONE = {day: at(number + 10) for number, day in enumerate(DAYS)}
"""A night an hour."""
OWN = [Reach(day, moment - dt.timedelta(minutes=30)) for day, moment in DONE.items()]


def test_one_night_after_the_other_is_unseen_from_the_seal_on() -> None:
    assert unseen_nights(DONE, OWN, DAYS[2]) == set(DAYS[2:])
    assert unseen_nights(DONE, OWN, DAYS[0]) == set(DAYS)
    assert unseen_nights(DONE, [], DAYS[5]) == {DAYS[5]}


def test_nothing_is_unseen_where_nothing_is_sealed() -> None:
    assert unseen_nights(DONE, OWN, None) == set()


def test_whoever_knew_a_later_day_before_has_seen_the_night() -> None:
    assert unseen_nights(DONE, [*OWN, Reach(DAYS[3], at(1))], DAYS[0]) == set(DAYS[3:])
    assert unseen_nights(DONE, [*OWN, Reach(DAYS[5], at(1))], DAYS[0]) == {DAYS[5]}


def test_what_was_seen_after_a_night_was_done_does_not_matter_to_it() -> None:
    assert unseen_nights(DONE, [*OWN, Reach(DAYS[5], DONE[DAYS[2]])], DAYS[0]) == {*DAYS[:3], DAYS[5]}


def test_a_night_that_was_done_out_of_turn_has_been_seen() -> None:
    assert unseen_nights({**DONE, DAYS[1]: at(20)}, OWN, DAYS[0]) == {DAYS[0], *DAYS[2:]}
