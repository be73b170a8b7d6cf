"""Refs to frames: what passes between tasks in the place of the frames themselves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import polars as pl

from nightdesk.store.files import frame_content, write_frame


@dataclass(frozen=True, slots=True)
class FrameRef:
    """A frame in a Parquet file, named by its content."""

    content: str
    path: str
    rows: int

    def read(self) -> pl.DataFrame:
        """Read the frame; the last few stay in memory, which is safe because a content never changes."""
        return _read(self.path)


def save_frame(folder: Path, name: str, frame: pl.DataFrame) -> FrameRef:
    """Write `frame` to `folder` as `name` and its content; the same frame again is not written twice."""
    content = frame_content(frame)
    path = folder / f"{name}-{content}.parquet"
    if not path.exists():
        write_frame(path, frame)
    return FrameRef(content, str(path), frame.height)


@lru_cache(maxsize=2)
def _read(path: str) -> pl.DataFrame:
    return pl.read_parquet(path)
