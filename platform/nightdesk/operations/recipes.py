"""The recipes of a desk: those that are registered, and those that were tuned, which lie at home."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import quote, unquote

from nightdesk.errors import ModelBroken, UnknownName
from nightdesk.home import Home
from nightdesk.models import recipe, recipes
from nightdesk.models.recipe import Recipe
from nightdesk.models.tuned import is_tuned, plain_recipe, recipe_from
from nightdesk.store.files import write_json

NEEDED: Final = 3
"""Tuned recipes at most that a training fits at a horizon beside the newest ones."""


class Search(Protocol):
    """What a search came to: of which recipe, at which horizon, and the tuned recipe that beat it there, if one did."""

    @property
    def recipe(self) -> str:
        """The recipe that was tuned."""

    @property
    def horizon(self) -> int:
        """In trading days."""

    @property
    def fitted(self) -> str | None:
        """The tuned recipe that beat it on days that no trial had seen; None where none did."""


def recipes_to_fit(
    named: Sequence[str], searches: Iterable[Search], horizon: int, needed: Iterable[str] = ()
) -> tuple[str, ...]:
    """What a training fits at `horizon`: the recipes `named`, each once, and tuned ones.

    Parameters
    ----------
    searches
        Newest first. Of each recipe that is named, the newest tuned one that beat it here is fitted: it stays until a
        newer search finds another, and goes with its recipe.
    needed
        Names of which the tuned ones are fitted too: who serves and who is weighed must be, whatever was found since.
        Of these, and at most `NEEDED`, the first count.
    """
    newest: dict[str, str] = {}
    for one in searches:
        if one.horizon == horizon and one.fitted is not None:
            newest.setdefault(one.recipe, one.fitted)
    found = [newest[name] for name in named if name in newest]
    kept = [name for name in dict.fromkeys(needed) if is_tuned(name) and name not in (*named, *found)]
    return tuple(dict.fromkeys([*named, *found, *kept[:NEEDED]]))


def recipe_names(home: Home) -> set[str]:
    """The names of all recipes."""
    return {*recipes(), *(unquote(file.stem) for file in home.recipes.glob("*.json"))}


def known_recipe(home: Home, name: str) -> Recipe:
    """The recipe called `name`.

    Raises UnknownName, with the known ones, where none is called so, and ModelBroken where the file of a tuned one is
    not what was written.
    """
    file = _file(home, name)
    if not is_tuned(name) or not file.is_file():
        if name in recipes():
            return recipe(name)
        raise UnknownName.among("recipe", name, recipe_names(home))
    try:
        found = recipe_from(json.loads(file.read_text(encoding="utf-8"))["recipe"])
    except (ValueError, KeyError, TypeError, AttributeError):
        found = None
    if found is None or found.name != name:
        raise ModelBroken(
            f"a tuned recipe must be what was written, got something else for {name} in {file}: restore the file, or "
            "tune again (nightdesk tune)"
        )
    return found


def keep_recipe(home: Home, tuned: Recipe, found: Mapping[str, object]) -> Path:
    """Keep a tuned recipe, with what was found of it, under its name; returns the file."""
    file = _file(home, tuned.name)
    write_json(file, {"recipe": plain_recipe(tuned), "found": found})
    return file


def _file(home: Home, name: str) -> Path:
    return home.recipes / f"{quote(name, safe='')}.json"
