"""Files written aside and renamed, and the hashes that name their content."""

from __future__ import annotations

import hashlib
import io
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from nightdesk.disk import on_disk


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; on success it is flushed to disk and takes the name in one step.

    Killed at any moment, `path` is either what it was before or whole. Raises DiskTrouble where the disk refuses.
    """
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    with on_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield aside
            with aside.open("rb") as written:
                os.fsync(written.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)


def write_json(path: Path, document: Any) -> None:
    """Write `document` as sorted, indented JSON, atomically."""
    with replacing(path) as aside:
        aside.write_text(json.dumps(document, indent=2, sort_keys=True, default=str) + "\n", encoding="utf-8")


def write_frame(path: Path, frame: pl.DataFrame) -> None:
    """Write `frame` as Parquet (lz4), atomically."""
    # Made in memory: of a disk that refuses, polars says no more than a sentence, and Python the number of the error.
    made = io.BytesIO()
    # Without statistics: a file is read whole, and to find them takes a quarter of a write.
    frame.write_parquet(made, compression="lz4", statistics=False)
    with replacing(path) as aside:
        aside.write_bytes(made.getbuffer())


def content_of(*parts: object) -> str:
    """16 hex digits that name the content of `parts`: refs by their own content, all else by its JSON."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(json.dumps(_plain(part), sort_keys=True, default=str).encode())
        digest.update(b"\0")
    return digest.hexdigest()[:16]


def _plain(part: object) -> object:
    """Refs as their content, inside tuples and lists too: where a file lies and who ran what changes nothing."""
    if isinstance(part, tuple | list):
        return [_plain(one) for one in part]
    own = getattr(part, "content", None)
    return own if isinstance(own, str) else part


def frame_content(frame: pl.DataFrame) -> str:
    """16 hex digits that name a frame: its column names, dtypes and every value in order."""
    digest = hashlib.sha256(repr(frame.schema).encode())
    digest.update(frame.hash_rows(seed=0).to_numpy().tobytes())
    return digest.hexdigest()[:16]
