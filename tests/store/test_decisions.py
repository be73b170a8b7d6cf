"""Who is served on any date follows from confirmed decisions; an intent without its confirmation serves nobody."""

from __future__ import annotations

import dataclasses
import datetime as dt

import polars as pl
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal
from store_samples import DAYS, moment

from nightdesk.store.decisions import (
    KEEP,
    REFRESH,
    REFUSE,
    SERVE,
    Decision,
    Serving,
    all_decisions,
    confirm,
    confirmed,
    decided_after,
    last_trained,
    newest_walk_forward,
    serving_on,
    unconfirmed,
    write_intent,
    write_walk_forward,
)

FIRST = Decision("live", DAYS[0], 5, SERVE, "ridge", "c1", "1", "unproven", 'the first; it\'s "best"', True)


def on(day: dt.date, action: str = REFRESH, version: str = "2", horizon: int = 5, realm: str = "live") -> Decision:
    return dataclasses.replace(
        FIRST, as_of=day, action=action, version=version, content=f"c{version}", horizon=horizon, realm=realm
    )


def carry_out(store: sa.Engine, *decisions: Decision) -> None:
    for decision in decisions:
        write_intent(store, decision, moment(9))
        confirm(store, decision)


def walk_forward_rows(day: dt.date, horizon: int, models: dict[str, float | None], realm: str = "live") -> pl.DataFrame:
    nothing = dict.fromkeys(("lower", "upper", "edge", "edge_lower", "edge_upper"))
    words = dict.fromkeys(("rival", "recipe", "version", "model_content"))
    rows = [
        {"realm": realm, "as_of": day, "horizon": horizon, "model": model, "kind": "model", "mean": mean, "days": 9}
        for model, mean in models.items()
    ]
    floats = dict.fromkeys(("mean", *nothing), pl.Float64)
    return pl.DataFrame(
        [row | nothing | words for row in rows], schema_overrides=floats | dict.fromkeys(words, pl.String)
    )


def test_an_intent_serves_nobody_until_it_is_confirmed(store: sa.Engine) -> None:
    write_intent(store, FIRST, moment(2))
    assert serving_on(store, "live", DAYS[4]) == []
    assert not confirmed(store, "live", DAYS[0], 5)
    assert unconfirmed(store, "live") == [FIRST]
    confirm(store, FIRST)
    assert serving_on(store, "live", DAYS[4]) == [Serving(5, "ridge", "c1", "1", "unproven", DAYS[0])]
    assert confirmed(store, "live", DAYS[0], 5)
    assert unconfirmed(store, "live") == []


def test_an_unconfirmed_intent_gives_way_to_the_next_and_a_confirmed_one_does_not(store: sa.Engine) -> None:
    write_intent(store, FIRST, moment(2))
    second = dataclasses.replace(FIRST, version="2")
    write_intent(store, second, moment(3))
    assert unconfirmed(store, "live") == [second]
    confirm(store, second)
    with pytest.raises(sa.exc.IntegrityError):
        write_intent(store, FIRST, moment(4))
    assert [one.version for one in serving_on(store, "live", DAYS[0])] == ["2"]


def test_a_confirmation_is_of_its_own_night_horizon_and_realm(store: sa.Engine) -> None:
    others = [on(DAYS[1]), on(DAYS[0], horizon=20), on(DAYS[0], realm="replay")]
    for decision in (FIRST, *others):
        write_intent(store, decision, moment(2))
    confirm(store, FIRST)
    assert unconfirmed(store, "live") == [others[1], others[0]]
    assert unconfirmed(store, "replay") == [others[2]]


def test_who_is_served_is_read_by_date(store: sa.Engine) -> None:
    carry_out(store, on(DAYS[1], SERVE, "1"), on(DAYS[3], REFRESH, "2"), on(DAYS[2], SERVE, "7", horizon=20))
    carry_out(store, on(DAYS[1], SERVE, "9", realm="replay"))
    served = {day: [(one.horizon, one.version) for one in serving_on(store, "live", day)] for day in DAYS}
    assert served == {
        DAYS[0]: [],
        DAYS[1]: [(5, "1")],
        DAYS[2]: [(5, "1"), (20, "7")],
        DAYS[3]: [(5, "2"), (20, "7")],
        DAYS[4]: [(5, "2"), (20, "7")],
    }


@pytest.mark.parametrize("action", [KEEP, REFUSE])
def test_a_decision_that_moves_nothing_leaves_who_is_served(store: sa.Engine, action: str) -> None:
    carry_out(store, FIRST, on(DAYS[1], action, "2"))
    assert [(one.version, one.since) for one in serving_on(store, "live", DAYS[4])] == [("1", DAYS[0])]
    assert not decided_after(store, "live", DAYS[0], 5)


def test_a_later_confirmed_move_takes_the_alias_from_an_earlier_night(store: sa.Engine) -> None:
    carry_out(store, on(DAYS[2]), on(DAYS[4], horizon=20), on(DAYS[4], realm="replay"))
    write_intent(store, on(DAYS[3]), moment(9))
    assert [decided_after(store, "live", day, 5) for day in DAYS] == [True, True, False, False, False]
    assert decided_after(store, "live", DAYS[3], 20)
    assert not decided_after(store, "live", DAYS[0], 60)


def test_every_decision_is_listed_oldest_first(store: sa.Engine) -> None:
    nobody = Decision("live", DAYS[0], 20, REFUSE, None, None, None, None, "broken", False)
    carry_out(store, on(DAYS[1]), FIRST)
    write_intent(store, nobody, moment(2))
    assert unconfirmed(store, "live") == [nobody]
    columns = ("as_of", "horizon", "action", "model", "reasons", "confirmed", "moves_alias")
    assert all_decisions(store, "live").select(columns).rows() == [
        (DAYS[0], 5, SERVE, "ridge", FIRST.reasons, True, True),
        (DAYS[0], 20, REFUSE, None, "broken", False, False),
        (DAYS[1], 5, REFRESH, "ridge", FIRST.reasons, True, True),
    ]


def test_walk_forward_results_take_the_place_of_those_of_the_same_night(store: sa.Engine) -> None:
    write_walk_forward(store, walk_forward_rows(DAYS[0], 5, {"ridge": 0.1, "old": 0.2}))
    write_walk_forward(store, walk_forward_rows(DAYS[0], 20, {"ridge": 0.3}))
    write_walk_forward(store, walk_forward_rows(DAYS[0], 5, {"ridge": 0.4, "none": None, "best": 0.5}))
    write_walk_forward(store, walk_forward_rows(DAYS[0], 5, {"ridge": 9.0}, realm="replay"))
    kept = newest_walk_forward(store, "live", DAYS[4])
    assert kept.select("horizon", "model", "mean").rows() == [
        (5, "best", 0.5),
        (5, "ridge", 0.4),
        (5, "none", None),
        (20, "ridge", 0.3),
    ]
    assert "realm" not in kept.columns
    assert_frame_equal(newest_walk_forward(store, "live", DAYS[0]), kept)


def test_the_newest_results_up_to_a_date_are_read(store: sa.Engine) -> None:
    for day, mean in ((DAYS[1], 0.1), (DAYS[3], 0.3)):
        write_walk_forward(store, walk_forward_rows(day, 5, {"ridge": mean}))
    means = [newest_walk_forward(store, "live", day)["mean"].to_list() for day in DAYS]
    assert means == [[], [0.1], [0.1], [0.3], [0.3]]


def test_the_last_training_counts_only_where_somebody_is_served(store: sa.Engine) -> None:
    for day in (DAYS[0], DAYS[2]):
        for horizon in (5, 20):
            write_walk_forward(store, walk_forward_rows(day, horizon, {"ridge": 0.1}))
    carry_out(store, on(DAYS[1]))
    assert last_trained(store, "live", DAYS[0], (5, 20)) == {5: None, 20: None}
    assert last_trained(store, "live", DAYS[1], (5, 20)) == {5: DAYS[0], 20: None}
    assert last_trained(store, "live", DAYS[4], (5, 60)) == {5: DAYS[2], 60: None}
    assert last_trained(store, "replay", DAYS[4], (5,)) == {5: None}
