"""A folder of files of bars as a source: whatever CSV and Parquet a user has, in the form that the options describe.

Raw bars may have a file of corporate actions beside them.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final, Literal, Self
from zoneinfo import available_timezones

import polars as pl
from pydantic import Field, field_validator, model_validator

from nightdesk.errors import SourceBroken
from nightdesk.sessions import time_zone
from nightdesk.sources.action_files import actions_in
from nightdesk.sources.bar_files import fingerprint, located_bars, located_wide_bars, settled, span, stem
from nightdesk.sources.bar_form import BarForm, form_of
from nightdesk.sources.cells import moments_of
from nightdesk.sources.intraday import daily, placed
from nightdesk.sources.member_lists import members_of
from nightdesk.sources.raw_tables import RawTable
from nightdesk.sources.source import SourceFacts
from nightdesk.tables import CORPORATE_ACTIONS, DATE, EX_DATE, INTRADAY_BARS

ENDINGS: Final = (".csv", ".csv.gz", ".csv.zip", ".parquet")
"""What a file's name must end in, in any case, to be read; others in the folder are passed over."""

Stamp = tuple[str, int, int]
"""A file's name, the instant of its last change (nanoseconds) and its size: what is equal is not read again."""


class FilesOptions(BarForm):
    """Options of source `files`: where the files lie, and how they are written."""

    folder: Path = Field(description="Folder of the files; folders in it are not read")
    pattern: str = Field("*", min_length=1, description="Only files whose name fits it (shell wildcards) are read")
    live: bool = Field(False, description="Whether new bars are expected after each close: a feed that can stop")
    actions: Path | None = Field(None, description="File of the corporate actions of raw bars; none: there are none")
    bar_minutes: int | None = Field(
        None, ge=1, le=1440, description="Length of bars that are shorter than a day; none: they are daily"
    )
    stamped: Literal["start", "end"] = Field("start", description="Whether such a bar's time is its start or its end")
    zone: str | None = Field(None, description="Time zone of times without one (IANA); none: that of the exchange")

    @field_validator("folder", "actions")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return None if path is None else path.expanduser().absolute()

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, name: str | None) -> str | None:
        if name is not None and name not in available_timezones():
            raise ValueError("must be a time zone of IANA, like America/New_York or UTC")
        return name

    @model_validator(mode="after")
    def _one_bar_a_row(self) -> Self:
        if self.bar_minutes is not None and self.layout == "wide":
            raise ValueError("bar_minutes needs layout long or symbol: wide has one line a day")
        return self

    @model_validator(mode="after")
    def _actions_beside_raw_bars_alone(self) -> Self:
        if self.actions is not None and self.price_basis != "raw":
            raise ValueError("actions belong to price_basis raw: adjusted prices hold them already")
        return self


class FilesSource:
    """Bars from a folder; read again when a file in it has changed."""

    def __init__(self, options: FilesOptions) -> None:
        """Take the options; the folder is read when it is first asked for something."""
        self.options = options

    @property
    def facts(self) -> SourceFacts:
        """What the options declare about the files."""
        facts = self.options.facts("files", live=self.options.live)
        return replace(facts, bar_minutes=self.options.bar_minutes)

    def fingerprint(self) -> str:
        """Hash of every bar and action, and of what is declared about them."""
        bars, actions = fingerprint(self._bars(), self.options), self._actions()
        beside = [part.write_csv() for part in (actions, self.intraday(None, dt.date.max)) if not part.is_empty()]
        return bars if not beside else hashlib.sha256("\n".join([bars, *beside]).encode()).hexdigest()

    def first_day(self) -> dt.date:
        """The first trading day of the files."""
        return span(self._bars(), self.options.calendar)[0]

    def last_day(self) -> dt.date:
        """The last trading day of the files."""
        return span(self._bars(), self.options.calendar)[1]

    def bars(self, first: dt.date | None, last: dt.date) -> pl.DataFrame:
        """Bars from `first` to `last`, both included: `tables.BARS`; raises SourceBroken."""
        bars = self._bars()
        return bars.filter(pl.col(DATE).is_between(first or bars.get_column(DATE).min(), last))

    def intraday(self, first: dt.date | None, last: dt.date) -> pl.DataFrame:
        """The bars of which the daily ones of these days are made: `tables.INTRADAY_BARS`, or no rows.

        They are read from the files and not stored: what the store keeps as versions are the daily bars, and what
        these say of each session (`session_measures`). Raises SourceBroken.
        """
        if self.options.bar_minutes is None:
            return pl.DataFrame(schema=INTRADAY_BARS)
        bars = _read(self.options.model_dump_json(), _stamps(self.options))
        return bars.filter(pl.col(DATE).is_between(first or bars.get_column(DATE).min(), last))

    def membership(self, last: dt.date) -> pl.DataFrame:
        """Lists of the option `membership` published up to `last`, or no rows; raises SourceBroken."""
        return members_of(self.options, last)

    def actions(self, last: dt.date) -> pl.DataFrame:
        """Actions with an ex-date up to `last`: `tables.CORPORATE_ACTIONS`; no rows without a file; SourceBroken."""
        return self._actions().filter(pl.col(EX_DATE) <= last)

    def _actions(self) -> pl.DataFrame:
        file = self.options.actions
        if file is None:
            return pl.DataFrame(schema=CORPORATE_ACTIONS)
        if not file.is_file():
            raise SourceBroken(f"actions must name a file, got no {file}: put it there, or leave the option out")
        return actions_in(file.read_bytes(), file.name, self.options)

    def _bars(self) -> pl.DataFrame:
        bars = _read(self.options.model_dump_json(), _stamps(self.options))
        return bars if self.options.bar_minutes is None else daily(bars)


def files(**options: Any) -> FilesSource:
    """Open a folder of files of bars by the options of `FilesOptions`; raises BadSetting where one does not hold."""
    return FilesSource(form_of(FilesOptions, "files", options))


def _stamps(options: FilesOptions) -> tuple[Stamp, ...]:
    """The files to read, by name; one that is written aside (its name begins with a point) is none yet."""
    folder = options.folder
    if not folder.is_dir():
        raise SourceBroken(f"source files needs a folder, got no {folder}: make or mount it, or set the option folder")
    found = []
    for file in sorted(folder.glob(options.pattern)):
        whole = file.is_file() and not file.name.startswith(".") and file != options.actions
        if whole and file.name.lower().endswith(ENDINGS):
            state = file.stat()
            found.append((file.relative_to(folder).as_posix(), state.st_mtime_ns, state.st_size))
    if not found:
        raise SourceBroken(
            f"a folder of bars must hold a file that ends in {' or '.join(ENDINGS)}, got none that fits "
            f"{options.pattern!r} in {folder}: put it there, or set the option pattern"
        )
    return tuple(found)


@lru_cache(maxsize=8)
def _read(options: str, stamps: tuple[Stamp, ...]) -> pl.DataFrame:
    form = FilesOptions.model_validate_json(options)
    named = ((name, (form.folder / name).read_bytes()) for name, _, _ in stamps)
    if form.layout == "wide":
        return settled([located_wide_bars(named, form)], form)
    if form.layout == "symbol":
        _refuse_two_of_a_symbol([name for name, _, _ in stamps])
    if form.bar_minutes is None:
        return settled([located_bars(content, name, form) for name, content in named], form)
    read_times = partial(_instants, zone=form.zone or time_zone(form.calendar))
    located = [located_bars(content, name, form, read_times=read_times) for name, content in named]
    return placed(located, form, form.bar_minutes, stamped_at_end=form.stamped == "end")


def _instants(table: RawTable, column: str, date_format: str | None, zone: str) -> pl.Series:
    return moments_of(table, column, date_format, zone)


def _refuse_two_of_a_symbol(names: list[str]) -> None:
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(stem(name).casefold(), name)
        if other != name:
            raise SourceBroken(f"a symbol must have one file, got {other} and {name}: remove the one that is older")
