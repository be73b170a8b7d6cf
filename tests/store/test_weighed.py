"""Recipes, tests and verdicts on both engines, and what a person decides after a night has decided."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from opened_store import opened
from store_samples import DAYS, moment

from nightdesk.errors import NightLocked
from nightdesk.store.approvals import decided_on, superseded_by
from nightdesk.store.database import connect, migrations_folder
from nightdesk.store.decisions import (
    REFRESH,
    ROLLBACK,
    SERVE,
    Decision,
    all_decisions,
    confirm,
    decide_outside,
    decided_after,
    moves_up_to,
    serving_on,
    unconfirmed,
    write_intent,
)
from nightdesk.store.evidence import (
    MOOT,
    REPLACEMENT,
    SKILL,
    SuperiorityTest,
    Verdict,
    freeze_recipes,
    frozen_days,
    newest_weighed,
    proven_recipes,
    superiority_tests_of,
    take_back_night,
    verdicts_of,
    write_night,
)
from nightdesk.store.nights import NightKey, begin
from nightdesk.store.schema import decisions, walk_forward

TEST = SuperiorityTest(5, DAYS[1], "b-1", "a-1", "lightgbm", "ridge", 0.0125)
OPEN = Verdict(5, REPLACEMENT, DAYS[1], "b-1", "lightgbm", "ridge", "open", 1.0, 1.0, 80.0, 0, 0, None, "too few")
PROVEN = Verdict(5, SKILL, DAYS[0], "a-1", "ridge", "momentum", "proven", None, 21.5, 20.0, 90, None, None, "proven")
NIGHT = Decision("live", DAYS[1], 5, SERVE, "ridge", "c1", "1", "unproven", "why", True)


def test_a_recipe_keeps_the_day_on_which_it_was_first_seen(store: sa.Engine) -> None:
    freeze_recipes(store, {"a-1": "ridge"}, moment(2))
    freeze_recipes(store, {"a-1": "ridge", "b-1": "lightgbm"}, moment(2) + dt.timedelta(days=3))
    first = moment(2).date()
    assert frozen_days(store) == {"a-1": first, "b-1": first + dt.timedelta(days=3)}


def test_what_a_killed_night_wrote_is_taken_back_and_no_more(store: sa.Engine) -> None:
    write_night(store, "live", DAYS[1], [TEST], [OPEN])
    write_night(store, "live", DAYS[3], [dataclasses.replace(TEST, outcome=MOOT, ended=DAYS[3])], [OPEN, PROVEN])
    assert [one.ended for one in superiority_tests_of(store, "live", 5, DAYS[4])] == [DAYS[3]]
    assert verdicts_of(store, "live", DAYS[3]) == [OPEN, PROVEN]
    take_back_night(store, "live", DAYS[3])
    assert superiority_tests_of(store, "live", 5, DAYS[4]) == [TEST]
    assert verdicts_of(store, "live", DAYS[3]) == []
    assert newest_weighed(store, "live", DAYS[4]) == DAYS[1]
    take_back_night(store, "live", DAYS[1])
    assert superiority_tests_of(store, "live", 5, DAYS[4]) == []
    assert newest_weighed(store, "live", DAYS[4]) is None


def test_tests_and_verdicts_are_of_their_realm_horizon_and_date(store: sa.Engine) -> None:
    write_night(store, "live", DAYS[1], [TEST, dataclasses.replace(TEST, horizon=20)], [OPEN])
    write_night(store, "replay", DAYS[1], [TEST], [])
    assert superiority_tests_of(store, "live", 5, DAYS[0]) == []
    assert superiority_tests_of(store, "live", 5, DAYS[1]) == [TEST]
    assert superiority_tests_of(store, "replay", 20, DAYS[1]) == []
    assert verdicts_of(store, "replay", DAYS[1]) == []


def test_skill_is_that_of_the_recipe_from_the_night_on_which_it_was_proven(store: sa.Engine) -> None:
    row = {"realm": "live", "as_of": DAYS[1], "horizon": 5, "model": "ridge", "kind": "model", "days": 9}
    with store.begin() as connection:
        connection.execute(sa.insert(walk_forward).values(**row, recipe="a-1", version="1", model_content="c1"))
    write_intent(store, NIGHT, moment(3))
    confirm(store, NIGHT)
    write_night(store, "live", DAYS[3], [], [PROVEN])
    assert proven_recipes(store, "live", DAYS[2]) == set()
    assert [one.skill for day in (DAYS[2], DAYS[3]) for one in serving_on(store, "live", day)] == ["unproven", "proven"]
    assert [one.recipe for one in moves_up_to(store, "live", DAYS[3])] == ["a-1"]


def test_decisions_of_before_persons_decided_are_carried_over(empty_url: str) -> None:
    engine = connect(empty_url)
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0009_rebases")
        former = {column.name: column for column in decisions.columns if column.name != "number"}
        table = sa.table("decisions", *(sa.column(name, column.type) for name, column in former.items()))
        row = {"realm": "live", "as_of": DAYS[1], "horizon": 5, "action": SERVE, "reasons": "it's why"}
        connection.execute(
            sa.insert(table).values(**row, moves_alias=True, confirmed=True, decided_at=moment(3), model="ridge")
        )
    engine.dispose()
    with opened(empty_url) as store:
        assert all_decisions(store, "live").select("model", "reasons", "confirmed").rows() == [
            ("ridge", "it's why", True)
        ]
        decide_outside(store, by_hand("2"), moment(9))
        assert [one.number for one in unconfirmed(store, "live")] == [1]


def by_hand(version: str, after: dt.date = DAYS[1]) -> Decision:
    return dataclasses.replace(NIGHT, action=ROLLBACK, version=version, content=f"c{version}", counts_after=after)


def test_a_person_decides_after_the_night_and_counts_from_the_next_one_on(store: sa.Engine) -> None:
    write_intent(store, NIGHT, moment(9))
    confirm(store, NIGHT)
    for number, version in enumerate(("2", "3"), 1):
        made = decide_outside(store, by_hand(version), moment(9 + number))
        assert made.number == number
        assert unconfirmed(store, "live") == [made]
        confirm(store, made)
    assert [[one.version for one in serving_on(store, "live", day)] for day in DAYS[1:3]] == [["1"], ["3"]]
    assert all_decisions(store, "live")["version"].to_list() == ["1", "2", "3"]
    assert decided_after(store, "live", DAYS[1], 5)
    assert not decided_after(store, "live", DAYS[1], 5, DAYS[1])
    assert not decided_after(store, "live", DAYS[2], 5)
    assert superseded_by(store, NIGHT) == DAYS[1]
    assert decided_on(store, "live", DAYS[1], 5) == (SERVE, True)


def test_a_night_started_again_after_a_person_decided_does_not_take_that_back(store: sa.Engine) -> None:
    made = decide_outside(store, by_hand("2"), moment(3))
    confirm(store, made)
    write_intent(store, NIGHT, moment(9))
    confirm(store, NIGHT)
    assert [[one.version for one in serving_on(store, "live", day)] for day in DAYS[1:3]] == [["1"], ["2"]]


def test_a_retrain_after_a_person_decided_counts_after_them(store: sa.Engine) -> None:
    confirm(store, decide_outside(store, by_hand("2"), moment(3)))
    retrained = dataclasses.replace(NIGHT, action=REFRESH, version="4", counts_after=DAYS[1])
    write_intent(store, retrained, moment(9))
    confirm(store, retrained)
    assert [one.version for one in serving_on(store, "live", DAYS[2])] == ["4"]


def test_nobody_decides_while_a_newer_night_has_begun(store: sa.Engine) -> None:
    begin(store, NightKey("live", DAYS[2], "content"), None, moment(3))
    with pytest.raises(NightLocked, match=f"that of {DAYS[2]} has: try again"):
        decide_outside(store, by_hand("2"), moment(4))
