"""How the cells of a user's file are written: dates, numbers, encoding, and what stands between them."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from nightdesk.errors import BadInput

_SAMPLE_DAY = dt.datetime(2024, 3, 5, tzinfo=dt.UTC)  # a date of which day, month and year all differ


class CellForm(BaseModel):
    """How a file's cells are written; every default is the plainest form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    date_format: str | None = Field(None, description="strptime format of dates that are text; none: 2024-03-05")
    separator: Literal[",", ";", "\t", "|"] = Field(",", description="What stands between the cells of a CSV line")
    decimal: Literal[".", ","] = Field(".", description="Decimal sign")
    thousands: Literal[",", ".", " ", "'"] | None = Field(None, description="Thousands separator; none: refused")
    encoding: str = Field("utf-8", description="Encoding of CSV text, as Python names it")
    missing: tuple[str, ...] = Field(
        ("NA", "N/A", "NaN", "nan", "null", "NULL", "None", "-"),
        description="Texts that mean a missing number, beside an empty cell",
    )

    @field_validator("missing", mode="before")
    @classmethod
    def _read_missing(cls, value: Any) -> Any:
        return from_json(value)

    @field_validator("date_format")
    @classmethod
    def _gives_a_day(cls, text: str | None) -> str | None:
        if text is None:
            return text
        try:
            back = dt.datetime.strptime(_SAMPLE_DAY.strftime(text), text)  # noqa: DTZ007
        except (ValueError, re.error):
            back = None
        if back is None or back.date() != _SAMPLE_DAY.date():
            raise ValueError("must give year, month and day, like %d.%m.%Y")
        return text

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, name: str) -> str:
        try:
            b"".decode(name)
            "".encode(name)
        except LookupError:
            raise ValueError("must be a text encoding that Python knows, like utf-8 or latin-1") from None
        return name

    @model_validator(mode="after")
    def _tells_decimals_from_thousands(self) -> Self:
        if self.decimal == self.thousands:
            raise ValueError("decimal and thousands must be two signs")
        return self


def cell_form(**given: Any) -> CellForm:
    """The form with what is `given` (None: left out); raises BadInput, one line for all that does not hold."""
    try:
        return CellForm(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        lines = [
            f"{'.'.join(map(str, one['loc'])) or 'signs'}: {one['msg'].removeprefix('Value error, ')}"
            for one in error.errors()
        ]
    raise BadInput(f"how a file is written does not hold: {'; '.join(lines)}: see infra/operations/tables.md")


def from_json(value: Any) -> Any:
    """A table or list that an environment variable gives as JSON; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError('must be JSON where it is text, like {"close": "Adj Close"}') from None
