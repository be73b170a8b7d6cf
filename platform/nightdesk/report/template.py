"""Templates of the pages: every text is escaped, and a name that nobody gave is an error."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from nightdesk.report import wording

_FORMATS: Final = (
    wording.signed,
    wording.between,
    wording.score,
    wording.percent,
    wording.price,
    wording.text,
    wording.count,
)


@cache
def template(name: str) -> Template:
    """The template of this file name, read once; numbers and dates are worded by its filters."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {one.__name__: one for one in _FORMATS}
    return environment.get_template(name)
