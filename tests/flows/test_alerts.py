"""What people are told of nights that run without a Prefect server: once, until it arrives, and never in the way."""

from __future__ import annotations

import base64
import datetime as dt
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from command_line import command_line
from receivers import Receiver, free_port, mail_server, web_server
from secret_hunt import Planted
from small_nights import choose_home, market_days, run_night, run_retrain
from test_replay import NOW

from flows.alerts import look_around, mended, send, tell
from nightdesk.alerts import Incident
from nightdesk.errors import DataRefused, StoreBusy
from nightdesk.faults import listening
from nightdesk.operations.doctor import examine
from nightdesk.operations.night import Night, plan_night
from nightdesk.settings import read_settings
from nightdesk.sources.synthetic import SyntheticSource
from nightdesk.store import nights
from nightdesk.store.database import open_store
from nightdesk.store.incidents import all_incidents
from nightdesk.store.nights import RETRAIN, begin

SECRET = "hunter2-should-never-be-seen"
(DAY,) = market_days(1)
KEY = f"night-failed/live/{DAY}"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return choose_home(monkeypatch, tmp_path / "home")


@pytest.fixture
def web() -> Iterator[Receiver]:
    with web_server() as receiver:
        yield receiver


def tell_over(monkeypatch: pytest.MonkeyPatch, *urls: str) -> None:
    monkeypatch.setenv("NIGHTDESK_ALERTS__URLS", json.dumps(urls))


def failing_night() -> None:
    """A night that fails in its first stage, for a reason that cannot be waited for."""

    def bars(*_: object) -> None:
        raise DataRefused("a batch must hold, got a broken one: mend it")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SyntheticSource, "bars", bars)
        with pytest.raises(DataRefused):
            run_night(DAY)


def told(home: Path) -> pl.DataFrame:
    return all_incidents(open_store(f"sqlite:///{home / 'store.db'}"))


def night_of(day: dt.date = DAY) -> Night:
    return plan_night(read_settings(), "live", day, "auto", NOW)


def test_a_failed_night_is_told_once_on_each_channel_with_key_reason_link_and_cure(
    home: Path, web: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mail_server() as mail:
        tell_over(monkeypatch, web.webhook, mail.mail)
        failing_night()
        failing_night()
        for receiver in (web, mail):
            (text,) = receiver.arrived
            assert f"Key: {KEY}" in text
            assert "Reason: DataRefused: a batch must hold, got a broken one" in text
            assert f"nightdesk nightly --as-of {DAY}" in text
            assert f"Link: {(home / 'reports/live').as_uri()}" in text


def test_what_a_channel_did_not_take_is_sent_when_the_night_starts_again_and_success_closes_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    tell_over(monkeypatch, f"json://127.0.0.1:{port}/hook")
    failing_night()
    with web_server(port) as web:
        points: list[list[str]] = []
        with listening(lambda point: points.append(list(web.arrived))):
            assert run_night(DAY).status == "published"
        assert len(points[0]) == 1, "it was not there before the first stage"
        assert len(web.arrived) == 1
        row = told(home).row(0, named=True)
        assert row["delivered_at"] is not None
        assert row["closed_at"] is not None


def test_what_a_stage_enters_leaves_when_the_night_ends(
    home: Path, web: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nightdesk.alerts import tell as enter

    tell_over(monkeypatch, web.webhook)
    drifted = Incident(f"drift/live/{DAY}", "drift", "Features drift", "three do", "look", "http://127.0.0.1/")

    def at(point: str) -> None:
        if point == "report:written":
            enter(night_of().engine, drifted, NOW)

    with listening(at):
        run_night(DAY)
    assert len(web.about(drifted.key)) == 1


def test_a_user_who_asks_for_what_cannot_be_is_not_told_by_mail(
    home: Path, web: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_over(monkeypatch, web.webhook)
    with pytest.raises(Exception, match="must be a trading day"):
        run_night(dt.date(2017, 7, 4))
    assert web.arrived == []


def test_a_killed_night_of_another_date_is_told_at_the_next_start_and_once(
    home: Path, web: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_over(monkeypatch, web.webhook)
    before, day = market_days(2)
    killed = night_of(before)
    begin(killed.engine, killed.key, None, NOW)
    look_around(night_of(day))
    look_around(night_of(day))
    assert len(web.about(f"night-crashed/live/{before}")) == 1
    mended(night_of(before), NOW)
    assert told(home)["closed_at"].null_count() == 0


def test_a_killed_retrain_is_told_once_whatever_nights_follow_and_is_over_with_the_next_one(
    home: Path, web: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_over(monkeypatch, web.webhook)
    before, day = market_days(2)
    killed = night_of(before)
    begin(killed.engine, killed.key, None, NOW, RETRAIN)
    for _night in range(2):
        look_around(night_of(day))
        mended(night_of(before), NOW)
    (text,) = web.about(f"retrain-crashed/live/{before}")
    assert f"nightdesk train --as-of {before}" in text
    mended(night_of(day), NOW, RETRAIN)
    look_around(night_of(day))
    assert len(web.arrived) == 1
    assert told(home)["closed_at"].null_count() == 0
    assert nights.history(killed.engine, "live")["status"].to_list() == ["abandoned"]


def test_a_retrain_that_fails_is_told(home: Path, web: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    tell_over(monkeypatch, web.webhook)
    (day,) = market_days(1)

    def refuse(point: str) -> None:
        if point == "promote:begin":
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"), listening(refuse):
        run_retrain(day)
    (text,) = web.about(f"retrain-failed/live/{day}")
    assert "Reason: RuntimeError: no more" in text
    run_retrain(day)
    assert told(home)["closed_at"].null_count() == 0


def test_a_night_that_runs_is_not_taken_for_a_killed_one(
    home: Path, web: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_over(monkeypatch, web.webhook)
    before, day = market_days(2)
    runs = night_of(before)
    with nights.held(runs.engine, runs.home.locks, "live", before):
        begin(runs.engine, runs.key, None, NOW)
        look_around(night_of(day))
    assert web.arrived == []


def test_a_store_that_is_gone_does_not_keep_people_from_being_told(
    home: Path, web: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_over(monkeypatch, web.webhook)
    monkeypatch.setenv("NIGHTDESK_STORE__URL", "postgresql+psycopg://nobody@127.0.0.1:1/none?connect_timeout=2")
    with pytest.raises(StoreBusy):
        run_night(DAY)
    (text,) = web.arrived
    assert KEY in text
    assert "the store must answer" in text


def test_a_feed_that_stopped_is_told_where_the_night_is_planned(
    home: Path, web: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_over(monkeypatch, web.webhook)
    night = night_of()
    facts = replace(night.source.facts, live=True)
    monkeypatch.setattr(SyntheticSource, "facts", property(lambda _: facts))
    look_around(night)
    look_around(night)
    assert len(web.about("feed-stopped/synthetic/")) == 1


def test_the_doctor_says_which_channels_there_are_and_what_waits(
    home: Path, web: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found() -> tuple[bool, str]:
        (check,) = [one for one in examine(read_settings(), NOW) if one.name == "alerts"]
        return check.sound, check.finding

    assert found() == (True, "no channel is set, so nobody is told (alerts.urls)")
    tell_over(monkeypatch, web.webhook)
    web.answer = 500
    tell(read_settings(), Incident("k/1", "k", "t", "r", "c", "l"), NOW)
    sound, finding = found()
    assert not sound
    assert "got 1 that wait, first k/1" in finding
    web.answer = 200
    send(read_settings(), NOW)
    sound, finding = found()
    assert sound
    assert finding.endswith("; nothing waits")


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.server
def test_the_command_line_tells_and_shows_no_secret_anywhere(tmp_path: Path) -> None:
    """A real night, in a process of its own, that fails with a URL in its error while its channels are down.

    MLflow names the whole URL of a server that does not answer, with its password. Every logger is at its loudest.
    """
    planted, port = Planted(), free_port()
    password, path, header, mail, server = map(planted.new, ("password", "path", "header", "mail", "server"))
    planted.secrets["as http sends it"] = base64.b64encode(f"desk:{server}".encode()).decode()
    urls = [
        f"json://desk:{password}@127.0.0.1:{port}/{path}?+X-Token={header}",
        f"mailto://desk:{mail}@example.invalid?smtp=127.0.0.1&port={port}",
    ]
    others = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "MLFLOW_TRACKING_PASSWORD", "PGPASSWORD", "PREFECT_API_KEY")
    line = command_line(
        tmp_path,
        **{name: planted.new(name) for name in others},
        NIGHTDESK_ALERTS__URLS=json.dumps(urls),
        NIGHTDESK_TRACKING__URI=f"http://desk:{server}@127.0.0.1:{free_port()}",
        MLFLOW_HTTP_REQUEST_MAX_RETRIES="0",
        PREFECT_LOGGING_LEVEL="DEBUG",
        PREFECT_LOGGING_EXTRA_LOGGERS="nightdesk,mlflow,httpx,httpcore,sqlalchemy,urllib3,apprise,alembic",
        PYTHONWARNINGS="ignore",
    )
    shown = line.run("nightly", code=1)
    assert "the night failed" in shown
    assert NAMED in shown
    assert f"{KEY}: not taken by json-" in shown
    shown += line.run("alerts") + line.run("doctor", code=1) + line.run("alerts", "--test", code=1)
    assert "waits, tries: 1" in shown
    with sqlite3.connect(line.home / "prefect/prefect.db") as records:
        logs = str(records.execute("SELECT level, message FROM log").fetchall())
        states = str(records.execute("SELECT message FROM flow_run_state").fetchall())
    assert "(10, " in logs, "nothing was logged at the level of debugging"
    assert NAMED in logs
    assert NAMED in states
    assert planted.seen_in(shown) == set()
    assert planted.seen_below(tmp_path) == {}
    # The doctor sent again what waited; once a channel is there, the command does so too.
    with web_server(port) as web:
        line.run("doctor", code=1)
        (text,) = web.about(KEY)
    assert NAMED in text
    assert planted.seen_in(text) == set()
    assert line.calls == ""


NAMED = "from http://desk:***@127.0.0.1"


def test_the_store_holds_what_waits_and_no_url(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tell_over(monkeypatch, f"json://desk:{SECRET}@127.0.0.1:{free_port()}/")
    failing_night()
    engine = sa.create_engine(f"sqlite:///{home / 'store.db'}")
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT * FROM incidents")).all()
    engine.dispose()
    assert len(rows) == 1
    assert SECRET not in str(rows)
