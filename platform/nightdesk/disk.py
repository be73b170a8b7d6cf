"""What a disk refuses, told as DiskTrouble: the path, what the system said, and the cure."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nightdesk.errors import BadSetting, DiskTrouble

_CURES = {
    errno.ENOSPC: "free space there, then start it again",
    errno.EDQUOT: "free space there or raise the quota, then start it again",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f), then start it again",
    errno.EROFS: "mount it for writing, or set NIGHTDESK_HOME to another folder",
    errno.EIO: "see the machine's log: the disk may be broken",
}

_PROBE = bytes(256 * 1024)
"""What must fit before anything is begun: a database makes itself files of this size when it is opened."""


def refused(error: OSError, where: Path | str) -> DiskTrouble | None:
    """The DiskTrouble that `error` is, on the file it names or else `where`; None where it is no disk's refusal."""
    cure = _CURES.get(error.errno or 0)
    if cure is None:
        return None
    return trouble(error.filename2 or error.filename or where, error.strerror or str(error), cure)


def trouble(where: Path | str, said: str, cure: str) -> DiskTrouble:
    """The error for a file or folder `where` of which the system or a database `said` that it cannot be written."""
    return DiskTrouble(f"a disk must take what is written, got {said.lower()!r} at {where}: {cure}")


@contextmanager
def on_disk(where: Path) -> Iterator[None]:
    """Raise DiskTrouble in the place of an OSError by which a disk refuses; `where` is told if that names no file."""
    try:
        yield
    except OSError as error:
        if (told := refused(error, where)) is None:
            raise
        raise told from error


def check_writable(folder: Path) -> None:
    """Write a quarter of a megabyte to `folder`, which is made, and remove it again.

    Raises DiskTrouble where the disk refuses, BadSetting where the folder is not ours to write to.
    """
    try:
        with on_disk(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(prefix=".probe-", dir=folder) as probe:
                probe.write(_PROBE)
                probe.flush()
                os.fsync(probe.fileno())
    except OSError as error:
        raise BadSetting(
            f"home must be a folder that can be written, got {folder}: {error.strerror}: set NIGHTDESK_HOME"
        ) from None
