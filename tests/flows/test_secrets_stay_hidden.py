"""Nights with a secret in every place where one may stand: none is ever shown or kept, whatever goes wrong."""

from __future__ import annotations

import base64
import datetime as dt
import io
import json
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from receivers import free_port
from secret_hunt import Planted, everything_in
from small_nights import OPTIONS, choose_home, market_days, run_night
from test_replay import NOW

from flows.secret_blocks import read_settings
from flows.servers import exports
from flows.show import show_checks, show_settings, show_status, show_summary
from nightdesk.errors import SourceUnavailable, StoreBusy
from nightdesk.operations.doctor import examine
from nightdesk.operations.night import plan_night
from nightdesk.sources import SOURCES
from nightdesk.sources.synthetic import synthetic

pytestmark = [pytest.mark.slow, pytest.mark.server, pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")]


def with_password(url: str, password: str) -> str:
    return sa.make_url(url).set(password=password).render_as_string(hide_password=False)


def secrets_of_others(planted: Planted) -> dict[str, str]:
    """Variables of libraries below us."""
    return {
        "AWS_ACCESS_KEY_ID": planted.new("aws key"),
        "AWS_SECRET_ACCESS_KEY": planted.new("aws secret"),
        "AWS_SESSION_TOKEN": planted.new("aws token"),
        "MLFLOW_TRACKING_PASSWORD": planted.new("mlflow password"),
        "PGPASSWORD": planted.new("pgpassword"),
        "PREFECT_API_KEY": planted.new("prefect key"),
    }


def channels(planted: Planted) -> str:
    """Channels that nobody answers, with secrets in every part of their URLs."""
    port = free_port()
    user, path, header, mail = (planted.new(f"channel {part}") for part in ("password", "path", "header", "mail"))
    web = f"json://desk:{user}@127.0.0.1:{port}/{path}?+X-Token={header}"
    return json.dumps([web, f"mailto://desk:{mail}@example.invalid?smtp=127.0.0.1&port={port}"])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return choose_home(monkeypatch, tmp_path / "home")


@pytest.fixture
def loud() -> Iterator[io.StringIO]:
    """Everything that any logger says, at any level."""
    text = io.StringIO()
    handler, root = logging.StreamHandler(text), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.setLevel(level)
    root.removeHandler(handler)


class Keyed:
    """A source of real sort: it takes a key and headers, and its errors name the URL it asked."""

    def __init__(self, url: str, api_key: str, headers: dict[str, str]) -> None:
        self.url, self.api_key, self.headers = url, api_key, headers
        self.market = synthetic(**OPTIONS)
        self.fails = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.market, name)

    def bars(self, first: dt.date | None, last: dt.date) -> Any:
        logging.getLogger("source").info("asking %s?apikey=%s with %s", self.url, self.api_key, self.headers)
        if FAILS in self.url:
            try:
                raise httpx.ConnectError(f"no answer from {self.url}?apikey={self.api_key} to {self.headers}")
            except httpx.ConnectError as error:
                raise SourceUnavailable(f"{self.url}?apikey={self.api_key} must answer, got {error}") from error
        return self.market.bars(first, last)


FAILS = "down.example"


def plant(monkeypatch: pytest.MonkeyPatch, planted: Planted, host: str) -> None:
    """A secret in every place where settings and environment may have one, with bars from `host`."""
    monkeypatch.setitem(SOURCES, "keyed", Keyed)
    options = {
        "url": f"https://desk:{planted.new('source password')}@{host}/bars",
        "api_key": planted.new("source key"),
        "headers": {"Authorization": f"Bearer {planted.new('source header')}"},
    }
    own = {
        "NIGHTDESK_SOURCE__NAME": "keyed",
        "NIGHTDESK_SOURCE__OPTIONS": json.dumps(options),
        "NIGHTDESK_ALERTS__URLS": channels(planted),
        "NIGHTDESK_SERVERS__PREFECT_DATABASE": f"postgresql+asyncpg://desk:{planted.new('prefect database')}@h/n",
        "NIGHTDESK_SERVERS__MLFLOW_DATABASE": f"postgresql+psycopg://h/n?password={planted.new('mlflow database')}",
        **secrets_of_others(planted),
    }
    for name, value in own.items():
        monkeypatch.setenv(name, value)


def test_a_night_and_all_that_shows_it_hold_no_secret(
    home: Path,
    store: sa.Engine,
    loud: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    planted = Planted()
    plant(monkeypatch, planted, "up.example")
    url = store.url.render_as_string(hide_password=False)
    if store.dialect.name == "postgresql":
        url = with_password(url, planted.new("store"))
    monkeypatch.setenv("NIGHTDESK_STORE__URL", url)
    (day,) = market_days(1)
    summary = run_night(day)
    assert summary.status == "published"
    settings = read_settings()
    show_summary(summary, settings, repeated=False)
    show_settings(settings)
    show_checks(examine(settings, NOW))
    show_status(settings, [])
    print(repr(settings), repr(summary), plan_night(settings, "live", day, "auto", NOW), exports(settings))
    said = "".join(capsys.readouterr()) + loud.getvalue()
    assert "asking https://desk:***@up.example/bars?apikey=*** with {'Authorization': '***" in said
    assert "'api_key': '***'" in said
    assert planted.seen_in(said) == set()
    assert planted.seen_in(everything_in(url)) == set()
    assert planted.seen_below(home) == {}


def test_a_failing_night_neither_says_nor_keeps_what_its_error_names(
    home: Path, loud: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = Planted()
    plant(monkeypatch, planted, FAILS)
    (day,) = market_days(1)
    with pytest.raises(SourceUnavailable) as failed:
        run_night(day)
    said = "".join(traceback.format_exception(failed.value))
    assert "https://desk:***@down.example/bars?apikey=*** must answer" in said
    assert "httpx.ConnectError: no answer from https://desk:***@down.example" in said
    assert planted.seen_in(said + loud.getvalue()) == set()
    kept = everything_in(f"sqlite:///{home / 'store.db'}")
    assert kept.count("desk:***@down.example") >= 2, "neither the night nor the incident says why"
    assert planted.seen_below(home) == {}


def test_a_wrong_password_is_told_without_it(
    postgresql_url: str, home: Path, loud: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = Planted()
    with guarded(postgresql_url) as url:
        monkeypatch.setenv("NIGHTDESK_STORE__URL", with_password(url, planted.new("wrong password")))
        with pytest.raises(StoreBusy, match="password authentication failed") as failed:
            run_night(market_days(1)[0])
        checks = {one.name: one.finding for one in examine(read_settings(), NOW)}
    assert "password authentication failed" in checks["store"]
    said = "".join(traceback.format_exception(failed.value)) + str(checks) + loud.getvalue()
    assert planted.seen_in(said) == set()


@contextmanager
def guarded(server: str) -> Iterator[str]:
    """URL of a user of the server who is asked for a password."""
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        file = Path(str(connection.scalar(sa.text("SHOW hba_file"))))
        if not file.is_file():
            pytest.skip("the server of NIGHTDESK_TEST_PG_URL is not on this machine: its rules cannot be changed")
        rules = file.read_text()
        hosts = (("local", ""), ("host", "127.0.0.1/32"))
        asked = "".join(f"{kind} all night_guarded {where} scram-sha-256\n" for kind, where in hosts)
        connection.exec_driver_sql("CREATE ROLE night_guarded LOGIN PASSWORD 'right'")
        file.write_text(asked + rules)
        connection.exec_driver_sql("SELECT pg_reload_conf()")
        try:
            yield sa.make_url(server).set(username="night_guarded").render_as_string(hide_password=False)
        finally:
            file.write_text(rules)
            connection.exec_driver_sql("SELECT pg_reload_conf()")
            connection.exec_driver_sql("DROP ROLE night_guarded")
    engine.dispose()


@pytest.mark.parametrize("before", ["", "x", "xy"])
def test_a_secret_would_be_seen_in_any_form(before: str) -> None:
    planted = Planted()
    secret = planted.new("somewhere")
    for data in (secret, f"http://u:{secret}@h", base64.b64encode(f"{before}{secret}:more".encode()).decode()):
        assert planted.seen_in(f"... {data} ...") == {"somewhere"}
    assert planted.seen_in(secret[:-1]) == set()
