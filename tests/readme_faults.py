"""The faults that the bundled panel is known to hold, as the data's README names them, and what else is told of it.

Copied from there, sentence by sentence: whoever gathered the data found them by hand, before any check was written.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from nightdesk.quality.finding import Finding, Severity

Place = tuple[str | None, dt.date | None]


def places(text: str) -> frozenset[Place]:
    """Symbols and days from `AMD 2016-04-22, STZ 2013-02-14`; `*` stands for the whole market."""
    pairs = (pair.split() for pair in text.split(","))
    return frozenset((None if symbol == "*" else symbol, dt.date.fromisoformat(day)) for symbol, day in pairs)


@dataclass(frozen=True)
class Fault:
    """A sentence of the README, the rule that must find what it names, what follows, and where."""

    sentence: str
    rule: str
    severity: Severity
    where: frozenset[Place]


FAULTS = (
    Fault(
        "12 rows break the order of open, high, low and close, allowing for rounding of 1 part in 10,000",
        "ohlc_order",
        "row",
        places(
            "AOS 2014-05-19, CHD 2014-05-19, BBY 2016-03-14, CHK 2014-06-30, DHR 2014-11-06, IP 2014-07-01,"
            "LNT 2016-05-19, O 2014-08-27, O 2014-11-06, SPG 2014-05-28, UA 2016-06-10, WRK 2016-05-13"
        ),
    ),
    Fault(
        "10 rows lack a price",
        "missing_price",
        "row",
        places(
            "DHR 2015-07-17, DHR 2016-01-12, ES 2015-07-17, FTV 2016-07-01, O 2015-07-17, O 2016-01-12,"
            "REGN 2015-06-09, UA 2016-04-07, VRTX 2015-05-12, WRK 2015-06-26"
        ),
    ),
    Fault(
        "4 rows have no volume traded",
        "zero_volume",
        "note",
        places("DHR 2016-01-12, FTV 2016-07-01, O 2016-01-12, UA 2016-04-07"),
    ),
    Fault(
        "some one-day moves larger than 35 % are news",
        "large_move",
        "note",
        places("AMD 2016-04-22, VRTX 2013-04-19, VRTX 2014-06-24, STZ 2013-02-14"),
    ),
    Fault(
        "some are corporate actions nobody adjusted for: a share dividend and spin-offs",
        "suspected_action",
        "note",
        places("DISCA 2014-08-07, DISCK 2014-08-07, BAX 2015-07-01, NI 2015-07-02, EBAY 2015-07-20"),
    ),
    Fault("LNT 2016-05-19 and -20 is one wrong close", "price_error", "note", places("LNT 2016-05-19")),
    Fault(
        "2013-04-26 has bars for 472 symbols, the days around it for 476",
        "thin_day",
        "note",
        places("* 2013-04-26"),
    ),
    Fault(
        "the four symbols that lack a bar on 2013-04-26",
        "missing_row",
        "note",
        places("BMY 2013-04-26, DHR 2013-04-26, ICE 2013-04-26, O 2013-04-26"),
    ),
)

LARGE_MOVES = frozenset().union(*(f.where for f in FAULTS if f.rule in ("large_move", "suspected_action"))) | places(
    "LNT 2016-05-19, LNT 2016-05-20"
)
"""The 11 one-day moves larger than 35 %."""

SUSPICIONS = ("large_move", "suspected_action", "price_error")
"""Rules that may be wrong: the others say what anybody sees who looks at the row."""


def not_found(findings: Iterable[Finding]) -> list[tuple[str, Place]]:
    """What the README names and no finding does, by rule and place."""
    found = {(one.rule, one.severity, (one.symbol, one.date)) for one in findings}
    return [
        (fault.rule, place)
        for fault in FAULTS
        for place in sorted(fault.where, key=str)
        if (fault.rule, fault.severity, place) not in found
    ]


def told_of_clean_bars(findings: Iterable[Finding]) -> Counter[str]:
    """Findings by rule on what the README does not name: if it names every fault, these are false alarms."""
    named = {(fault.rule, place) for fault in FAULTS for place in fault.where}
    return Counter(one.rule for one in findings if (one.rule, (one.symbol, one.date)) not in named)
