"""Where market data comes from: the registry of sources, joined by those of installed packages."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final

from nightdesk.errors import BadSetting, UnknownName
from nightdesk.plugins import entry_points
from nightdesk.sources.files import files
from nightdesk.sources.http import http
from nightdesk.sources.sample import SampleSource
from nightdesk.sources.source import Source, SourceFacts, refuse_unknown_options
from nightdesk.sources.synthetic import synthetic

__all__ = ["SOURCES", "Source", "SourceFacts", "open_source", "source_names"]

ENTRY_POINTS: Final = "nightdesk.sources"

SOURCES: dict[str, Callable[..., Source]] = {
    "files": files,
    "http": http,
    "sample": SampleSource,
    "synthetic": synthetic,
}


def source_names() -> list[str]:
    """Names of all sources, nightdesk's own first; raises BadSetting where another takes one."""
    return [*SOURCES, *_installed()]


def open_source(name: str, **options: Any) -> Source:
    """Open source `name` with its own options.

    Raises UnknownName for a name that no source has, BadSetting for options that do not hold.
    """
    installed = _installed()
    if name not in SOURCES and name not in installed:
        raise UnknownName.among("source", name, [*SOURCES, *installed])
    factory = SOURCES.get(name) or installed[name].load()
    parameters = inspect.signature(factory).parameters
    if not any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
        refuse_unknown_options(name, options, parameters)
    source: Source = factory(**options)
    return source


def _installed() -> dict[str, Any]:
    found = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    taken = sorted(found.keys() & SOURCES.keys())
    if taken:
        raise BadSetting(
            f"an entry point of {ENTRY_POINTS} must have a name of its own, got {', '.join(taken)}: rename it"
        )
    return found
