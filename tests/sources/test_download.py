"""A file from a URL is whole or not at all; servers that fail are asked again as they ask to be; no key is shown."""

from __future__ import annotations

import datetime as dt
import logging

import pytest
from bar_server import (
    BarServer,
    Silent,
    bar_server,
    drip,
    half,
    half_in_chunks,
    in_chunks,
    redirect,
    status,
    without_length,
)
from receivers import free_port

from nightdesk.errors import BadSetting, SourceBroken, SourceUnavailable
from nightdesk.sources.download import Downloader, Keys, Limits, Validators, masked

CONTENT = b"symbol,date\n" * 1000
QUICK = Limits(timeout_s=5, answer_s=20, attempts=3, wait_s=0.01, patience_s=30, requests_per_second=1e9)
NO_KEYS = Keys()
KEY = "s3cr3t-value"


class Sleeps(list[float]):
    """Notes how long it was asked to sleep, and does not."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def server():
    with bar_server() as one:
        one.files = {"/bars.csv": CONTENT}
        yield one


@pytest.fixture
def slept() -> Sleeps:
    return Sleeps()


def downloader(server: BarServer, slept: Sleeps, keys: Keys = NO_KEYS, **changed: float) -> Downloader:
    limits = Limits(**{name: changed.get(name, getattr(QUICK, name)) for name in Limits.__slots__})
    return Downloader(server.url("/"), limits, keys, slept)


def test_a_whole_file_comes_with_what_tells_whether_it_changed(server: BarServer, slept: Sleeps) -> None:
    server.today = dt.datetime(2024, 1, 3, 12, tzinfo=dt.UTC)
    one = downloader(server, slept)
    first = one.get(server.url("/bars.csv"))
    assert (first.kind, first.content, first.date) == ("new", CONTENT, server.today)
    again = one.get(server.url("/bars.csv"), first.validators)
    assert (again.kind, again.content, again.validators) == ("same", b"", first.validators)
    server.files["/bars.csv"] = CONTENT * 2
    assert one.get(server.url("/bars.csv"), first.validators).content == CONTENT * 2
    assert one.get(server.url("/other.csv")).kind == "none"
    assert slept == []


def test_when_it_was_modified_is_asked_where_there_is_no_etag(server: BarServer, slept: Sleeps) -> None:
    when = "Wed, 03 Jan 2024 12:00:00 GMT"
    server.faults.append(status(304))
    assert downloader(server, slept).get(server.url("/bars.csv"), Validators(modified=when)).kind == "same"
    assert server.asked[0][1]["if-modified-since"] == when


def test_a_server_that_asks_for_a_pause_is_asked_again_after_it(server: BarServer, slept: Sleeps) -> None:
    server.faults.extend([status(429, {"Retry-After": "7"}), status(503, {"Retry-After": "11"})])
    assert downloader(server, slept).get(server.url("/bars.csv")).content == CONTENT
    assert len(slept) == 2
    assert slept[0] >= 7
    assert slept[1] >= 11
    assert len(server.asked) == 3


def test_a_pause_may_be_asked_for_by_the_servers_own_clock(server: BarServer, slept: Sleeps) -> None:
    server.today = dt.datetime(2024, 1, 3, 12, tzinfo=dt.UTC)
    server.faults.append(status(429, {"Retry-After": "Wed, 03 Jan 2024 12:00:09 GMT"}))
    assert downloader(server, slept).get(server.url("/bars.csv")).kind == "new"
    assert slept[0] >= 9


def test_a_pause_beyond_our_patience_is_kept_by_not_asking_at_all(server: BarServer, slept: Sleeps) -> None:
    server.faults.append(status(429, {"Retry-After": "3600"}))
    one = downloader(server, slept)
    with pytest.raises(
        SourceUnavailable, match="must answer with a whole file, got status 429 and word to wait 3600 s"
    ):
        one.get(server.url("/bars.csv"))
    with pytest.raises(SourceUnavailable, match=r"must not be asked for another 3\d\d\d s, as its server asked"):
        one.get(server.url("/bars.csv"))
    assert len(server.asked) == 1
    assert slept == []


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504])
def test_errors_of_a_server_are_asked_again_with_growing_pauses(
    code: int, server: BarServer, slept: Sleeps, caplog: pytest.LogCaptureFixture
) -> None:
    server.always = status(code)
    with (
        caplog.at_level(logging.WARNING, "nightdesk.sources"),
        pytest.raises(SourceUnavailable, match=f"whole file, got status {code}, asked up to 4 times"),
    ):
        downloader(server, slept, attempts=4).get(server.url("/bars.csv"))
    assert len(server.asked) == 4
    assert len(slept) == 3
    for nth, pause in enumerate(slept):  # doubled each time, and up to one first pause of jitter
        assert 0.01 * 2**nth <= pause <= 0.01 * 2**nth + 0.01
    assert [f"status {code}; asked again" in record.message for record in caplog.records] == [True] * 3


@pytest.mark.parametrize("fault", [half, half_in_chunks])
def test_half_a_file_is_never_taken_for_a_whole_one(fault, server: BarServer, slept: Sleeps) -> None:
    server.faults.append(fault)
    assert downloader(server, slept).get(server.url("/bars.csv")).content == CONTENT
    assert len(server.asked) == 2
    server.always = fault
    with pytest.raises(SourceUnavailable, match="whole file, got an answer that ended before its end"):
        downloader(server, slept).get(server.url("/bars.csv"))


def test_a_file_in_chunks_tells_its_end(server: BarServer, slept: Sleeps) -> None:
    server.always = in_chunks
    assert downloader(server, slept).get(server.url("/bars.csv")).content == CONTENT


def test_an_answer_without_a_length_is_refused(server: BarServer, slept: Sleeps) -> None:
    server.always = without_length
    with pytest.raises(SourceBroken, match="must tell how long its answer is"):
        downloader(server, slept).get(server.url("/bars.csv"))


def test_a_silent_server_is_given_up_and_asked_again(server: BarServer, slept: Sleeps) -> None:
    silent = Silent()
    server.faults.append(silent)
    try:
        assert downloader(server, slept, timeout_s=0.2).get(server.url("/bars.csv")).content == CONTENT
        assert len(slept) == 1
        server.always = silent
        with pytest.raises(SourceUnavailable, match=r"whole file, got no sign for 0\.2 s"):
            downloader(server, slept, timeout_s=0.2).get(server.url("/bars.csv"))
    finally:
        silent.let_go.set()


def test_a_server_slower_than_the_limit_of_an_answer_is_given_up(server: BarServer, slept: Sleeps) -> None:
    server.always = drip
    with pytest.raises(SourceUnavailable, match=r"got \d+ bytes in 0\.3 s and no end"):
        downloader(server, slept, answer_s=0.3, attempts=1).get(server.url("/bars.csv"))


def test_a_server_that_is_gone_is_asked_again_until_it_is_back(server: BarServer) -> None:
    gone = BarServer(free_port(), {"/bars.csv": CONTENT})
    with pytest.raises(SourceUnavailable, match="whole file, got ConnectError"):
        downloader(gone, Sleeps()).get(gone.url("/bars.csv"))
    with bar_server(gone):
        assert downloader(gone, Sleeps()).get(gone.url("/bars.csv")).content == CONTENT


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (400, "must answer with status 200, got 400: correct the URL"),
        (401, "must let nightdesk in, got status 401: look at the key"),
        (403, "must let nightdesk in, got status 403"),
        (206, "must answer with status 200, got 206"),
        (304, "must answer with status 200, got 304"),
    ],
)
def test_what_no_retry_changes_is_asked_once(code: int, text: str, server: BarServer, slept: Sleeps) -> None:
    server.always = status(code)
    with pytest.raises(SourceBroken, match=text):
        downloader(server, slept).get(server.url("/bars.csv"))
    assert len(server.asked) == 1


@pytest.mark.parametrize("fault", [None, in_chunks])
def test_an_answer_larger_than_the_limit_is_not_read(fault, server: BarServer, slept: Sleeps) -> None:
    server.always = fault
    with pytest.raises(SourceBroken, match=r"an answer may have 1000 bytes, got .* raise the option max_mb"):
        downloader(server, slept, max_bytes=1000).get(server.url("/bars.csv"))
    assert len(server.asked) == 1


def test_redirects_are_followed_but_not_for_ever(server: BarServer, slept: Sleeps) -> None:
    server.faults.append(redirect("/bars.csv"))
    assert downloader(server, slept).get(server.url("/moved.csv")).content == CONTENT
    assert server.paths() == ["/moved.csv", "/bars.csv"]
    server.always = redirect("/moved.csv")
    with pytest.raises(SourceBroken, match=r"must lead to a file over http or https, got TooManyRedirects"):
        downloader(server, slept).get(server.url("/moved.csv"))
    server.always = redirect("ftp://127.0.0.1/bars.csv")
    with pytest.raises(SourceBroken, match=r"must lead to a file over http or https, got UnsupportedProtocol"):
        downloader(server, slept).get(server.url("/moved.csv"))


def test_requests_are_no_closer_than_their_rate(server: BarServer, slept: Sleeps) -> None:
    one = downloader(server, slept, requests_per_second=0.001)
    server.faults.append(redirect("/bars.csv"))
    for _ in range(2):
        one.get(server.url("/bars.csv"))
    # The first is free; each other one, a redirect's too, waits until a thousand seconds after the one before.
    assert len(server.asked) == 3
    assert len(slept) == 2
    assert 990 < slept[0] <= 1000
    assert 1990 < slept[1] <= 2000


def test_keys_come_from_the_environment_and_go_to_their_origin_alone(
    server: BarServer, slept: Sleeps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEED_KEY", KEY)
    keys = Keys((("X-Api-Key", "FEED_KEY"),), (("apikey", "FEED_KEY"),))
    with bar_server() as other:
        other.files = {"/bars.csv": CONTENT}
        server.faults.append(redirect(other.url("/bars.csv")))
        one = downloader(server, slept, keys)
        assert one.get(server.url("/bars.csv?kind=daily")).content == CONTENT
        assert server.asked[0][0] == f"/bars.csv?kind=daily&apikey={KEY}"
        assert server.asked[0][1]["x-api-key"] == KEY
        assert other.asked[0][0] == "/bars.csv"
        assert KEY not in str(other.asked)
    monkeypatch.delenv("FEED_KEY")
    with pytest.raises(BadSetting, match=r"the environment variable FEED_KEY, .* must be set, got none: export it"):
        one.get(server.url("/bars.csv"))


def test_no_secret_is_in_any_error_or_log(
    server: BarServer, slept: Sleeps, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FEED_KEY", KEY)
    keys = Keys((("Authorization", "FEED_KEY"),), (("apikey", "FEED_KEY"),))
    asked = server.url("/bars.csv").replace("http://", f"http://somebody:{KEY}@") + f"?token={KEY}"
    faults = [status(500), status(400), status(401), half, without_length, redirect(f"ftp://x/?token={KEY}")]
    told = []
    with caplog.at_level(logging.DEBUG):
        for fault in faults:
            server.always = fault
            with pytest.raises((SourceBroken, SourceUnavailable)) as caught:
                downloader(server, slept, keys).get(asked)
            told += [str(caught.value), repr(caught.value), *_texts(caught.value)]
    with pytest.raises(SourceUnavailable, match=r"ConnectError: .*Connection refused") as caught:
        downloader(server, slept, keys).get(asked.replace(str(server.port), str(free_port())))
    told += [str(caught.value), *_texts(caught.value)]
    assert len(server.asked) > len(faults)  # the keys were really sent
    assert all(f"apikey={KEY}" in path for path in server.paths())
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("nightdesk")]
    assert any("http://127.0.0.1" in text for text in told + ours)
    assert [text for text in told + ours if KEY in text] == []


def test_a_key_does_not_reach_the_log_of_the_http_library(
    server: BarServer, slept: Sleeps, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FEED_KEY", KEY)
    keys = Keys((("X-Api-Key", "FEED_KEY"),), (("apikey", "FEED_KEY"),))
    # Prefect's own set-up of logging, in a test before this one, would keep it to itself.
    monkeypatch.setattr(logging.getLogger("httpx"), "propagate", True)
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, logger="httpx"):
        downloader(server, slept, keys).get(server.url("/bars.csv"))
    assert any(record.name == "httpx" and "/bars.csv" in record.getMessage() for record in caplog.records)
    assert KEY in str(server.asked)
    assert [record.getMessage() for record in caplog.records if KEY in record.getMessage()] == []


def test_a_proxy_of_the_environment_is_used_but_not_for_loopback(
    server: BarServer, slept: Sleeps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url("/"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.files["http://bars.example/bars.csv"] = b"by proxy"
    far = Downloader("http://bars.example/", QUICK, Keys(), slept)
    assert far.get("http://bars.example/bars.csv").content == b"by proxy"
    assert downloader(server, slept).get(server.url("/bars.csv")).content == CONTENT


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@bars.example:8443/a/b.csv?key=x&y=z", "https://bars.example:8443/a/b.csv?***"),
        ("http://bars.example/b.csv", "http://bars.example/b.csv"),
        ("http://bars.example/b.csv#frag", "http://bars.example/b.csv"),
    ],
)
def test_a_url_is_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    assert masked(url) == shown


def _texts(error: BaseException | None) -> list[str]:
    """What a traceback would show of an error and of whatever it came from."""
    texts = []
    while error is not None:
        texts.append(f"{type(error).__name__}: {error}")
        shown = error.__context__ if not error.__suppress_context__ else None
        error = error.__cause__ or shown
    return texts
