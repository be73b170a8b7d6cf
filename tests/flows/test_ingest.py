"""`nightdesk ingest`: a user's own file into its table, once, with a summary; and what is wrong in one line."""

from __future__ import annotations

import datetime as dt
import gzip
import sys
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from small_nights import choose_home, market_days, run_night

from flows import cli
from nightdesk.sources.fama_french import SOURCE
from nightdesk.sources.sample import DATA, MEMBERSHIP_FILE
from nightdesk.store import schema
from nightdesk.store.database import open_store
from nightdesk.store.forecasts import forecasts_of
from nightdesk.store.inputs import bars_as_known, members_as_known
from nightdesk.store.lagged import factor_returns_as_known, fundamentals_as_known

RECORDED = Path(__file__).parents[1] / "sources/recorded"
FIGURES = RECORDED / "annual_fundamentals.csv"
FACTORS = RECORDED / "F-F_Research_Data_5_Factors_2x3_daily.CSV"
NOW = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["nightdesk", "ingest", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.fixture
def kept(store: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    """The store that settings name, on each engine."""
    choose_home(monkeypatch, tmp_path / "home")
    monkeypatch.setenv("NIGHTDESK_STORE__URL", store.url.render_as_string(hide_password=False))
    return store


@pytest.mark.parametrize(
    ("table", "file", "source", "rows"),
    [
        ("membership", DATA / MEMBERSHIP_FILE, "synthetic", "10,017"),
        ("fundamentals", FIGURES, "synthetic", "400"),
        ("factors", FACTORS, SOURCE, "264"),
    ],
)
def test_a_file_comes_in_once(
    table: str,
    file: Path,
    source: str,
    rows: str,
    kept: sa.Engine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = f"{table} of {source} from {file.name}: {rows} rows in, "
    first = run(monkeypatch, capsys, table, str(file))
    assert first == (0, f"{told}{rows} new, 0 restated; new ones known by rule\n", "")
    again = run(monkeypatch, capsys, table, str(file))
    assert again == (0, f"{told}0 new, 0 restated; new ones known by rule or arrival\n", "")
    found = {
        "membership": lambda: members_as_known(kept, source, NOW),
        "fundamentals": lambda: fundamentals_as_known(kept, source, NOW),
        "factors": lambda: factor_returns_as_known(kept, source, "F-F_Research_Data_5_Factors_2x3_daily", NOW),
    }[table]()
    assert f"{found.height:,}" == rows


def test_a_restated_figure_is_counted_and_a_late_file_is_known_from_its_arrival_or_by_rule(
    kept: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, capsys, "fundamentals", str(FIGURES))
    text = FIGURES.read_text()
    changed = tmp_path / "changed.csv.gz"
    changed.write_bytes(gzip.compress(text.replace("2.07E+11", "2.08E+11").encode()))
    code, out, _ = run(monkeypatch, capsys, "fundamentals", str(changed))
    assert (code, "0 new, 1 restated" in out) == (0, True)

    others = tmp_path / "others.csv"
    others.write_text("symbol;period_end;Sales\nLATE;2013-12-31;1.234,5\n")
    form = ("--separator", ";", "--decimal", ",", "--thousands", ".", "--date-format", "%Y-%m-%d")
    assert run(monkeypatch, capsys, "fundamentals", str(others), *form)[0] == 0
    others.write_text("symbol;period_end;Sales\nDECLARED;2013-12-31;1\n")
    assert run(monkeypatch, capsys, "fundamentals", str(others), *form, "--history")[0] == 0
    after_lag = dt.datetime(2014, 4, 1, tzinfo=dt.UTC)  # 31 March 2014 is the 90th day
    by_then = fundamentals_as_known(kept, "synthetic", after_lag)
    assert "DECLARED" in by_then["symbol"]
    assert "LATE" not in by_then["symbol"]
    assert by_then.filter(symbol="AAPL", item="Total Assets", period_end=dt.date(2013, 9, 28))["value"].item() == 207e9
    now = fundamentals_as_known(kept, "synthetic", NOW)
    assert now.filter(symbol="LATE")["value"].item() == 1234.5
    assert now.filter(symbol="AAPL", item="Total Assets", period_end=dt.date(2013, 9, 28))["value"].item() == 208e9
    early = dt.datetime(2014, 3, 31, 23, 59, tzinfo=dt.UTC)
    assert "DECLARED" not in fundamentals_as_known(kept, "synthetic", early)["symbol"]


def test_the_lags_are_settings_and_an_index_has_its_name(
    kept: sa.Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NIGHTDESK_TABLES__FACTORS_LAG_DAYS", "10")
    monkeypatch.setenv("NIGHTDESK_TABLES__FUNDAMENTALS_LAG_DAYS", "120")
    for table, file in (("factors", FACTORS), ("fundamentals", FIGURES)):
        assert run(monkeypatch, capsys, table, str(file))[0] == 0
    released = dt.datetime(1963, 8, 11, tzinfo=dt.UTC)
    name, moment = FACTORS.stem, dt.timedelta(microseconds=1)
    assert factor_returns_as_known(kept, SOURCE, name, released - moment).is_empty()
    assert factor_returns_as_known(kept, SOURCE, name, released)["date"].max() == dt.date(1963, 7, 30)
    assert fundamentals_as_known(kept, "synthetic", dt.datetime(2013, 4, 30, tzinfo=dt.UTC)).is_empty()
    assert not fundamentals_as_known(kept, "synthetic", dt.datetime(2013, 5, 1, tzinfo=dt.UTC)).is_empty()
    run(monkeypatch, capsys, "membership", str(DATA / MEMBERSHIP_FILE), "--index", "SP500")
    assert set(members_as_known(kept, "synthetic", NOW)["index_name"]) == {"SP500"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("factors", "no-such-file.zip"), "PATH must be a file, got no file no-such-file.zip: correct the path"),
        (("factors", str(FIGURES)), "a factor file must have a table with a header like ,Mkt-RF,SMB"),
        (("fundamentals", str(FACTORS)), "as many cells as the header, 1, got 2 in line 2"),
        (("membership", str(FIGURES)), "a file of members must have a column 'snapshot_date', got 'Ticker Symbol, P"),
        (("fundamentals", str(FIGURES), "--date-format", "%d/%m/%Y"), "must be written as %d/%m/%Y, got '12/31/2012'"),
        (("fundamentals", str(FIGURES), "--separator", "x"), "how a file is written does not hold: separator: Input"),
        (("membership", str(FIGURES), "--index", "I" * 65), "--index must be a name of 1 to 64 letters"),
        (
            ("options", str(FIGURES)),
            "Invalid value for 'table': 'options' is not one of 'membership', 'fundamentals', 'factors'",
        ),
        (("factors",), "Missing argument 'PATH'"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(
    arguments: tuple[str, ...],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = choose_home(monkeypatch, tmp_path / "home")
    code, out, err = run(monkeypatch, capsys, *arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert err.startswith("nightdesk: ")
    assert err.count("\n") == 1
    assert not (home / "store.db").exists()


FILES = {
    "membership": (
        "snapshot_date,symbol,name,sector\n2013-01-02,AAA,A,\n2013-01-02,AAA,A,\n2999-01-01,BBB,B,\n",
        ["member_twice AAA 2013-01-02: INDEX, and 1 more", "list_date BBB 2999-01-01"],
    ),
    "fundamentals": (
        "symbol,period_end,filed,Sales\nAAA,12/31/2013,12/30/2013,1\nBBB,12/31/2013,,2\nBBB,12/31/2013,,3\n",
        ["figure_twice BBB 2013-12-31: Sales 2.0, and 1 more", "figure_filed AAA 2013-12-31: filed 2013-12-30"],
    ),
    "factors": (
        "Percent.\n\n,SMB\n20240102,-0.67\n20240102,0.10\n20240106,120\n",
        ["factor_twice SMB 2024-01-02", "factor_value SMB 2024-01-06: value 1.2", "factor_day SMB 2024-01-06"],
    ),
}


@pytest.mark.parametrize("table", FILES)
def test_what_breaks_the_rules_of_its_table_is_told_at_once_and_nothing_is_written(
    table: str, kept: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text, says = FILES[table]
    file = tmp_path / "broken.csv"
    file.write_text(text)
    code, out, err = run(monkeypatch, capsys, table, str(file))
    assert (code != 0, out, err.count("\n")) == (True, "", 1)
    assert f"broken.csv breaks {len(says)}: " in err
    assert [one for one in says if one not in err] == []
    for stored in (schema.membership, schema.fundamentals, schema.factor_returns):
        with kept.connect() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(stored)) == 0


def test_a_universe_limits_what_is_forecast_and_changes_no_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    days = market_days(3)
    home = choose_home(monkeypatch, tmp_path / "home")
    monkeypatch.setenv("NIGHTDESK_TRAINING__RECIPES", '["ridge"]')
    engine = open_store(f"sqlite:///{home / 'store.db'}")
    run_night(days[0])
    everything = forecasts_of(engine, "live", days[0])
    bars = bars_as_known(engine, "synthetic", NOW, last=days[0])
    recent = bars.filter(pl.col("date").is_in(bars["date"].unique().sort().tail(20).implode()))
    money = recent.group_by("symbol").agg((pl.col("close") * pl.col("volume")).sum().alias("money"))
    most = set(money.sort("money", descending=True).head(7)["symbol"])

    monkeypatch.setenv("NIGHTDESK_UNIVERSE__RULE", "top_n")
    monkeypatch.setenv("NIGHTDESK_UNIVERSE__N", "7")
    monkeypatch.setenv("NIGHTDESK_UNIVERSE__WINDOW", "20")
    run_night(days[0], realm="narrow")
    narrow = forecasts_of(engine, "narrow", days[0])
    assert set(narrow.filter("served")["symbol"]) <= most
    assert narrow.filter("served").height >= 5  # one of the seven may have no bar tonight
    keys = ["horizon", "model", "symbol"]
    met = narrow.join(everything, on=keys, how="left")
    assert met.filter(pl.col("score") != pl.col("score_right")).is_empty()
    assert met["score_right"].null_count() == 0

    lists = tmp_path / "members.csv"
    lists.write_text(f"snapshot_date,symbol,name,sector\n{days[0]},SYN0003,Three,\n{days[0]},GONE,Gone,\n")
    assert run(monkeypatch, capsys, "membership", str(lists))[0] == 0
    monkeypatch.setenv("NIGHTDESK_UNIVERSE__RULE", "members")
    run_night(days[2])
    assert set(forecasts_of(engine, "live", days[2])["symbol"]) == {"SYN0003"}
