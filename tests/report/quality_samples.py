"""Small quality reports that the tests of their pages share."""

from __future__ import annotations

import datetime as dt
import math

import polars as pl

from nightdesk.quality.coverage import COVERAGE
from nightdesk.quality.finding import Finding
from nightdesk.report.quality import BarsQuality, MembershipQuality, RuleCount, TableQuality

DAYS = [dt.date(2015, 1, 1) + dt.timedelta(days=number) for number in range(200)]
FINDINGS = {
    "rule": pl.String,
    "symbol": pl.String,
    "date": pl.Date,
    "value": pl.String,
    "meaning": pl.String,
    "count": pl.Int64,
    "confidence": pl.Float64,
}


def rich(text: str = "") -> BarsQuality:
    """A page with everything on it; `text` is added to every text that comes from outside."""
    rows = [
        ("large_move", f"UP{text}", DAYS[60], f"+40 %{text}", "a large move that looks like news", 1, 0.98),
        ("missing_row", f"GAP{text}", DAYS[9], "2 trading days", "no bar between two bars", 2, None),
        ("price_error", f"ODD{text}", DAYS[0], "close 5, 10 before", "a price that the next one takes back", 1, 0.9),
        *(("repeated_bar", f"SAME{n}{text}", DAYS[n % 200], "close 1", "as before", 1, None) for n in range(700)),
        ("suspected_action", f"SPLIT{text}", DAYS[100], f"-50 %{text}", "a split that is not in the prices", 1, 0.99),
        ("suspected_action", f"FLAT{text}", DAYS[199], "-20 %", "a split that is not in the prices", 1, 0.6),
        ("thin_day", None, DAYS[4], "7 symbols, 8 the day before", "fewer symbols than the day before", 1, None),
    ]
    held = [
        ("0123456789abcdef", f"BAD{text}", DAYS[3], f"ohlc_order{text}", "open 1, close 2", "held"),
        ("fedcba9876543210", None, None, "missing_key", "open missing", "dropped"),
    ]
    lives = [(f"LATE{text}", DAYS[0], DAYS[150], 151, 0, 0, 49), ("WHOLE", DAYS[0], DAYS[199], 200, 0, 0, 0)]
    return BarsQuality(
        f"sample{text}",
        "XNYS",
        DAYS[199],
        123_456,
        200,
        pl.DataFrame(rows, schema=FINDINGS, orient="row"),
        pl.DataFrame(held, schema=["key", "symbol", "date", "reasons", "value", "state"], orient="row"),
        pl.DataFrame(lives, schema=COVERAGE, orient="row"),
        pl.concat([_course(f"{name}{text}") for name in ("UP", "ODD", "SPLIT", "FLAT")]),
    )


def _course(symbol: str) -> pl.DataFrame:
    closes = {
        "UP": [10 + math.sin(n) for n in range(200)],
        "ODD": [5.0, None, math.nan, -1.0, 0.0, *[10.0] * 195],
        "SPLIT": [(40 if n < 100 else 20) + math.cos(n) for n in range(200)],
        "FLAT": [7.0] * 200,
    }
    name = next(one for one in closes if symbol.startswith(one))
    return pl.DataFrame({"symbol": symbol, "date": DAYS, "close": closes[name]})


def bare() -> BarsQuality:
    """A page of bars in which nothing was found."""
    whole = rich()
    return BarsQuality(
        "sample",
        "XNYS",
        DAYS[199],
        200,
        200,
        whole.findings.clear(),
        whole.held.clear(),
        whole.coverage.filter(pl.col("symbol") == "WHOLE"),
        whole.closes.clear(),
    )


def members(text: str = "") -> MembershipQuality:
    """Members of an index of whom two have no bars."""
    without = [(f"GONE{text}", f"Gone, Inc.{text}", None, DAYS[0], DAYS[5]), ("LOST", None, "Energy", DAYS[0], DAYS[0])]
    return MembershipQuality(
        "sample",
        f"SP500{text}",
        DAYS[199],
        20,
        10,
        3,
        9,
        pl.DataFrame(without, schema=["symbol", "name", "sector", "first", "last"], orient="row"),
        pl.DataFrame([(f"A-B{text}", "A.B", "spelling")], schema=["alias", "symbol", "kind"], orient="row"),
    )


def beside(page: str, text: str = "") -> TableQuality:
    """A table beside the bars with two rows that break a rule."""
    rows = [(DAYS[0], f"AAA{text}", 1234, None), (DAYS[1], "BBB", 5, "some")]
    return TableQuality(
        page,
        f"sample{text}",
        DAYS[199],
        12_345,
        DAYS[0],
        DAYS[199],
        dt.datetime(2015, 7, 20, 21, tzinfo=dt.UTC),
        7,
        f"The newest is of yesterday.{text}",
        (
            RuleCount("value", f"it must be a number{text}", 12_345, 2, refuses=True),
            RuleCount("twice", "it must be there once", 12_345, 0, refuses=False),
        ),
        (Finding("value", "batch", f"AAA{text}", DAYS[1], f"inf, and 1 more{text}", "it must be a number", 2),),
        (
            (f"kinds{text}", pl.DataFrame(rows, schema=["day", "name", "rows", "odd"], orient="row")),
            ("of nothing", pl.DataFrame(schema={"day": pl.Date})),
        ),
    )
