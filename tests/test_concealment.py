"""Secrets leave no process of ours: not in text, not in a log record, not in an error or what it came from."""

from __future__ import annotations

import base64
import io
import logging
import traceback
from collections.abc import Iterator

import pytest

from nightdesk import concealment
from nightdesk.concealment import (
    conceal_error,
    conceal_logs,
    concealed,
    concealing_errors,
    know,
    know_mapping,
    know_url,
    without_password,
)
from nightdesk.errors import PermanentError, StoreBusy, is_transient


@pytest.fixture(autouse=True)
def _knows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concealment, "_known", set())
    monkeypatch.setattr(concealment, "_pattern", [])


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    before, text = logging.getLogRecordFactory(), io.StringIO()
    handler, own = logging.StreamHandler(text), logging.getLogger("somebody")
    own.addHandler(handler)
    own.setLevel(logging.DEBUG)
    conceal_logs()
    yield text
    own.removeHandler(handler)
    logging.setLogRecordFactory(before)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://user:secret@host/name", "postgresql://user:***@host/name"),
        ("postgresql://user:se/cr@et@host/name", "postgresql://user:***@host/name"),
        ("postgresql://host/name?password=secret&port=1", "postgresql://host/name?password=***&port=1"),
        ("https://h/p?apikey=abc;X-Token=def&from=2020", "https://h/p?apikey=***;X-Token=***&from=2020"),
        ("https://h/p?Signature=abc&page=2", "https://h/p?Signature=***&page=2"),
        ("no answer from http://u:p@h:1/x, try http://h:2", "no answer from http://u:***@h:1/x, try http://h:2"),
        ("http://[::1]:4200/api", "http://[::1]:4200/api"),
        ("sqlite:////srv/a:b@c/store.db", "sqlite:////srv/a:b@c/store.db"),
        ("see http://h/x?page=2 and mail@example.com", "see http://h/x?page=2 and mail@example.com"),
    ],
)
def test_a_url_is_shown_without_what_is_secret_in_it(url: str, shown: str) -> None:
    assert without_password(url) == concealed(url) == shown


@pytest.mark.parametrize(
    "text",
    [
        "FATAL: p@ss/w rd is wrong",
        "at p%40ss%2Fw%20rd",
        "in a form p%40ss%2Fw+rd",
        "Basic " + base64.b64encode(b"me:p@ss/w rd").decode(),
    ],
)
def test_a_password_of_a_url_is_known_however_it_is_written(text: str) -> None:
    know_url("postgresql://me:p%40ss%2Fw%20rd@host/name")
    shown = concealed(text)
    assert "***" in shown
    assert "ss" not in shown


def test_a_short_secret_hides_no_part_of_another_word() -> None:
    know("night", "abc", "averylongsecret")
    assert concealed("nightly night nights abc xaverylongsecrety") == "nightly *** nights abc x***y"


def test_a_password_that_is_the_users_name_is_hidden_in_the_url_alone() -> None:
    know_url("postgresql://nightdesk:nightdesk@host/name")
    assert concealed("nightdesk: postgresql://nightdesk:nightdesk@h") == "nightdesk: postgresql://nightdesk:***@h"


def test_what_has_a_secrets_name_is_known_at_any_depth() -> None:
    know_mapping({"api_key": "first secret", "deep": {"headers": {"Authorization": "Bearer second"}}, "days": 3})
    know_mapping({"AWS_SECRET_ACCESS_KEY": "third/secret", "PWD": "/srv/night", "url": "https://me:fourth@host"})
    assert (
        concealed("first secret, Bearer second, third/secret, fourth, /srv/night") == "***, ***, ***, ***, /srv/night"
    )


class Stubborn(Exception):
    """Says what it has in a part that is no text."""

    def __str__(self) -> str:
        return f"the URL was {self.args[0]['url']}"


def failing() -> None:
    try:
        raise OSError("no answer from http://me:hunter2hunter2@host")
    except OSError as error:
        raise StoreBusy("the store must answer, got hunter2hunter2") from error


def test_an_error_is_concealed_with_all_that_it_came_from_and_stays_what_it_is() -> None:
    know("hunter2hunter2")
    with pytest.raises(StoreBusy) as failed, concealing_errors():
        failing()
    assert is_transient(failed.value)
    said = "".join(traceback.format_exception(failed.value))
    # The lines of this file aside, which a traceback quotes.
    assert "hunter2" not in "".join(line for line in said.splitlines() if "raise " not in line)
    assert str(failed.value) == "the store must answer, got ***"
    assert str(failed.value.__cause__) == "no answer from http://me:***@host"


def test_an_error_that_cannot_be_mended_gives_way_to_one_that_is_clean() -> None:
    know("hunter2hunter2")
    with pytest.raises(PermanentError) as failed, concealing_errors():
        raise Stubborn({"url": "http://me:hunter2hunter2@host"})
    assert str(failed.value) == "Stubborn: the URL was http://me:***@host"
    assert failed.value.__suppress_context__


def test_errors_in_a_group_and_in_attributes_are_concealed() -> None:
    know("hunter2hunter2")
    inner = ValueError("hunter2hunter2")
    inner.message = "hunter2hunter2"  # type: ignore[attr-defined]
    conceal_error(ExceptionGroup("several", [inner]))
    assert (str(inner), inner.message) == ("***", "***")  # type: ignore[attr-defined]


def test_a_log_record_is_concealed_with_its_arguments_and_its_error(log: io.StringIO) -> None:
    know("hunter2hunter2")
    own = logging.getLogger("somebody")
    own.info("asked %s and %s", "http://me:word@host/x", "hunter2hunter2")
    try:
        raise ValueError("hunter2hunter2")
    except ValueError:
        own.exception("failed")
    own.info("nothing %s here", "secret")
    assert "asked http://me:***@host/x and ***" in log.getvalue()
    assert "ValueError: ***" in log.getvalue()
    assert "nothing secret here" in log.getvalue()
    once = logging.getLogRecordFactory()
    conceal_logs()
    assert logging.getLogRecordFactory() is once
