"""The source files of this repository, and what their syntax trees import and call."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "platform" / "nightdesk"
OWN_CODE = (LIBRARY, ROOT / "flows", ROOT / "tasks", ROOT / "infra")


def python_files(*folders: Path) -> list[Path]:
    found = sorted(file for folder in folders for file in folder.rglob("*.py"))
    assert found, f"no Python file below {folders}: the test looks in the wrong place"
    return found


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def imported(module: ast.Module) -> set[str]:
    """Full names of all modules imported anywhere in a file, inside functions and type checks too."""
    names: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def packages(module: ast.Module) -> set[str]:
    """Top-level packages that a file imports."""
    return {name.split(".")[0] for name in imported(module)}


def called(module: ast.Module) -> Iterator[str]:
    """Dotted names of everything a file calls: `dt.datetime.now`, `read_settings`."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and (name := _dotted(node.func)):
            yield name


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""
