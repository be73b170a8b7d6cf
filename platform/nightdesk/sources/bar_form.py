"""How a user's files of bars are written: layout, columns, dates, numbers, and what the prices are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError, field_validator

from nightdesk.errors import BadSetting, UnknownName
from nightdesk.sessions import check_calendar
from nightdesk.sources.cell_form import CellForm, from_json
from nightdesk.sources.source import KnowledgeBasis, PriceBasis, SourceFacts, refuse_unknown_options
from nightdesk.tables import DATE, PRICES, RULE, SYMBOL, VOLUME

BarColumn = Literal["symbol", "date", "open", "high", "low", "close", "volume"]


class BarForm(CellForm):
    """How files of bars are written, as options of a source; every default is the plainest form."""

    layout: Literal["long", "wide", "symbol"] = Field(
        "long", description="long: a row a symbol and day; wide: a file a field, a column a symbol; symbol: a file each"
    )
    columns: dict[BarColumn, str] = Field({}, description="Header of a column, in any case, where it is not its name")
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
    membership: Path | None = Field(None, description="File of an index's members: snapshot_date, symbol, name, sector")
    index_name: str = Field("INDEX", min_length=1, max_length=64, description="What that index is called")

    @field_validator("membership")
    @classmethod
    def _absolute_file(cls, file: Path | None) -> Path | None:
        return None if file is None else file.expanduser().absolute()

    @field_validator("columns", mode="before")
    @classmethod
    def _read_json(cls, value: Any) -> Any:
        return from_json(value)

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
            index_name=None if self.membership is None else self.index_name,
            live=live,
            restate_days=self.restate_days,
        )


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
