"""A folder of files of bars as a source: whatever CSV and Parquet a user has, in the form that the options describe.

Raw bars may have a file of corporate actions beside them.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Self

import polars as pl
from pydantic import Field, field_validator, model_validator

from nightdesk.errors import SourceBroken
from nightdesk.sources.action_files import actions_in
from nightdesk.sources.bar_files import fingerprint, located_bars, located_wide_bars, settled, span, stem
from nightdesk.sources.bar_form import BarForm, form_of
from nightdesk.sources.member_lists import members_of
from nightdesk.sources.source import SourceFacts
from nightdesk.tables import CORPORATE_ACTIONS, DATE, EX_DATE

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

    @field_validator("folder", "actions")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return None if path is None else path.expanduser().absolute()

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
        return self.options.facts("files", live=self.options.live)

    def fingerprint(self) -> str:
        """Hash of every bar and action, and of what is declared about them."""
        bars, actions = fingerprint(self._bars(), self.options), self._actions()
        return bars if actions.is_empty() else hashlib.sha256(f"{bars}\n{actions.write_csv()}".encode()).hexdigest()

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
        return _read(self.options.model_dump_json(), _stamps(self.options))


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
    return settled([located_bars(content, name, form) for name, content in named], form)


def _refuse_two_of_a_symbol(names: list[str]) -> None:
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(stem(name).casefold(), name)
        if other != name:
            raise SourceBroken(f"a symbol must have one file, got {other} and {name}: remove the one that is older")
