"""Members, fundamentals, factor returns: recorded files are read whole; each way to be wrong is one clear error."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from bar_samples import csv_of, gzip_of, parquet_of, put, synthetic_bars, zip_of
from polars.testing import assert_frame_equal

from nightdesk.errors import BadInput, SourceBroken
from nightdesk.sources import open_source
from nightdesk.sources.cell_form import CellForm, cell_form
from nightdesk.sources.fama_french import factor_returns
from nightdesk.sources.fundamentals import fundamentals
from nightdesk.sources.member_lists import member_lists
from nightdesk.sources.sample import DATA, MEMBERSHIP_FILE
from nightdesk.tables import FACTOR_RETURNS, FUNDAMENTALS, MEMBERSHIP

RECORDED = Path(__file__).with_name("recorded")
MOMENTUM, FIVE = "F-F_Momentum_Factor_daily_CSV.zip", "F-F_Research_Data_5_Factors_2x3_daily.CSV"
US = {"date_format": "%m/%d/%Y"}

MEMBERS = (
    "snapshot_date,symbol,name,sector\n2013-01-02,AAA,A Inc.,Energy\n2013-01-02,BRK-B,B,\n2014-01-02,AAA,A,Energy\n"
)
FIGURES = "Ticker Symbol,Period Ending,Total Revenue,Equity\nAAA,9/28/2013,1.71E+11,-5\nBBB,12/31/2013,2,\n"
FACTORS = (
    "Made from CRSP, in percent.\n\nMissing data are -99.99 or -999.\n\n,Mkt-RF,SMB\n"
    "20240102,  -0.67, 0.02\n20240103,-99.99,1.5E-01\n20240104,   0.10,-999\n\nCopyright 2024\n"
)
READ: dict[str, tuple[Callable[[bytes, str, CellForm], pl.DataFrame], str]] = {
    "members": (lambda content, name, form: member_lists(content, name, "SP500", form), MEMBERS),
    "fundamentals": (fundamentals, FIGURES),
    "factors": (factor_returns, FACTORS),
}
DEFAULT: dict[str, dict[str, Any]] = {"members": {}, "fundamentals": US, "factors": {}}


def read(table: str, content: bytes | str, name: str = "a.csv", **form: Any) -> pl.DataFrame:
    raw = content.encode() if isinstance(content, str) else content
    return READ[table][0](raw, name, CellForm(**{**DEFAULT[table], **form}))


def test_the_recorded_lists_of_members_are_those_of_the_sample() -> None:
    lists = read("members", (DATA / MEMBERSHIP_FILE).read_bytes())
    sample = open_source("sample").membership(dt.date(2018, 4, 2))
    assert_frame_equal(lists, sample.with_columns(pl.col("name", "sector").str.strip_chars()))
    assert dict(lists.schema) == dict(MEMBERSHIP)


def test_the_recorded_fundamentals_are_read_to_the_last_figure() -> None:
    figures = read("fundamentals", (RECORDED / "annual_fundamentals.csv").read_bytes())
    assert dict(figures.drop("filed").schema) == dict(FUNDAMENTALS)
    assert figures.height == 20 * 20
    apple = figures.filter(symbol="AAPL", period_end=dt.date(2013, 9, 28))
    values = dict(apple.select("item", "value").iter_rows())
    assert (values["Total Assets"], values["Total Revenue"]) == (207e9, 171e9)  # 2.07E+11 and 1.71E+11
    assert (values["Capital Expenditures"], values["Earnings Per Share"]) == (-8_165_000_000, 40.03)
    lacking = figures.filter(pl.col("value").is_null())
    assert set(lacking["item"]) == {"For Year", "Earnings Per Share", "Estimated Shares Outstanding"}
    assert set(lacking["symbol"]) == {"ABBV", "GM", "ZTS"}
    assert figures["filed"].null_count() == figures.height


def test_the_recorded_momentum_factor_is_read_from_its_own_zip() -> None:
    returns = read("factors", (RECORDED / MOMENTUM).read_bytes(), MOMENTUM)
    assert dict(returns.schema) == dict(FACTOR_RETURNS)
    assert returns.height == 25_694
    assert returns.row(0) == ("F-F_Momentum_Factor_daily", "Mom", dt.date(1926, 11, 3), 0.56 / 100)
    assert returns.row(-1) == ("F-F_Momentum_Factor_daily", "Mom", dt.date(2024, 7, 31), 1.02 / 100)
    assert returns["value"].null_count() == 0


def test_the_recorded_five_factors_agree_with_a_slow_reading() -> None:
    content = (RECORDED / FIVE).read_bytes()
    slow = {}
    for line in content.decode().splitlines():
        day, *cells = line.split(",")
        if re.fullmatch(r"\d{8}", day):
            named = zip(("Mkt-RF", "SMB", "HML", "RMW", "CMA", "RF"), cells, strict=True)
            slow |= {(factor, day): float(cell) / 100 for factor, cell in named}
    returns = read("factors", content, FIVE)
    found = {(factor, f"{day:%Y%m%d}"): value for _, factor, day, value in returns.iter_rows()}
    assert found == slow
    assert len(slow) == 6 * 44
    assert set(returns["dataset"]) == {"F-F_Research_Data_5_Factors_2x3_daily"}
    assert returns.equals(read("factors", zip_of(content, FIVE), FIVE.replace(".CSV", "_CSV.zip")))


def test_missing_codes_are_null_and_percent_are_fractions() -> None:
    assert read("factors", FACTORS).select("factor", "date", "value").rows() == [
        ("Mkt-RF", dt.date(2024, 1, 2), -0.67 / 100),
        ("Mkt-RF", dt.date(2024, 1, 3), None),
        ("Mkt-RF", dt.date(2024, 1, 4), 0.10 / 100),
        ("SMB", dt.date(2024, 1, 2), 0.02 / 100),
        ("SMB", dt.date(2024, 1, 3), 0.15 / 100),  # 1.5E-01
        ("SMB", dt.date(2024, 1, 4), None),
    ]


@pytest.mark.parametrize("table", READ)
def test_gzip_zip_a_byte_order_mark_and_blank_lines_change_nothing(table: str) -> None:
    plain = READ[table][1].encode()
    expected = read(table, plain)
    windows = b"\xef\xbb\xbf" + plain.replace(b"\n", b"\r\n")
    for content in (gzip_of(plain), zip_of(plain, "a.csv"), windows, b"\n" + plain):
        assert read(table, content).equals(expected)


def test_other_ways_to_write_the_same_fundamentals() -> None:
    expected = read("fundamentals", FIGURES)
    european = "SYMBOL;period_end;Total Revenue;Equity\nAAA;28.09.2013;171.000.000.000;-5\nBBB;31.12.2013;2;NA\n"
    form = {"separator": ";", "decimal": ",", "thousands": ".", "date_format": "%d.%m.%Y"}
    assert read("fundamentals", european, **form).equals(expected)
    frame = expected.drop("filed").pivot(on="item", index=["symbol", "period_end"], values="value")
    assert read("fundamentals", parquet_of(frame), "a.parquet").equals(expected)


def test_a_filing_date_is_read_where_there_is_one() -> None:
    text = "symbol,period_end,Filing Date,Net Income\nAAA,12/31/2013,2/14/2014,1\nBBB,12/31/2013,,2\n"
    assert read("fundamentals", text)["filed"].to_list() == [dt.date(2014, 2, 14), None]


def replaced(table: str, old: str, new: str) -> str:
    text = READ[table][1]
    assert old in text
    return text.replace(old, new, 1)


WRONG: dict[str, tuple[str, bytes | str, str]] = {
    "members, no column": (
        "members",
        replaced("members", "sector", "industry"),
        "a file of members must have a column 'sector', got 'snapshot_date, symbol, name, industry' in a.csv",
    ),
    "members, no date": (
        "members",
        replaced("members", "2014-01-02", "02/01/2014"),
        "a date must be written as YYYY-MM-DD, got '02/01/2014' in line 4 of a.csv: mend it, or set date_format",
    ),
    "members, an hour": (
        "members",
        replaced("members", "2014-01-02", "2014-01-02 15:30"),
        "a date must be written as YYYY-MM-DD, got '2014-01-02 15:30' in line 4 of a.csv",
    ),
    "members, a date in scientific notation": (
        "members",
        replaced("members", "2014-01-02", "2.0140102E+07"),
        r"a date must be written as YYYY-MM-DD, got '2.0140102E\+07' in line 4 of a.csv",
    ),
    "members, no symbol": (
        "members",
        replaced("members", "BRK-B", " "),
        "symbol must be a name of 1 to 64 letters, got an empty cell in line 3 of a.csv: mend it",
    ),
    "members, a symbol too long": ("members", replaced("members", "BRK-B", "B" * 65), "got 'BBB.*' in line 3 of a.csv"),
    "members, a name with a comma": (
        "members",
        replaced("members", "A Inc.", "A, Inc."),
        "as many cells as the header, 4, got 5 in line 2 of a.csv: .*quote cells",
    ),
    "fundamentals, no column": (
        "fundamentals",
        replaced("fundamentals", "Period Ending", "Year"),
        "a file of fundamentals must have a column 'period_end', got 'Ticker Symbol, Year, Total Revenue, Equity' in",
    ),
    "fundamentals, no figures": (
        "fundamentals",
        "symbol,period_end\nAAA,12/31/2013\n",
        "must have a column of figures, got 'symbol, period_end' in a.csv: add it",
    ),
    "fundamentals, no date": (
        "fundamentals",
        replaced("fundamentals", "12/31/2013", "31/12/2013"),
        "a date must be written as %m/%d/%Y, got '31/12/2013' in line 3 of a.csv: mend it, or set date_format",
    ),
    "fundamentals, thousands in quotes": (
        "fundamentals",
        replaced("fundamentals", "1.71E+11", '"171,000,000,000"'),
        "a number must have no thousands separators, got '171,000,000,000' under 'Total Revenue' in line 2 of a.csv",
    ),
    "fundamentals, thousands without quotes": (
        "fundamentals",
        replaced("fundamentals", "1.71E+11", "171,000,000,000"),
        "as many cells as the header, 4, got 7 in line 2 of a.csv: .*thousands separators",
    ),
    "fundamentals, no number": (
        "fundamentals",
        replaced("fundamentals", "1.71E+11", "1.71E+"),
        r"a value must be a number with decimal sign '.', got '1.71E\+' under 'Total Revenue' in line 2 of a.csv",
    ),
    "factors, no header": (
        "factors",
        replaced("factors", ",Mkt-RF,SMB\n", ""),
        "a factor file must have a table with a header like ,Mkt-RF,SMB and rows .* got none in a.csv: fetch the daily",
    ),
    "factors, monthly": (
        "factors",
        ",Mkt-RF\n202401,0.1\n202402,0.2\n",
        "a factor file must have a table with a header like .* got none in a.csv",
    ),
    "factors, a column missing in a row": (
        "factors",
        replaced("factors", "  -0.67, 0.02", "-0.67"),
        "as many cells as the header, 3, got 2 in line 6 of a.csv",
    ),
    "factors, a factor without a name": (
        "factors",
        replaced("factors", "SMB", ""),
        "a factor must have a name of 1 to 64 letters, got ',Mkt-RF,' in a.csv",
    ),
    "factors, no date": (
        "factors",
        replaced("factors", "20240104", "20240132"),
        "a date must be written as %Y%m%d, got '20240132' in line 8 of a.csv",
    ),
    "factors, two tables": (
        "factors",
        f"{FACTORS}\n Annual\n,Mkt-RF,SMB\n  2024, 1, 2\n",
        "a factor file must hold one table of days, got '2024, 1, 2' in line 14 of a.csv, below the end of the first",
    ),
    "factors, no number": (
        "factors",
        replaced("factors", "1.5E-01", "n.a."),
        "a value must be a number with decimal sign '.', got 'n.a.' under 'SMB' in line 7 of a.csv",
    ),
    "factors, thousands in quotes": (
        "factors",
        replaced("factors", " 0.02", '"1,000"'),
        "a number must have no thousands separators, got '1,000' under 'SMB' in line 6 of a.csv",
    ),
    "factors, a page in the place of a file": ("factors", "<html>\n<p>gone, away</p>", "must have a table .* got none"),
}
for _table, (_, _text) in READ.items():
    WRONG |= {
        f"{_table}, empty file": (_table, b"", "a file must not be empty, got 0 bytes in a.csv: fetch it again"),
        f"{_table}, truncated zip": (
            _table,
            zip_of(_text.encode(), "a.csv")[:-30],
            "a zip file must be whole, got a.csv, which is cut short or damaged .*: fetch it again",
        ),
        f"{_table}, zip of two": (_table, zip_of(_text.encode(), "a", "b"), "a zip must hold one file, got 2 in a.csv"),
        f"{_table}, wrong encoding": (
            _table,
            _text.replace("A", "Ä").replace("M", "Ü").encode("latin-1"),
            "text must be utf-8, got byte 0x.. in line 1 of a.csv: set the option encoding"
            if _table == "factors"
            else "text must be utf-8, got byte 0xc4 in line 2 of a.csv: set the option encoding",
        ),
    }
    if _table != "factors":
        _headers = _text.split("\n")[0]
        WRONG[f"{_table}, headers alone"] = (_table, _headers, "one row at least, got headers alone in a.csv")
        WRONG[f"{_table}, a header twice"] = (_table, f"{_headers},SECTOR,Equity\n", "a header must stand once")


@pytest.mark.parametrize("case", WRONG)
def test_each_way_to_be_wrong_is_one_line_with_its_cure(case: str) -> None:
    table, content, says = WRONG[case]
    with pytest.raises(SourceBroken, match=says) as told:
        read(table, content)
    assert "\n" not in str(told.value)
    assert ": " in str(told.value)


def test_a_factor_file_cut_in_its_middle_is_refused() -> None:
    text = FACTORS.split("20240104")[0]
    assert read("factors", text).height == 4
    with pytest.raises(SourceBroken, match=r"got '202401' in line 8 of a.csv"):
        read("factors", f"{text}202401,0.1,0.2")
    with pytest.raises(SourceBroken, match="as many cells as the header, 3, got 1 in line 8"):
        read("factors", f"{text}202401")
    whole = (RECORDED / MOMENTUM).read_bytes()
    with pytest.raises(SourceBroken, match="a zip file must be whole"):
        read("factors", whole[: len(whole) // 2], MOMENTUM)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"separator": "x"}, "separator: Input should be"),
        ({"date_format": "%H"}, "date_format: must give year, month and day"),
        ({"thousands": "."}, "signs: decimal and thousands must be two signs"),
        ({"encoding": "no-such"}, "encoding: must be a text encoding"),
    ],
)
def test_how_a_file_is_written_must_hold(given: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says) as told:
        cell_form(**given)
    assert "\n" not in str(told.value)


def test_a_source_of_files_gives_the_members_that_its_option_names(tmp_path: Path) -> None:
    bars = put(tmp_path / "bars", {"all.csv": csv_of(synthetic_bars(symbols=2, days=30))})
    lists = tmp_path / "members.csv"
    lists.write_text(MEMBERS)
    alone, with_members = open_source("files", folder=bars), open_source("files", folder=bars, membership=str(lists))
    assert (alone.facts.index_name, with_members.facts.index_name) == (None, "INDEX")
    assert alone.membership(dt.date(2020, 1, 1)).is_empty()
    last = dt.date(2013, 12, 31)
    assert with_members.membership(last)["symbol"].to_list() == ["AAA", "BRK-B"]
    named = open_source("files", folder=bars, membership=str(lists), index_name="SP500", symbol_case="upper")
    assert set(named.membership(last)["index_name"]) == {"SP500"} == {named.facts.index_name}
    before = with_members.fingerprint()
    assert alone.fingerprint() != before
    lists.write_text(MEMBERS.replace("Energy", "Utilities"))
    assert with_members.fingerprint() != before
    lists.unlink()
    with pytest.raises(SourceBroken, match=r"the option membership must name a file, got no .*members.csv"):
        with_members.membership(last)


def test_a_source_of_a_url_gives_the_members_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "members.csv").write_text(MEMBERS)
    source = open_source("http", url="http://127.0.0.1:1/all.csv", membership=str(tmp_path / "members.csv"))
    assert source.membership(dt.date(2014, 1, 2)).height == 3
    assert source.membership(dt.date(2014, 1, 1)).height == 2
