"""Compiled kernels: the cache of compiled code knows of changes in a kernel's own file alone."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

import pytest

import nightdesk


def names_in(code: CodeType) -> set[str]:
    inner = [names_in(one) for one in code.co_consts if isinstance(one, CodeType)]
    return set(code.co_names).union(*inner)


def kernels_of(module: ModuleType) -> list[FunctionType]:
    """The Python functions of a module that are compiled, by numba itself or as kernels of features."""
    own = [one.py_func for one in vars(module).values() if getattr(one, "targetoptions", None)]
    return [one for one in own if isinstance(one, FunctionType) and one.__module__ == module.__name__]


def imported_by(module: ModuleType) -> set[str]:
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    found = [one for one in tree.body if isinstance(one, ast.ImportFrom)]
    return {name.asname or name.name for one in found for name in one.names}


def may_compile(name: str) -> bool:
    source = Path(nightdesk.__path__[0], *name.split(".")[1:]).with_suffix(".py")
    return source.exists() and ("njit(" in source.read_text("utf-8") or "@compiled" in source.read_text("utf-8"))


NAMES = [one.name for one in pkgutil.walk_packages(nightdesk.__path__, "nightdesk.")]
WITH_KERNELS = [one for one in map(importlib.import_module, filter(may_compile, NAMES)) if kernels_of(one)]


def test_there_are_kernels() -> None:
    assert {one.__name__.rsplit(".", 1)[1] for one in WITH_KERNELS} >= {"rolling", "primitives", "periods", "drift"}


@pytest.mark.parametrize("module", WITH_KERNELS, ids=lambda one: one.__name__)
def test_a_kernel_takes_nothing_from_another_file(module: ModuleType) -> None:
    foreign = imported_by(module)
    taken = {one.__name__: sorted(names_in(one.__code__) & foreign) for one in kernels_of(module)}
    assert {name: names for name, names in taken.items() if names} == {}
