"""Copies MLflow's database table by table: the schema is made by MLflow's own migrations, rows go in as they are."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.runtime.migration import MigrationContext

from nightdesk.errors import BadInput

_VERSION = "alembic_version"
_TOGETHER = 2_000  # rows of one INSERT


def copy_tracking(source: sa.Engine, target: sa.Connection) -> dict[str, int]:
    """Copy MLflow's database to the empty one of `target`, inside its transaction; returns rows by table.

    Raises BadInput where the source is not at the revision that the installed MLflow makes, or rows arrive changed.
    """
    _make_schema(target)
    with source.connect() as connection:
        found, made = (MigrationContext.configure(one).get_current_revision() for one in (connection, target))
        if found != made:
            raise BadInput(
                f"MLflow's database must be at revision {made} to be moved, got {found}: mlflow db upgrade {source.url}"
            )
        tables = _tables(target)
        for table in reversed(tables):  # what the migrations themselves entered comes with the copy
            target.execute(sa.delete(table))
        return {table.name: _copy(connection, target, table) for table in tables}


def _make_schema(target: sa.Connection) -> None:
    """As MLflow makes it in a new database, but inside our transaction."""
    from mlflow.store.db.utils import _get_alembic_config
    from mlflow.store.tracking.dbmodels.initial_models import Base

    logging.getLogger("alembic").setLevel(logging.WARNING)
    Base.metadata.create_all(target)
    config = _get_alembic_config("")  # type: ignore[no-untyped-call]
    config.attributes["connection"] = _Inside(target)
    command.upgrade(config, "heads")


class _Inside:
    """MLflow's migrations ask a connection's engine for another connection: here they get ours, and its transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    @property
    def engine(self) -> _Inside:
        """What connects."""
        return self

    def connect(self) -> AbstractContextManager[sa.Connection]:
        """Our connection, left open."""
        return nullcontext(self._connection)


def _tables(target: sa.Connection) -> list[sa.Table]:
    """Every table, those that others refer to first."""
    metadata = sa.MetaData()
    metadata.reflect(target)
    return [table for table in metadata.sorted_tables if table.name != _VERSION]


def _copy(source: sa.Connection, target: sa.Connection, table: sa.Table) -> int:
    rows = _rows(source, table)
    for start in range(0, len(rows), _TOGETHER):
        target.execute(sa.insert(table), [dict(row) for row in rows[start : start + _TOGETHER]])
    if sorted(map(repr, _rows(target, table))) != sorted(map(repr, rows)):
        raise BadInput(f"MLflow's table {table.name} must arrive as it left, got other rows: nothing was moved")
    for column in table.columns:
        _mend_sequence(target, table, column)
    return len(rows)


def _rows(connection: sa.Connection, table: sa.Table) -> Sequence[sa.RowMapping]:
    """All rows, both sides read by the types of the target: SQLite keeps fewer."""
    columns: list[sa.ColumnClause[Any]] = [sa.column(column.name, column.type) for column in table.columns]
    return connection.execute(sa.select(*columns).select_from(sa.table(table.name))).mappings().all()


def _mend_sequence(target: sa.Connection, table: sa.Table, column: sa.Column[Any]) -> None:
    """Let a column that counts by itself go on after the highest number that came with the copy."""
    counter = target.scalar(sa.select(sa.func.pg_get_serial_sequence(table.name, column.name)))
    if counter is not None:
        highest = target.scalar(sa.select(sa.func.max(column))) or 0
        target.execute(sa.select(sa.func.setval(counter, highest + 1, False)))
