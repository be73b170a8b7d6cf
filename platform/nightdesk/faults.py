"""Named points at which a test may stop the night, as a kill would; in a real night nobody listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_hooks: list[Callable[[str], None]] = []


def reach(point: str) -> None:
    """Tell whoever listens that the night has come to `point` (for example `features:written`)."""
    for hook in _hooks:
        hook(point)


@contextmanager
def listening(hook: Callable[[str], None]) -> Iterator[None]:
    """Call `hook` at each point inside the block; what it raises ends the night there."""
    _hooks.append(hook)
    try:
        yield
    finally:
        _hooks.remove(hook)
