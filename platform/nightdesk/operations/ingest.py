"""Loads a user's own file into a table beside the bars: members, fundamentals, factor returns."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import sqlalchemy as sa

from nightdesk.errors import BadInput
from nightdesk.home import Home
from nightdesk.operations.incoming import findings_if_new, member_findings
from nightdesk.quality.table_checks import refuse_findings
from nightdesk.quality.table_suites import factors_suite, fundamentals_suite
from nightdesk.settings import Settings
from nightdesk.sources import open_source
from nightdesk.sources.cell_form import CellForm
from nightdesk.sources.fama_french import SOURCE, dataset_of, factor_returns
from nightdesk.sources.fundamentals import fundamentals
from nightdesk.sources.keyed_tables import LONGEST_NAME
from nightdesk.sources.member_lists import member_lists
from nightdesk.sources.raw_tables import shown
from nightdesk.store import schema
from nightdesk.store.database import open_store
from nightdesk.store.inputs import Added, Arrival, has_any, load_membership
from nightdesk.store.lagged import load_factor_returns, load_fundamentals
from nightdesk.tables import OBSERVED, RULE

Table = Literal["membership", "fundamentals", "factors"]

INDEX: Final = "INDEX"
"""What an index is called that nobody has named."""

US_DATES: Final = "%m/%d/%Y"
"""How dates of fundamentals are written where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """What a load did: the source it was kept under, how its new rows are known, and how many came in."""

    source: str
    basis: str
    added: Added


@dataclass(frozen=True, slots=True)
class Load:
    """A file to be loaded: how it is written, the index that its lists are of, and whether it is declared history."""

    file: Path
    form: CellForm
    index_name: str | None = None
    history: bool = False


def ingest(settings: Settings, table: Table, load: Load, at: dt.datetime) -> Ingested:
    """Load a file that arrives at `at` (UTC) into `table`; the same file again adds nothing.

    The first load of a table (of an index, of a dataset) is a declared load of history: its rows are known by the rule
    of their publication. Rows of a later one are known from their arrival, if that is later, unless `load.history`.
    Raises BadInput where there is no such file or it cannot be opened, SourceBroken where it cannot be read, and
    DataRefused, with every finding, where rows that are new break a rule of the table: then nothing is written.
    """
    content, name = _content(load.file), load.file.name
    facts = open_source(settings.source.name, **settings.source.options).facts
    if table == "membership":
        index = _index(load.index_name or facts.index_name or INDEX)
        members = member_lists(content, name, index, load.form)
        engine = _store(settings)
        refuse_findings(member_findings(engine, members, facts.name, at.date(), at), "members", name)
        arrival = _arrival(engine, schema.membership, facts.name, load.history, at, index_name=index)
        return Ingested(facts.name, arrival.basis, load_membership(engine, members, arrival))
    if table == "fundamentals":
        form = load.form if load.form.date_format else load.form.model_copy(update={"date_format": US_DATES})
        figures = fundamentals(content, name, form)
        engine = _store(settings)
        found = findings_if_new(engine, schema.fundamentals, fundamentals_suite(), figures, facts.name)
        refuse_findings(found, "fundamentals", name)
        arrival = _arrival(engine, schema.fundamentals, facts.name, load.history, at)
        added = load_fundamentals(engine, figures, settings.tables.fundamentals_lag_days, arrival)
        return Ingested(facts.name, arrival.basis, added)
    returns = factor_returns(content, name, load.form)
    engine = _store(settings)
    found = findings_if_new(engine, schema.factor_returns, factors_suite(at.date()), returns, SOURCE)
    refuse_findings(found, "factor returns", name)
    arrival = _arrival(engine, schema.factor_returns, SOURCE, load.history, at, dataset=dataset_of(name))
    added = load_factor_returns(engine, returns, settings.tables.factors_lag_days, arrival)
    return Ingested(SOURCE, arrival.basis, added)


def _store(settings: Settings) -> sa.Engine:
    return open_store(settings.store.url or Home(settings.home).store_url)


def _index(name: str) -> str:
    if not 0 < len(name.strip()) <= LONGEST_NAME:
        raise BadInput(f"--index must be a name of 1 to {LONGEST_NAME} letters, got {shown(name)}: shorten it")
    return name.strip()


def _arrival(engine: sa.Engine, table: sa.Table, source: str, history: bool, at: dt.datetime, **equal: str) -> Arrival:
    """How the rows arrive; none of these tables is dated by the close of an exchange, so no calendar is asked."""
    first = not has_any(engine, table, source=source, **equal)
    return Arrival(source, "24/7", dt.timedelta(0), RULE if first or history else OBSERVED, at)


def _content(file: Path) -> bytes:
    if not file.is_file():
        raise BadInput(f"PATH must be a file, got no file {file}: correct the path")
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadInput(f"PATH must be a file that can be read, got {file} ({error.strerror}): correct it") from None
