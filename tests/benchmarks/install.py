"""The installation: a new virtual environment, filled as the Makefile fills its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.machine import ROOT
from tests.benchmarks.page import Section, seconds


def measure(_symbols: int | None) -> list[Section]:
    """Once; it depends on the network and on what the installers have cached."""
    with tempfile.TemporaryDirectory(prefix="nightdesk-bench-") as folder:
        made = _timed(["make", "--silent", f"PYTHON={sys.executable}", f"VENV={folder}", f"{folder}/.installed"])
        size = sum(file.lstat().st_size for file in Path(folder).rglob("*") if file.is_file())
    rows = (("a new environment, s", seconds(made)), ("its size, GiB", f"{size / 2**30:.2f}"))
    return [
        Section(
            "Installation",
            "As `make` does it, once, with the network and caches as they were.",
            ("what", "value"),
            rows,
        )
    ]


def _timed(command: list[str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with exit code {done.returncode}:\n{done.stderr}")
    return time.perf_counter() - began
