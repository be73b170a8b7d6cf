"""Writes a page whole or not at all."""

from __future__ import annotations

from pathlib import Path

from nightdesk.store.files import replacing


def write_page(path: Path, html: str) -> None:
    """Write `html` to `path` as UTF-8, atomically: killed anywhere, `path` is as it was before, or whole."""
    with replacing(path) as aside:
        aside.write_text(html, encoding="utf-8", newline="\n")
