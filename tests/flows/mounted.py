"""A small disk of one's own for a test: a tmpfs that can be filled, emptied and made read-only."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Disk:
    """A mounted tmpfs."""

    root: Path

    def fill(self) -> None:
        """Leave not one byte of it."""
        with (self.root / "filler").open("ab", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(1024 * 1024))
            except OSError:
                return

    def free(self) -> None:
        """Give back what `fill` took."""
        (self.root / "filler").unlink(missing_ok=True)

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Refuse every write inside the block."""
        _mount("-o", "remount,ro", str(self.root))
        try:
            yield
        finally:
            _mount("-o", "remount,rw", str(self.root))


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Disk]:
    """A tmpfs of `megabytes` at `folder`; skips where this user may not mount one."""
    folder.mkdir(parents=True)
    mounted = _mount("-t", "tmpfs", "-o", f"size={megabytes}m", "nightdesk", str(folder))
    if mounted.returncode:
        pytest.skip(f"no small disk: {mounted.stderr.strip() or 'mount is refused'}")
    try:
        yield Disk(folder)
    finally:
        # Lazily: what a test left open would else keep it for ever.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _mount(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        return subprocess.CompletedProcess(arguments, 1, "", str(error))
