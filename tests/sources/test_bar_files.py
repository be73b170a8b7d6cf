"""Files of bars: every layout gives the same bars, and each way in which a file can be wrong gives one clear error."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from bar_samples import a_file_a_field, a_file_a_symbol, csv_of, gzip_of, parquet_of, put, synthetic_bars, zip_of
from polars.testing import assert_frame_equal

from nightdesk.errors import BadSetting, SourceBroken
from nightdesk.quality.bars import check_bars
from nightdesk.sources import open_source, raw_tables
from nightdesk.tables import BARS, DATE

files_source = sys.modules["nightdesk.sources.files"]  # the package has a function of that name
BARS_SEEN = synthetic_bars(symbols=4, days=30)
GOOD = """Symbol,Date,Open,High,Low,Close,Volume
AAA,2024-01-02,10,11,9,10.5,1000
AAA,2024-01-03,10.5,12,10,11,2000
BBB,2024-01-02,20,21,19,20.5,300
"""
DAYS = [dt.date(2024, 1, 2), dt.date(2024, 1, 3)]


def read(folder: Path, files: dict[str, bytes | str], **options: Any) -> pl.DataFrame:
    """All bars of a folder with these files alone."""
    contents = {name: content.encode() if isinstance(content, str) else content for name, content in files.items()}
    source = open_source("files", folder=put(folder, contents), **options)
    return source.bars(None, dt.date(2030, 1, 1))


def line(text: str, number: int, new: str) -> str:
    """`text` with its line `number` (from 1) replaced."""
    lines = text.split("\n")
    lines[number - 1] = new
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("files", "options"),
    [
        ({"all.csv": csv_of(BARS_SEEN)}, {}),
        ({"all.csv.gz": gzip_of(csv_of(BARS_SEEN))}, {}),
        ({"all.csv.zip": zip_of(csv_of(BARS_SEEN), "all.csv")}, {}),
        ({"all.parquet": parquet_of(BARS_SEEN)}, {}),
        ({"a.csv": csv_of(BARS_SEEN[:20]), "b.parquet": parquet_of(BARS_SEEN[20:])}, {}),
        (a_file_a_symbol(BARS_SEEN), {"layout": "symbol"}),
        (a_file_a_field(BARS_SEEN), {"layout": "wide"}),
        ({"all.csv": csv_of(BARS_SEEN.select(pl.all().name.to_uppercase()))}, {}),
        ({"all.csv": b"\xef\xbb\xbf" + csv_of(BARS_SEEN).replace(b"\n", b"\r\n\r\n")}, {}),
        ({"all.csv": BARS_SEEN.write_csv(separator=";").replace(".", ",")}, {"separator": ";", "decimal": ","}),
        ({"all.csv": BARS_SEEN.write_csv(quote_style="always")}, {}),
        ({"all.csv": csv_of(BARS_SEEN).decode().encode("utf-16")}, {"encoding": "utf-16"}),
        ({"all.csv": BARS_SEEN.write_csv(date_format="%d.%m.%Y")}, {"date_format": "%d.%m.%Y"}),
        ({"all.csv": BARS_SEEN.write_csv(date_format="%Y%m%d 00:00")}, {"date_format": "%Y%m%d %H:%M"}),
        ({"all.csv": BARS_SEEN.write_csv(date_format="%Y-%m-%dT00:00:00Z")}, {}),
        ({"all.csv": BARS_SEEN.write_csv(date_format="%Y-%m-%d 00:00:00-05:00")}, {"missing": []}),
        ({"all.csv": BARS_SEEN.write_csv(float_scientific=True)}, {}),
        (
            {"all.csv": csv_of(BARS_SEEN.rename({"close": "Adj Close", "symbol": "ticker"}))},
            {"columns": {"close": "adj close", "symbol": "TICKER"}},
        ),
        ({"all.csv": csv_of(BARS_SEEN.with_columns(note=pl.lit("x"), adjusted=pl.lit(1.0)))}, {}),
    ],
    ids=lambda value: ", ".join(value)[:60] if isinstance(value, dict) else None,
)
def test_every_way_of_writing_the_same_bars_gives_the_same_bars(
    files: dict[str, bytes | str], options: dict[str, Any], tmp_path: Path
) -> None:
    assert_frame_equal(read(tmp_path, files, **options), BARS_SEEN, rel_tol=1e-12)


def test_parquet_of_other_types_gives_the_same_bars(tmp_path: Path) -> None:
    others = BARS_SEEN.with_columns(
        pl.col("symbol").cast(pl.Categorical),
        pl.col("date").cast(pl.Datetime("ns")).dt.replace_time_zone("America/New_York"),
        pl.col("volume").cast(pl.Int64),
    )
    assert_frame_equal(read(tmp_path, {"all.parquet": parquet_of(others)}), BARS_SEEN)


def test_bars_of_apple_as_their_recorder_wrote_them(tmp_path: Path) -> None:
    """Two lines of QuantConnect Lean's sample (Apache-2.0): prices in ten-thousandths of a dollar."""
    text = (
        "When,O,H,L,C,V\n19980102 00:00,136300,162500,135000,162500,6411700\n"
        "19980105 00:00,165000,165600,151900,160000,5820300\n"
    )
    found = read(
        tmp_path,
        {"aapl.csv": text},
        layout="symbol",
        columns={"date": "when", "open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"},
        date_format="%Y%m%d %H:%M",
        price_divisor=10_000,
        symbol_case="upper",
        price_basis="raw",
    )
    assert found.rows() == [
        ("AAPL", dt.date(1998, 1, 2), 13.63, 16.25, 13.5, 16.25, 6_411_700.0),
        ("AAPL", dt.date(1998, 1, 5), 16.5, 16.56, 15.19, 16.0, 5_820_300.0),
    ]


WRONG: dict[str, tuple[dict[str, bytes | str], dict[str, Any], str]] = {
    "missing column": (
        {"a.csv": GOOD.replace("Close", "Last")},
        {},
        r"must have a column 'close', got 'Symbol, Date, Open, High, Low, Last, Volume' in a.csv: set columns.close",
    ),
    "unparseable date": (
        {"a.csv": line(GOOD, 3, "AAA,2024-13-03,1,1,1,1,1")},
        {},
        "a date must be written as YYYY-MM-DD, got '2024-13-03' in line 3 of a.csv: mend it, or set date_format",
    ),
    "unparseable date in a format": (
        {"a.csv": GOOD},
        {"date_format": "%d.%m.%Y"},
        "a date must be written as %d.%m.%Y, got '2024-01-02' in line 2 of a.csv",
    ),
    "date in scientific notation": (
        {"a.csv": line(GOOD, 2, "AAA,2.0240102E+07,1,1,1,1,1")},
        {"date_format": "%Y%m%d"},
        r"a date must be written as %Y%m%d, got '2.0240102E\+07' in line 2",
    ),
    "no date": ({"a.csv": line(GOOD, 4, "BBB,,1,1,1,1,1")}, {}, "got an empty cell in line 4 of a.csv"),
    "bars of hours": (
        {"a.csv": line(GOOD, 3, "AAA,2024-01-03 15:30,1,1,1,1,1")},
        {},
        "bars must be daily, .* got a time of day, '2024-01-03 15:30', in line 3 of a.csv",
    ),
    "bars of hours in Parquet": (
        {"a.parquet": parquet_of(BARS_SEEN.with_columns(pl.col(DATE).cast(pl.Datetime) + pl.duration(hours=15)))},
        {},
        "bars must be daily, .* in row 1 of a.parquet",
    ),
    "duplicate key, asked to refuse": (
        {"a.csv": line(GOOD, 4, "AAA,2024-01-02,10,11,9,10.6,1000")},
        {"row_faults": "refuse"},
        "one bar a day, got AAA 2024-01-02 again in line 4 of a.csv: remove the one that is wrong",
    ),
    "duplicate key in two files, asked to refuse": (
        {"a.csv": GOOD, "b.csv": GOOD},
        {"row_faults": "refuse"},
        "one bar a day, got AAA 2024-01-02 again in line 2 of b.csv",
    ),
    "duplicate day in a wide file": (
        {f"{field}.csv": "date,AAA\n2024-01-02,1\n2024-01-02,2\n" for field in ("open", "high", "low", "close")}
        | {"volume.csv": "date,AAA\n2024-01-02,1\n"},
        {"layout": "wide"},
        "layout wide has one line a day, got 2024-01-02 again in line 3 of close.csv",
    ),
    "mixed symbols": (
        {"aaa.csv": GOOD},
        {"layout": "symbol"},
        "a file of one symbol must hold no other, got 'BBB' in line 4 of aaa.csv: split the file",
    ),
    "two files of one symbol": (
        {"aaa.csv": GOOD, "AAA.parquet": b"PAR1"},
        {"layout": "symbol"},
        "a symbol must have one file, got AAA.parquet and aaa.csv",
    ),
    "a name without its symbol": (
        {"aaa.csv": GOOD},
        {"layout": "symbol", "file_symbol": "{symbol}_daily"},
        "must be named '{symbol}_daily', got aaa.csv",
    ),
    "a field without a file": (
        {"open.csv": "date,AAA\n2024-01-02,1\n"},
        {"layout": "wide"},
        "layout wide needs one file for high, named 'high' and its ending, got none",
    ),
    "a column of a wide file without a symbol": (
        {f"{field}.csv": ",date,AAA\n0,2024-01-02,1\n" for field in ("open", "high", "low", "close", "volume")},
        {"layout": "wide"},
        "layout wide needs a symbol above each column, got none above 1 of close.csv",
    ),
    "empty file": ({"a.csv": b""}, {}, "a file must not be empty, got 0 bytes in a.csv: fetch it again"),
    "blank file": ({"a.csv": b" \n\n"}, {}, "must not be empty, got 3 bytes in a.csv"),
    "headers alone": ({"a.csv": GOOD.split("\n")[0]}, {}, "must hold one bar at least, got headers alone in a.csv"),
    "truncated gzip": (
        {"a.csv.gz": gzip_of(GOOD.encode())[:-9]},
        {},
        "a gzip file must be whole, got a.csv.gz, which is cut short or damaged .*: fetch it again",
    ),
    "truncated zip": (
        {"a.csv.zip": zip_of(GOOD.encode(), "a.csv")[:-30]},
        {},
        "a zip file must be whole, got a.csv.zip, which is cut short or damaged",
    ),
    "damaged zip": (
        {"a.csv.zip": zip_of(GOOD.encode(), "a.csv").replace(b"a.csv", b"b.csv", 1)},
        {},
        "a zip file must be whole, got a.csv.zip",
    ),
    "zip of two files": (
        {"a.csv.zip": zip_of(GOOD.encode(), "a.csv", "b.csv")},
        {},
        "a zip must hold one file, got 2 in a.csv.zip",
    ),
    "truncated Parquet": (
        {"a.parquet": parquet_of(BARS_SEEN)[:-20]},
        {},
        r"a Parquet file must be whole, got a.parquet, .* \(its last four bytes are not PAR1\)",
    ),
    "Parquet without its middle": (
        {"a.parquet": parquet_of(BARS_SEEN)[:40] + parquet_of(BARS_SEEN)[-8:]},
        {},
        "a Parquet file must be whole, got a.parquet",
    ),
    "half a line": (
        {"a.csv": GOOD[:-9]},
        {},
        "as many cells as the header, 7, got 6 in line 4 of a.csv: fetch it again if it is cut short",
    ),
    "half a quoted cell": ({"a.csv": GOOD + '"AAA'}, {}, "a quote in a CSV file must be closed, got line 5 of a.csv"),
    "wrong encoding": (
        {"a.csv": GOOD.replace("BBB", "BÜB").encode("latin-1")},
        {},
        "text must be utf-8, got byte 0xdc in line 4 of a.csv: set the option encoding",
    ),
    "UTF-16 without a mark": (
        {"a.csv": GOOD.encode("utf-16-le")},
        {},
        "text must be utf-8, got a zero byte in line 1 of a.csv",
    ),
    "negative price, asked to refuse": (
        {"a.csv": line(GOOD, 3, "AAA,2024-01-03,10.5,12,-10,11,2000")},
        {"row_faults": "refuse"},
        "a price must be above zero, got low -10.0 in line 3 of a.csv: mend it, or set row_faults to quarantine",
    ),
    "thousands separators in quotes": (
        {"a.csv": line(GOOD, 2, 'AAA,2024-01-02,10,11,9,10.5,"1,000"')},
        {},
        "must have no thousands separators, got '1,000' under 'Volume' in line 2 of a.csv: set thousands to ','",
    ),
    "thousands separators without quotes": (
        {"a.csv": line(GOOD, 2, "AAA,2024-01-02,10,11,9,10.5,1,000")},
        {},
        "as many cells as the header, 7, got 8 in line 2 of a.csv: .*thousands separators",
    ),
    "thousands separators at the wrong place": (
        {"a.csv": line(GOOD, 2, 'AAA,2024-01-02,10,11,9,"1,5",1000')},
        {"thousands": ","},
        "must be a number with decimal sign '.', got '1,5' under 'Close' in line 2",
    ),
    "decimal comma": (
        {"a.csv": GOOD.replace(",", ";").replace(".", ",")},
        {"separator": ";"},
        "must be a number with decimal sign '.', got '10,5' under 'Open' in line 3 of a.csv: mend it, set decimal",
    ),
    "a point where the comma is the decimal sign": (
        {"a.csv": GOOD.replace(",", ";")},
        {"separator": ";", "decimal": ","},
        "must be a number with decimal sign ',', got '10.5' under 'Open' in line 3",
    ),
    "no number": ({"a.csv": GOOD.replace("20.5", "n.a.")}, {}, "got 'n.a.' under 'Close' in line 4 of a.csv"),
    "column of another type": (
        {"a.parquet": parquet_of(BARS_SEEN.with_columns(close=pl.lit(True)))},
        {},
        "column 'close' of a.parquet must hold numbers, got Boolean",
    ),
    "a header twice": ({"a.csv": GOOD.replace("Open", "close")}, {}, "a header must stand once, in any case, got"),
    "wrong separator": ({"a.csv": GOOD.replace(",", ";")}, {}, "must have a column 'symbol', got 'Symbol;Date;"),
    "a page in the place of a file": ({"a.csv": "<html>\n<p>log in</p>\n"}, {}, "must have a column 'symbol', got '<h"),
    "before the calendar": (
        {"a.csv": GOOD.replace("2024-01-03", "1962-01-03")},
        {},
        r"dates must lie within the XNYS calendar, .* got 1962-01-03: correct the date, or set first_day",
    ),
    "days on which nothing trades": (
        {"a.csv": GOOD.replace("2024-01-02", "2024-01-06").replace("2024-01-03", "2024-01-07")},
        {},
        "bars must be of trading days of XNYS, got 2024-01-06 to 2024-01-07: set the calendar",
    ),
    "no file": ({"a.txt": GOOD}, {}, r"must hold a file that ends in \.csv or .*, got none that fits '\*' in "),
}


@pytest.mark.parametrize("case", WRONG)
def test_each_way_a_file_can_be_wrong_gives_one_clear_error(case: str, tmp_path: Path) -> None:
    files, options, text = WRONG[case]
    with pytest.raises(SourceBroken, match=text) as caught:
        read(tmp_path, files, **options)
    assert "\n" not in str(caught.value)


def test_an_error_is_not_raised_where_its_cause_is_mended(tmp_path: Path) -> None:
    """Each cure that an error names does cure: with it, the same file is read."""
    latin = GOOD.replace("BBB", "BÜB").encode("latin-1")
    assert read(tmp_path / "1", {"a.csv": latin}, encoding="latin-1")["symbol"][2] == "BÜB"
    grouped = line(GOOD, 2, "AAA,2024-01-02,\"1,010.25\",11,9,10.5,'1,000'").replace("'", '"')
    assert read(tmp_path / "2", {"a.csv": grouped}, thousands=",").row(0)[2:] == (1010.25, 11, 9, 10.5, 1000)
    swiss = GOOD.replace(",", ";").replace("2000", "2'000")
    assert read(tmp_path / "3", {"a.csv": swiss}, separator=";", thousands="'")["volume"].to_list() == [1000, 2000, 300]
    assert read(tmp_path / "4", {"a.csv": GOOD.replace("20.5", "n.a.")}, missing=["n.a."])["close"][2] is None
    old = GOOD.replace("2024-01-02", "1962-01-03")
    assert read(tmp_path / "5", {"a.csv": old}, first_day="1990-01-02")["date"].to_list() == [DAYS[1]]
    closing = GOOD.replace("2024-01-02", "2024-01-02 16:00").replace("2024-01-03", "2024-01-03 16:00")
    assert read(tmp_path / "6", {"a.csv": closing}, date_format="%Y-%m-%d 16:00")["date"][0] == DAYS[0]


def test_scientific_notation_is_a_number(tmp_path: Path) -> None:
    text = line(GOOD, 2, "AAA,2024-01-02,1e1,1.1E+01,9E0,1.05e+1,1.2E+06")
    assert read(tmp_path, {"a.csv": text}).row(0)[2:] == (10.0, 11.0, 9.0, 10.5, 1_200_000.0)


def test_what_is_wrong_in_one_row_goes_on_to_the_checks_and_is_held_there(tmp_path: Path) -> None:
    rows = [
        "AAA,2024-01-02,10,11,9,10.5,1000",
        "AAA,2024-01-02,10,11,9,10.6,1000",  # another bar of the same day
        "BBB,2024-01-02,-20,21,19,20.5,300",  # a negative price
        "CCC,2024-01-02,,21,19,20.5,300",  # no open
        ",2024-01-02,20,21,19,20.5,300",  # no symbol
        "DDD,2024-01-06,20,21,19,20.5,300",  # a Saturday
        "EEE,2024-01-03,20,19,21,20.5,300",  # high below low
        *(f"F{n:03d},{day},20,21,19,20.5,300" for n in range(9) for day in DAYS),
    ]
    bars = read(tmp_path, {"a.csv": "\n".join([GOOD.split("\n")[0], *rows])})
    assert bars.height == len(rows)
    verdict = check_bars(bars, DAYS)
    reasons = {row[0]: row[-1] for row in verdict.broken.rows()}
    assert reasons == {
        "AAA": ["duplicate_key"],
        "BBB": ["non_positive_price", "ohlc_order"],
        "CCC": ["missing_price"],
        None: ["missing_key"],
        "DDD": ["not_a_trading_day"],
        "EEE": ["ohlc_order"],
    }
    assert verdict.good.height + verdict.broken.height == bars.height


def test_an_empty_cell_in_every_file_of_a_wide_layout_is_no_bar(tmp_path: Path) -> None:
    files = {
        f"{name}.csv": "date,AAA,BBB\n2024-01-02,1,2\n2024-01-03,,3\n" for name in ("open", "high", "low", "close")
    }
    files["volume.csv"] = "date,AAA,BBB\n2024-01-02,5,\n2024-01-03,,7\n"
    found = read(tmp_path, files, layout="wide")
    assert [row[:2] + row[-2:] for row in found.rows()] == [
        ("AAA", DAYS[0], 1.0, 5.0),
        ("BBB", DAYS[0], 2.0, None),
        ("BBB", DAYS[1], 3.0, 7.0),
    ]
    assert dict(found.schema) == dict(BARS)


def test_a_symbol_that_means_missing_elsewhere_is_a_symbol(tmp_path: Path) -> None:
    assert read(tmp_path, {"a.csv": GOOD.replace("BBB", "NA")})["symbol"].to_list() == ["AAA", "AAA", "NA"]


def test_a_file_made_to_fill_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_tables, "MAX_UNPACKED", 10_000)
    packed = gzip_of(GOOD.encode() + b"\n" * 20_000)
    with pytest.raises(SourceBroken, match=r"may unfold to 10000 bytes, got more in a\.csv\.gz"):
        read(tmp_path, {"a.csv.gz": packed})


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"folders": "x"},
            "options of source 'files' must be among actions, bar_minutes, basis, .*, got folders: remove or rename",
        ),
        ({}, "options of source 'files' do not hold: folder: Field required: see infra/operations/sources.md"),
        ({"folder": "x", "date_format": "%d.%m"}, "date_format: must give year, month and day, .*, got '%d.%m'"),
        ({"folder": "x", "calendar": "XNYX"}, "calendar: exchange calendar must be one of .* got 'XNYX'"),
        ({"folder": "x", "encoding": "utf-9"}, "encoding: must be a text encoding that Python knows"),
        ({"folder": "x", "encoding": "hex"}, "encoding: must be a text encoding that Python knows"),
        ({"folder": "x", "decimal": ",", "thousands": ","}, "decimal and thousands must be two signs"),
        ({"folder": "x", "file_symbol": "daily"}, "file_symbol: must hold {symbol} once"),
        ({"folder": "x", "price_divisor": 0}, "price_divisor: Input should be greater than 0, got 0"),
        ({"folder": "x", "columns": {"price": "p"}}, "columns.price"),
        ({"folder": "x", "currency": "usd"}, "currency: String should match pattern"),
    ],
)
def test_options_that_do_not_hold_give_one_clear_line(options: dict[str, Any], text: str) -> None:
    with pytest.raises(BadSetting, match=text) as caught:
        open_source("files", **options)
    assert "\n" not in str(caught.value)


def test_a_folder_is_read_again_when_a_file_changed_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(tmp_path, {"a.csv": GOOD})
    settled, reads = files_source.settled, []
    monkeypatch.setattr(files_source, "settled", lambda *args: reads.append(1) or settled(*args))
    source = open_source("files", folder=tmp_path)
    before = source.fingerprint()
    assert reads == []
    (tmp_path / "a.csv").write_text(GOOD.replace("10.5,1000", "10.75,1000"))
    assert source.bars(None, DAYS[1])["close"][0] == 10.75
    assert source.fingerprint() != before
    assert reads == [1]


def test_files_that_are_written_aside_or_do_not_fit_are_passed_over(tmp_path: Path) -> None:
    other = GOOD.replace("AAA", "CCC")
    put(tmp_path, {".a.csv": b"half a fi", "notes.txt": b"x", "old.csv": other.encode(), "new.csv": GOOD.encode()})
    assert open_source("files", folder=tmp_path, pattern="new*").bars(None, DAYS[1])["symbol"].to_list() == [
        "AAA",
        "AAA",
        "BBB",
    ]


def test_facts_are_those_of_the_options(tmp_path: Path) -> None:
    source = open_source(
        "files", folder=tmp_path, currency="BRL", calendar="BVMF", price_basis="raw", live=True, restate_days=3
    )
    facts = source.facts
    assert (facts.currency, facts.calendar, facts.price_basis) == ("BRL", "BVMF", "raw")
    assert (facts.live, facts.restate_days, facts.basis) == (True, 3, "rule")
    assert facts.publication_lag == dt.timedelta(hours=2)
    with pytest.raises(SourceBroken, match="a folder of bars must hold a file"):
        source.last_day()
    with pytest.raises(SourceBroken, match=r"source files needs a folder, got no .*gone"):
        open_source("files", folder=tmp_path / "gone").last_day()
