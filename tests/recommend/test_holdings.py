"""A file of holdings is read strictly: what breaks a rule is told with its place, its value and its cure."""

from __future__ import annotations

import pytest

from nightdesk.errors import BadInput, UnknownName
from nightdesk.recommend.holdings import read_holdings

KNOWN = ("AAPL", "KO", "MSFT")


def read(text: str, name: str = "holdings.csv") -> list[tuple[str, float, float | None]]:
    return read_holdings(text.encode(), name, KNOWN).rows()


def test_a_csv_is_read_and_sorted_whatever_the_case_of_its_header() -> None:
    text = "Symbol, Shares,cost\nMSFT,10,\nAAPL,2.5,150.25\n"
    assert read(text) == [("AAPL", 2.5, 150.25), ("MSFT", 10.0, None)]
    assert read("shares,symbol\r\n3,KO\r\n") == [("KO", 3.0, None)]
    assert read_holdings("﻿symbol,shares\nKO,1\n".encode(), "a.csv", KNOWN).height == 1


def test_a_json_list_is_read() -> None:
    assert read('[{"symbol": "KO", "shares": 4}, {"symbol": "AAPL", "shares": "1.5", "cost": null}]', "a.JSON") == [
        ("AAPL", 1.5, None),
        ("KO", 4.0, None),
    ]


def test_nothing_held_is_an_empty_book() -> None:
    assert read("symbol,shares\n") == []
    assert read("[]", "a.json") == []
    assert read("symbol,shares\nKO,0\n") == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("symbol,shares\nKO,-3\n", "shares must be 0 or more, got -3 in line 2 of holdings.csv: sold short"),
        ("symbol,shares\nKO,1\nKO,2\n", "must name a symbol once, got KO again in line 3 of holdings.csv: add"),
        ("symbol,shares\nKO,many\n", "shares must be a number, got 'many' in line 2 of holdings.csv: write it as 12.5"),
        ("symbol,shares\nKO,nan\n", "shares must be a number, got 'nan'"),
        ("symbol,shares\nKO,inf\n", "shares must be a number, got 'inf'"),
        ("symbol,shares\nKO,\n", "shares must be a number, got ''"),
        ("symbol,shares\n ,5\n", "a holding must have a symbol, got ' ' in line 2"),
        ("symbol,shares,cost\nKO,1,0\n", "cost must be a price above 0, got 0 in line 2"),
        ("symbol,shares,cost\nKO,1,x\n", "cost must be a number, got 'x'"),
        ("symbol,shares\nKO\n", "must have 2 cells a line, got another number in line 2"),
        ("symbol,shares\nKO,1,2\n", "must have 2 cells a line, got another number in line 2"),
        ("symbol\nKO\n", "got symbol in the header of holdings.csv: add shares"),
        ("symbol,shares,weight\nKO,1,2\n", "the header of holdings.csv: remove weight"),
        ("symbol,shares,shares\nKO,1,2\n", "the header of holdings.csv: remove shares"),
        ("", "got nothing in the header of holdings.csv: add symbol"),
        ('symbol,shares\n"KO,1\n', "holdings must be CSV"),
    ],
)
def test_a_csv_that_breaks_a_rule(text: str, told: str) -> None:
    with pytest.raises(BadInput) as refused:
        read(text)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "holdings must be JSON"),
        ("{}", "holdings must be a list, got dict in a.json"),
        ("[3]", "a holding must be an object, got 3 in entry 1 of a.json"),
        ('[{"symbol": "KO"}]', "entry 1 of a.json: add shares"),
        ('[{"symbol": 3, "shares": 1}]', "a holding must have a symbol, got 3 in entry 1"),
        ('[{"symbol": "KO", "shares": true}]', "shares must be a number, got True"),
        ('[{"symbol": "KO", "shares": [1]}]', "shares must be a number, got [1]"),
        ('[{"symbol": "KO", "shares": NaN}]', "shares must be a number, got nan"),
    ],
)
def test_a_json_that_breaks_a_rule(text: str, told: str) -> None:
    with pytest.raises(BadInput) as refused:
        read(text, "a.json")
    assert told in str(refused.value)


def test_an_unknown_symbol_is_named_with_the_nearest_known() -> None:
    with pytest.raises(UnknownName, match=r"symbol in line 2 of holdings\.csv of the holdings must be one of 3 known"):
        read("symbol,shares\nAPPL,1\n")


def test_other_bytes_than_text_are_refused() -> None:
    with pytest.raises(BadInput, match=r"must be UTF-8 text, got other bytes in h\.csv"):
        read_holdings(b"\xff\xfe\x00", "h.csv", KNOWN)
