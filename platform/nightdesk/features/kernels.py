"""Compiled kernels, and what they remember while one part of the bars is computed.

Many features stand on the same rolling mean or lag: inside `remembering` a kernel that is called again with the same
arrays gives what it gave before. Arrays are known by their identity, so whoever is given one must not write to it.
Kernels let other threads run; none starts threads of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import numba
import numpy as np

_Value = TypeVar("_Value")
_Function = TypeVar("_Function", bound=Callable[..., object])


class Memory:
    """What kernels found for arrays that stay: the columns of a part of the bars, and what was made of them alone."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._held: dict[int, object] = {}
        self._found: dict[tuple[object, ...], Any] = {}

    def hold(self, array: _Value) -> _Value:
        """Keep `array`, so that what is made of it can be found again."""
        self._held[id(array)] = array
        return array

    def recall(self, made: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """What `made` gives for its arguments; made once where every array among them is held."""
        key: list[object] = [id(made), *named.items()]
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                if id(argument) not in self._held:
                    return made(*arguments, **named)
                key.append(id(argument))
            else:
                key.append(argument)
        name = tuple(key)
        if name not in self._found:
            self._found[name] = self.hold(made(*arguments, **named))
        return self._found[name]


class _Thread(threading.local):
    memory: Memory | None = None


_THREAD = _Thread()


@contextmanager
def remembering() -> Iterator[Memory]:
    """Let kernels of this thread remember inside the block what they made of arrays that the memory holds."""
    before, memory = _THREAD.memory, Memory()
    _THREAD.memory = memory
    try:
        yield memory
    finally:
        _THREAD.memory = before


class _Kernel:
    """A function that remembers; to a definition's content it is the Python function and how that was compiled."""

    def __init__(self, function: Callable[..., Any], called: Callable[..., Any], options: dict[str, Any]) -> None:
        self.py_func, self.targetoptions, self._called = function, options, called
        self.__doc__, self.__name__, self.__module__ = function.__doc__, function.__name__, function.__module__

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call it with arrays by place, numbers by place or name."""
        memory = _THREAD.memory
        if memory is None:
            return self._called(*arguments, **named)
        return memory.recall(self._called, arguments, named)


def compiled(function: _Function) -> _Function:
    """Compile a function of arrays (by place) and numbers; the same bits whatever else the machine does."""
    made = numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    return cast("_Function", _Kernel(function, made, made.targetoptions))


def shared(function: _Function) -> _Function:
    """Let a plain function of arrays (by place) and numbers remember as kernels do."""
    return cast("_Function", _Kernel(function, function, {}))
