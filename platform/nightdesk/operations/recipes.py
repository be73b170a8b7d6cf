"""The recipes of a desk: those that are registered, and those that were tuned, which lie at home."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, unquote

from nightdesk.errors import ModelBroken, UnknownName
from nightdesk.home import Home
from nightdesk.models import recipe, recipes
from nightdesk.models.recipe import Recipe
from nightdesk.models.tuned import is_tuned, plain_recipe, recipe_from
from nightdesk.store.files import write_json


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
