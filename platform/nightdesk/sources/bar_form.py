"""How a user's files of bars are written: layout, columns, dates, numbers, and what the prices are."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from nightdesk.errors import BadSetting, UnknownName
from nightdesk.sessions import check_calendar
from nightdesk.sources.source import KnowledgeBasis, PriceBasis, SourceFacts, refuse_unknown_options
from nightdesk.tables import DATE, PRICES, RULE, SYMBOL, VOLUME

BarColumn = Literal["symbol", "date", "open", "high", "low", "close", "volume"]

_SAMPLE_DAY = dt.datetime(2024, 3, 5)  # noqa: DTZ001  a date of which day, month and year all differ


class BarForm(BaseModel):
    """How files of bars are written, as options of a source; every default is the plainest form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layout: Literal["long", "wide", "symbol"] = Field(
        "long", description="long: a row a symbol and day; wide: a file a field, a column a symbol; symbol: a file each"
    )
    columns: dict[BarColumn, str] = Field({}, description="Header of a column, in any case, where it is not its name")
    date_format: str | None = Field(None, description="strptime format of dates that are text; none: 2024-03-05")
    separator: Literal[",", ";", "\t", "|"] = Field(",", description="What stands between the cells of a CSV line")
    decimal: Literal[".", ","] = Field(".", description="Decimal sign")
    thousands: Literal[",", ".", " ", "'"] | None = Field(None, description="Thousands separator; none: refused")
    encoding: str = Field("utf-8", description="Encoding of CSV text, as Python names it")
    missing: tuple[str, ...] = Field(
        ("NA", "N/A", "NaN", "nan", "null", "NULL", "None", "-"),
        description="Texts that mean a missing number, beside an empty cell",
    )
    price_divisor: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        1.0, description="Prices are divided by it: 100 for cents, 10000 for ten-thousandths"
    )
    file_symbol: str = Field("{symbol}", description="Name of a file of layout symbol, without its ending")
    symbol_case: Literal["as_is", "upper"] = Field("as_is", description="upper: symbols in capitals")
    row_faults: Literal["quarantine", "refuse"] = Field(
        "quarantine", description="A price not above zero or a second bar of a day: left to the checks, or refused here"
    )
    first_day: dt.date | None = Field(None, description="Bars before it are not read")
    calendar: str = Field("XNYS", description="Exchange calendar (exchange_calendars: XNYS, BVMF, 24/7)")
    currency: str = Field("USD", pattern="^[A-Z]{3}$", description="ISO code of the currency of prices")
    price_basis: PriceBasis = Field("adjusted_later", description="raw, adjusted_as_known or adjusted_later")
    publication_lag_minutes: int = Field(120, ge=0, le=20_160, description="From the close until bars can be used")
    basis: KnowledgeBasis = Field(RULE, description="When a row counts as known: by the rule, or observed on arrival")
    restate_days: int = Field(0, ge=0, le=2520, description="Past trading days asked for again with each new day")

    @field_validator("columns", "missing", mode="before")
    @classmethod
    def _read_json(cls, value: Any) -> Any:
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

    @field_validator("file_symbol")
    @classmethod
    def _holds_the_symbol(cls, text: str) -> str:
        if text.count("{symbol}") != 1:
            raise ValueError("must hold {symbol} once, like {symbol}_daily")
        return text

    @field_validator("calendar")
    @classmethod
    def _known_calendar(cls, code: str) -> str:
        try:
            check_calendar(code)
        except UnknownName as error:
            raise ValueError(str(error)) from None
        return code

    @model_validator(mode="after")
    def _tells_decimals_from_thousands(self) -> Self:
        if self.decimal == self.thousands:
            raise ValueError("decimal and thousands must be two signs")
        return self

    @property
    def values(self) -> tuple[str, ...]:
        """The columns that hold numbers."""
        return (*PRICES, VOLUME)

    def header(self, column: str) -> str:
        """The header, in any case, under which `column` of a bar stands."""
        return {str(one): header for one, header in self.columns.items()}.get(column, column)

    def needed(self) -> tuple[str, ...]:
        """The columns that every file of layout long or symbol must have."""
        return (*((SYMBOL,) if self.layout == "long" else ()), DATE, *self.values)

    def facts(self, name: str, live: bool) -> SourceFacts:
        """What a source called `name` declares about bars of this form."""
        return SourceFacts(
            name=name,
            calendar=self.calendar,
            currency=self.currency,
            price_basis=self.price_basis,
            publication_lag=dt.timedelta(minutes=self.publication_lag_minutes),
            basis=self.basis,
            live=live,
            restate_days=self.restate_days,
        )


def from_json(value: Any) -> Any:
    """A table or list that an environment variable gives as JSON; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError('must be JSON where it is text, like {"close": "Adj Close"}') from None


Form = TypeVar("Form", bound=BarForm)


def form_of(form: type[Form], source: str, given: Mapping[str, Any], hidden: Collection[str] = ()) -> Form:
    """Read the options `given` to `source`; raises BadSetting with one line for all that does not hold.

    The values of `hidden` options are not shown there: a user may have put a secret where its name belongs.
    """
    refuse_unknown_options(source, given, form.model_fields)
    try:
        return form(**given)
    except ValidationError as error:
        lines = [_line(one, hidden) for one in error.errors()]
    raise BadSetting(f"options of source {source!r} do not hold: {'; '.join(lines)}: see infra/operations/sources.md")


def _line(error: Any, hidden: Collection[str]) -> str:
    place = ".".join(map(str, error["loc"]))
    silent = error["type"] == "missing" or not place or error["loc"][0] in hidden
    got = "" if silent else f", got {error['input']!r}"
    return f"{place}{': ' if place else ''}{error['msg'].removeprefix('Value error, ')}{got}"
