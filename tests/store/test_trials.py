"""The ledger of trials: what was tried counts once, whoever asks again; openings are kept word for word."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import sqlalchemy as sa

from nightdesk.store.trials import (
    FIT,
    LOOK,
    NOTEBOOK,
    Opening,
    Trial,
    all_trials,
    log_opening,
    log_trials,
    openings_by,
    trials_over,
)

DAY = dt.date(2017, 6, 30)
AT = dt.datetime(2017, 7, 1, 5, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
NIGHT = Trial("live", FIT, "ridge", "a" * 16, 5, DAY, dt.date(2015, 1, 5), dt.date(2017, 6, 22), 7)
LOOKED = replace(NIGHT, realm=NOTEBOOK, kind=LOOK, name="x" * 80, sharpe=0.04)


def test_a_trial_counts_once_however_often_it_is_entered(store: sa.Engine) -> None:
    assert log_trials(store, [NIGHT, NIGHT, LOOKED], "night", AT) == 2
    # Looked at again, with another figure: it is the look that stands.
    assert log_trials(store, [replace(LOOKED, sharpe=0.9), NIGHT], "me", AT + HOUR) == 0
    assert log_trials(store, [], "me", AT) == 0
    rows = all_trials(store).sort("kind").to_dicts()
    assert [(row["kind"], row["by"], row["sharpe"], row["tried_at"]) for row in rows] == [
        (FIT, "night", None, AT),
        (LOOK, "night", 0.04, AT),
    ]
    assert rows[1]["name"] == "x" * 64


def test_whatever_else_was_tried_is_another_trial(store: sa.Engine) -> None:
    changes = (
        *({"realm": "replay"}, {"kind": LOOK}, {"recipe": "b" * 16}, {"horizon": 6}, {"seed": 8}),
        *({"as_of": DAY - dt.timedelta(days=1)}, {"last_day": dt.date(2017, 6, 21)}),
    )
    assert log_trials(store, [NIGHT, *(replace(NIGHT, **change) for change in changes)], "night", AT) == 8


def test_trials_count_where_they_were_scored_on_one_of_the_days(store: sa.Engine) -> None:
    early = replace(NIGHT, first_day=dt.date(2013, 1, 2), last_day=dt.date(2014, 12, 31))
    log_trials(store, [NIGHT, LOOKED, early], "night", AT)
    counted = {
        (first, last): trials_over(store, dt.date(*first), dt.date(*last)).height
        for first, last in (((2015, 1, 1), (2015, 1, 4)), ((2014, 12, 31), (2015, 1, 5)), ((2017, 6, 22), (2018, 1, 1)))
    }
    assert list(counted.values()) == [0, 3, 2]


def test_openings_are_kept_with_their_reason_and_never_merged(store: sa.Engine) -> None:
    opening = Opening("ridge", 5, DAY, dt.date(2017, 1, 3), 'the last look; robert\'s "idea"', "me", AT)
    log_opening(store, opening)
    log_opening(store, replace(opening, opened_at=AT + HOUR))
    assert openings_by(store, AT) == (opening,)
    assert [one.opened_at for one in openings_by(store, AT + HOUR)] == [AT, AT + HOUR]
