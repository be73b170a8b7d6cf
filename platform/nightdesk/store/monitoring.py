"""What nights found of drift and of outcomes, matured forecasts by slice, and the references that drift is judged by.

The references lie in the feature store, below its root: `drift/NAME.parquet` is one, `drift/models/CONTENT.parquet`
names that of the model of that content.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from nightdesk.store.bulk import append_all, read
from nightdesk.store.files import write_frame
from nightdesk.store.objects import in_bucket, read_frames, stands, write_frames
from nightdesk.store.schema import drift, matured, matured_slices, outcomes, walk_forward
from nightdesk.tables import HORIZON, MODEL

SLICING, SLICE = "slicing", "slice"


def write_drift(engine: sa.Engine, realm: str, as_of: dt.date, rows: Sequence[Mapping[str, Any]]) -> None:
    """Enter what a night found of drift, a row a horizon, in the place of what it had entered before."""
    _replace(engine, drift, realm, as_of, rows)


def write_outcomes(engine: sa.Engine, realm: str, as_of: dt.date, rows: Sequence[Mapping[str, Any]]) -> None:
    """Enter what a night found of its matured forecasts, a row a horizon, in the place of what it had entered."""
    _replace(engine, outcomes, realm, as_of, rows)


def drift_of(engine: sa.Engine, realm: str, first: dt.date, last: dt.date) -> pl.DataFrame:
    """What the nights from `first` to `last` found of drift: columns of the table without realm, sorted by night."""
    return _between(engine, drift, realm, first, last)


def outcomes_of(engine: sa.Engine, realm: str, first: dt.date, last: dt.date) -> pl.DataFrame:
    """The same of the served models' outcomes."""
    return _between(engine, outcomes, realm, first, last)


def newest_watched(engine: sa.Engine, realm: str) -> dt.date | None:
    """The newest night that judged drift; None where none has."""
    with engine.connect() as connection:
        newest: dt.date | None = connection.scalar(sa.select(sa.func.max(drift.c.as_of)).where(drift.c.realm == realm))
    return newest


def log_slices(engine: sa.Engine, realm: str, rows: pl.DataFrame) -> int:
    """Enter slices of matured forecasts (as_of, horizon, model, slicing, slice, rank_ic, symbols).

    One that stands is left as it is. Returns how many were new.
    """
    keys = ["as_of", HORIZON, MODEL, SLICING, SLICE]
    known = read(engine, sa.select(*(matured_slices.c[name] for name in keys)).where(matured_slices.c.realm == realm))
    new = rows.cast({HORIZON: pl.Int64, "symbols": pl.Int64}).join(known, on=keys, how="anti")
    return append_all(engine, [(matured_slices, new.with_columns(realm=pl.lit(realm)))])


def slices_of(engine: sa.Engine, realm: str, last: dt.date) -> pl.DataFrame:
    """Slices of served forecasts matured by `last`: as_of, horizon, model, slicing, slice, rank_ic, symbols; sorted."""
    columns = [column for column in matured_slices.columns if column.name != "realm"]
    same = [matured.c[name] == matured_slices.c[name] for name in ("realm", "as_of", HORIZON, MODEL)]
    by_then = sa.select(matured.c.as_of).where(*same, matured.c.served.is_(True), matured.c.scored_on <= last)
    wanted = sa.select(*columns).where(matured_slices.c.realm == realm, by_then.exists())
    return read(engine, wanted.order_by(*columns[:5]))


def promises(engine: sa.Engine, realm: str, last: dt.date) -> pl.DataFrame:
    """What walk-forwards up to `last` found of each model: as_of, horizon, model, mean, lower, upper, days; sorted."""
    columns = [walk_forward.c[name] for name in ("as_of", HORIZON, MODEL, "mean", "lower", "upper", "days")]
    wanted = sa.select(*columns).where(walk_forward.c.realm == realm, walk_forward.c.as_of <= last)
    return read(engine, wanted.order_by(*columns[:3]))


def has_reference(root: Path | str, name: str) -> bool:
    """Whether the drift reference called `name` is kept."""
    return stands(_reference(root, name))


def write_reference(root: Path | str, name: str, rows: pl.DataFrame) -> None:
    """Keep a drift reference, as a frame, under `name`."""
    _write(_reference(root, name), rows)


def point_to_reference(root: Path | str, model: str, name: str) -> None:
    """Say that `name` is the drift reference of the model of content `model`."""
    _write(_pointer(root, model), pl.DataFrame({"reference": [name]}, schema={"reference": pl.String}))


def reference_of(root: Path | str, model: str) -> tuple[str, pl.DataFrame] | None:
    """Name and frame of the drift reference of the model of content `model`; None where none was kept with it."""
    if not stands(_pointer(root, model)):
        return None
    name: str = _read(_pointer(root, model))["reference"][0]
    return name, _read(_reference(root, name))


def _replace(engine: sa.Engine, table: sa.Table, realm: str, as_of: dt.date, rows: Sequence[Mapping[str, Any]]) -> None:
    with engine.begin() as connection:
        connection.execute(sa.delete(table).where(table.c.realm == realm, table.c.as_of == as_of))
        if rows:
            connection.execute(sa.insert(table), [{"realm": realm, "as_of": as_of, **row} for row in rows])


def _between(engine: sa.Engine, table: sa.Table, realm: str, first: dt.date, last: dt.date) -> pl.DataFrame:
    columns = [column for column in table.columns if column.name != "realm"]
    wanted = sa.select(*columns).where(table.c.realm == realm, table.c.as_of >= first, table.c.as_of <= last)
    return read(engine, wanted.order_by(table.c.as_of, table.c.horizon))


def _reference(root: Path | str, name: str) -> str:
    return f"{root}/drift/{name}.parquet"


def _pointer(root: Path | str, model: str) -> str:
    return f"{root}/drift/models/{model}.parquet"


def _write(file: str, rows: pl.DataFrame) -> None:
    if in_bucket(file):
        write_frames({file: rows})
    else:
        write_frame(Path(file), rows)


def _read(file: str) -> pl.DataFrame:
    return read_frames([file])[0] if in_bucket(file) else pl.read_parquet(file)
