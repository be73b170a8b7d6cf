"""The ledger says of each stage, by its content, whether it is finished and what it left."""

from __future__ import annotations

import dataclasses

import pytest
import sqlalchemy as sa
from store_samples import DAYS, count, moment

from nightdesk.store import schema
from nightdesk.store.ledger import StageKey, finished, record, results_up_to, stage_seconds

KEY = StageKey("live", DAYS[0], "load", "0123456789abcdef")
RESULT = '{"rows": 3, "text": "a \\"b\\" é\\n"}'


def test_a_stage_is_finished_once_it_is_recorded(store: sa.Engine) -> None:
    assert finished(store, KEY) is None
    record(store, KEY, RESULT, 1.5, moment(2))
    assert finished(store, KEY) == RESULT


@pytest.mark.parametrize("other", [{"realm": "replay"}, {"as_of": DAYS[1]}, {"stage": "check"}, {"content": "f" * 16}])
def test_another_key_is_not_finished(store: sa.Engine, other: dict[str, object]) -> None:
    record(store, KEY, RESULT, 1.5, moment(2))
    assert finished(store, dataclasses.replace(KEY, **other)) is None


def test_a_second_record_takes_the_place_of_the_first(store: sa.Engine) -> None:
    record(store, KEY, RESULT, 1.5, moment(2))
    record(store, KEY, "{}", 2.5, moment(3))
    assert finished(store, KEY) == "{}"
    assert count(store, schema.stages) == 1
    assert stage_seconds(store, "live", DAYS[0]).rows() == [("load", 2.5)]


def test_an_empty_result_is_a_finished_stage(store: sa.Engine) -> None:
    record(store, KEY, "", 0.0, moment(2))
    assert finished(store, KEY) == ""


def test_seconds_are_listed_in_the_order_of_finishing(store: sa.Engine) -> None:
    for stage, day in (("publish", 5), ("load", 3), ("check", 4)):
        record(store, dataclasses.replace(KEY, stage=stage), RESULT, float(day), moment(day))
    record(store, dataclasses.replace(KEY, as_of=DAYS[1]), RESULT, 9.0, moment(2))
    assert stage_seconds(store, "live", DAYS[0]).rows() == [("load", 3.0), ("check", 4.0), ("publish", 5.0)]
    assert stage_seconds(store, "replay", DAYS[0]).is_empty()


def test_what_stages_left_up_to_a_night_is_read_newest_first(store: sa.Engine) -> None:
    for day, stage, left in (
        (0, "tune-ridge-full", "old"),
        (1, "tune-ridge-full", "new"),
        (1, "tune_ridge", "another"),
        (2, "tune-ridge-full", "later"),
    ):
        record(store, dataclasses.replace(KEY, as_of=DAYS[day], stage=stage), left, 1.0, moment(2))
    record(store, dataclasses.replace(KEY, realm="replay", stage="tune-ridge-full"), "elsewhere", 1.0, moment(2))
    assert results_up_to(store, "live", DAYS[1], "tune-") == ["new", "old"]
    assert results_up_to(store, "live", DAYS[0], "tune-") == ["old"]
