"""The suite of bars, declared: each rule's code, its meaning, and the expectation that carries it.

Nothing runs here, and Great Expectations is not imported: `expectations.py` runs any suite, `bars.py` this
one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from nightdesk.tables import BARS, CLOSE, DATE, HIGH, LOW, OPEN, PRICES, SYMBOL, VOLUME

LOWEST: Final = "lowest"
UPPER: Final = "upper"
LOWER: Final = "lower"
BODY_TOP: Final = "body_top"
BODY_BOTTOM: Final = "body_bottom"
DAY_NUMBER: Final = "day_number"


@dataclass(frozen=True, slots=True)
class Rule:
    """One expectation, by the name of its class and its arguments, under the reason code it has here."""

    code: str
    meaning: str
    expectation: str
    arguments: Mapping[str, Any]


SCHEMA: Final = (
    Rule(
        "columns",
        "the columns must be those of the table, all of them and no others",
        "ExpectTableColumnsToMatchSet",
        {"column_set": list(BARS), "exact_match": True},
    ),
)

ZERO_VOLUME: Final = Rule(
    "zero_volume",
    "nothing was traded, which alone holds no row back",
    "ExpectColumnValuesToNotBeInSet",
    {"column": VOLUME, "value_set": [0]},
)

_NO_PRICE: Final = "every price must be there, and a finite number"
_ORDER: Final = "low must not be above, nor high below, any other price of the day"


def row_rules(days: Sequence[dt.date]) -> tuple[Rule, ...]:
    """Rules that send a row of `measured` to quarantine; `days` are the batch's trading days."""
    not_null, between = "ExpectColumnValuesToNotBeNull", "ExpectColumnValuesToBeBetween"
    above = "ExpectColumnPairValuesAToBeGreaterThanB"
    where_both = {"or_equal": True, "ignore_row_if": "either_value_is_missing"}
    return (
        *(
            Rule("missing_key", "symbol and date must be there", not_null, {"column": key})
            for key in (SYMBOL, DAY_NUMBER)
        ),
        *(Rule("missing_price", _NO_PRICE, not_null, {"column": price}) for price in PRICES),
        Rule(
            "non_positive_price",
            "prices must be above zero",
            between,
            {"column": LOWEST, "min_value": 0, "strict_min": True},
        ),
        Rule("ohlc_order", _ORDER, above, {"column_A": UPPER, "column_B": BODY_TOP, **where_both}),
        Rule("ohlc_order", _ORDER, above, {"column_A": BODY_BOTTOM, "column_B": LOWER, **where_both}),
        Rule("missing_volume", "volume must be there, and a finite number", not_null, {"column": VOLUME}),
        Rule("negative_volume", "volume must not be below zero", between, {"column": VOLUME, "min_value": 0}),
        Rule(
            "duplicate_key",
            "a symbol must have one bar a day, these differ",
            "ExpectCompoundColumnsToBeUnique",
            {"column_list": [SYMBOL, DAY_NUMBER], "ignore_row_if": "any_value_is_missing"},
        ),
        Rule(
            "not_a_trading_day",
            "the date must be one of the batch's trading days",
            "ExpectColumnValuesToBeInSet",
            {"column": DAY_NUMBER, "value_set": [_number(day) for day in days]},
        ),
    )


def measured(bars: pl.DataFrame, tolerance: float) -> pl.DataFrame:
    """The columns that the rules read, made from `bars` (`tables.BARS`), in its order.

    What is not a finite number becomes null. `lowest` is the lowest price that is there, `upper` is the high
    and `lower` the low, each moved outwards by `tolerance` (relative); `body_top` and `body_bottom` are the
    extremes of the other prices that are there. `symbol` becomes a code and `day_number` counts days from
    1970-01-01: whole numbers pass from polars to pandas fast and unchanged, others do not.
    """
    finite = [pl.when(pl.col(name).is_finite()).then(pl.col(name)) for name in (*PRICES, VOLUME)]
    symbol = pl.col(SYMBOL).cast(pl.Categorical).to_physical()
    return bars.select(symbol, pl.col(DATE).to_physical().alias(DAY_NUMBER), *finite).with_columns(
        pl.min_horizontal(*PRICES).alias(LOWEST),
        (pl.col(HIGH) * (1 + tolerance)).alias(UPPER),
        (pl.col(LOW) * (1 - tolerance)).alias(LOWER),
        pl.max_horizontal(OPEN, LOW, CLOSE).alias(BODY_TOP),
        pl.min_horizontal(OPEN, HIGH, CLOSE).alias(BODY_BOTTOM),
    )


def _number(day: dt.date) -> int:
    return day.toordinal() - dt.date(1970, 1, 1).toordinal()
