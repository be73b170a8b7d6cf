"""What a model was fitted with: the versions of Python and of every library that may have had a hand in it."""

from __future__ import annotations

import platform
from functools import lru_cache
from importlib import metadata
from typing import Final

from nightdesk.plugins import entry_points

LIBRARIES: Final = ("lightgbm", "numpy", "polars", "scikit-learn", "scipy", "xgboost-cpu", "xgboost")
"""What our own families are made of, as packages are called; one that is not there is left out."""


def environment(family: str) -> tuple[tuple[str, str], ...]:
    """Name and version of Python, of `LIBRARIES`, and of the package that brings `family` where it is a user's own."""
    own = [point.dist for point in entry_points(group="nightdesk.models") if point.name == family]
    brought = {one.name: one.version for one in own if one is not None}
    return tuple(sorted({**_installed(), **brought}.items()))


@lru_cache(maxsize=1)
def _installed() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
