"""A page is replaced whole, or stays as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightdesk.report.write import write_page


def test_write_replaces_the_page_whole(tmp_path: Path) -> None:
    target = tmp_path / "2017" / "night.html"
    write_page(target, "an old and longer page")
    write_page(target, "– new\n")
    assert target.read_bytes() == "– new\n".encode()
    assert [path.name for path in target.parent.iterdir()] == ["night.html"]


def test_write_keeps_the_old_page_when_it_fails(tmp_path: Path) -> None:
    target = tmp_path / "night.html"
    write_page(target, "old")
    with pytest.raises(UnicodeEncodeError):
        write_page(target, "half \ud800")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["night.html"]
