"""Quarantine at the command line after a real night, and nights that a bad batch stops before anything is written."""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal
from small_nights import choose_home, market_days, run_night

from flows import cli
from nightdesk.errors import DataRefused
from nightdesk.operations.night import plan_night
from nightdesk.operations.quality import bars_before, list_quarantine, rebases_in
from nightdesk.settings import read_settings
from nightdesk.store import schema
from nightdesk.store.inputs import bars_as_known
from nightdesk.store.quarantine import HeldRow
from nightdesk.tables import DATE, PRICES, SYMBOL

FIRST, SECOND = market_days(2)


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["nightdesk", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which two nights ran."""
    home = tmp_path_factory.mktemp("quarantine") / "home"
    with pytest.MonkeyPatch.context() as patch:
        choose_home(patch, home)
        patch.setenv("NIGHTDESK_TRAINING__RECIPES", '["ridge"]')
        for day in (FIRST, SECOND):
            run_night(day)
    return home


@pytest.fixture
def home(done: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOGNAME", "ada")
    return choose_home(monkeypatch, done)


def held(reason: str) -> list[HeldRow]:
    return [one for one in list_quarantine(read_settings(), everything=False) if reason in one.reasons]


def test_a_night_leaves_a_quality_page_of_its_bars(home: Path) -> None:
    page = (home / "reports" / "live" / "quality" / str(SECOND) / "bars.html").read_text()
    assert "Quality of the bars" in page
    assert all(one.key in page for one in held("missing_price"))
    assert not (home / "reports" / "live" / "quality" / str(SECOND) / "membership.html").exists()  # there is no index


def test_a_batch_is_compared_to_the_sixty_days_known_before_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    night = plan_night(read_settings(), "live", SECOND, "auto", dt.datetime.now(dt.UTC))
    batch = night.source.bars(SECOND, SECOND)
    known = bars_as_known(night.engine, "synthetic", night.cutoff, last=FIRST)
    days = known[DATE].unique().sort()[-60:]
    symbols = pl.concat([known.filter(pl.col(DATE) == FIRST)[SYMBOL], batch[SYMBOL]]).unique()
    expected = known.filter(pl.col(DATE).is_in(days.implode()) & pl.col(SYMBOL).is_in(symbols.implode()))
    assert_frame_equal(bars_before(night, night.source, FIRST, batch, rebases_in(night, night.source, batch)), expected)
    assert expected[DATE].n_unique() == 60
    nameless = batch.drop(SYMBOL)
    assert bars_before(night, night.source, FIRST, nameless, rebases_in(night, night.source, nameless)).height > 0
    monkeypatch.setenv("NIGHTDESK_QUALITY__LOOK_BACK_DAYS", "7")
    shorter = plan_night(read_settings(), "live", SECOND, "auto", dt.datetime.now(dt.UTC))
    assert (
        bars_before(shorter, shorter.source, FIRST, batch, rebases_in(shorter, shorter.source, batch))[DATE].n_unique()
        == 7
    )


def test_a_row_is_listed_shown_corrected_and_released(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = held("missing_price")[0]
    code, out, _ = run(monkeypatch, capsys, "quarantine", "list")
    assert code == 0
    assert row.key in out
    code, out, _ = run(monkeypatch, capsys, "quarantine", "show", row.key[:8])
    assert (code, "missing_price" in out, "missing" in out) == (0, True, True)
    broken = run(monkeypatch, capsys, "quarantine", "release", row.key, "--reason", "seen elsewhere")
    assert broken[0] == 2
    assert f"got missing_price in {row.values[SYMBOL]} {row.values[DATE]}: correct it with --set" in broken[2]

    engine = plan_night(read_settings(), "live", SECOND, "auto", dt.datetime.now(dt.UTC)).engine
    began = dt.datetime.now(dt.UTC)
    price = next(value for name, value in row.values.items() if name in PRICES and value is not None)
    lacking = next(name for name in PRICES if row.values[name] is None)
    low_high = {"low": f"{0.5 * float(str(price))}", "high": f"{2 * float(str(price))}"}
    value = low_high.get(lacking, str(price))
    arguments = ("quarantine", "release", row.key, "--set", f"{lacking}={value}", "--reason", "two vendors agree")
    code, out, err = run(monkeypatch, capsys, *arguments)
    assert (code, err) == (0, "")
    assert f"{row.values[SYMBOL]} {row.values[DATE]} is released, known from" in out
    known = {
        cutoff: bars_as_known(engine, "synthetic", cutoff).filter(symbol=row.values[SYMBOL], date=row.values[DATE])
        for cutoff in (began, dt.datetime.now(dt.UTC))
    }
    before, after = known.values()
    assert (before.height, after[lacking].to_list()) == (0, [float(value)])
    assert row.key not in run(monkeypatch, capsys, "quarantine", "list")[1]
    assert row.key in run(monkeypatch, capsys, "quarantine", "list", "--all")[1]
    shown = run(monkeypatch, capsys, "quarantine", "show", row.key)[1]
    assert "by ada: two vendors agree, known from" in shown
    assert run(monkeypatch, capsys, *arguments)[2].startswith("nightdesk: a row is released once")


def test_a_row_out_of_order_may_be_released_as_it_came_or_dropped(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = held("ohlc_order")[:2]
    code, out, _ = run(monkeypatch, capsys, "quarantine", "release", first.key, "--reason", "an odd lot", "--by", "Ben")
    assert (code, "is released" in out) == (0, True)
    code, out, _ = run(monkeypatch, capsys, "quarantine", "drop", second.key, "--reason", "nobody traded there")
    assert (code, "dropped on" in out, "by ada: nobody traded there" in out) == (0, True, True)
    assert second.key not in {one.key for one in held("ohlc_order")}


def test_the_quality_of_an_earlier_day_is_shown_as_it_was_known(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(monkeypatch, capsys, "quality", "--as-of", str(FIRST))
    assert (code, err) == (0, "")
    assert f"bars of synthetic as known on {FIRST}" in out
    assert f"Page: {home / 'reports' / 'live' / 'quality' / str(FIRST) / 'bars.html'}" in out
    assert "missing_row" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("show", "ab"), "a key needs at least 4 letters, got 'ab'"),
        (("show", "no-such-key"), "key of a row in quarantine must be one of"),
        (("show",), "Missing argument 'KEY'"),
        (("release", "KEY"), "Missing option '--reason'"),
        (("release", "KEY", "--reason", " "), "a reason must be given, got ' '"),
        (("release", "KEY", "--reason", "why", "--by", " "), "--by must be a name of 1 to 64 characters"),
        (("release", "KEY", "--reason", "why", "--set", "closing=3"), "a correction must be one of symbol, date, open"),
        (("release", "KEY", "--reason", "why", "--set", "close"), "got 'close': --set close=35.74"),
        (("release", "KEY", "--reason", "why", "--set", "close=much"), "a correction of close must be a number"),
        (("release", "KEY", "--reason", "why", "--set", "date=yesterday"), "a correction of date must be a date"),
        (("release", "KEY", "--reason", "why", "--set", "date=2016-07-04"), "got not_a_trading_day"),
        (("release", "KEY", "--reason", "why", "--set", "low=-1"), "got non_positive_price"),
        (("drop", "KEY", "--reason", ""), "a reason must be given"),
        (("nonsense",), "No such command 'nonsense'"),
        ((), "Missing command"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line_and_changes_nothing(
    home: Path,
    arguments: tuple[str, ...],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = held("ohlc_order")
    engine = plan_night(read_settings(), "live", SECOND, "auto", dt.datetime.now(dt.UTC)).engine
    with engine.connect() as connection:
        decided = connection.scalar(sa.select(sa.func.count()).select_from(schema.quarantine_log))
    given = [rows[-1].key if part == "KEY" else part for part in arguments]
    code, out, err = run(monkeypatch, capsys, "quarantine", *given)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(schema.quarantine_log)) == decided


@pytest.mark.parametrize("arguments", [("quality",), ("quarantine", "list"), ("quarantine", "show", "abcd")])
def test_before_the_first_night_there_is_nothing(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    choose_home(monkeypatch, tmp_path / "home")
    code, out, err = run(monkeypatch, capsys, *arguments)
    if arguments[1:] == ("list",):
        assert (code, out) == (0, "No row is in quarantine.\n")
        return
    assert code == 2
    assert "run nightdesk nightly" in err or "no row of 'synthetic' was ever held" in err


def test_a_batch_past_its_thresholds_stops_the_night_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every reason is told at once; neither a bar nor a feature, page or forecast is there afterwards."""
    home = choose_home(monkeypatch, tmp_path / "home")
    monkeypatch.setenv("NIGHTDESK_QUALITY__MAX_BROKEN_SHARE", "0")
    monkeypatch.setenv("NIGHTDESK_QUALITY__MIN_SYMBOL_SHARE", "1")
    monkeypatch.setenv("NIGHTDESK_QUALITY__HANDFUL", "0")
    with pytest.raises(DataRefused) as refused:
        run_night(FIRST)
    text = str(refused.value)
    assert text.startswith("a batch must hold every batch rule, this one breaks ")
    assert {"broken_share:", "thin_day"} <= {line.split()[1] for line in text.splitlines() if line.startswith("- ")}
    assert "nothing of it was written" in text
    engine = plan_night(read_settings(), "live", FIRST, "auto", dt.datetime.now(dt.UTC)).engine
    with engine.connect() as connection:
        filled = {
            table.name
            for table in schema.metadata.sorted_tables
            if connection.scalar(sa.select(sa.func.count()).select_from(table))
        }
    assert filled <= {"nights", "incidents"}
    written = [file for name in ("features", "published", "reports") for file in (home / name).rglob("[!.]*.*")]
    # No forecast, only the word that this night was refused.
    assert [file.name for file in written] == ["status.json"]
    assert json.loads(written[0].read_text())["status"] == "refused"
