"""The feature store: a Parquet file a date and part, named by the definitions in it and the bars they were made from.

A *part* is a set of features that were built together; its name is the version of their definitions. A table takes each
column from a part that has it, so that a changed feature adds a part with itself alone. Below the root, which is a
folder, or the URL of a prefix in a bucket (s3://bucket/prefix), with the same files under the same names:

- `PART/date=DATE/CHAIN.parquet`: the features of one date;
- `VERSION/index/CHAIN.parquet`: which parts hold a table on each date;
- `definitions/VERSION.parquet`: the features of a part or table, and the contents of their definitions;
- `models/CONTENT.parquet`: the same of what a model was fitted on.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial, reduce
from pathlib import Path

import polars as pl

from nightdesk.faults import reach
from nightdesk.store.files import write_frame
from nightdesk.store.objects import in_bucket, objects, read_frames, remove_objects, stands, write_frames
from nightdesk.tables import DATE, SYMBOL

Definitions = Mapping[str, str]
"""Features in their order, by name: the content of each one's definition."""


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
    days = _summed(bars)
    if members is not None:
        listed = _summed(members.filter(pl.col(DATE).is_in(bars[DATE].unique().implode())))
        days = pl.concat([days, listed]).group_by(DATE).agg(pl.col("rows").sum()).sort(DATE)
    digest = hashlib.sha256()
    chain = []
    for rows in days["rows"]:
        digest.update(rows.to_bytes(8, "little"))
        chain.append(digest.hexdigest()[:16])
    return days.select(DATE, chain=pl.Series(chain, dtype=pl.String))


def _summed(rows: pl.DataFrame) -> pl.DataFrame:
    """The sum, modulo 2 to the 64th, of the hashes of each date's rows, whose order then says nothing; sorted."""
    hashed = rows.select(DATE, rows=rows.hash_rows(seed=0))
    return hashed.group_by(DATE).agg(pl.col("rows").sum()).sort(DATE)


def known_parts(root: Path | str) -> dict[str, Definitions]:
    """Every part and version of a table that was ever written, by name: its features and their contents."""
    if in_bucket(str(root)):
        files = [one.url for one in objects(f"{root}/definitions/")]
    else:
        files = sorted(str(file) for file in Path(root).glob("definitions/*.parquet"))
    names = [file.rsplit("/", 1)[1].removesuffix(".parquet") for file in files]
    return {name: dict(frame.iter_rows()) for name, frame in zip(names, _read_all(files), strict=True)}


def missing_days(root: Path | str, part: str, chain: pl.DataFrame) -> list[dt.date]:
    """The dates of `chain` that have no file of this part yet."""
    wanted = {day: _file(root, part, day, name) for day, name in chain.select(DATE, "chain").iter_rows()}
    if in_bucket(str(root)):
        standing = {one.url for one in objects(f"{root}/{part}/date=")}
        return [day for day, file in wanted.items() if file not in standing]
    # Every night looks for a thousand files: pathlib takes more than twice as long.
    return [day for day, file in wanted.items() if not os.path.exists(file)]  # noqa: PTH110


def write_part(
    root: Path | str, part: str, definitions: Definitions, matrix: pl.DataFrame, chain: pl.DataFrame
) -> None:
    """Write the dates that `matrix` holds: symbol, date and the features of `definitions`.

    What the part holds is written first: a file of a date without it would never be found.
    """
    write_definitions(root, part, definitions)
    names = dict(chain.select(DATE, "chain").iter_rows())
    days = matrix.partition_by(DATE, as_dict=True, maintain_order=True)
    _write_all({_file(root, part, day, names[day]): rows for (day,), rows in days.items()})


def write_definitions(root: Path | str, version: str, definitions: Definitions) -> None:
    """Say which features a part or table has, in their order, and what their definitions are."""
    _write_all({f"{root}/definitions/{version}.parquet": _rows(definitions)})


def write_index(root: Path | str, version: str, days: pl.DataFrame) -> FeatureTable:
    """Write which parts hold the table of `version` on each of `days` (date, chain, parts); returns the ref.

    `parts` are names joined by commas. All of them must stand in the store, and the definitions of `version` too.
    """
    index = f"{root}/{version}/index/{days['chain'][-1]}.parquet"
    _write_all({index: days})
    last, chain, parts = days.select(DATE, "chain", "parts").row(-1)
    (newest,) = _read_all([_file(root, parts.split(",")[0], last, chain)])
    return FeatureTable(f"{version}-{chain}", version, last, index, newest.height)


def table_of(record: Mapping[str, object]) -> FeatureTable:
    """The ref that a finished stage left in the ledger, from its fields as JSON has them."""
    return FeatureTable(**{**record, "as_of": dt.date.fromisoformat(str(record["as_of"]))})  # type: ignore[arg-type]


def still_there(table: FeatureTable) -> bool:
    """Whether a table can be read: a clean-up has not taken it away."""
    return stands(table.path) if in_bucket(table.path) else Path(table.path).exists()


def read_features(table: FeatureTable, days: Iterable[dt.date] | None = None) -> pl.DataFrame:
    """Features of the given dates (none: all up to the table's as-of date): symbol, date, features; sorted by date."""
    return _read(table.path, table.version, None if days is None else tuple(days))


def definitions_of(root: Path | str, version: str) -> Definitions:
    """The features of a part or table and the contents of their definitions; NothingThere in a bucket without them."""
    (frame,) = _read_all([f"{root}/definitions/{version}.parquet"])
    return dict(frame.iter_rows())


def write_needs(root: Path | str, model: str, definitions: Definitions) -> None:
    """Say which features the model of content `model` was fitted on, and what their definitions were."""
    _write_all({f"{root}/models/{model}.parquet": _rows(definitions)})


def needs_of(root: Path | str, model: str) -> Definitions | None:
    """The features that a model was fitted on, with the contents of their definitions; None where nothing says so."""
    file = f"{root}/models/{model}.parquet"
    if not (stands(file) if in_bucket(file) else Path(file).exists()):
        return None
    (frame,) = _read_all([file])
    return dict(frame.iter_rows())


def remove_parts(root: Path | str, gone: Collection[str]) -> None:
    """Remove parts and tables of these names, and before them every index of another table that leads to one of them.

    A night that needs one of these again builds it again. Killed in between, another call with the same names ends it.
    """
    for index in _files(root, "index") if gone else ():
        if not index.startswith(tuple(f"{root}/{part}/" for part in gone)):
            (days,) = _read_all([index])
            if not {part for parts in days["parts"].unique() for part in parts.split(",")}.isdisjoint(gone):
                _remove([index])
    for part in sorted(gone):
        reach("cleanup:feature-part")
        _remove(_files(root, "date", part) + _files(root, "index", part))
        _remove([f"{root}/definitions/{part}.parquet"])  # last: without it nobody would find the rest


def _files(root: Path | str, kind: str, part: str = "*") -> list[str]:
    """Files of dates (`date`) or of tables (`index`), of one part or table or of all."""
    if in_bucket(str(root)):
        names = [one.url for one in objects(f"{root}/{'' if part == '*' else f'{part}/'}")]
        return [name for name in names if name.removeprefix(f"{root}/").split("/")[1].split("=")[0] == kind]
    return sorted(str(file) for file in Path(root).glob(f"{part}/{kind}*/*.parquet"))


def _remove(files: Sequence[str]) -> None:
    if any(in_bucket(file) for file in files):
        remove_objects(files)
        return
    for file in map(Path, files):
        file.unlink(missing_ok=True)
        for folder in (file.parent, file.parent.parent):  # a date's, then the part's
            with suppress(OSError):  # others lie there still
                folder.rmdir()


def _rows(definitions: Definitions) -> pl.DataFrame:
    return pl.DataFrame(list(definitions.items()), schema={"feature": pl.String, "content": pl.String}, orient="row")


@lru_cache(maxsize=2)
def _read(index: str, version: str, days: tuple[dt.date, ...] | None) -> pl.DataFrame:
    (chain,) = _read_all([index])
    if days is not None:
        chain = chain.filter(pl.col(DATE).is_in(list(days)))
    root = index.rsplit("/", 3)[0]
    wanted = definitions_of(root, version)
    made = [
        _of_parts(root, parts.split(","), wanted, list(rows.select(DATE, "chain").iter_rows()))
        for (parts,), rows in chain.partition_by("parts", as_dict=True, maintain_order=True).items()
    ]
    return pl.concat(made).sort(DATE, maintain_order=True) if len(made) > 1 else made[0]


def _of_parts(
    root: str, parts: Sequence[str], wanted: Definitions, days: Sequence[tuple[dt.date, str]]
) -> pl.DataFrame:
    """The wanted features of `days` (date, chain), each from the first of `parts` that has it as it is wanted."""
    left, found = dict(wanted), list[pl.DataFrame]()
    for part in parts:
        held = wanted if len(parts) == 1 else definitions_of(root, part)
        names = [name for name, content in left.items() if held.get(name) == content]
        rows = _read_together([_file(root, part, day, name) for day, name in days]).select(SYMBOL, DATE, *names)
        found.append(rows)
        left = {name: content for name, content in left.items() if name not in names}
    whole = reduce(partial(pl.DataFrame.join, on=[SYMBOL, DATE], how="left", maintain_order="left"), found)
    return whole.select(SYMBOL, DATE, *wanted)


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


def _read_together(files: Sequence[str]) -> pl.DataFrame:
    """Files of the same columns, one below the other; of a folder in one call, in half the time of many.

    Each column in one piece: rows of a thousand pieces are gathered in twenty times the time.
    """
    if any(in_bucket(file) for file in files):
        return pl.concat(read_frames(files), rechunk=True)
    return pl.read_parquet(list(files), glob=False, hive_partitioning=False).rechunk()


def _file(root: Path | str, part: str, day: dt.date, chain: str) -> str:
    return f"{root}/{part}/date={day}/{chain}.parquet"
