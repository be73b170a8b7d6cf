"""Opens a store for a test, and lets go of it afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from nightdesk.store.database import open_store


@contextmanager
def opened(url: str) -> Iterator[sa.Engine]:
    """The store at `url`, forgotten and closed at the end."""
    engine = open_store(url)
    try:
        yield engine
    finally:
        engine.dispose()
        open_store.cache_clear()
