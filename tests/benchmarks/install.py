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
    """Once; it depends on the network and on what pip has cached."""
    with tempfile.TemporaryDirectory(prefix="nightdesk-bench-") as folder:
        python = Path(folder) / "bin" / "python"
        made = _timed([sys.executable, "-m", "venv", folder])
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        filled = _timed([*pip, "-c", "infra/constraints.txt", "-e", ".[dev]"])
        size = sum(file.lstat().st_size for file in Path(folder).rglob("*") if file.is_file())
    rows = (
        ("python -m venv, s", seconds(made)),
        ("pip install with constraints, s", seconds(filled)),
        ("size of the environment, GiB", f"{size / 2**30:.2f}"),
    )
    sentence = "As `make` does it, once, with the network and pip's cache as they were."
    return [Section("Installation", sentence, ("what", "value"), rows)]


def _timed(command: list[str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with exit code {done.returncode}:\n{done.stderr}")
    return time.perf_counter() - began
