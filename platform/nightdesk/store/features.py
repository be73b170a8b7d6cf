"""The feature store: one Parquet file a date, named by the version of the features and the bars they were made from.

Its root is a folder, or the URL of a prefix in a bucket (s3://bucket/prefix): the same files under the same names.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import polars as pl

from nightdesk.store.files import write_frame
from nightdesk.store.objects import in_bucket, objects, read_frames, write_frames
from nightdesk.tables import DATE, SYMBOL


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """A ref to the features of all dates up to `as_of`: version of their definitions, and where the index lies."""

    content: str
    version: str
    as_of: dt.date
    path: str
    rows: int


def day_chain(bars: pl.DataFrame, members: pl.DataFrame | None = None) -> pl.DataFrame:
    """For each date, 16 hex digits that name all bars up to and with it: columns date, chain; sorted.

    A feature of day t may use any bar up to t and none after: equal chains mean equal features. Where features use the
    `members` of each date (date, symbol, sector), these are named with the bars.
    """
    rows = _hashed(bars)
    if members is not None:
        listed = _hashed(members.filter(pl.col(DATE).is_in(bars[DATE].unique().implode())))
        rows = pl.concat([rows, listed]).sort(DATE, maintain_order=True)
    days = rows.group_by(DATE, maintain_order=True).agg("row")
    digest = hashlib.sha256()
    chain = []
    for day in days["row"]:
        digest.update(day.to_numpy().tobytes())
        chain.append(digest.hexdigest()[:16])
    return days.select(DATE, chain=pl.Series(chain, dtype=pl.String))


def _hashed(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort(DATE, SYMBOL).select(DATE, row=pl.struct(pl.all()).hash(seed=0))


def missing_days(root: Path | str, version: str, chain: pl.DataFrame) -> list[dt.date]:
    """The dates of `chain` that have no file of this version yet."""
    wanted = {day: _file(root, version, day, name) for day, name in chain.iter_rows()}
    if in_bucket(str(root)):
        standing = {one.url for one in objects(f"{root}/{version}/date=")}
        return [day for day, file in wanted.items() if file not in standing]
    return [day for day, file in wanted.items() if not Path(file).exists()]


def write_days(root: Path | str, version: str, matrix: pl.DataFrame, chain: pl.DataFrame) -> FeatureTable:
    """Write the dates that `matrix` holds, and an index of all dates of `chain`; returns the ref.

    `matrix` has symbol, date and the features; dates of `chain` that it lacks must stand in the store.
    """
    names = dict(chain.iter_rows())
    days = matrix.partition_by(DATE, as_dict=True, maintain_order=True)
    _write_all({_file(root, version, day, names[day]): rows for (day,), rows in days.items()})
    index = f"{root}/{version}/index/{chain['chain'][-1]}.parquet"
    _write_all({index: chain})
    last = chain[DATE][-1]
    (newest,) = _read_all([_file(root, version, last, names[last])])
    return FeatureTable(f"{version}-{chain['chain'][-1]}", version, last, index, newest.height)


def read_features(table: FeatureTable, days: Iterable[dt.date] | None = None) -> pl.DataFrame:
    """Features of the given dates (none: all up to the table's as-of date): symbol, date, features; sorted by date."""
    return _read(table.path, table.version, None if days is None else tuple(days))


@lru_cache(maxsize=2)
def _read(index: str, version: str, days: tuple[dt.date, ...] | None) -> pl.DataFrame:
    (chain,) = _read_all([index])
    if days is not None:
        chain = chain.filter(pl.col(DATE).is_in(list(days)))
    root = index.rsplit("/", 3)[0]
    return pl.concat(_read_all([_file(root, version, day, name) for day, name in chain.iter_rows()]))


def _write_all(frames: Mapping[str, pl.DataFrame]) -> None:
    """Write each frame to its place, atomically each: in parallel to a bucket, where all the time goes by waiting."""
    if any(in_bucket(file) for file in frames):
        write_frames(frames)
        return
    for file, frame in frames.items():
        write_frame(Path(file), frame)


def _read_all(files: Sequence[str]) -> list[pl.DataFrame]:
    if any(in_bucket(file) for file in files):
        return read_frames(files)
    return [pl.read_parquet(file) for file in files]


def _file(root: Path | str, version: str, day: dt.date, chain: str) -> str:
    return f"{root}/{version}/date={day}/{chain}.parquet"
