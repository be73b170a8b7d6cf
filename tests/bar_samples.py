"""Small files of bars, and the options that let every registered source be opened in a test."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import polars as pl

from nightdesk.sources import open_source
from nightdesk.tables import DATE, SYMBOL

SYNTHETIC: dict[str, Any] = {"symbols": 12, "days": 400, "signal_ic": 0.05, "faults": True}


def synthetic_bars(**options: Any) -> pl.DataFrame:
    """All bars of a small synthetic market."""
    source = open_source("synthetic", **{**SYNTHETIC, **options})
    return source.bars(None, source.last_day())


def csv_of(bars: pl.DataFrame) -> bytes:
    """Bars as CSV."""
    return bars.write_csv().encode()


def parquet_of(bars: pl.DataFrame) -> bytes:
    """Bars as Parquet."""
    file = io.BytesIO()
    bars.write_parquet(file)
    return file.getvalue()


def zip_of(content: bytes, *names: str) -> bytes:
    """A zip with `content` under each name."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return file.getvalue()


def gzip_of(content: bytes) -> bytes:
    """`content` in gzip."""
    return gzip.compress(content, mtime=0)


def a_file_a_symbol(bars: pl.DataFrame) -> dict[str, bytes]:
    """Bars as one CSV file a symbol, without a column of it."""
    parts = bars.partition_by(SYMBOL, as_dict=True, include_key=False)
    return {f"{symbol}.csv": csv_of(part) for (symbol,), part in parts.items()}


def a_file_a_field(bars: pl.DataFrame) -> dict[str, bytes]:
    """Bars as one CSV file a field, a column a symbol."""
    fields = [name for name in bars.columns if name not in (SYMBOL, DATE)]
    return {f"{name}.csv": csv_of(bars.pivot(on=SYMBOL, index=DATE, values=name).sort(DATE)) for name in fields}


def a_file_a_day(bars: pl.DataFrame, folder: str = "/bars") -> dict[str, bytes]:
    """Bars as one CSV file a day, by the path under which a server has it."""
    parts = bars.partition_by(DATE, as_dict=True)
    return {f"{folder}/{day}.csv": csv_of(part) for (day,), part in parts.items()}


def put(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def evening_of(day: dt.date) -> dt.datetime:
    """Late in the evening of `day` (UTC), when its bars are due."""
    return dt.datetime(day.year, day.month, day.day, 23, 59, tzinfo=dt.UTC)
