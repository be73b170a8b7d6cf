"""Names: the standard library's stay its own, no file is a junk drawer, and no file names a machine."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from source_files import ROOT, python_files

JUNK = re.compile(r"(^|_)(utils?|helpers?|common|managers?|misc|base_handler)(_|$)")
MACHINE = re.compile(r"/(?:home|Users)/(?!nightdesk\b)\w[\w.-]*|/work/(?:main|shared)\b|[A-Z]:\\Users\\")


def kept_files() -> list[Path]:
    """Files that git keeps or would keep."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: there is no list of kept files")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [file for name in listed.stdout.split("\0") if name and (file := ROOT / name).is_file()]


def test_platform_stays_the_standard_librarys() -> None:
    assert not (ROOT / "platform" / "__init__.py").exists()
    code = "import platform, nightdesk; print(platform.__file__); platform.system()"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert not Path(found.stdout.strip()).is_relative_to(ROOT / "platform")


def test_no_flow_is_named_like_a_module_of_python_or_of_a_package() -> None:
    taken = sys.stdlib_module_names | set(packages_distributions())
    flows = {file.stem for file in python_files(ROOT / "flows")} - {"__init__"}
    assert "nightly" in flows
    assert flows & taken == set()


def test_no_file_is_a_junk_drawer() -> None:
    assert [str(file) for file in kept_files() if JUNK.search(file.stem.lower())] == []


def test_a_junk_drawer_would_be_seen() -> None:
    assert all(JUNK.search(stem) for stem in ("utils", "date_helpers", "common", "store_manager", "misc"))
    assert not any(JUNK.search(stem) for stem in ("commons", "miscount", "utility_curve"))


def test_no_file_names_a_machine() -> None:
    named = {}
    for file in kept_files():
        found = MACHINE.search(file.read_bytes().decode("utf-8", errors="replace"))
        if found:
            named[str(file.relative_to(ROOT))] = found.group()
    assert named == {}


def test_a_machine_path_would_be_seen() -> None:
    assert MACHINE.search("open('" + "/home" + "/somebody/bars.csv')")
    assert not MACHINE.search("https://example.org/homepage/x and /var/lib/nightdesk")
