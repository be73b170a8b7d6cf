"""The door: entered first, sent until every channel took it, once on each, and never in the night's way."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from apprise.plugins.slack import NotifySlack
from pydantic import SecretStr
from receivers import Receiver, free_port, mail_server, web_server

from nightdesk.alerts import Channel, Incident, channels_of, deliver, message, send_waiting, tell
from nightdesk.store import incidents

NOW = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)
KEY = "night-failed/live/2017-06-30"
FAILED = Incident(KEY, "night-failed", "The night failed", "DataRefused: a batch", "mend it", "http://127.0.0.1/run/1")
SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/"


@pytest.fixture
def web() -> Iterator[Receiver]:
    with web_server() as receiver:
        yield receiver


@pytest.fixture
def mail() -> Iterator[Receiver]:
    with mail_server() as receiver:
        yield receiver


def channels(*urls: str) -> tuple[Channel, ...]:
    return channels_of(SecretStr(url) for url in urls)


def send(store: sa.Engine, *urls: str, seconds: float = 20) -> int:
    """Send what waits; returns how many incidents still wait."""
    return len(send_waiting(store, channels(*urls), seconds, NOW))


def test_an_incident_arrives_once_on_every_channel_with_all_that_is_needed(
    store: sa.Engine, web: Receiver, mail: Receiver
) -> None:
    assert tell(store, FAILED, NOW)
    assert send(store, web.webhook, mail.mail) == 0
    assert send(store, web.webhook, mail.mail) == 0
    for receiver in (web, mail):
        (text,) = receiver.arrived
        for part in (FAILED.title, FAILED.reason, FAILED.cure, FAILED.link, FAILED.key):
            assert part in text


def test_slacks_own_format_is_posted_to_slacks_webhook(
    store: sa.Engine, web: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Apprise's slack:// always posts to hooks.slack.com: only that host is put on loopback here.
    monkeypatch.setattr(NotifySlack, "webhook_url", f"http://127.0.0.1:{web.port}/services")
    tell(store, FAILED, NOW)
    assert send(store, SLACK) == 0
    (text,) = web.arrived
    assert FAILED.title in text
    assert FAILED.reason in text
    assert KEY in text


def test_raised_again_while_open_it_is_told_once_and_after_it_was_closed_again(store: sa.Engine, web: Receiver) -> None:
    assert tell(store, FAILED, NOW)
    assert not tell(store, FAILED, NOW)
    send(store, web.webhook)
    assert not tell(store, FAILED, NOW)
    send(store, web.webhook)
    assert len(web.arrived) == 1
    assert incidents.close(store, NOW, KEY) == 1
    assert incidents.close(store, NOW, KEY) == 0
    assert tell(store, FAILED, NOW)
    send(store, web.webhook)
    assert len(web.arrived) == 2
    assert incidents.all_incidents(store)["occurrence"].to_list() == [1, 2]


def test_a_channel_that_is_down_gets_it_later_and_the_other_not_twice(store: sa.Engine, mail: Receiver) -> None:
    port = free_port()
    down = f"json://127.0.0.1:{port}/hook"
    tell(store, FAILED, NOW)
    assert send(store, down, mail.mail) == 1
    with web_server(port) as web:
        assert send(store, down, mail.mail) == 0
        assert len(web.arrived) == 1
    assert len(mail.arrived) == 1
    (row,) = incidents.all_incidents(store).iter_rows(named=True)
    assert (row["attempts"], row["delivered_at"]) == (2, NOW)


def test_over_one_channel_it_may_be_due_and_over_another_not_yet(
    store: sa.Engine, web: Receiver, mail: Receiver
) -> None:
    both = channels(web.webhook, mail.mail)
    tell(store, FAILED, NOW)
    left = send_waiting(store, both, 10, NOW, lambda _raised, channel: channel.mark.startswith("json"))
    assert [one.incident.key for one in left] == [KEY]
    assert (len(web.arrived), len(mail.arrived)) == (1, 0)
    assert send_waiting(store, both, 10, NOW) == []
    assert (len(web.arrived), len(mail.arrived)) == (1, 1)


def test_what_two_senders_learn_at_once_is_kept_of_both(store: sa.Engine) -> None:
    tell(store, FAILED, NOW)
    (seen,) = incidents.waiting(store)
    incidents.attempted(store, seen, NOW, ["web"], delivered=True)
    incidents.attempted(store, seen, NOW, ["mail"], delivered=False)
    (row,) = incidents.all_incidents(store).iter_rows(named=True)
    assert (row["attempts"], row["delivered_at"]) == (2, NOW)
    assert incidents.waiting(store) == []


def test_a_channel_that_refuses_has_not_taken_it(store: sa.Engine, web: Receiver) -> None:
    web.answer = 500
    tell(store, FAILED, NOW)
    assert send(store, web.webhook) == 1
    assert web.refused == 1
    web.answer = 200
    assert send(store, web.webhook) == 0
    assert len(web.arrived) == 1


def test_a_channel_that_never_answers_is_left_behind_and_noted(
    store: sa.Engine, web: Receiver, mail: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    web.hold = threading.Event()
    tell(store, FAILED, NOW)
    try:
        with caplog.at_level(logging.WARNING, logger="nightdesk.alerts"):
            assert send(store, web.webhook, mail.mail, seconds=8) == 1
        # It holds the request still: nobody waited for it to let go.
        assert not web.hold.is_set()
        assert web.arrived == []
        assert len(mail.arrived) == 1
        (noted,) = caplog.messages
        assert noted.startswith(f"{KEY}: not taken by json-")
    finally:
        web.hold.set()


def test_one_that_is_down_is_asked_once_in_a_pass(store: sa.Engine, web: Receiver) -> None:
    web.answer = 500
    for number in range(5):
        tell(store, Incident(f"k/{number}", "k", "t", "r", "c", "l"), NOW + dt.timedelta(seconds=number))
    assert send(store, web.webhook) == 5
    assert web.refused == 1


def test_what_was_tried_is_sent_although_it_is_over_by_then(store: sa.Engine, web: Receiver) -> None:
    web.answer = 500
    tell(store, FAILED, NOW)
    send(store, web.webhook)
    incidents.close(store, NOW, KEY)
    web.answer = 200
    assert send(store, web.webhook) == 0
    assert len(web.arrived) == 1


def test_with_no_channel_it_waits_for_one_until_it_is_over(store: sa.Engine, web: Receiver) -> None:
    over = Incident("night-failed/live/2017-06-29", "night-failed", "t", "r", "c", "l")
    tell(store, over, NOW)
    tell(store, FAILED, NOW)
    assert send(store) == 2
    incidents.close(store, NOW, over.key)
    assert send(store, web.webhook) == 0
    assert [KEY in one for one in web.arrived] == [True]


def test_two_processes_that_raise_it_at_once_enter_it_once(store: sa.Engine) -> None:
    entered: list[bool] = []
    threads = [threading.Thread(target=lambda: entered.append(tell(store, FAILED, NOW))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(entered) == [False, False, False, True]


def test_a_prefix_closes_what_lies_below_it_and_nothing_else(store: sa.Engine) -> None:
    for key in ("feed-stopped/a_b/2017-06-30", "feed-stopped/aXb/2017-06-30"):
        tell(store, Incident(key, "feed-stopped", "t", "r", "c", "l"), NOW)
    assert incidents.close_below(store, NOW, "feed-stopped/a_b/") == 1
    assert incidents.any_open_below(store, "feed-stopped/aXb/")
    assert not incidents.any_open_below(store, "feed-stopped/a_b/")


def test_channels_are_told_apart_and_show_no_secret() -> None:
    urls = ("json://desk:one@127.0.0.1/a", "json://desk:two@127.0.0.1/a", "json://desk:one@127.0.0.1/b", SLACK)
    found = channels(*urls)
    assert len({one.mark for one in found}) == 4
    assert [one.mark.partition("-")[0] for one in found] == ["json", "json", "json", "slack"]
    assert channels(*urls) == found
    for secret in ("one@", "two@", "TIiajkdnlazkcOXrIdevi7FQ"):
        assert secret not in repr(found)


def test_a_plugin_that_raises_has_not_taken_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> bool:
        raise RuntimeError(f"could not send to {SLACK}")

    monkeypatch.setattr(NotifySlack, "send", broken)
    assert deliver(channels(SLACK), *message(FAILED), 20) == set()
    assert "TIiajk" not in "".join(capfd.readouterr())
