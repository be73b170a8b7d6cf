"""Bars from a URL: the whole history or a day's file, an empty day, a restatement that arrives as a new version."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from bar_samples import a_file_a_day, csv_of, evening_of, gzip_of, parquet_of, synthetic_bars
from bar_server import BarServer, Silent, bar_server, half, redirect, status
from opened_store import opened
from polars.testing import assert_frame_equal

from nightdesk.errors import BadSetting, SourceBroken, SourceUnavailable
from nightdesk.quality.bars import BROKEN
from nightdesk.settings import Settings
from nightdesk.sources import open_source
from nightdesk.store.inputs import Arrival, Loaded, bars_as_known, load_bars
from nightdesk.tables import BARS, DATE, SYMBOL

SEEN = synthetic_bars(symbols=3, days=20, faults=False)
DAYS = SEEN.get_column(DATE).unique().sort().to_list()
LAST = DAYS[-1]
QUICK: dict[str, Any] = {"requests_per_second": 1000, "wait_s": 0.001, "attempts": 2, "fresh_s": 0}


@pytest.fixture
def server() -> Iterator[BarServer]:
    with bar_server() as one:
        one.today = evening_of(LAST)
        one.files = {"/all.csv": csv_of(SEEN), **a_file_a_day(SEEN)}
        yield one


def whole(server: BarServer, path: str = "/all.csv", **options: Any) -> Any:
    return open_source("http", url=server.url(path), **{**QUICK, **options})


def by_day(server: BarServer, **options: Any) -> Any:
    return open_source("http", url=server.url("/bars/{date}.csv"), **{**QUICK, "first_day": DAYS[0], **options})


@pytest.mark.parametrize(
    "content", [csv_of(SEEN), gzip_of(csv_of(SEEN)), parquet_of(SEEN)], ids=["csv", "gz", "parquet"]
)
def test_a_whole_history_is_read_in_each_form(content: bytes, server: BarServer) -> None:
    server.files["/all"] = content
    assert_frame_equal(whole(server, "/all").bars(None, LAST), SEEN)


def test_a_file_that_did_not_change_is_sent_once(server: BarServer) -> None:
    source = whole(server)
    for _ in range(3):
        assert source.last_day() == LAST
        assert_frame_equal(source.bars(DAYS[3], DAYS[5]), SEEN.filter(pl.col(DATE).is_between(DAYS[3], DAYS[5])))
    assert ["if-none-match" in headers for _, headers in server.asked] == [False] + [True] * 5


def test_an_answer_that_is_fresh_is_used_again_without_asking(server: BarServer) -> None:
    source = whole(server, fresh_s=3600)
    source.bars(None, source.last_day())
    assert source.first_day() == DAYS[0]
    assert len(server.asked) == 1


def test_a_url_with_a_date_is_asked_for_each_trading_day_and_no_other(server: BarServer) -> None:
    assert_frame_equal(by_day(server).bars(DAYS[2], DAYS[4]), SEEN.filter(pl.col(DATE).is_between(DAYS[2], DAYS[4])))
    assert server.paths() == [f"/bars/{day}.csv" for day in DAYS[2:5]]
    server.files |= {f"/{day:%Y}/{day:%m%d}": csv_of(SEEN.filter(pl.col(DATE) == day)) for day in DAYS}
    other = open_source("http", url=server.url("/{date:%Y}/{date:%m%d}"), first_day=str(DAYS[0]), **QUICK)
    assert_frame_equal(other.bars(None, LAST), SEEN)


def test_history_is_asked_for_once_and_days_after_it_by_their_own_url(server: BarServer) -> None:
    server.files["/old.parquet"] = parquet_of(SEEN.filter(pl.col(DATE) <= DAYS[14]))
    source = by_day(server, history_url=server.url("/old.parquet"), first_day=None)
    assert_frame_equal(source.bars(None, LAST), SEEN)
    assert [path for path in server.paths() if path.startswith("/bars/")] == [f"/bars/{day}.csv" for day in DAYS[15:]]
    server.asked.clear()
    source.bars(DAYS[-2], LAST)
    assert "/old.parquet" in server.paths()  # whether its first day is still the same: answered without a file
    assert dict(server.asked)["/old.parquet"]["if-none-match"]


def test_the_newest_day_is_the_last_one_due_by_the_servers_clock_that_has_bars(server: BarServer) -> None:
    assert by_day(server).last_day() == LAST
    server.today = dt.datetime.combine(LAST, dt.time(15), dt.UTC)  # before the close
    assert by_day(server).last_day() == DAYS[-2]
    server.today = evening_of(LAST)
    del server.files[f"/bars/{LAST}.csv"]
    assert by_day(server).last_day() == DAYS[-2]
    server.files[f"/bars/{DAYS[-2]}.csv"] = b"symbol,date,open,high,low,close,volume\n"
    assert by_day(server).last_day() == DAYS[-3]
    with pytest.raises(SourceBroken, match=r"or the URL of one of the 1 trading days before must give bars, got none"):
        by_day(server, look_back_days=2).last_day()


def test_an_empty_day_has_no_rows_and_hides_no_other(server: BarServer) -> None:
    server.files[f"/bars/{DAYS[3]}.csv"] = b"symbol,date,open,high,low,close,volume\n"
    bars = by_day(server).bars(DAYS[2], DAYS[4])
    assert_frame_equal(bars, SEEN.filter(pl.col(DATE).is_in([DAYS[2], DAYS[4]])))
    assert dict(by_day(server).bars(DAYS[3], DAYS[3]).schema) == dict(BARS)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", r"must not be empty, got 0 bytes in http://127.0.0.1:\d+/bars/2016-01-07.csv: fetch it again"),
        (csv_of(SEEN).rpartition(b",")[0], r"as many cells as the header, 7, got 6 in line 61 of http://127"),
        (csv_of(SEEN), r"must give bars of 2016-01-07 alone, got some of 2016-01-04: correct the {date}"),
        (b"<html>log in</html>\n", "must have a column 'symbol', got '<html>log in</html>' in http://127"),
    ],
)
def test_what_is_no_file_of_that_day_is_broken(content: bytes, text: str, server: BarServer) -> None:
    server.files[f"/bars/{DAYS[3]}.csv"] = content
    with pytest.raises(SourceBroken, match=text):
        by_day(server).bars(DAYS[2], DAYS[4])


def test_a_whole_history_that_is_not_there_or_empty_is_broken(server: BarServer) -> None:
    with pytest.raises(SourceBroken, match=r"http://127.0.0.1:\d+/gone.csv must give the bars, got no file there"):
        whole(server, "/gone.csv").last_day()
    server.files["/all.csv"] = b"symbol,date,open,high,low,close,volume\n"
    with pytest.raises(SourceBroken, match=r"must hold one bar at least, got headers alone in http://127"):
        whole(server).bars(None, LAST)


def test_a_server_without_a_clock_cannot_say_which_day_is_the_newest(
    server: BarServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from http.server import BaseHTTPRequestHandler

    monkeypatch.setattr(BaseHTTPRequestHandler, "send_response", BaseHTTPRequestHandler.send_response_only)
    with pytest.raises(SourceBroken, match=r"must tell the time \(header Date\), got none"):
        by_day(server).last_day()


def test_what_failed_is_asked_again_and_nothing_of_it_is_kept(server: BarServer) -> None:
    source = whole(server, timeout_s=0.2)
    silent = Silent()
    try:
        for fault in (status(500), half, silent, status(429, {"Retry-After": "0"})):
            server.always = fault
            with pytest.raises(SourceUnavailable):
                source.bars(None, LAST)
    finally:
        silent.let_go.set()
    server.always = None
    assert_frame_equal(source.bars(None, LAST), SEEN)
    server.faults.append(redirect("/all.csv"))
    assert_frame_equal(whole(server, "/moved").bars(None, LAST), SEEN)


def test_a_restated_row_arrives_as_a_new_version_and_earlier_reads_still_see_the_old_one(
    server: BarServer, tmp_path: Path
) -> None:
    source = whole(server, basis="rule")
    facts = source.facts
    restated_day, symbol = DAYS[-4], SEEN.get_column(SYMBOL)[0]
    evenings = [evening_of(day) for day in DAYS[-2:]]

    def arrive(store: Any, first: dt.date | None, last: dt.date, at: dt.datetime) -> Loaded:
        arrival = Arrival(facts.name, facts.calendar, facts.publication_lag, facts.basis, at)
        return load_bars(store, source.bars(first, last), pl.DataFrame(schema=BROKEN), [], arrival)

    def close_as_known(store: Any, at: dt.datetime) -> float:
        bars = bars_as_known(store, facts.name, at)
        return bars.filter((pl.col(DATE) == restated_day) & (pl.col(SYMBOL) == symbol)).item(0, "close")

    old = SEEN.filter((pl.col(DATE) == restated_day) & (pl.col(SYMBOL) == symbol)).item(0, "close")
    with opened(f"sqlite:///{tmp_path / 'store.db'}") as store:
        assert arrive(store, None, DAYS[-2], evenings[0]) == Loaded(57, 57, 0)
        that_row = (pl.col(DATE) == restated_day) & (pl.col(SYMBOL) == symbol)
        new = SEEN.with_columns(close=pl.when(that_row).then(old + 0.01).otherwise("close"))
        server.files["/all.csv"] = csv_of(new)
        # Five days are asked for again with the new one: 18 rows, of which three are new and one has changed.
        assert arrive(store, DAYS[-6], LAST, evenings[1]) == Loaded(18, 4, 0)
        assert close_as_known(store, evenings[0]) == old
        assert close_as_known(store, evenings[1] - dt.timedelta(seconds=1)) == old
        assert close_as_known(store, evenings[1]) == pytest.approx(old + 0.01)
        assert arrive(store, DAYS[-6], LAST, evenings[1] + dt.timedelta(hours=1)) == Loaded(18, 0, 0)


def test_it_is_live_and_says_how_it_knows(server: BarServer) -> None:
    facts = whole(server).facts
    assert facts.live
    assert (facts.basis, facts.restate_days, facts.price_basis) == ("observed", 5, "adjusted_later")
    assert whole(server, basis="rule").facts.basis == "rule"
    assert server.asked == []


def test_a_changed_file_changes_the_fingerprint(server: BarServer) -> None:
    before = whole(server).fingerprint()
    server.files["/all.csv"] = csv_of(SEEN.with_columns(pl.col("volume") + 1))
    assert whole(server).fingerprint() != before


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "options of source 'http' do not hold: url: Field required"),
        ({"url": "ftp://x/all.csv"}, "url: must begin with http:// or https:// and a host"),
        ({"url": "http://x/{day}.csv"}, "url: may hold no braces but {date}"),
        ({"url": "http://x/{date}.csv"}, "a url with {date} needs first_day, the first day to ask for, or history_url"),
        ({"url": "http://x/a.csv", "history_url": "http://x/b.csv"}, "history_url stands beside a url with {date}"),
        ({"url": "http://me:s3cr3t@x/a.csv"}, "url: must hold no secret: name the environment variable"),
        ({"url": "http://x/a.csv?apikey=s3cr3t"}, "url: must hold no secret: name the environment variable"),
        ({"url": "http://x/a.csv", "headers": {"X-Key": "s3cr3t"}}, "headers: must name environment variables"),
        ({"url": "http://x/a.csv", "query": {"k": "NIGHTDESK_KEY"}}, "query: must name environment variables"),
        ({"url": "http://x/a.csv", "layout": "wide"}, "layout: Input should be 'long', got 'wide'"),
        ({"url": "http://x/a.csv", "retries": 3}, "options of source 'http' must be among answer_s, .* got retries"),
    ],
)
def test_options_that_do_not_hold_give_one_clear_line_without_a_secret(options: dict[str, Any], text: str) -> None:
    with pytest.raises(BadSetting, match=text) as caught:
        open_source("http", **options)
    assert "s3cr3t" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_options_of_the_environment_are_text_and_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTDESK_SOURCE__NAME", "http")
    monkeypatch.setenv("NIGHTDESK_SOURCE__OPTIONS__URL", "https://bars.example/{date}.csv")
    monkeypatch.setenv("NIGHTDESK_SOURCE__OPTIONS__FIRST_DAY", "2020-01-02")
    monkeypatch.setenv("NIGHTDESK_SOURCE__OPTIONS__ATTEMPTS", "7")
    monkeypatch.setenv("NIGHTDESK_SOURCE__OPTIONS__HEADERS", json.dumps({"X-Api-Key": "FEED_KEY"}))
    settings = Settings().source
    source: Any = open_source(settings.name, **settings.options)
    assert source.options.attempts == 7
    assert source.options.headers == {"X-Api-Key": "FEED_KEY"}
    assert source.first_day() == dt.date(2020, 1, 2)
