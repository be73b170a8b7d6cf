"""What a person holds, read from a CSV or JSON file: symbol, shares, and what was paid for a share where it is told."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Collection, Iterator
from typing import Any, Final

import polars as pl

from nightdesk.errors import BadInput, UnknownName
from nightdesk.tables import SYMBOL

SHARES, COST = "shares", "cost"
HOLDINGS: Final = {SYMBOL: pl.String, SHARES: pl.Float64, COST: pl.Float64}
"""One row a symbol: shares held (above 0), and the price paid for one (currency; null where it is not told)."""

_FIELDS: Final = (SYMBOL, SHARES, COST)


def read_holdings(content: bytes, name: str, known: Collection[str] | None) -> pl.DataFrame:
    """Read the holdings in a file called `name`: `HOLDINGS`, sorted by symbol; a holding of 0 shares is left out.

    A name that ends in `.json` is a list of objects, anything else a CSV with a header; fields are symbol, shares and,
    where it is known, cost. `known` are the symbols that the store has bars of; None: whichever.

    Raises BadInput, which names file, row and cure, where a row breaks a rule: a field that is missing or unknown, a
    number that is none, shares below 0, a symbol twice; UnknownName where the store has no bars of a symbol.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(f"holdings must be UTF-8 text, got other bytes in {name}: save it as UTF-8") from None
    rows = list(_json_rows(text, name) if name.lower().endswith(".json") else _csv_rows(text, name))
    held: dict[str, tuple[float, float | None]] = {}
    for place, row in rows:
        symbol, shares, cost = _holding(row, place)
        if symbol in held:
            raise BadInput(f"holdings must name a symbol once, got {symbol} again in {place}: add the two together")
        if known is not None and symbol not in known:
            raise UnknownName.among(f"symbol in {place} of the holdings", symbol, known)
        held[symbol] = shares, cost
    found = [(symbol, shares, cost) for symbol, (shares, cost) in sorted(held.items()) if shares > 0.0]
    return pl.DataFrame(found, schema=HOLDINGS, orient="row")


def _csv_rows(text: str, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        header = [field.strip().lower() for field in reader.fieldnames or ()]
        _check_fields(header, f"the header of {name}")
        reader.fieldnames = header
        for row in reader:
            place = f"line {reader.line_num} of {name}"
            if None in row or any(value is None for value in row.values()):
                raise BadInput(f"holdings must have {len(header)} cells a line, got another number in {place}: mend it")
            yield place, row
    except csv.Error as error:
        raise BadInput(f"holdings must be CSV, got {error} in {name}: mend the quotes") from None


def _json_rows(text: str, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadInput(f"holdings must be JSON, got {error.msg} in line {error.lineno} of {name}: mend it") from None
    if not isinstance(rows, list):
        raise BadInput(f'holdings must be a list, got {type(rows).__name__} in {name}: write [{{"symbol": ...}}]')
    for number, row in enumerate(rows, 1):
        place = f"entry {number} of {name}"
        if not isinstance(row, dict):
            raise BadInput(f"a holding must be an object, got {row!r} in {place}: give symbol and shares")
        _check_fields(list(row), place)
        yield place, row


def _check_fields(fields: list[str], place: str) -> None:
    lacking = [field for field in (SYMBOL, SHARES) if field not in fields]
    odd = [field for field in fields if field not in _FIELDS or fields.count(field) > 1]
    if lacking or odd:
        raise BadInput(
            f"holdings must have symbol, shares and perhaps cost, got {', '.join(fields) or 'nothing'} in {place}: "
            f"{'add ' + lacking[0] if lacking else 'remove ' + odd[0]}"
        )


def _holding(row: dict[str, Any], place: str) -> tuple[str, float, float | None]:
    symbol = row[SYMBOL]
    if not isinstance(symbol, str) or not symbol.strip():
        raise BadInput(f"a holding must have a symbol, got {symbol!r} in {place}: name it")
    shares = _number(row[SHARES], SHARES, place)
    if shares < 0.0:
        raise BadInput(
            f"shares must be 0 or more, got {shares:g} in {place}: sold short is not supported, leave it out"
        )
    cost = row.get(COST)
    if cost is None or cost == "":
        return symbol.strip(), shares, None
    paid = _number(cost, COST, place)
    if paid <= 0.0:
        raise BadInput(f"cost must be a price above 0, got {paid:g} in {place}: leave it empty where it is not known")
    return symbol.strip(), shares, paid


def _number(value: object, field: str, place: str) -> float:
    told = value.strip() if isinstance(value, str) else value
    try:
        number = math.nan if isinstance(told, bool) else float(told)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise BadInput(f"{field} must be a number, got {value!r} in {place}: write it as 12.5")
    return number
