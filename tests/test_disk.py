"""What a disk refuses is told with path and cure; what is no disk's refusal stays as it is."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from nightdesk.disk import check_writable, on_disk
from nightdesk.errors import BadSetting, DiskTrouble


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.ENOSPC, "free space there"),
        (errno.EDQUOT, "raise the quota"),
        (errno.EFBIG, "ulimit -f"),
        (errno.EROFS, "mount it for writing"),
        (errno.EIO, "the disk may be broken"),
    ],
)
def test_a_refusal_names_the_file_what_was_said_and_the_cure(number: int, cure: str) -> None:
    said = os.strerror(number)
    with pytest.raises(DiskTrouble) as unnamed, on_disk(Path("/the/home")):
        raise OSError(number, said)
    assert str(unnamed.value).startswith(f"a disk must take what is written, got {said.lower()!r} at /the/home: ")
    assert cure in str(unnamed.value)
    with pytest.raises(DiskTrouble, match="at /a/file: "), on_disk(Path("/the/home")):
        raise OSError(number, said, "/a/file")


@pytest.mark.parametrize(
    "error", [FileNotFoundError(errno.ENOENT, "no"), PermissionError(errno.EACCES, "no"), ValueError()]
)
def test_what_is_no_refusal_of_a_disk_stays_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, on_disk(Path("/the/home")):
        raise error
    assert caught.value is error


def test_a_folder_that_takes_what_is_written_is_made_and_left_empty(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "home")
    assert list((tmp_path / "a" / "home").iterdir()) == []


def test_a_file_in_the_place_of_a_folder_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(BadSetting, match=r"home must be a folder that can be written, got .*: set NIGHTDESK_HOME"):
        check_writable(tmp_path / "home")
