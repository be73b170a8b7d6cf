"""Whole nights over a user's own bars: from a URL whose server fails and comes back, and from a folder of files."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from bar_samples import a_file_a_day, csv_of, evening_of, parquet_of, put
from bar_server import BarServer, bar_server, half, status
from command_line import command_line
from logical_state import differences, logical_state
from receivers import free_port
from small_nights import OPTIONS, choose_home, market_days, run_night

from nightdesk.errors import BadDate, DataRefused, SourceBroken, SourceUnavailable
from nightdesk.faults import listening
from nightdesk.operations.night import plan_night
from nightdesk.settings import read_settings
from nightdesk.sources import open_source
from nightdesk.store import schema
from nightdesk.store.bulk import read
from nightdesk.store.database import open_store
from nightdesk.store.incidents import all_incidents
from nightdesk.store.inputs import bars_as_known
from nightdesk.tables import DATE, SYMBOL

HISTORY, *_, FIRST, SECOND, THIRD = market_days(9)
NOW = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
PATIENT: dict[str, Any] = {"attempts": 2, "wait_s": 0.001, "requests_per_second": 1000, "fresh_s": 0}
BY_RULE: dict[str, Any] = {"basis": "rule", "publication_lag_minutes": 0}


def market() -> pl.DataFrame:
    """The bars of small nights, up to the last of the three."""
    return open_source("synthetic", **OPTIONS).bars(None, THIRD)


@pytest.fixture
def server() -> Iterator[BarServer]:
    with bar_server() as one:
        one.today = evening_of(THIRD)
        old = market().filter(pl.col(DATE) <= HISTORY)
        one.files = {"/all.csv": csv_of(market()), "/old.parquet": parquet_of(old), **a_file_a_day(market())}
        yield one


def home_over(monkeypatch: pytest.MonkeyPatch, home: Path, source: str, options: dict[str, Any]) -> Path:
    """A home whose nights read another source."""
    choose_home(monkeypatch, home)
    monkeypatch.setenv("NIGHTDESK_SOURCE__NAME", source)
    monkeypatch.setenv("NIGHTDESK_SOURCE__OPTIONS", json.dumps({**BY_RULE, **options}))
    return home


class Killed(BaseException):
    """What a test raises in the place of a kill: nothing in a night may catch it."""


def kill_after_loading(point: str) -> None:
    """Kill the night between the store and the ledger."""
    if point == "load:written":
        raise Killed


def by_day(server: BarServer) -> dict[str, Any]:
    """Options for a file of the history and one for each day after it."""
    return {"url": server.url("/bars/{date}.csv"), "history_url": server.url("/old.parquet"), **PATIENT}


def rows(home: Path) -> pl.DataFrame:
    """Every version of every bar in the store of a home."""
    return read(open_store(f"sqlite:///{home / 'store.db'}"), sa.select(schema.bars))


def test_a_night_over_a_url_finds_what_a_night_over_the_market_itself_finds(
    server: BarServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = home_over(monkeypatch, tmp_path / "http", "http", {"url": server.url("/all.csv"), **PATIENT})
    found = run_night(THIRD)
    choose_home(monkeypatch, tmp_path / "synthetic")
    expected = run_night(THIRD)
    assert found.top == expected.top
    ours, theirs = rows(home), rows(tmp_path / "synthetic")
    assert ours.height == theirs.height
    assert ours.drop("source", "ingested_at").equals(theirs.drop("source", "ingested_at"))


@pytest.mark.chaos
def test_a_night_whose_server_failed_is_started_again_and_nothing_is_lost_or_doubled(
    server: BarServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = home_over(monkeypatch, tmp_path / "undisturbed", "http", by_day(server))
    for day in (SECOND, THIRD):
        run_night(day)

    home = home_over(monkeypatch, tmp_path / "disturbed", "http", by_day(server))
    run_night(SECOND)
    before = rows(home).height
    for fault in (status(500), status(429, {"Retry-After": "0"}), half):
        server.always = fault
        with pytest.raises(SourceUnavailable, match="must answer with a whole file"):
            run_night(THIRD)
    assert rows(home).height == before
    server.always = None
    whole = server.files[f"/bars/{THIRD}.csv"]
    server.files[f"/bars/{THIRD}.csv"] = b"<html>down for maintenance</html>\n"
    with pytest.raises(SourceBroken, match="must have a column 'symbol'"):
        run_night(THIRD)
    assert rows(home).height == before
    server.files[f"/bars/{THIRD}.csv"] = whole
    run_night(THIRD)
    assert differences(logical_state(home), logical_state(undisturbed)) == []
    assert not rows(home).select(SYMBOL, DATE).is_duplicated().any()


@pytest.mark.chaos
def test_a_night_whose_server_is_gone_fails_and_goes_on_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = BarServer(files={"/all.csv": csv_of(market())})
    with bar_server(served):
        home_over(monkeypatch, tmp_path / "home", "http", {"url": served.url("/all.csv"), **PATIENT})
        run_night(SECOND)
    with pytest.raises(SourceUnavailable, match="got ConnectError"):
        run_night(THIRD)
    with bar_server(served):
        summary = run_night(THIRD)
    assert summary.as_of == THIRD


@pytest.mark.chaos
def test_a_day_that_is_empty_stops_the_night_and_is_told_as_a_stopped_feed(
    server: BarServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = home_over(monkeypatch, tmp_path / "home", "http", by_day(server))
    whole = server.files[f"/bars/{THIRD}.csv"]
    server.files[f"/bars/{THIRD}.csv"] = whole.split(b"\n")[0] + b"\n"  # headers alone
    with pytest.raises(BadDate, match=f"source 'http' has bars from .* to {SECOND}, got {THIRD}"):
        run_night(THIRD)
    assert plan_night(read_settings(), "live", None, "auto", NOW).as_of == SECOND
    run_night(SECOND)
    assert f"feed-stopped/http/{THIRD}" in all_incidents(open_store(f"sqlite:///{home / 'store.db'}"))["key"].to_list()

    server.files[f"/bars/{THIRD}.csv"] = whole
    run_night(THIRD)
    assert rows(home).filter(pl.col(DATE) == THIRD).height > 0


def test_a_day_without_bars_in_the_middle_refuses_the_batch(
    server: BarServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = home_over(monkeypatch, tmp_path / "home", "http", by_day(server))
    run_night(FIRST)
    before = rows(home).height
    del server.files[f"/bars/{SECOND}.csv"]
    with pytest.raises(DataRefused, match=rf"missing_day {SECOND}: 1 of \d trading days have no bars"):
        run_night(THIRD)
    assert rows(home).height == before


def test_a_history_restated_at_the_source_arrives_with_the_next_night_as_new_versions(
    server: BarServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"url": server.url("/all.csv"), "restate_days": 3, **PATIENT}
    home = home_over(monkeypatch, tmp_path / "home", "http", options)
    run_night(SECOND)
    between = dt.datetime.now(dt.UTC)
    before = rows(home)
    # On two days within reach, and on one that is not asked for again.
    restated, beyond = [FIRST, SECOND], HISTORY
    changed = pl.col(DATE).is_in([*restated, beyond])
    new = market().with_columns(volume=pl.when(changed).then(pl.col("volume") + 7).otherwise("volume"))
    server.files["/all.csv"] = csv_of(new)
    # Killed just after its batch was loaded: started again, it asks for nothing, and enters no second batch.
    with pytest.raises(Killed), listening(kill_after_loading):
        run_night(THIRD)
    run_night(THIRD)
    assert read(open_store(f"sqlite:///{home / 'store.db'}"), sa.select(schema.batches)).height == 2

    after = rows(home)
    added = after.join(before, on=before.columns, how="anti", nulls_equal=True)
    expected = market().filter(pl.col(DATE).is_in([*restated, THIRD])).select(SYMBOL, DATE)
    held = read(open_store(f"sqlite:///{home / 'store.db'}"), sa.select(schema.quarantine)).select(SYMBOL, DATE)
    keys = added.select(SYMBOL, DATE).sort(SYMBOL, DATE)
    assert keys.equals(expected.join(held, on=[SYMBOL, DATE], how="anti").sort(SYMBOL, DATE))
    second_versions = added.filter(pl.col(DATE) != THIRD)
    assert second_versions["basis"].unique().to_list() == ["observed"]
    assert second_versions["known_at"].min() > between

    engine = open_store(f"sqlite:///{home / 'store.db'}")
    then = bars_as_known(engine, "http", between, FIRST, SECOND)
    now = bars_as_known(engine, "http", dt.datetime.now(dt.UTC), FIRST, SECOND)
    assert (now["volume"] - then["volume"]).unique().to_list() == [7.0]


def test_nights_over_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bars = market()
    folder = put(tmp_path / "bars", {"until.parquet": parquet_of(bars.filter(pl.col(DATE) <= SECOND))})
    home = home_over(monkeypatch, tmp_path / "home", "files", {"folder": str(folder)})
    run_night(SECOND)
    with pytest.raises(BadDate, match=f"source 'files' has bars from .* to {SECOND}, got {THIRD}"):
        run_night(THIRD)
    put(folder, {f"{THIRD}.csv": csv_of(bars.filter(pl.col(DATE) == THIRD))})
    run_night(THIRD)
    keys = ["symbol", "date"]
    held = read(open_store(f"sqlite:///{home / 'store.db'}"), sa.select(schema.quarantine)).select(keys)
    assert rows(home).height + held.height == bars.height
    assert all_incidents(open_store(f"sqlite:///{home / 'store.db'}")).is_empty()


@pytest.mark.chaos
def test_at_the_command_line_a_server_that_is_gone_is_one_line_and_an_exit_code(tmp_path: Path) -> None:
    options = {"url": f"http://127.0.0.1:{free_port()}/all.csv", "query": {"apikey": "BARS_KEY"}, **PATIENT}
    more = {"NIGHTDESK_SOURCE__NAME": "http", "NIGHTDESK_SOURCE__OPTIONS": json.dumps(options)}
    desk = command_line(tmp_path, **more, BARS_KEY="s3cr3t-value")
    told = desk.run("nightly", "--quiet", code=75)
    assert "all.csv: ConnectError: [Errno 111] Connection refused; asked again in 0.0 s" in told
    assert "/all.csv must answer with a whole file, got ConnectError: [Errno 111] Connection refused, asked up" in told
    assert "Traceback" not in told
    assert "Warning:" not in told
    assert "s3cr3t-value" not in told
