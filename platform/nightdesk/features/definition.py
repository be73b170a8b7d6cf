"""The content of a definition: a feature's record and all code that its function reaches, but not its wording.

A comment, a docstring, another feature in the same file or a line moved changes nothing; a helper, a constant or a
parameter does.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, TypeAlias

import numpy as np
import talib
from numba.core.extending import _Intrinsic

from nightdesk.errors import BadInput

_DIGITS = 16

_Texts: TypeAlias = dict[tuple[int, str], tuple[Any, str, list[Any]]]


@dataclass(frozen=True, slots=True)
class _Described:
    """What was described, by its id, and the contents of functions; held themselves, so that no id is given twice."""

    texts: _Texts = field(default_factory=dict)
    contents: dict[int, tuple[Any, str]] = field(default_factory=dict)


_DESCRIBED: ContextVar[_Described | None] = ContextVar("described", default=None)


def content_of_parts(parts: Iterable[str]) -> str:
    """16 hex digits over `parts`, in their order."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_DIGITS]


def code_content(function: Callable[..., Any]) -> str:
    """16 hex digits over the code of `function` and of every function and constant that it reaches.

    Libraries count by the name of what is used, TA-Lib by its version too: its formulas are part of the definition.
    Raises BadInput where the source of a function cannot be read.
    """
    held = _DESCRIBED.get()
    if held is None:
        return _code_content(function, {})
    if id(function) not in held.contents:
        held.contents[id(function)] = (function, _code_content(function, held.texts))
    return held.contents[id(function)][1]


def _code_content(function: Callable[..., Any], texts: _Texts) -> str:
    innermost: Any = function
    while isinstance(innermost, functools.partial):
        innermost = innermost.func
    home = _package(getattr(innermost, "__module__", None) or "")
    found: set[str] = set()
    seen: set[int] = set()
    waiting: list[Any] = [function]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        name = (id(one), home)
        if name not in texts:
            texts[name] = (one, *_described(one, home))
        _, text, reached = texts[name]
        found.add(text)
        waiting += reached
    return content_of_parts(sorted(found))


@contextmanager
def described_once() -> Iterator[None]:
    """Describe what several functions reach once inside the block, in which none of it may change."""
    token = _DESCRIBED.set(_Described())
    try:
        yield
    finally:
        _DESCRIBED.reset(token)


def _described(one: Any, home: str) -> tuple[str, list[Any]]:
    """What is said of one value that code reaches, and what it reaches in turn."""
    python = getattr(one, "py_func", None)  # of a function that numba compiles
    if isinstance(one, _Intrinsic):
        return "intrinsic", [one._defn]
    if isinstance(python, FunctionType):
        return f"compiled {sorted(one.targetoptions.items())!r}", [python]
    if isinstance(one, functools.partial):
        return f"partial {sorted(one.keywords)}", [one.func, *one.args, *one.keywords.values()]
    if isinstance(one, MethodType):
        return "method", [one.__func__, one.__self__]
    if _of_library(one, home):
        return _named(one), []
    if isinstance(one, FunctionType):
        return _source(one), list(_reached(one))
    if isinstance(one, type):
        return _source(one), [*_methods(one)]
    return _value(one)


def _methods(one: type) -> Iterator[FunctionType]:
    """The functions of a class, its properties among them."""
    for member in vars(one).values():
        function = getattr(member, "fget", None) or getattr(member, "func", None) or member
        if isinstance(function, FunctionType):
            yield function


def _value(one: Any) -> tuple[str, list[Any]]:
    """The same of a value that is no code."""
    if isinstance(one, tuple | list | set | frozenset):
        return f"{type(one).__name__} of {len(one)}", list(one)
    if isinstance(one, dict):
        return f"dict {list(one)!r}", list(one.values())
    if isinstance(one, np.ndarray):
        return f"{one.dtype}{one.shape}{one.tobytes().hex()}", []
    if type(one).__module__ == "builtins":
        return repr(one), []
    return f"a {type(one).__qualname__}", [type(one), *getattr(one, "__dict__", {}).values()]


def _reached(function: FunctionType) -> Iterator[Any]:
    """Globals, closed-over values and defaults that a function names; of modules of our own, what it takes of them."""
    # Names of Python's own, as `__file__`, say where a module lies, which is no part of what is computed.
    names = [name for name in _names(function.__code__) if not (name.startswith("__") and name.endswith("__"))]
    for name in names:
        if name not in function.__globals__:
            continue
        value = function.__globals__[name]
        yield value
        if isinstance(value, ModuleType):
            yield from (getattr(value, other) for other in names if hasattr(value, other))
    for cell in function.__closure__ or ():
        yield cell.cell_contents
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)


def _of_library(one: Any, home: str) -> bool:
    """Whether a function, class or module is somebody else's: ours are nightdesk's and the feature's own package's."""
    if not isinstance(one, ModuleType | FunctionType | BuiltinFunctionType | type | np.ufunc):
        return False
    name = one.__name__ if isinstance(one, ModuleType) else getattr(one, "__module__", None) or "numpy"
    package = _package(name)
    if package in ("nightdesk", home):
        return isinstance(one, ModuleType)  # a module is named; what is taken from it is described by itself
    code = getattr(one, "__code__", None)
    file = getattr(sys.modules.get(name), "__file__", None) if code is None else code.co_filename
    return package in sys.stdlib_module_names or file is None or "-packages" in file


def _named(one: Any) -> str:
    module, own = getattr(one, "__module__", None) or "numpy", getattr(one, "__qualname__", one.__name__)
    name = one.__name__ if isinstance(one, ModuleType) else f"{module}.{own}"
    return f"{name} {talib.__version__} {talib.__ta_version__!r}" if _package(name) == "talib" else str(name)


def _package(module: str) -> str:
    return module.split(".")[0]


@lru_cache(maxsize=4096)
def _source(one: FunctionType | type) -> str:
    """Source of a function or class as its syntax tree, so that layout, comments and docstrings count for nothing."""
    try:
        text = textwrap.dedent(inspect.getsource(one))
    except (OSError, TypeError) as error:
        raise BadInput(
            f"the source of a feature's function must be readable to give it a version, got none for "
            f"{one.__qualname__!r}: define the feature in a file"
        ) from error
    try:
        tree = ast.parse(text)
    except SyntaxError:  # a lambda amid a call: its lines are no statement
        return text
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)
