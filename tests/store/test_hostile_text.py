"""Text that would be SQL, if anybody pasted it into a statement: it is kept as it came, and nothing else happens."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal
from store_samples import DAYS, NO_BROKEN, arrival, bars, broken, count, everything, moment

from nightdesk.store import schema
from nightdesk.store.approvals import APPROVED, Answer, Reply, all_approvals, answers, ask, reply_to_waiting
from nightdesk.store.decisions import Decision, all_decisions, confirm, newest_walk_forward, serving_on, write_intent
from nightdesk.store.forecasts import forecasts_of, log_forecasts
from nightdesk.store.incidents import Incident, all_incidents, any_open_below, close_below, enter
from nightdesk.store.inputs import (
    bars_as_known,
    last_loaded,
    load_bars,
    load_membership,
    members_as_known,
    quarantined,
)
from nightdesk.store.nights import FAILED, NightKey, begin, end, history
from nightdesk.tables import MEMBERSHIP

HOSTILE = (
    "'; DROP TABLE bars; --",
    '"; DROP TABLE bars; --',
    "x') OR ('1'='1",
    "%(source)s %s :source ? ?1",
    "\\'; DELETE FROM nights; /*",
    "a,b\n\\.\nc\td",
    "<script>alert(1)</script>",
    "É ' “quoted” 漢字 \\N",
    "$$; TRUNCATE bars; $$",
)


@pytest.fixture(autouse=True)
def _every_table_stays(store: sa.Engine) -> None:
    yield
    assert set(sa.inspect(store).get_table_names()) >= {table.name for table in schema.metadata.sorted_tables}


def test_symbols_sources_and_reasons_come_back_as_they_went(store: sa.Engine) -> None:
    for number, source in enumerate(HOSTILE):
        good = bars({(symbol, day): (10.0 + number, 5.0) for symbol in HOSTILE for day in DAYS[:2]})
        held = broken([(symbol, DAYS[2], 1.0, [symbol.replace(",", ";")]) for symbol in HOSTILE])
        how = arrival(moment(9), source=source)
        assert load_bars(store, good, held, [], how).rows_new == good.height
        # Once more, one value another: found out by comparison, whichever way it goes.
        again = good.with_columns(close=pl.when(pl.col("symbol") == HOSTILE[0]).then(99.0).otherwise("close"))
        assert load_bars(store, again, NO_BROKEN, [], arrival(moment(10), source=source)).rows_new == 2
        known = bars_as_known(store, source, moment(30)).select(again.columns).sort("symbol", "date")
        assert_frame_equal(known, again.sort("symbol", "date"))
        assert last_loaded(store, source) is not None
        assert bars_as_known(store, source, moment(30), symbols=HOSTILE).height == again.height
        assert set(quarantined(store, source, DAYS[4])["reasons"]) == {one.replace(",", ";") for one in HOSTILE}
    assert everything(store, schema.bars)["source"].n_unique() == len(HOSTILE)


def test_members_come_back_as_they_went(store: sa.Engine) -> None:
    rows = [(one[:16], DAYS[0], one, one, None) for one in HOSTILE]
    members = pl.DataFrame(rows, schema=MEMBERSHIP, orient="row")
    load_membership(store, members, arrival(moment(9), source=HOSTILE[0]))
    known = members_as_known(store, HOSTILE[0], moment(30))
    assert set(known["symbol"]) == set(known["name"]) == set(HOSTILE)


@pytest.mark.parametrize("text", HOSTILE)
def test_nights_decisions_answers_and_incidents_keep_what_was_said(store: sa.Engine, text: str) -> None:
    realm, word = text[:32], text[:16]
    ended = begin(store, NightKey(realm, DAYS[0], "content"), text, moment(3))
    end(store, ended, FAILED, moment(4), text)
    assert history(store, realm)["reason"].to_list() == [text]
    decision = Decision(realm, DAYS[0], 5, "serve", text, word, word, "unproven", text, True)
    write_intent(store, decision, moment(5))
    confirm(store, decision)
    assert all_decisions(store, realm)["reasons"].to_list() == [text]
    assert [one.model for one in serving_on(store, realm, DAYS[1])] == [text]
    assert newest_walk_forward(store, realm, DAYS[1]).is_empty()
    asked = replace(decision, as_of=DAYS[1])
    ask(store, [asked], moment(6))
    reply = Reply(APPROVED, text, text)
    reply_to_waiting(store, [asked], reply, moment(7))
    assert answers(store, [asked]) == (Answer(5, reply),)
    assert all_approvals(store, realm)["by"].to_list() == [text]
    incident = Incident(f"night-failed/{text}", "night-failed", text, text, text, text)
    assert enter(store, incident, moment(8))
    assert not enter(store, incident, moment(8))
    assert any_open_below(store, f"night-failed/{text}")
    assert not any_open_below(store, "night-failed/_")
    assert close_below(store, moment(9), f"night-failed/{text[:4]}") == 1
    assert all_incidents(store)["title"].to_list() == [text]


def test_forecasts_of_such_symbols_are_kept(store: sa.Engine) -> None:
    rows = pl.DataFrame(
        {
            "horizon": [5] * len(HOSTILE),
            "model": ["ridge"] * len(HOSTILE),
            "symbol": sorted(HOSTILE),
            "score": [0.5] * len(HOSTILE),
            "served": [True] * len(HOSTILE),
            "model_content": ["c"] * len(HOSTILE),
        }
    )
    log_forecasts(store, HOSTILE[0], DAYS[0], rows)
    assert set(forecasts_of(store, HOSTILE[0], DAYS[0])["symbol"]) == set(HOSTILE)
    assert count(store, schema.nights) == 0
