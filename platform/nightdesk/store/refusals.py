"""What a database refuses, as errors of ours: the store that is gone or busy, and the disk below it."""

from __future__ import annotations

import sqlite3

import psycopg

from nightdesk.disk import trouble
from nightdesk.errors import DiskTrouble, StoreBusy

_HELD = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DISK = {
    sqlite3.SQLITE_FULL: "free space there, then start it again",
    sqlite3.SQLITE_READONLY: "mount it for writing, or set NIGHTDESK_HOME to another folder",
    sqlite3.SQLITE_IOERR: "see whether it is full, then the machine's log: it may be broken",
    sqlite3.SQLITE_CANTOPEN: "see whether its folder is there, full or read-only",
}


def of_sqlite(error: BaseException, file: str) -> StoreBusy | DiskTrouble | None:
    """The error of ours that one of SQLite on `file` is; None where neither disk nor another writer is at fault."""
    # Errors of the module itself, before SQLite was asked, have no code.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _HELD:
        return StoreBusy(f"the store must be free to write, got {error}: try again")
    return trouble(file, str(error), _DISK[code]) if code in _DISK else None


def of_postgresql(error: BaseException) -> StoreBusy | DiskTrouble:
    """The error that says that the server did not answer, or has no room on its disk."""
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    if isinstance(error, psycopg.errors.DiskFull):
        return trouble("the PostgreSQL server of the store", reason, "free space on its disk, then start it again")
    return StoreBusy(f"the store must answer, got {reason}: start it, or try again")
