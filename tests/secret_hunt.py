"""Secrets that can be recognised wherever they turn up: as they are, in a URL, or in base64 at any offset."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa


@dataclass
class Planted:
    """Secrets by the place where they were planted."""

    secrets: dict[str, str] = field(default_factory=dict)

    def new(self, place: str) -> str:
        """A secret of its own for `place`: letters and digits alone, so that no encoding changes it but base64."""
        secret = f"hunter2Never{len(self.secrets):02}Seen{place.title().replace(' ', '')}"
        self.secrets[place] = secret
        return secret

    def seen_in(self, data: bytes | str) -> set[str]:
        """The places whose secrets `data` holds in any form."""
        raw = data.encode() if isinstance(data, str) else data
        return {place for place, secret in self.secrets.items() if any(form in raw for form in forms(secret))}

    def seen_below(self, *folders: Path) -> dict[str, set[str]]:
        """Each file below `folders` that holds any, by its name."""
        files = {str(file): self.seen_in(data) for file, data in read_below(*folders)}
        assert len(files) > 3, "the hunt looks in the wrong place"
        return {file: found for file, found in files.items() if found}


def read_below(*folders: Path) -> Iterator[tuple[Path, bytes]]:
    """Each file below `folders` and what it holds; one that goes while we look (SQLite's log, at a close) is gone."""
    for file in (file for folder in folders for file in folder.rglob("*") if file.is_file()):
        with suppress(FileNotFoundError):
            yield file, file.read_bytes()


def forms(secret: str) -> Iterator[bytes]:
    """`secret` as bytes, and the characters that base64 makes of it for sure, wherever in a longer text it begins."""
    yield secret.encode()
    for before in range(3):
        sure = slice(-(-before * 8 // 6), (before + len(secret)) * 8 // 6)
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"x" * before + secret.encode())[sure]


def everything_in(url: str) -> str:
    """Every row of every table of a database, as text."""
    engine = sa.create_engine(url)
    tables = sa.MetaData()
    try:
        tables.reflect(engine)
        assert tables.tables, "the hunt looks into an empty database"
        with engine.connect() as connection:
            return "\n".join(str(row) for table in tables.sorted_tables for row in connection.execute(sa.select(table)))
    finally:
        engine.dispose()
