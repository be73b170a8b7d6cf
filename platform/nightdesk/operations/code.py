"""The version of the code that ran: the package's version, and a hash of its sources."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import nightdesk


@lru_cache(maxsize=1)
def code_version() -> str:
    """Version and 12 hex digits over all source files of the library: the same code, the same string, git or no git."""
    root = Path(nightdesk.__file__).parent
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        digest.update(str(file.relative_to(root)).encode())
        digest.update(file.read_bytes())
    return f"{nightdesk.__version__}+{digest.hexdigest()[:12]}"
