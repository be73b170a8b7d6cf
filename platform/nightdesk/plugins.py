"""What other installed packages bring: features, models and sources under nightdesk's entry points."""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib import metadata


def entry_points(group: str) -> tuple[metadata.EntryPoint, ...]:
    """The entry points of `group` in every package that can be imported."""
    return _found(group, tuple(sys.path))


@lru_cache(maxsize=32)
def _found(group: str, _path: tuple[str, ...]) -> tuple[metadata.EntryPoint, ...]:
    # Reading the metadata of every package takes a twentieth of a second, and a night asks forty times.
    return tuple(metadata.entry_points(group=group))
